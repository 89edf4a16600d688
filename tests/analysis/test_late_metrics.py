"""Metrics that came after a run, and records that their predictions contradict."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import torch
from support.small_records import small_record

from lpa3bench.analysis.late_metrics import contradicted, late_metrics
from lpa3bench.errors import DataError
from lpa3bench.records import pack
from lpa3bench.records.schema import MetricOfRun, RecordData
from lpa3bench.records.summary import RULES, summarise_curve
from lpa3bench.training.predictions import Predictions, StoredPredictions, write_predictions
from lpa3bench.training.scoring import kinds, number
from lpa3bench_plugins.metrics.accuracy import Accuracy
from lpa3bench_plugins.metrics.confusionmatrix import ConfusionMatrix
from lpa3bench_plugins.metrics.macroauc import MacroAUC
from lpa3bench_plugins.metrics.nll import NLL

LABELS = torch.arange(30) % 3
METRICS = (Accuracy(), NLL(), MacroAUC(), ConfusionMatrix())


def predicted(seed: int) -> Predictions:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(30, 3, generator=generator) + torch.eye(3)[LABELS]
    return Predictions(logits.softmax(1), LABELS)


LAST, SELECTED = predicted(0), predicted(1)
STORED = StoredPredictions({"val": LAST, "test": LAST}, {"val": SELECTED, "test": SELECTED})


def record_of(stored: StoredPredictions) -> RecordData:
    """Of a run of two epochs, the first of which was selected."""
    with_numbers = METRICS[:-1]
    epochs = (SELECTED, stored.last["test"])
    curve = [
        {f"test/{m.name}": number(m, its) for m in with_numbers} | {"val/accuracy": 1.0 - epoch}
        for epoch, its in enumerate(epochs)
    ]
    correct = stored.last["test"].correct.tolist()
    return msgspec.structs.replace(
        small_record(correct).data,
        metrics=summarise_curve(curve, kinds(with_numbers), "accuracy"),
        correct=pack(correct),
    )


def test_a_later_metric_has_the_last_and_the_selected_epoch(tmp_path: Path) -> None:
    write_predictions(tmp_path / "predictions.npz", STORED)
    found = late_metrics(tmp_path, METRICS)
    assert set(found.metrics) == {"accuracy", "nll", "macro_auc"}
    nll = found.metrics["nll"]
    assert (nll.title, nll.unit, nll.higher_is_better) == ("negative log-likelihood", "nats", False)
    assert nll.computed == "later"
    assert tuple(nll.scores) == RULES
    assert nll.scores["last"] == number(NLL(), LAST)
    assert nll.scores["val_selected"] == number(NLL(), SELECTED)
    others = set(RULES) - {"last", "val_selected"}
    assert nll.undefined == dict.fromkeys(
        others, "computed later from predictions.npz, which holds the last and the selected epoch alone"
    ) | {name: nll.undefined[name] for name in others}
    assert found.metrics["accuracy"].counts
    assert sum(map(sum, found.details["confusion_matrix"]["images"])) == 30


def test_it_is_what_the_run_would_have_recorded(tmp_path: Path) -> None:
    write_predictions(tmp_path / "predictions.npz", STORED)
    run, later = record_of(STORED).metrics, late_metrics(tmp_path, METRICS).metrics
    for name, its in run.items():
        assert {its.scores[rule] for rule in ("last",)} == {later[name].scores["last"]}
        assert its.scores["val_selected"] == later[name].scores["val_selected"]


def test_why_there_is_no_number_is_said(tmp_path: Path) -> None:
    two = Predictions(torch.rand(4, 3), torch.tensor([0, 0, 1, 1]))
    write_predictions(tmp_path / "predictions.npz", StoredPredictions({"test": two}, {}))
    area: MetricOfRun = late_metrics(tmp_path, [MacroAUC()]).metrics["macro_auc"]
    assert set(area.scores.values()) == {None}
    assert area.undefined["last"] == MacroAUC.undefined
    assert "holds no selected epoch" in area.undefined["val_selected"]


def test_without_predictions_nothing_can_be_computed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="predictions.npz: holds no predictions with their labels"):
        late_metrics(tmp_path, METRICS)


# ------------------------------------------------------------------------------------------ contradictions
def test_a_record_and_its_predictions_agree() -> None:
    assert contradicted(record_of(STORED), STORED, METRICS) is None


@pytest.mark.parametrize(
    ("metric", "rule", "change", "found"),
    [
        ("nll", "last", 1 + 1e-5, True),
        ("nll", "last", 1 + 1e-7, False),
        ("nll", "val_selected", 0.5, True),
        ("macro_auc", "val_selected", 1 - 1e-4, True),
        ("accuracy", "last", 1 + 1e-7, True),
        ("nll", "mean_last_10", 2, False),
    ],
)
def test_a_value_that_its_predictions_contradict_is_found(
    metric: str, rule: str, change: float, found: bool
) -> None:
    record = record_of(STORED)
    its = record.metrics[metric]
    value = its.scores[rule]
    scores = its.scores | {rule: 1.5 if value is None else value * change}
    forged = msgspec.structs.replace(its, scores=scores)
    record = msgspec.structs.replace(record, metrics=record.metrics | {metric: forged})
    said = contradicted(record, STORED, METRICS)
    assert (said is not None) == found
    if said is not None:
        assert said.startswith(f"{metric}.{rule} is {scores[rule]}, and predictions.npz says ")


def test_a_number_where_there_is_none_is_found_and_the_other_way_round() -> None:
    record = record_of(STORED)
    its = record.metrics["nll"]
    gone = msgspec.structs.replace(its, scores=its.scores | {"last": None})
    record = msgspec.structs.replace(record, metrics=record.metrics | {"nll": gone})
    assert (contradicted(record, STORED, METRICS) or "").startswith("nll.last is None")


def test_other_images_right_are_found_though_as_many() -> None:
    correct = LAST.correct.tolist()
    record = msgspec.structs.replace(record_of(STORED), correct=pack(sorted(correct)))
    assert "the images that it calls right" in (contradicted(record, STORED, METRICS) or "")


def test_a_metric_that_the_record_lacks_is_not_missed() -> None:
    record = record_of(STORED)
    fewer = {name: its for name, its in record.metrics.items() if name != "nll"}
    assert contradicted(msgspec.structs.replace(record, metrics=fewer), STORED, METRICS) is None
    assert contradicted(record, STORED, [NLL()]) is None
