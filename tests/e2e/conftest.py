"""A real browser, one for all tests of pages."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from support.browser import Show

SWITCHES = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium as the system has it; LPA3BENCH_CHROMIUM names another."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    path = os.environ.get("LPA3BENCH_CHROMIUM") or which("chromium") or which("chromium-browser")
    if path is None:
        pytest.skip("there is no chromium on this machine (Debian: apt-get install chromium)")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=SWITCHES)
        yield running
        running.close()


@pytest.fixture
def show(browser: Any) -> Show:
    """Opens a file, and holds at the end that nothing was asked of the network and nothing complained."""

    @contextmanager
    def opened(path: Path, *, address: str = "", width: int = 1400, **context: Any) -> Iterator[Any]:
        place = browser.new_context(offline=True, viewport={"width": width, "height": 900}, **context)
        tab = place.new_page()
        tab.set_default_timeout(10_000)
        complaints: list[str] = []
        requests: list[str] = []
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("request", lambda request: requests.append(request.url))
        tab.goto(f"{path.as_uri()}{address}")
        yield tab
        assert complaints == []
        assert {url.partition("?")[0].partition("#")[0] for url in requests} <= {"data:,", path.as_uri()}
        place.close()

    return opened
