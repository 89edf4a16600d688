"""What is shown of records and boards: pages, tables and figures. Knows no torch."""

from lpa3bench.report.board_files import write_board

__all__ = ["write_board"]
