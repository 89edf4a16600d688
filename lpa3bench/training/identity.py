"""What defines a run: two runs of one identity and seed would end with the same numbers."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import inspect
import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from lpa3bench.plugin.registry import Entry

PACKAGE = Path(__file__).parents[1]
NUMERICS_VERSION = 1
"""Raised when a change to the engine changes a number that a run trains to."""
# The engine's modules that can change a number; a change to any other one leaves finished runs valid.
NUMERIC = (
    "api.py", "attack.py", "data", "nn", "ops.py", "plugin/from_transform.py", "runtime", "training",
    "types.py",
)  # fmt: skip
LIBRARIES = (
    "gin-config", "medmnist", "numpy", "pillow", "pluggy", "scikit-learn", "timm", "torch", "torchvision",
)  # fmt: skip


def digest(*parts: bytes) -> str:
    """The first 16 hexadecimal digits of a SHA-256."""
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "little") + part)
    return total.hexdigest()[:16]


@cache
def engine_digest() -> str:
    """Of the sources of the modules named in `NUMERIC`."""
    files = [f for name in NUMERIC for f in _python_files(PACKAGE / name)]
    return digest(*(f.read_bytes() for f in files))


def _python_files(path: Path) -> list[Path]:
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def plugin_digest(plugin: type) -> str:
    """Of the source of a plugin's module and of the modules of its own package that it imports."""
    path = inspect.getsourcefile(plugin)
    if path is None:
        return "unknown"
    root = plugin.__module__.partition(".")[0]
    seen: dict[Path, bytes] = {}
    _follow(Path(path), root, seen)
    return digest(*(seen[p] for p in sorted(seen, key=lambda p: p.name)))


def _follow(path: Path, root: str, seen: dict[Path, bytes]) -> None:
    """Collect a source and, below the package `root`, what it imports; what was not imported yet as well."""
    if path in seen or not path.is_file():
        return
    seen[path] = path.read_bytes()
    for node in ast.walk(ast.parse(seen[path])):
        for place in _imported(node, path, root):
            _follow(place.with_name(f"{place.name}.py"), root, seen)
            _follow(place / "__init__.py", root, seen)


def _imported(node: ast.AST, path: Path, root: str) -> Iterator[Path]:
    """Where the modules below `root` lie, without ".py", that a statement of the file `path` may import."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _below(root, *alias.name.split("."))
    elif isinstance(node, ast.ImportFrom):
        parts = (node.module or "").split(".")
        places = [path.parents[node.level - 1].joinpath(*parts)] if node.level else _below(root, *parts)
        for place in places:
            yield from (place, *(place / alias.name for alias in node.names))


def _below(root: str, head: str, *rest: str) -> list[Path]:
    """Where the module `head.rest…` lies, without ".py"; nowhere where it is not below `root`."""
    folders = getattr(sys.modules.get(root), "__path__", ()) if head == root else ()
    return [Path(folder, *rest) for folder in folders]


def identity(
    *, operative: str, plugins: Iterable[Entry], data_hash: str, label_content: bytes = b"", limit: int | None
) -> dict[str, Any]:
    """What defines a run beside its seed. Library versions are provenance, not identity."""
    return {
        # Which settings a file offers, and the chosen one's name, change no number; what it sets does.
        "config": [line for line in operative.splitlines() if line and not line.startswith("run.setting")],
        "data": data_hash,
        "labels": digest(label_content) if label_content else None,
        "engine": engine_digest(),
        "limit": limit,
        "plugins": _sources(plugins),
    }


def _sources(plugins: Iterable[Entry]) -> dict[str, str]:
    return {entry.name: plugin_digest(entry.load()) for entry in sorted(plugins, key=lambda e: e.name)}


def short_hash(parts: dict[str, Any]) -> str:
    """Eight digits that stand for an identity in a run's name."""
    return digest(json.dumps(parts, sort_keys=True).encode())[:8]


def differences(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """In what two identities differ, a line each."""
    lines = [f"- {line}" for line in one["config"] if line not in other["config"]]
    lines += [f"+ {line}" for line in other["config"] if line not in one["config"]]
    for name in sorted(one["plugins"].keys() & other["plugins"].keys()):
        if one["plugins"][name] != other["plugins"][name]:
            lines.append(f"the source of {name} has changed")
    single = {
        "data": "the data",
        "labels": "the label file",
        "engine": "the engine's source",
        "limit": "--limit",
    }
    for part, what in single.items():
        if one.get(part) != other.get(part):
            lines.append(f"{what}: {one.get(part)} → {other.get(part)}")
    return lines


def provenance(plugins: Sequence[Entry]) -> dict[str, Any]:
    """Versions, sources and command of this process, for the record."""
    versions = {"python": platform.python_version()}
    for name in ("lpa3bench", *LIBRARIES):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "versions": versions,
        "plugins": {entry.name: entry.distribution for entry in plugins},
        "plugin_sources": _sources(plugins),
        "platform": platform.platform(),
        "git_commit": _git_commit(),
        "command": ["lpa3bench", *sys.argv[1:]],  # however it was started
    }


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
