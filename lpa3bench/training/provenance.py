"""Where the numbers of a run come from: versions, sources, hardware, command. None of it defines the run."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lpa3bench.plugin.code import code_of
from lpa3bench.plugin.copies import plugin_sources
from lpa3bench.plugin.reading import read_source
from lpa3bench.plugin.registry import Entry
from lpa3bench.runtime import device as devices
from lpa3bench.runtime.files import digest

if TYPE_CHECKING:
    import torch

PACKAGE = Path(__file__).parents[1]
LIBRARIES = (
    "gin-config", "medmnist", "numpy", "pillow", "pluggy", "scikit-learn", "timm", "torch", "torchvision",
)  # fmt: skip


@cache
def engine_source() -> str:
    """Digest of the engine's sources."""
    files = sorted(PACKAGE.rglob("*.py"))
    parts = ((file.relative_to(PACKAGE).as_posix().encode(), file.read_bytes()) for file in files)
    return digest(*(part for pair in parts for part in pair))


def provenance(
    plugins: Sequence[Entry], *, device: torch.device, precision: str, world_size: int = 1
) -> dict[str, Any]:
    """The fields of `lpa3bench.records.schema.Provenance` but `finished`, for this process.

    Args:
        plugins: all that the experiment is made of.
        device: that it computes on.
        precision: `run.precision`.
        world_size: how many processes share the run.
    """
    import torch

    codes = {entry.name: code_of(entry) for entry in plugins}
    foreign = {name for e in plugins if not e.is_ours for name in codes[e.name].libraries}
    return {
        "versions": {"python": platform.python_version(), **_versions(foreign)},
        "plugins": {entry.name: entry.distribution for entry in plugins},
        "plugin_sources": {name: code.digest for name, code in codes.items()},
        "plugin_files": {name: copy.place for name, copy in plugin_sources(plugins).items()},
        "platform": platform.platform(),
        "git_commit": _git_commit(),
        "command": ["lpa3bench", *sys.argv[1:]],  # however it was started
        "engine_source": engine_source(),
        "device": device.type,
        "precision": devices.precision(device, precision),
        "threads": torch.get_num_threads(),
        "world_size": world_size,
        **devices.hardware(device),
    }


def read_once(sources: Iterable[Path]) -> None:
    """Do what each copy of this process would do again: read versions, and what these files say."""
    _versions(())
    for file in sources:
        read_source(file.read_bytes())


def _versions(imported: Iterable[str]) -> dict[str, str]:
    """The versions of our requirements, and of the distributions behind names that others import."""
    found = {}
    for name in ("lpa3bench", *LIBRARIES):
        found[name] = _version(name) or "not installed"
    behind = None
    for name in sorted({*imported} - found.keys()):
        version = _version(name)
        if version is not None:
            found[name] = version
            continue
        behind = behind or importlib.metadata.packages_distributions()  # reads them all: half a second
        for distribution in behind.get(name, ()):
            found.setdefault(distribution, _version(distribution) or "not installed")
    return found


@cache
def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """The commit of the checkout that the engine runs from; None where it is installed."""
    try:
        done = subprocess.run(
            ["git", "-C", str(PACKAGE), "rev-parse", "--show-toplevel", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    top, commit = done.stdout.split()
    return commit if Path(top) == PACKAGE.parent else None
