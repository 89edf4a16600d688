"""What boards can be of: scores of records, and what a step costs."""

from __future__ import annotations

from collections.abc import Callable

from lpa3bench.boards.board import Measure
from lpa3bench.records import Record

ORACLE_NOTE = "It looks at the test set, and is nobody's accuracy; papers that print it can be set beside it."


def _score(key: str, name: str, text: str) -> Measure:
    return Measure(key=key, name=name, text=text, unit="%")


_ALL = (
    _score("last", "last epoch", "Test accuracy after the last epoch."),
    _score("mean_last_10", "mean of the last 10", "Test accuracy, mean over the last ten epochs."),
    _score("mean_last_20", "mean of the last 20", "Test accuracy, mean over the last twenty epochs."),
    _score(
        "median_last_20",
        "median of the last 20",
        "Test accuracy, median over the last twenty epochs.",
    ),
    _score(
        "val_selected",
        "selected on validation",
        "Test accuracy of the epoch with the best score on the validation split, the first of equals.",
    ),
    _score("oracle_best", "best on test", f"Test accuracy of the epoch where it is best. {ORACLE_NOTE}"),
    _score("auc_last", "AUC, last epoch", "Area under the ROC curve on the test set after the last epoch."),
    _score(
        "auc_val_selected",
        "AUC, selected on validation",
        "Area under the ROC curve on the test set of the epoch with the best score on the validation split.",
    ),
    _score(
        "auc_oracle_best", "AUC, best on test", f"Area under the ROC curve of the best epoch. {ORACLE_NOTE}"
    ),
    Measure(
        key="seconds_per_step",
        name="seconds per step",
        text="Wall-clock seconds of training over the steps taken, scoring left out; bound to the hardware.",
        unit="s",
        higher_is_better=False,
    ),
    Measure(
        key="passes_per_step",
        name="passes per step",
        text=(
            "Forward equivalents over the steps taken: images through the networks. A forward is one, "
            "a backward to the weights two, a backward to the image one. Counted, not timed."
        ),
        unit="passes",
        higher_is_better=False,
    ),
)
MEASURES = {measure.key: measure for measure in _ALL}

_COSTS: dict[str, Callable[[Record], float]] = {
    "seconds_per_step": lambda record: record.seconds,
    "passes_per_step": lambda record: record.passes,
}


def measured_value(record: Record, key: str) -> float | None:
    """The number of one run; None where it is undefined.

    Args:
        record: the run's.
        key: of `MEASURES`.
    """
    if key not in _COSTS:
        return record.score(key)
    steps = sum(record.data["cost"]["steps"].values())
    return _COSTS[key](record) / steps if steps else None
