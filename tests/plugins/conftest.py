"""What the tests of data sets and labels share: where real data lies."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def real() -> Callable[..., Path]:
    """`real("cifar-10-batches-py")`: the data folder that holds one of these files; without one, a skip."""

    def folder(*files: str) -> Path:
        root = os.environ.get("LPA3BENCH_DATA")
        if not root:
            pytest.skip("LPA3BENCH_DATA names no folder with real data")
        if not any(Path(root, file).exists() for file in files):
            pytest.skip(f"there is no {' or '.join(files)} in LPA3BENCH_DATA")
        return Path(root)

    return folder
