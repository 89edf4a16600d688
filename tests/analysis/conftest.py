"""One small run of FixMatch with LP-A3, trained once; tests only read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from smalltrained import FIXMATCH, train

from lpa3bench.probe.trained import Trained, open_run


@pytest.fixture(scope="session")
def fixmatch_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its run directory."""
    return train(tmp_path_factory.mktemp("fixmatch"), FIXMATCH)


@pytest.fixture(scope="session")
def fixmatch(fixmatch_folder: Path) -> Trained:
    """The run, opened."""
    return open_run(fixmatch_folder, data=fixmatch_folder, device="cpu")
