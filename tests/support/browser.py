"""What tests of pages in a browser share; the fixtures are in `tests/e2e/conftest.py`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

Show = Callable[..., AbstractContextManager[Any]]
"""`show(path, address="#results", width=375)` opens a file in a tab."""


def violations(tab: Any, *, within: str = "html", rules: list[str] | None = None) -> list[str]:
    """What axe finds, by rule and place; without rules by all."""
    axe = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    if not tab.evaluate("Boolean(window.axe)"):
        tab.evaluate((Path(axe.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = tab.evaluate(
        "([place, runOnly]) => axe.run(place, { resultTypes: ['violations'], ...(runOnly && { runOnly }) })",
        [within, rules],
    )
    return [f"{one['id']}: {node['html'][:160]}" for one in found["violations"] for node in one["nodes"]]
