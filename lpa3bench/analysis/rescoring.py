"""Stored weights scored on corrupted test images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec
import torch
from torch import Tensor

from lpa3bench.analysis.temperature import fit_temperature, scaled_probabilities
from lpa3bench.analysis.trained_run import Trained
from lpa3bench.api import Metric
from lpa3bench.data.corruptions import corrupted
from lpa3bench.data.severities import CORRUPTIONS, CORRUPTIONS_VERSION, SEVERITIES, Corruption, strengths_of
from lpa3bench.errors import UsageError
from lpa3bench.records.later_scores import UNCORRUPTED, LaterScores, ScoredCondition, ScoreKind
from lpa3bench.records.schema import Provenance
from lpa3bench.training.predictions import Predictions
from lpa3bench.training.provenance import provenance
from lpa3bench.training.scoring import number
from lpa3bench.types import Weights


def score_on_corruptions(
    trained: Trained,
    metrics: Sequence[Metric],
    *,
    weights: Weights,
    kinds: Sequence[Corruption] = CORRUPTIONS,
    severities: Sequence[int] = SEVERITIES,
    temperature: bool = False,
    progress: Callable[[str], object] = str,
) -> LaterScores:
    """What the weights score on the test images, as they are and under each corruption.

    Every run of a data set sees the same corrupted images.

    Args:
        trained: opened with its images and with these `weights`.
        kinds: none: the images as they are alone.
        temperature: score the probabilities after temperature scaling too; the temperature is fitted on the
            validation split.
        progress: is told what is being scored.

    Raises:
        UsageError: the run is not finished, or has no validation split to fit a temperature on.
        PluginError: a metric failed.
    """
    record = trained.folder.finished()
    if record is None:
        raise UsageError(f"{trained.folder.path}: is not finished; run it to its end first")
    heat = _temperature(trained) if temperature else None
    moved = [metric for metric in metrics if not metric.counts]  # the likeliest class stays what it is
    test = trained.test
    pixels = test.images.pixels(torch.arange(len(test.images), device=trained.device)).cpu()
    labels = test.labels.cpu()

    def condition(kind: str, severity: int, images: Tensor) -> ScoredCondition:
        progress(f"{kind} {severity}" if severity else kind)
        probs = trained.probabilities(images)
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
            condition(kind, severity, corrupted(pixels, kind, severity))
            for kind in kinds
            for severity in severities
        ),
        whole=not kinds or ({*kinds}, {*severities}) == ({*CORRUPTIONS}, {*SEVERITIES}),
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
