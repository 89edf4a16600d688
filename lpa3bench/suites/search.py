"""`suite.search`: the same number of random draws for each cell, from ranges that the suite file states.

Each trial is a run on seeds of its own, scored on validation images; the best draw then runs on the suite's
seeds. Imports no torch before something is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from lpa3bench.config.bindings import Binding, Origin
from lpa3bench.config.operative import plain_value
from lpa3bench.config.typecheck import Mismatch, advice, fit_value, literal
from lpa3bench.runtime.counting import counted

SEARCH_KEYS: dict[str, Any] = {
    "trials": int,
    "ranges": dict[str, tuple[Any, ...]],
    "seeds": tuple[int, ...],
    "holdout": int,
    "epoch": str,
}
NEEDED_KEYS = ("trials", "ranges", "seeds")
SCORED_EPOCHS = ("last", "best")
RANGE_KINDS = ("uniform", "log", "integer", "choice")
MOST_TRIALS = 10_000
"""Of a cell. Each is a run that a plan names before the first begins."""
DRAWN_DIGITS = 4
"""Significant digits of a drawn float: what is chosen must be easy to type again."""


@dataclass(frozen=True)
class SearchRange:
    """The values that one parameter is drawn from."""

    kind: str
    """One of `RANGE_KINDS`."""
    items: tuple[Any, ...]
    """Its two ends, both included; of a choice all values."""

    def draw(self, fraction: float) -> Any:
        """The value at this place, in [0, 1), of the range."""
        if self.kind == "choice":
            return self.items[int(fraction * len(self.items))]
        low, high = self.items
        if self.kind == "integer":
            return low + int(fraction * (high - low + 1))
        value = low * (high / low) ** fraction if self.kind == "log" else low + fraction * (high - low)
        return float(
            min(max(float(f"{value:.{DRAWN_DIGITS}g}"), low), high)
        )  # rounding must not leave the range

    def __str__(self) -> str:
        return str(literal((self.kind, *self.items)))


@dataclass(frozen=True)
class Search:
    """How the cells that use one of the ranges are tuned."""

    trials: int
    """Draws for each cell."""
    ranges: tuple[tuple[str, SearchRange], ...]
    """By the name of a parameter, as `-p` takes it."""
    seeds: tuple[int, ...]
    """Of each trial's runs; none of them is a seed of the suite."""
    holdout: int = 0
    """`run.holdout` in trials on a data set without a validation split; 0: there is none."""
    epoch: str = "last"
    """Whose validation score counts: the last one's, or that of the best one."""
    origin: Origin = field(default=Origin("suite.search"), compare=False)

    @property
    def size(self) -> str:
        """In words: "8 trials × 2 seeds, by the validation score of the last epoch"."""
        size = f"{counted(self.trials, 'trial')} × {counted(len(self.seeds), 'seed')}"
        return f"{size}, by the validation score of the {self.epoch} epoch"

    def sample(self, names: Sequence[str], place: int) -> tuple[str, ...]:
        """A `-p` text for each of these parameters, with the first (0) or last (−1) item of its range."""
        ranges = dict(self.ranges)
        return tuple(_text(name, ranges[name].items[place]) for name in names)

    def draw(self, cell: str, names: Sequence[str], trial: int) -> dict[str, Any]:
        """The values of one trial.

        They depend on the cell's text, the parameter's name and the trial, so a further range, cell or trial
        moves none of the others.
        """
        import numpy as np

        from lpa3bench.runtime.seeding import derive

        ranges = dict(self.ranges)
        generators = {n: np.random.default_rng(derive(trial, "suite.search", cell, n)) for n in names}
        return {name: ranges[name].draw(float(generators[name].random())) for name in names}

    def as_data(self) -> dict[str, Any]:
        return {
            "trials": self.trials,
            "ranges": {name: [r.kind, *r.items] for name, r in self.ranges},
            "seeds": list(self.seeds),
            "holdout": self.holdout,
            "epoch": self.epoch,
        }


def binding_texts(values: dict[str, Any]) -> tuple[str, ...]:
    """Drawn values as texts of `-p` options."""
    return tuple(_text(name, value) for name, value in values.items())


def _text(name: str, value: Any) -> str:
    return f"{name} = {literal(value)}"


def parse_search(binding: Binding) -> Search:
    """The search that a line `suite.search = {…}` binds.

    Raises:
        ConfigError: something in it is wrong; the message opens with its place.
    """
    origin = binding.origin
    given = plain_value(binding, dict[str, Any])
    for name in given:
        if name not in SEARCH_KEYS:
            raise origin.error(f"{binding} has no {name!r}; {advice(name, SEARCH_KEYS, 'its keys')}")
    if missing := [name for name in NEEDED_KEYS if not given.get(name)]:
        raise origin.error(f"{binding} needs {missing[0]!r}, and it must not be empty or 0")
    values = {name: _fitted(name, value, binding) for name, value in given.items()}
    for name, least in (("trials", 1), ("holdout", 0)):
        if values.get(name, least) < least:
            raise origin.error(f"{binding}: {name!r} must be >= {least}, not {values[name]}")
    if values["trials"] > MOST_TRIALS:
        raise origin.error(f"{binding}: 'trials' must be <= {MOST_TRIALS}, not {values['trials']}")
    if min(values["seeds"]) < 0 or len({*values["seeds"]}) < len(values["seeds"]):
        raise origin.error(f"{binding}: 'seeds' must be >= 0, each once")
    epoch = values.get("epoch", "last" if values.get("holdout") else "best")
    if epoch not in SCORED_EPOCHS:
        raise origin.error(
            f"{binding}: 'epoch' must be one of {', '.join(map(repr, SCORED_EPOCHS))}, not {epoch!r}"
        )
    ranges = tuple((name, _range(name, items, binding)) for name, items in values["ranges"].items())
    return Search(values["trials"], ranges, values["seeds"], values.get("holdout", 0), epoch, origin)


def _fitted(name: str, value: Any, binding: Binding) -> Any:
    try:
        return fit_value(value, SEARCH_KEYS[name], lambda _: object)
    except Mismatch as reason:
        raise binding.origin.error(f"{binding}: {name!r} {reason}") from None


def _range(name: str, items: tuple[Any, ...], binding: Binding) -> SearchRange:
    """Raises ConfigError for what is no range."""
    kind, *rest = items or ("",)
    wrong: str | None = None
    numbers = [x for x in rest if isinstance(x, int | float) and not isinstance(x, bool) and math.isfinite(x)]
    if kind not in RANGE_KINDS:
        wrong = f"opens with one of {', '.join(map(repr, RANGE_KINDS))}, as in ('log', 0.002, 0.2)"
    elif kind == "choice":
        wrong = None if len(rest) > 1 else "needs at least two values to choose from"
    elif len(rest) != 2 or len(numbers) != 2 or rest[0] >= rest[1]:
        wrong = f"must be ({kind!r}, low, high) with low < high"
    elif kind == "log" and rest[0] <= 0:
        wrong = "must have low > 0"
    elif not math.isfinite(float(rest[1]) / rest[0] if kind == "log" else float(rest[1]) - rest[0]):
        wrong = "is too wide: no number says how wide"
    elif kind == "integer" and not all(isinstance(x, int) for x in rest):
        wrong = "must have whole numbers"
    if wrong is not None:
        raise binding.origin.error(f"{binding}: the range of {name} {wrong}")
    return SearchRange(str(kind), tuple(rest))
