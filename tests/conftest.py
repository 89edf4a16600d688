"""What all tests share: one thread, fixed seeds, no plugins but ours, and the real console command."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from lpa3bench import registry
from lpa3bench.hookspecs import GROUP

Cli = Callable[..., subprocess.CompletedProcess[str]]


def pytest_configure(config: pytest.Config) -> None:
    # Sums depend on the number of threads; set before torch is imported, and inherited by subprocesses.
    os.environ["OMP_NUM_THREADS"] = "1"
    hypothesis.settings.register_profile("lpa3bench", deadline=None, derandomize=True)
    hypothesis.settings.load_profile("lpa3bench")


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Tests may draw from torch's global generator: the same numbers whatever ran before."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


@pytest.fixture(scope="session")
def _foreign() -> frozenset[str]:
    """Distributions with plugins that happen to be installed here."""
    names = {point.dist.name for point in importlib.metadata.entry_points(group=GROUP) if point.dist}
    return frozenset(names - {"lpa3bench"})


@pytest.fixture(autouse=True)
def _only_our_plugins(_foreign: frozenset[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Hide them, so that no test depends on them; what a test installs itself is seen."""
    everything = importlib.metadata.entry_points

    def without_foreign(**selection: Any) -> Any:
        found = everything(**selection)
        if selection.get("group") != GROUP:  # others ask too, torch among them
            return found
        return importlib.metadata.EntryPoints(p for p in found if not (p.dist and p.dist.name in _foreign))

    monkeypatch.setattr(importlib.metadata, "entry_points", without_foreign)
    registry.load.cache_clear()
    yield
    registry.load.cache_clear()


@pytest.fixture(scope="session")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """`cli("run", "quickstart", …)`: the real command in a process of its own, outside the repository.

    Returns its `returncode`, `stdout` and `stderr`. `env` adds to the environment, from which everything is
    taken that changes what the command prints or reads; `cwd` is an empty folder unless given.
    """
    outside = tmp_path_factory.mktemp("outside")
    hidden = ("LPA3BENCH_", "XDG_", "CI", "NO_COLOR", "TERM", "COLUMNS", "PYTHONWARNINGS")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}

    def call(
        *arguments: str | Path, env: dict[str, str] | None = None, cwd: Path = outside, timeout: float = 300
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "lpa3bench", *map(str, arguments)],
            cwd=cwd,
            env=inherited | (env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    return call
