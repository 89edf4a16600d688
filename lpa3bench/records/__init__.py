"""The record of a finished run, `result.json`: what later commands go by, and nothing else.

`composing` makes one at the end of a run, `reading` takes it up again and checks it. Imports no torch.
"""

from __future__ import annotations

from lpa3bench.records.bits import pack, unpack
from lpa3bench.records.composing import (
    PROTOCOL_VERSION,
    SCHEMA_VERSION,
    SELECTED_BY,
    compose,
    metrics,
)
from lpa3bench.records.reading import Record, find, load, load_all

__all__ = [
    "PROTOCOL_VERSION",
    "SCHEMA_VERSION",
    "SELECTED_BY",
    "Record",
    "compose",
    "find",
    "load",
    "load_all",
    "metrics",
    "pack",
    "unpack",
]
