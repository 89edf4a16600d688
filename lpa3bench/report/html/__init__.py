"""A board as one self-contained HTML page, readable without JavaScript and in print."""

from lpa3bench.report.html.page import page

__all__ = ["page"]
