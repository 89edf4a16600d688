"""Stored weights scored on corrupted test images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import product

import msgspec
import torch
from torch import Tensor

from lpa3bench.analysis.temperature import fit_temperature, scaled_probabilities
from lpa3bench.analysis.trained_run import Trained
from lpa3bench.api import Metric
from lpa3bench.data.corruptions import corrupted
from lpa3bench.data.severities import strengths_of
from lpa3bench.errors import UsageError
from lpa3bench.records.later_scores import (
    EVERY_CONDITION,
    UNCORRUPTED,
    LaterScores,
    ScoredCondition,
    ScoreKind,
)
from lpa3bench.records.schema import Provenance
from lpa3bench.runtime.files import digest
from lpa3bench.training.predictions import Predictions
from lpa3bench.training.provenance import provenance
from lpa3bench.training.scoring import number
from lpa3bench.types import CORRUPTIONS, CORRUPTIONS_VERSION, SEVERITIES, Corruption, Weights

_MOST_BYTES = 2**29
"""Of corrupted images that are kept: all of a small data set, none of a large one."""


@dataclass
class CorruptedImages:
    """The corrupted images of a test split, kept for the next run that is scored on the same ones."""

    _of: str = ""
    _kept: dict[tuple[Corruption, int], Tensor] = field(default_factory=dict)

    def under(self, pixels: Tensor, kind: Corruption, severity: int) -> Tensor:
        """As `corrupted` makes them of uint8 [N, C, S, S]."""
        if len(CORRUPTIONS) * len(SEVERITIES) * pixels.nbytes > _MOST_BYTES:
            return corrupted(pixels, kind, severity)
        of = digest(str(pixels.shape).encode(), pixels.numpy().tobytes())
        if of != self._of:
            self._of, self._kept = of, {}
        if (kind, severity) not in self._kept:
            self._kept[kind, severity] = corrupted(pixels, kind, severity)
        return self._kept[kind, severity]


def score_on_corruptions(
    trained: Trained,
    metrics: Sequence[Metric],
    *,
    weights: Weights,
    kinds: Sequence[Corruption] = CORRUPTIONS,
    severities: Sequence[int] = SEVERITIES,
    temperature: bool = False,
    images: CorruptedImages | None = None,
    progress: Callable[[str], object] = str,
) -> LaterScores:
    """What the weights score on the test images, as they are and under each corruption.

    Every run of a data set sees the same corrupted images.

    Args:
        trained: opened with its images and with these `weights`.
        kinds: none: the images as they are alone.
        temperature: score the probabilities after temperature scaling too; the temperature is fitted on the
            validation split.
        images: what earlier calls have corrupted, to be used again.
        progress: is told what is being scored.

    Raises:
        UsageError: the run is not finished, or has no validation split to fit a temperature on.
        PluginError: a metric failed.
    """
    record = trained.folder.finished()
    if record is None:
        raise UsageError(f"{trained.folder.path}: is not finished; run it to its end first")
    heat = _temperature(trained) if temperature else None
    images = images or CorruptedImages()
    moved = [metric for metric in metrics if not metric.counts]  # the likeliest class stays what it is
    test = trained.test
    pixels = test.images.pixels(torch.arange(len(test.images), device=trained.device)).cpu()
    labels = test.labels.cpu()

    def condition(kind: str, severity: int, shown: Tensor) -> ScoredCondition:
        progress(f"{kind} {severity}" if severity else kind)
        probs = trained.probabilities(shown)
        scaled = _scores(moved, scaled_probabilities(probs, heat), labels) if heat else {}
        return ScoredCondition(kind, severity, _scores(metrics, probs, labels), scaled)

    constants, _ = strengths_of(pixels.shape[-1])
    made = provenance((), device=trained.device, precision=trained.config.experiment().precision)
    return LaterScores(
        schema_version=1,
        purpose="score",
        on="corruptions" if kinds else "test",
        run=str(record),
        trained=record.data.provenance.finished,
        weights=weights,
        version=CORRUPTIONS_VERSION,
        constants=constants,
        images=len(labels),
        data=record.data_hash,
        metrics={m.name: ScoreKind(m.title, m.unit, m.higher_is_better) for m in metrics},
        clean=condition(UNCORRUPTED, 0, pixels),
        conditions=tuple(
            condition(kind, severity, images.under(pixels, kind, severity))
            for kind, severity in product(kinds, severities)
        ),
        whole=not kinds or {*product(kinds, severities)} == EVERY_CONDITION,
        provenance=msgspec.convert(
            {**made, "finished": datetime.now(UTC).isoformat(timespec="seconds")}, Provenance
        ),
        temperature=heat,
    )


def _temperature(trained: Trained) -> float:
    held = trained.data.scored.get("val")
    if held is None:
        raise UsageError(
            f"{trained.folder.path}: there is no validation split to fit a temperature on (run.holdout = N "
            "makes one); leave --temperature out"
        )
    pixels = held.images.pixels(torch.arange(len(held.images), device=trained.device))
    return fit_temperature(trained.probabilities(pixels), held.labels.cpu())


def _scores(metrics: Sequence[Metric], probs: Tensor, labels: Tensor) -> dict[str, float | None]:
    return {metric.name: number(metric, Predictions(probs, labels)) for metric in metrics}
