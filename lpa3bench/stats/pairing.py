"""Which runs of two methods make pairs: the same seed, labels, images and protocol."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lpa3bench.records import Record
from lpa3bench.stats.exact import Exact, difference, score_of


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two runs with one seed."""

    method: Record
    baseline: Record

    @property
    def seed(self) -> int:
        return self.method.seed

    def difference(self, measure: str) -> Exact:
        """method − baseline, exact where the metric counts images."""
        method, baseline = self.method.score(measure), self.baseline.score(measure)
        if method is None or baseline is None:
            raise ValueError(f"measure: {measure} is undefined in a run with seed {self.seed}")
        return self.difference_of(measure.partition(".")[0], method, baseline)

    def difference_of(self, metric: str, method: float, baseline: float) -> Exact:
        """The same of two scores by that metric, of whichever epoch."""
        return difference(score_of(self.method, metric, method), score_of(self.baseline, metric, baseline))


@dataclass(frozen=True)
class Unpaired:
    """A seed that makes no pair."""

    seed: int
    reason: str

    def __str__(self) -> str:
        return f"seed {self.seed}: {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """The pairs of two methods, and what could not be paired."""

    pairs: tuple[Pair, ...]
    """By seed."""
    refused: tuple[Unpaired, ...]

    def differences(self, measure: str) -> list[Exact]:
        """method − baseline of every pair."""
        return [pair.difference(measure) for pair in self.pairs]


def paired_runs(method: Sequence[Record], baseline: Sequence[Record], measure: str) -> Pairing:
    """Pair runs by seed; nothing is pooled that was not trained and tested on the same.

    A seed is refused where only one side has it, where a side has it twice, where labels (or the images that
    were trained on), data or protocol version differ, and where the measure is undefined.
    """
    left, right = _by_seed(method), _by_seed(baseline)
    pairs: list[Pair] = []
    refused: list[Unpaired] = []
    for seed in sorted({*left, *right}):
        reason = _refusal(left.get(seed, []), right.get(seed, []), measure)
        if reason:
            refused.append(Unpaired(seed, reason))
        else:
            pairs.append(Pair(method=left[seed][0], baseline=right[seed][0]))
    return Pairing(pairs=tuple(pairs), refused=tuple(refused))


def _by_seed(records: Sequence[Record]) -> dict[int, list[Record]]:
    found: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        found[record.seed].append(record)
    return dict(found)


def _refusal(method: Sequence[Record], baseline: Sequence[Record], measure: str) -> str | None:
    for side, runs in (("method", method), ("baseline", baseline)):
        if not runs:
            return f"no run of the {side}"
        if len(runs) > 1:
            return f"{len(runs)} runs of the {side}: {', '.join(sorted(map(str, runs)))}"
    return next(_that_differ(method[0], baseline[0], measure), None)


def _that_differ(method: Record, baseline: Record, measure: str) -> Iterator[str]:
    if method.data_hash != baseline.data_hash:
        yield "the data differs"
    if method.label_hash != baseline.label_hash:
        yield "the labels, or the images that were trained on, differ"
    if method.protocol_version != baseline.protocol_version:
        yield f"protocol versions {baseline.protocol_version} and {method.protocol_version} do not compare"
    if method.data.correct.n != baseline.data.correct.n:
        yield "the test sets differ in size"
    if method.score(measure) is None or baseline.score(measure) is None:
        yield f"{measure} is undefined"
