"""What boards can be of: a metric by one of its rules, `accuracy.last`, and what a step costs.

Name, unit and direction of a metric are those that its records state.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches

from lpa3bench.boards.board import Measure
from lpa3bench.errors import UsageError
from lpa3bench.records import RULES, Record

RULE_NAMES = {
    "last": ("last epoch", "after the last epoch"),
    "mean_last_10": ("mean of the last 10", "mean over the last ten epochs"),
    "mean_last_20": ("mean of the last 20", "mean over the last twenty epochs"),
    "median_last_20": ("median of the last 20", "median over the last twenty epochs"),
    "val_selected": (
        "selected on validation",
        "at the epoch with the best score on the validation split, the first of equals",
    ),
    "oracle_best": (
        "best on test",
        "at the epoch where it is best: that looks at the test set, and is nobody's result; papers that "
        "print it can be set beside it",
    ),
}
"""Of each rule, a few words for a heading, and what comes after "<metric> on the test set, "."""

_COSTS: dict[str, tuple[Measure, Callable[[Record], float]]] = {
    "seconds_per_step": (
        Measure(
            key="seconds_per_step",
            name="seconds per step",
            text=(
                "Wall-clock seconds of training over the steps taken, scoring left out; "
                "bound to the hardware."
            ),
            unit="s",
            higher_is_better=False,
            is_cost=True,
        ),
        lambda record: record.seconds,
    ),
    "passes_per_step": (
        Measure(
            key="passes_per_step",
            name="passes per step",
            text=(
                "Forward equivalents over the steps taken: images through the networks. A forward is one, "
                "a backward to the weights two, a backward to the image one. Counted, not timed."
            ),
            unit="passes",
            higher_is_better=False,
            is_cost=True,
        ),
        lambda record: record.passes,
    ),
}
COSTS = tuple(_COSTS)


def problem_of(key: str) -> str | None:
    """Why no measure can be called so, in a few words; None: one can, if records have the metric."""
    metric, dot, rule = key.partition(".")
    if key in COSTS or (metric and rule in RULES):
        return None
    if key in RULES or not dot:
        return f"{key} is no measure; write <metric>.<rule>, such as accuracy.last, or {' or '.join(COSTS)}"
    return f"{rule} is no rule; there are {', '.join(RULES)}"


def is_cost(key: str) -> bool:
    return key in COSTS


def metric_of(key: str) -> str:
    """The metric of a measure; of a cost its key."""
    return key.partition(".")[0]


def with_rule(key: str, rule: str) -> str:
    """The same metric by another rule."""
    return f"{metric_of(key)}.{rule}"


def measure_of(key: str, records: Iterable[Record]) -> Measure:
    """The measure, described as the first record that has its metric describes it.

    Where none has it (a board of published numbers alone) it is taken for a share of which more is better.
    """
    if key in _COSTS:
        return _COSTS[key][0]
    metric, _, rule = key.partition(".")
    found = next((record.metrics[metric] for record in records if metric in record.metrics), None)
    title = found.title if found else _title(metric)
    words = rule.replace("_", " ")  # of a rule that only a newer record knows
    name, text = RULE_NAMES.get(rule, (words, f"by the rule {words}"))
    return Measure(
        key=key,
        name=f"{title}, {name}",
        text=f"{title[0].upper()}{title[1:]} on the test set, {text}.",
        unit=found.unit if found else "%",
        higher_is_better=found.higher_is_better if found else True,
        counts=found.counts if found else False,
    )


def _title(metric: str) -> str:
    """Of a metric that no record describes; its short words are abbreviations: "macro AUC"."""
    return " ".join(word.upper() if len(word) <= 3 else word for word in metric.split("_"))


def score_keys(records: Sequence[Record]) -> list[str]:
    """Every `<metric>.<rule>` that one of the records has, those of the selecting metric first."""
    return [*dict.fromkeys(key for record in records for key in record.scores)]


def selecting_metrics(records: Iterable[Record]) -> list[str]:
    """What the runs select by, that of the most runs first; of equals the first."""
    return [name for name, _ in Counter(record.data.select for record in records).most_common()]


def chosen_measure(key: str | None, records: Sequence[Record]) -> Measure:
    """The measure called so; without a name that of the last epoch by the metric that most runs select by.

    Args:
        records: at least one.

    Raises:
        UsageError: no record has it.
    """
    known = score_keys(records)
    key = key or with_rule(selecting_metrics(records)[0], "last")
    if key not in known and not is_cost(key):
        raise UsageError(f"--metric {key}: none of the records has it; {_advice(key, known)}")
    return measure_of(key, records)


def _advice(key: str, known: Sequence[str]) -> str:
    """What is called nearly so, and all there are: as metrics and rules, which make many keys."""
    near = get_close_matches(key, known, n=1)
    did = f"did you mean {near[0]}? " if near else ""
    metrics, rules = (dict.fromkeys(name.split(".")[part] for name in known) for part in (0, 1))
    told = f"metrics are {', '.join(metrics)}, rules {', '.join(rules)}"
    return f"{did}METRIC.RULE: {told} (docs/metrics.md)"


def measured_value(record: Record, key: str) -> float | None:
    """The number of one run; None where it is undefined.

    Args:
        key: of a measure.
    """
    if key not in _COSTS:
        return record.score(key)
    steps = sum(record.data.cost.steps.values())
    return _COSTS[key][1](record) / steps if steps else None
