"""One small run of FixMatch with LP-A3, trained once; tests only read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.small_trained import FIXMATCH, train

from lpa3bench.analysis.trained_run import Trained, open_run


@pytest.fixture(scope="session")
def fixmatch_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its run directory."""
    return train(tmp_path_factory.mktemp("fixmatch"), FIXMATCH)


@pytest.fixture(scope="session")
def fixmatch(fixmatch_folder: Path) -> Trained:
    """The run, opened."""
    return open_run(fixmatch_folder, data=fixmatch_folder, device="cpu")
