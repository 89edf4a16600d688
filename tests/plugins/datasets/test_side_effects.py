"""Asking for a data set that is not here leaves no trace, and imports no library that is not needed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
from pathlib import Path
from lpa3bench.errors import DataError
from lpa3bench.plugin.registry import load_registry

refused = []


def unread(*args, **kwargs):
    raise AssertionError("was read to see whether it is there")


ours = [entry for entry in load_registry().kind("datasets") if entry.distribution.startswith("lpa3bench ")]
ours = [entry for entry in ours if entry.name != "Corrupted"]  # of another data set, and as that one is
here = ("Digits", "NuisanceDigits", "Synthetic")  # without a download
needed = {"Images": {"path": "mine", "size": 8}}
for entry in ours:
    made = entry.load()
    if entry.name != "ChestMNIST":
        made = type(entry.name, (made,), {"load": unread})
        known = made(**needed.get(entry.name, {})).present(Path("data"))
        assert (known.problem is None) == (entry.name in here), (entry.name, known)
assert "torch" not in sys.modules
for entry in ours:
    try:
        dataset = entry.load()(**needed.get(entry.name, {}))
        assert dataset.spec.name == entry.name
        dataset.load(Path("data"))
    except (DataError, ValueError) as error:
        refused.append(entry.name)
    else:
        assert entry.name in here, entry.name
    heavy = {"sklearn", "torchvision", "medmnist"} & set(sys.modules)
    assert not heavy, (entry.name, heavy)
assert len(refused) >= 15, refused
print("done")
"""


def test_loading_leaves_no_trace(tmp_path: Path) -> None:
    home = tmp_path / "home"
    here = tmp_path / "here"
    home.mkdir()
    here.mkdir()
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": "", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=here, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.stdout == "done\n", done.stderr
    assert list(home.iterdir()) == []
    assert list(here.iterdir()) == []
