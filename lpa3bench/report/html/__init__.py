"""A board as one self-contained HTML page, readable without JavaScript and in print."""

from lpa3bench.report.html.page import board_page

__all__ = ["board_page"]
