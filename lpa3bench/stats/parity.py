"""The parity sheet of two records: in what they differ besides the augmenter."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

from lpa3bench.records import Record
from lpa3bench.stats.pairing import Pair
from lpa3bench.types import SLOTS

GIN_REFERENCE = re.compile(r"@((?:\w+/)*)(?:\w+\.)*(\w+)")
"""`@positives/augmenters.LPA3()`: the scope with its slashes, and the class."""
ABSENT = "none"
_UNKNOWN = "not recorded"
PROCESSOR = "kind of processor"


def settings_that_differ(baseline: Record, method: Record) -> tuple[str, ...]:
    """Every setting besides the augmenter in which two runs differ, as `name: baseline → method`.

    (): the augmenter only. Which augmenter a slot holds and that augmenter's own parameters are left out; a
    task's parameter that was published differently for an augmenter (PES's `lambda_u` with LP-A3) is not. The
    parameters of a task, data set, labels or backbone that only one of the two has are implied by the line
    that names it. Beside the config it tells of another protocol version, numerics version, data hash,
    `--limit`, device, and of another version or code of a plugin.
    """
    own = _augmenters(baseline.config) | _augmenters(method.config)
    return (
        *_differences(_without(baseline.config, own), _without(method.config, own)),
        *_differences(_beyond_config(baseline), _beyond_config(method)),
        *_code_that_differs(baseline, method, own, of_augmenters=False),
    )


def augmenters_that_differ(baseline: Record, method: Record) -> tuple[str, ...]:
    """In what the two differ as to augmenters: slots, and parameters and source of one that both have."""
    own = _augmenters(baseline.config) | _augmenters(method.config)
    return (
        *_differences(_only(baseline.config, own), _only(method.config, own)),
        *_code_that_differs(baseline, method, own, of_augmenters=True),
    )


def surroundings_that_differ(baseline: Record, method: Record) -> tuple[str, ...]:
    """Hardware, processes, threads and library versions: they change the clock, and numbers by rounding."""
    return tuple(_differences(_surroundings(baseline), _surroundings(method)))


def surroundings_that_decide(one: Record, other: Record) -> tuple[str, ...]:
    """Those of the surroundings that decide the last bits of a number, and so what a run ends with."""
    names = ("device", PROCESSOR, "compute capability", "torch", "threads", "processes", "precision")
    both = zip(names, one.surroundings, other.surroundings, strict=True)
    return tuple(
        f"{name}: {_UNKNOWN if a is None else a} → {_UNKNOWN if b is None else b}"
        for name, a, b in both
        if a != b or (a is None and name == PROCESSOR)
    )


def in_any_pair(
    differ: Callable[[Record, Record], tuple[str, ...]], pairs: Sequence[Pair]
) -> tuple[str, ...]:
    """What one of the three above tells of any pair: runs of one experiment may be of several machines."""
    unlike = {(_compared(pair.baseline), _compared(pair.method)): pair for pair in reversed(pairs)}
    lines = (line for pair in reversed(unlike.values()) for line in differ(pair.baseline, pair.method))
    return tuple(dict.fromkeys(lines))


def _compared(record: Record) -> Hashable:
    """All that the three ask of a record."""
    parts = (record.config, _beyond_config(record), _versions(record), _surroundings(record))
    return (*(tuple(part.items()) for part in parts), record.surroundings)


def _augmenters(config: Mapping[str, str]) -> frozenset[str]:
    """The objects that can be reached from a slot, as their parameters' names open: `positives/LPA3`."""
    found: set[str] = set()
    waiting = [config.get(f"run.{slot}", "") for slot in SLOTS]
    while waiting:
        for scope, name in GIN_REFERENCE.findall(waiting.pop()):
            if (owner := f"{scope}{name}") not in found:
                found.add(owner)
                waiting += [text for key, text in config.items() if _owner(key) == owner]
    return frozenset(found)


def _owner(key: str) -> str:
    return key.rpartition(".")[0]


def _is_of_augmenter(key: str, augmenters: frozenset[str]) -> bool:
    return _owner(key) in augmenters or key in {f"run.{slot}" for slot in SLOTS}


def _without(config: Mapping[str, str], augmenters: frozenset[str]) -> dict[str, str]:
    return {key: text for key, text in config.items() if not _is_of_augmenter(key, augmenters)}


def _only(config: Mapping[str, str], augmenters: frozenset[str]) -> dict[str, str]:
    return {key: text for key, text in config.items() if _is_of_augmenter(key, augmenters)}


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> Iterator[str]:
    owners = {_owner(key) for key in before} & {_owner(key) for key in after}
    for key in [*before, *(key for key in after if key not in before)]:
        old, new = before.get(key, ABSENT), after.get(key, ABSENT)
        if old != new and (_owner(key) in owners or (key in before and key in after)):
            yield f"{key}: {old} → {new}"


def _beyond_config(record: Record) -> dict[str, str]:
    return {
        "protocol version": str(record.protocol_version),
        "data": record.data_hash[:16],
        "--limit": str(record.data.protocol.limit or ABSENT),
        "device": record.data.provenance.device.partition(":")[0],
        "numerics version": str(record.numerics),
    }


def _code_that_differs(
    baseline: Record, method: Record, augmenters: frozenset[str], *, of_augmenters: bool
) -> Iterator[str]:
    """Of plugins that both use; a plugin that one alone uses is told by the value that names it."""
    classes = {owner.rpartition("/")[2] for owner in augmenters}
    before, after = (_versions(record) for record in (baseline, method))
    shared = [name for name in before if name in after and (name in classes) == of_augmenters]
    return _differences(
        *({f"version of {name}": found[name] for name in shared} for found in (before, after))
    )


def _versions(record: Record) -> Mapping[str, str]:
    return dict(sorted(record.data.identity.plugins.items()))


def _surroundings(record: Record) -> dict[str, str]:
    where = record.data.provenance
    return {
        "hardware": where.gpu_name or where.cpu_model or _UNKNOWN,
        PROCESSOR: where.gpu_capability or where.cpu_capability or _UNKNOWN,
        "precision": where.precision,
        "processes": str(where.world_size),
        "threads": str(where.threads),
        **{f"version of {name}": version for name, version in where.versions.items()},
    }
