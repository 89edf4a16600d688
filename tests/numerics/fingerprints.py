"""What a fingerprint is, how two are compared, and which version has to be raised where they differ.

Numbers are compared at 1e-9 of the largest in their list, because machines differ in the last bits of
float64; whole numbers, texts and orders are compared exactly.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lpa3bench.plugin import registry
from lpa3bench.training import identity

ROOT = Path(__file__).parents[2]
STORED = Path(__file__).with_name("fingerprints.json")
TOLERANCE = 1e-9
DIGITS = 12
"""Significant ones that are stored: a machine that differs in the last bits writes the same file."""
ENGINE = "engine"
"""Stands among the owners where plugins have their names."""
SHOWN = 4
"""Quantities of an owner that a message names."""
COMMAND = "cd tests && python -m numerics.record"

Numbers = dict[str, Any]
"""Quantity → a list of floats, or whatever is to be the same exactly."""
Fingerprints = dict[str, Numbers]
"""Scenario → its numbers."""


@dataclass(frozen=True)
class Scenario:
    """Something small that is computed."""

    owner: str
    """`ENGINE`, or the name of the plugin whose numbers these are."""
    name: str
    measure: Callable[[], Numbers]
    through: tuple[str, ...] = ()
    """Other plugins that take part: where their own scenarios have moved, they explain this one."""

    @property
    def key(self) -> str:
        return f"{self.owner}/{self.name}"


# ------------------------------------------------------------------------------------------------- to record
def size(*tensors: Tensor) -> list[float]:
    """Norm of all values together, and their sum in changing weights, which an exchange of two would move."""
    values = torch.cat([t.detach().double().cpu().flatten() for t in tensors])
    weights = torch.linspace(-1, 1, len(values), dtype=torch.float64)
    return [float(values.norm()), float(values @ weights) / max(1, len(values)) ** 0.5]


def floats(values: Tensor | Iterable[float]) -> list[float]:
    """All of them, in order."""
    return [float(v) for v in (values.detach().flatten() if isinstance(values, Tensor) else values)]


def exactly(*tensors: Tensor) -> str:
    """A digest of whole numbers or bytes."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {list(tensor.shape)};".encode())
        digest.update(tensor.detach().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def plain(value: Any) -> Any:
    """As it is stored."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


# ------------------------------------------------------------------------------------------------ to compare
def difference(stored: Any, found: Any) -> str:
    """How far apart two values are; empty where they are the same."""
    if _is_floats(stored) and _is_floats(found) and len(stored) == len(found):
        scale = max(map(abs, stored), default=0.0)
        apart = max((abs(a - b) for a, b in zip(stored, found, strict=True)), default=0.0)
        if apart <= TOLERANCE * scale:
            return ""
        return f"by {apart / scale:.1e}" if scale and math.isfinite(apart) else f"{stored} → {found}"
    return "" if stored == found else f"{_short(stored)} → {_short(found)}"


def _is_floats(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, float) for v in value)


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) < 60 else text[:60] + "…"


def moved(stored: Fingerprints, found: Fingerprints) -> dict[str, dict[str, str]]:
    """Scenario → quantity → how it has moved, of all that are stored and still measured."""
    changes: dict[str, dict[str, str]] = {}
    for key, numbers in stored.items():
        for quantity in numbers.keys() & found.get(key, {}).keys():
            said = difference(numbers[quantity], found[key][quantity])
            if said:
                changes.setdefault(key, {})[quantity] = said
    return changes


def blamed(changes: Mapping[str, Any], scenarios: Sequence[Scenario]) -> dict[str, list[str]]:
    """Owner → the scenarios that have moved and that nothing it is built on explains.

    The engine is below all plugins: where one of its own scenarios has moved, it explains the others.
    """
    through = {s.key: s.through for s in scenarios}
    owners: dict[str, list[str]] = {}
    for key in changes:
        owners.setdefault(key.partition("/")[0], []).append(key)
    if ENGINE in owners:
        return {ENGINE: owners[ENGINE]}

    found = {
        owner: [key for key in keys if not any(other in owners for other in through.get(key, ()))]
        for owner, keys in owners.items()
    }
    return {owner: keys for owner, keys in found.items() if keys}


# -------------------------------------------------------------------------------------------------- versions
def version(owner: str) -> int:
    """The integer that stands for the numbers of the engine, or of a plugin."""
    if owner == ENGINE:
        return identity.NUMERICS_VERSION
    return getattr(plugin(owner), "version", 1)


def integer(owner: str) -> str:
    """What that integer is called, and where it stands."""
    if owner == ENGINE:
        return "NUMERICS_VERSION in lpa3bench/training/identity.py"
    found = plugin(owner)
    path = Path(inspect.getsourcefile(found) or "")
    place = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    return f"the attribute `version` of class {found.__name__} in {place}"


def plugin(name: str) -> type:
    """The class of that name."""
    entry = registry.load_registry().get(name)
    assert entry is not None, f"there is no plugin {name}"
    return entry.load()


# ------------------------------------------------------------------------------------------------ the verdict
def complaints(
    stored: Mapping[str, Any], found: Fingerprints, scenarios: Sequence[Scenario]
) -> dict[str, str]:
    """Owner → which of its numbers have moved under the version that they were recorded for, and what to do.

    Args:
        stored: the file's "numbers" and "versions".
        found: the numbers of today.
        scenarios: all there are.
    """
    changes = moved(stored["numbers"], found)
    lines = {}
    for owner, keys in blamed(changes, scenarios).items():
        if stored["versions"].get(owner) != version(owner):
            continue
        quantities = [f"{key}: {what} {how}" for key in keys for what, how in changes[key].items()]
        shown = quantities[:SHOWN]
        if len(quantities) > SHOWN:
            shown.append(f"and {len(quantities) - SHOWN} more")
        who = "the engine" if owner == ENGINE else owner
        lines[owner] = "\n  ".join(
            [
                f"numbers of {who} have moved:",
                *shown,
                f"If that is meant, raise {integer(owner)}, which is {version(owner)}; then: {COMMAND}",
            ]
        )
    return lines


def unrecorded(
    stored: Mapping[str, Any], found: Fingerprints, scenarios: Sequence[Scenario]
) -> dict[str, str]:
    """Owner or scenario → why the file is to be written anew, though no number has moved in secret."""
    lines = {}
    for scenario in scenarios:
        owner, known = scenario.owner, stored["numbers"].get(scenario.key)
        if stored["versions"].get(owner, version(owner)) != version(owner):
            lines[owner] = f"{owner}: its version is {version(owner)} now"
        elif known is None or known.keys() != found[scenario.key].keys():
            lines[scenario.key] = f"{scenario.key}: what is measured is not what was recorded"
    for key in stored["numbers"].keys() - found.keys():
        lines[key] = f"{key}: is recorded and no longer measured"
    return lines
