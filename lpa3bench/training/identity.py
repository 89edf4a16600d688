"""What defines a run: two runs of one identity and seed would end with the same numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from lpa3bench.errors import DataError
from lpa3bench.plugin.code import code_of
from lpa3bench.plugin.registry import OURS, Entry
from lpa3bench.records.schema import RecordData, RunIdentity
from lpa3bench.records.version1 import NUMERICS_OF_ENGINE
from lpa3bench.runtime.files import digest

NUMERICS_VERSION = 1
"""Raised when a change of the engine changes a number that a run trains to."""
VERSION_LENGTH = 8
"""The text of a version is shorter than a digest."""


def identity(
    *,
    config: Mapping[str, str],
    plugins: Iterable[Entry],
    data_hash: str,
    label_content: bytes = b"",
    limit: int | None = None,
) -> RunIdentity:
    """What defines a run beside its seed. Library versions and hardware are provenance.

    Args:
        config: as `lpa3bench.config.defaults.identity_config` returns it.
        plugins: all that the experiment is made of; metrics are left out.
        data_hash: SHA-256 of the data set.
        label_content: what the labels read from the disk.
        limit: `--limit`.

    Raises:
        PluginError: a plugin cannot be imported, or its source cannot be found.
    """
    trained = sorted((e for e in plugins if e.kind != "metrics"), key=lambda e: e.name)
    return RunIdentity(
        config=dict(config),
        data=data_hash,
        labels=digest(label_content) if label_content else None,
        limit=limit,
        numerics=NUMERICS_VERSION,
        plugins={entry.name: _stands_for(entry) for entry in trained},
    )


def _stands_for(entry: Entry) -> str:
    """The version of a plugin of ours, the digest of the code of anybody else's."""
    return str(getattr(entry.load(), "version", 1)) if entry.is_ours else code_of(entry).digest


def of_record(data: RecordData, config: Mapping[str, str]) -> RunIdentity:
    """What defines the run of a record of schema 1: the same as of a new run of its cell.

    Schema 1 tells nothing of the files that labels are read from.

    Args:
        config: its config, as `lpa3bench.config.defaults.identity_config` returns it.

    Raises:
        DataError: the numerics version of the engine that made it is not known.
    """
    if not data.identity.numerics:
        engine = data.provenance.engine_source
        raise DataError(f"it was made by an engine (digest {engine}) whose numerics version is not known")
    plugins = _of_digests(data.identity.plugins, data.provenance.plugins)
    return msgspec.structs.replace(data.identity, recipe=2, config=dict(config), plugins=plugins)


def _of_digests(sources: Mapping[str, str], distributions: Mapping[str, str]) -> dict[str, str]:
    """Of plugins that were known by a digest of their sources: ours were all of version 1."""
    ours = {name for name, distribution in distributions.items() if distribution.partition(" ")[0] == OURS}
    names = sorted({*sources, *distributions})
    return {name: "1" if name in ours else sources.get(name, "unknown") for name in names}


# --------------------------------------------------------------------------------------- in `env.json`
def identity_as_json(defined: RunIdentity) -> dict[str, Any]:
    """An identity as JSON values."""
    found: dict[str, Any] = msgspec.to_builtins(defined)
    return found


def from_plain(began: Mapping[str, Any]) -> RunIdentity:
    """The identity in what a run wrote when it began; an engine without numerics versions may have been it.

    Raises:
        ValueError: there is none in it.
    """
    held = began["identity"]
    if "engine" not in held:
        return msgspec.convert(held, RunIdentity)
    lines = (line.partition(" = ") for line in held["config"])
    return RunIdentity(
        config={short_name(name): text for name, _, text in lines},
        data=held["data"],
        labels=held.get("labels"),
        limit=held["limit"],
        numerics=NUMERICS_OF_ENGINE.get(held["engine"], 0),
        plugins=_of_digests(held["plugins"], began["provenance"].get("plugins", {})),
    )


def short_name(name: str) -> str:
    """`positives/augmenters.LPA3.margin` as a user writes it: `positives/LPA3.margin`."""
    scopes, slash, selector = name.rpartition("/")
    return f"{scopes}{slash}{'.'.join(selector.split('.')[-2:])}"


def short_of(began: Mapping[str, Any]) -> str:
    """The eight digits in the name of a run, from what it wrote when it began."""
    if "engine" in began["identity"]:
        return digest(json.dumps(began["identity"], sort_keys=True).encode())[:8]
    return from_plain(began).short


# ---------------------------------------------------------------------------------------- differences
SHOWN = 3
"""Differences that one line names; more are counted."""


def in_one_line(changed: Sequence[str]) -> str:
    more = f"; and {len(changed) - SHOWN} more" if len(changed) > SHOWN else ""
    return "; ".join(changed[:SHOWN]) + more


def identity_changes(held: Mapping[str, Any] | None, now: RunIdentity) -> str:
    """In what an identity that was kept as `plain` made it differs from another, in one line; "": in nothing.

    None: it was not kept, as an earlier engine did not.
    """
    if held is None:
        return "by an earlier lpa3bench"
    return in_one_line(differences(msgspec.convert(held, RunIdentity), now))


def differences(
    one: RunIdentity, other: RunIdentity, default: Callable[[str], str] = lambda name: "the default"
) -> list[str]:
    """In what two identities differ, a line each.

    Args:
        one, other: of these, what lies between is told as from one to the other.
        default: says what a value is that an identity does not hold.
    """
    lines = [
        f"{name}: {one.config.get(name) or default(name)} → {other.config.get(name) or default(name)}"
        for name in sorted({*one.config, *other.config})
        if one.config.get(name) != other.config.get(name)
    ]
    for name in sorted(one.plugins.keys() & other.plugins.keys()):
        before, now = one.plugins[name], other.plugins[name]
        if before != now:
            ours = len(before) < VERSION_LENGTH and len(now) < VERSION_LENGTH
            lines.append(f"{name}: version {before} → {now}" if ours else f"the code of {name} has changed")
    if not lines and (strange := sorted(one.plugins.keys() ^ other.plugins.keys())):
        lines.append(f"the plugins: {', '.join(strange)}")
    single = {
        "data": "the data",
        "labels": "the label file",
        "numerics": "the engine's numerics version",
        "limit": "--limit",
    }
    for part, what in single.items():
        if getattr(one, part) != getattr(other, part):
            lines.append(f"{what}: {getattr(one, part)} → {getattr(other, part)}")
    return lines
