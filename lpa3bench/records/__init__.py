"""The record of a finished run, `result.json`: what later commands go by, and nothing else.

`schema` says what one is, `composing` makes one at the end of a run, `record_files` takes it up again and
checks it. Imports no torch.
"""

from __future__ import annotations

from lpa3bench.records.bits import pack, unpack
from lpa3bench.records.composing import compose
from lpa3bench.records.record import Record, cell_named_best
from lpa3bench.records.record_files import find_records, read_record, read_records, write_record
from lpa3bench.records.schema import PROTOCOL_VERSION, SCHEMA_VERSION, RecordData
from lpa3bench.records.summary import RULES, MetricKind

__all__ = [
    "PROTOCOL_VERSION",
    "RULES",
    "SCHEMA_VERSION",
    "MetricKind",
    "Record",
    "RecordData",
    "cell_named_best",
    "compose",
    "find_records",
    "pack",
    "read_record",
    "read_records",
    "unpack",
    "write_record",
]
