"""Records as a board holds them, thousands at once: without what it never asks for, and what is equal in
several of them kept once."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import Any

import msgspec

from lpa3bench.records.curve import Curve
from lpa3bench.records.record import Record
from lpa3bench.records.record_files import anonymous, record_text
from lpa3bench.records.summary import column

_COMMON = ("cell", "labels", "protocol", "config", "identity", "per_class", "data")
"""Parts of a record that runs share: of an experiment, or of a seed."""
_COMMON_SURROUNDINGS = ("versions", "plugins", "plugin_sources", "command", "math_libraries", "plugin_files")


class Slimmer:
    """Makes records small; of one pool, they share what is equal."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, bytes], Any] = {}

    def offered(self, record: Record) -> Record:
        """The record as a board would keep it, without the folders of who ran it, with its file's text."""
        whole = replace(record, data=anonymous(record.data))
        return replace(self(whole), packed=zlib.compress(record_text(whole.data).encode(), 1))

    def __call__(self, record: Record) -> Record:
        """The record with the cost and the test scores of its curve, and without details."""
        data = record.data
        names = [column("test", name) for name, metric in data.metrics.items() if metric.computed == "run"]
        where = data.provenance
        slim = msgspec.structs.replace(
            data,
            curve=Curve(data.curve, ("passes", "seconds", *names)),
            details={},
            provenance=msgspec.structs.replace(where, **self._shared(where, _COMMON_SURROUNDINGS)),
            metrics={name: self._once(name, metric) for name, metric in data.metrics.items()},
            **self._shared(data, _COMMON),
        )
        return replace(record, data=slim)

    def _shared(self, part: msgspec.Struct, names: tuple[str, ...]) -> dict[str, Any]:
        return {name: self._once(name, getattr(part, name)) for name in names}

    def _once(self, name: str, part: Any) -> Any:
        """The first that was equal, its order included."""
        return self._known.setdefault((name, msgspec.json.encode(part)), part)


def file_text(record: Record) -> str:
    """What the record's file is to hold, on a board."""
    if record.packed is None:
        return record_text(anonymous(record.data))
    return zlib.decompress(record.packed).decode()
