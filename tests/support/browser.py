"""What tests of pages in a browser share; the fixtures are in `tests/e2e/conftest.py`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

Show = Callable[..., AbstractContextManager[Any]]
"""`show(path, address="#results", width=375)` opens a file in a tab."""
