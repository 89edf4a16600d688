"""A record in memory, checked; everything after training goes by it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from lpa3bench.records.bits import count, unpack
from lpa3bench.records.curve import Curve, EpochValues
from lpa3bench.records.schema import CellOfRun, MetricOfRun, Purpose, RecordData

NO_RESULT = {"score": "stored weights scored on other data", "aid": "a run that only served a measurement"}
"""What a record of another purpose is."""


@dataclass(frozen=True, eq=False)
class Record:
    """One finished run. Shares are in [0, 1]."""

    data: RecordData
    path: Path
    """The file that it was read from."""
    current: Callable[[str], str] = str
    """What a parameter is called now: whoever compares records and boards by names gives it."""
    packed: bytes | None = None
    """The text of the whole of it, compressed, where `data` holds a part and it is yet to be written."""

    @property
    def cell(self) -> CellOfRun:
        return self.data.cell

    @property
    def name(self) -> str:
        """What a person calls the cell: `digits-fixmatch-labels40-strong.randaugment-lpa3`."""
        return self.data.cell.name

    @property
    def identity(self) -> str:
        """Eight digits that stand for all that defines the run but the seed."""
        return self.data.cell.identity

    @property
    def seed(self) -> int:
        """Runs with one seed have the same split, labels, first weights and order."""
        return self.data.seed

    @property
    def file_name(self) -> str:
        """What its file is called on a board; without ".json" the name of its run's folder."""
        return f"{self}.json"

    @property
    def replication_name(self) -> str:
        """What its file is called on a board that has the seed from other surroundings."""
        where = hashlib.sha256(repr(self.surroundings).encode()).hexdigest()[:6]
        return f"{self}.{where}.json"

    @cached_property
    def config(self) -> Mapping[str, str]:
        """Every value that was in force, by name: `{"PES.lambda_u": "75.0", "positives/LPA3.margin": …}`."""
        return _renamed(tuple(self.data.config.items()), self.current)

    @property
    def changed(self) -> list[str]:
        """Parameters that overlays and `-p` changed from what the first file says."""
        return [self.current(name) for name in self.data.protocol.changed]

    @property
    def slots(self) -> dict[str, str]:
        """The augmenter's name in each bound slot."""
        return self.data.cell.slots

    @property
    def curve(self) -> Sequence[Mapping[str, Any]]:
        return self.data.curve

    def column(self, name: str) -> EpochValues:
        """A number of every epoch, such as "passes" or "test/accuracy"; None where there is none."""
        curve = self.curve
        return curve.column(name) if isinstance(curve, Curve) else [row.get(name) for row in curve]

    @property
    def metrics(self) -> Mapping[str, MetricOfRun]:
        """By name; the one that selects comes first."""
        select = self.data.select
        first = {select: self.data.metrics[select]} if select in self.data.metrics else {}
        return first | self.data.metrics

    @property
    def label_hash(self) -> str:
        """SHA-256 of the given labels, of which are labelled, and of the images trained on."""
        return str(self.data.labels["sha256"])

    @property
    def data_hash(self) -> str:
        """SHA-256 of the data set."""
        return self.data.identity.data

    @property
    def numerics(self) -> int:
        """The engine's numerics version."""
        return self.data.identity.numerics

    @property
    def protocol_version(self) -> int:
        """See `PROTOCOL_VERSION`."""
        return self.data.protocol.version

    @property
    def passes(self) -> float:
        """Forward equivalents of the whole training."""
        return float(self.data.cost.forward_equivalents)

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of training, scoring left out."""
        return self.data.cost.training_seconds

    @property
    def is_evidence(self) -> bool:
        """Whether it was made to be a result, be it of a part of the images (`--limit`)."""
        return self.data.purpose == "result"

    def serves(self, purpose: Purpose) -> bool:
        """Whether a run of this purpose need not be done again: a result serves every one."""
        return self.data.purpose in ("result", purpose)

    @property
    def is_result(self) -> bool:
        """Whether it is a run of its own right, trained on all images (no `--limit`)."""
        return self.no_result is None

    @property
    def no_result(self) -> str | None:
        """Why it is none, in a few words."""
        if self.data.purpose != "result":
            return NO_RESULT[self.data.purpose]
        limited = self.data.protocol.limit is not None
        return "it was trained on a part of the images (--limit)" if limited else None

    @property
    def surroundings(self) -> tuple[Any, ...]:
        """What decides the last bits: kind of processor, torch, threads, processes, precision.

        Two runs of one identity and seed agree bit for bit where these are the same and known.
        """
        where = self.data.provenance
        return (
            where.device.partition(":")[0],
            where.gpu_name or where.cpu_capability,
            where.gpu_capability,
            where.versions.get("torch"),
            where.threads,
            where.world_size,
            where.precision,
        )

    @property
    def correct(self) -> list[bool]:
        """Which test images were right at the last epoch."""
        return unpack(self.data.correct)

    @property
    def right(self) -> int:
        """How many of them were."""
        return count(self.data.correct)

    @property
    def scores(self) -> dict[str, float | None]:
        """All that `score` knows, by measure, those of the selecting metric first."""
        return {f"{name}.{rule}": s for name, of in self.metrics.items() for rule, s in of.scores.items()}

    def score(self, measure: str) -> float | None:
        """A number of the test split, `<metric>.<rule>`; None where it is undefined or not recorded."""
        metric, _, rule = measure.partition(".")
        found = self.data.metrics.get(metric)
        return found.scores.get(rule) if found else None

    def __str__(self) -> str:
        return f"{self.name}-{self.identity}-s{self.seed}"


def cell_named_best(records: Iterable[Record]) -> Record:
    """Of records of one experiment the one whose name says most. The same values may be trained from several
    files, one of which calls them a setting, and name and setting are no part of what an experiment is."""
    return min(records, key=lambda record: (record.cell.setting is None, record.name))


@lru_cache(1024)  # runs of one experiment share it
def _renamed(config: tuple[tuple[str, str], ...], current: Callable[[str], str]) -> Mapping[str, str]:
    return {current(name): text for name, text in config}
