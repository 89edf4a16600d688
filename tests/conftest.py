"""What all tests share: one thread, fixed seeds, no plugins but ours, and the real console command."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
from support.console import Cli

from lpa3bench.plugin import registry
from lpa3bench.plugin.hookspecs import GROUP
from lpa3bench.runtime.device import choose_device


def pytest_configure(config: pytest.Config) -> None:
    # Sums depend on the number of threads; set before torch is imported, and inherited by subprocesses.
    os.environ["OMP_NUM_THREADS"] = "1"
    hypothesis.settings.register_profile("lpa3bench", deadline=None, derandomize=True)
    hypothesis.settings.load_profile("lpa3bench")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    on_gpu = [item for item in items if item.get_closest_marker("gpu")]
    if on_gpu and choose_device("auto").type == "cpu":
        for item in on_gpu:
            item.add_marker(pytest.mark.skip(reason="PyTorch sees no GPU here"))


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
        found: Any = everything(**selection)
        if selection.get("group") != GROUP:
            return found
        return [point for point in found if not (point.dist and point.dist.name in _foreign)]

    monkeypatch.setattr(importlib.metadata, "entry_points", without_foreign)
    registry.load_registry.cache_clear()
    yield
    registry.load_registry.cache_clear()


@pytest.fixture(scope="session")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Cli:
    """The real command, started outside the repository."""
    return Cli(tmp_path_factory.mktemp("outside"))
