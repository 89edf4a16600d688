"""What is shown of records and boards: pages, tables and figures. Knows no torch."""

from lpa3bench.report.board_files import board_pages

__all__ = ["board_pages"]
