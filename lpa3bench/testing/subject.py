"""A plugin that is held to laws, and the laws that every kind keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Generic, Self, TypeVar

from lpa3bench.errors import ConfigError
from lpa3bench.testing.differences import assert_same, attempt, fresh_globals, refuse_global_draws
from lpa3bench.testing.laws import NotApplicable, NotReached

OTHER_SEEDS = range(1, 6)
DRAW_FROM_DRAWS = "draw from the `draws` that it is handed (docs/draws.md)"
"""The remedy for draws from a global generator."""


@dataclass
class Observation:
    """What a plugin did when it was tried once."""

    raised: Exception | None = None
    global_draws: set[str] = field(default_factory=set)
    """Whose global generators it drew from."""
    drew: bool = False
    """Whether it drew random numbers at all from what it was handed."""
    result: Any = None
    """What the same seed must give again, in tensors, lists and dicts."""

    @property
    def error(self) -> Exception | None:
        """What is wrong with it; None where nothing is."""
        return self.raised

    def reached(self) -> Self:
        """Itself, where nothing is wrong.

        Raises:
            NotReached: something is, and another law says what.
        """
        if self.error is not None:
            raise NotReached("what comes before it has failed")
        return self


_Seen = TypeVar("_Seen", bound=Observation)


class Subject(ABC, Generic[_Seen]):
    """A plugin that is held to the laws of its kind. `make` builds a fresh one."""

    results: str = "results"
    """What it gives, in messages."""

    @abstractmethod
    def start(self) -> Any:
        """Build it, and set it up where its kind is set up."""

    @abstractmethod
    def see(self, seed: int) -> _Seen:
        """Try it once. Called only where it could be started."""

    @cached_property
    def refused(self) -> Exception | None:
        """What starting it raises."""
        with fresh_globals():
            return attempt(self.start)

    @cached_property
    def first(self) -> _Seen:
        """With seed 0."""
        return self.tried(0)

    @cached_property
    def again(self) -> _Seen:
        """The same once more."""
        return self.tried(0)

    def tried(self, seed: int) -> _Seen:
        """What it does with a seed, where it could be started."""
        self.started()
        return self.see(seed)

    def started(self) -> None:
        """Go on only where it could be started."""
        if self.refused is not None:
            raise NotReached("it could not be started")

    def excuse(self) -> str:
        """Why its random numbers need not show in what it gives; empty where they must."""
        return ""


def initialise(subject: Subject[Any]) -> None:
    """It can be built, and set up."""
    error = subject.refused
    if isinstance(error, ConfigError):
        raise NotApplicable(f"it refuses the tiny data set: {error}")
    if error is not None:
        raise error


def no_global_draws(subject: Subject[Any]) -> None:
    """Random numbers come from the `draws` that it is handed, from no global generator."""
    # Twice: the first time may have imported a library that draws while it is imported.
    refuse_global_draws(subject.first.reached().global_draws & subject.again.global_draws)


def same_seed(subject: Subject[Any]) -> None:
    """Tried once more, with the same seed, it gives the same."""
    first, again = subject.first.reached(), subject.again
    assert again.error is None, f"fails, the second time only: {again.error}"
    assert_same(first.result, again.result, f"once more it gives other {subject.results}:")


def other_seed(subject: Subject[Any]) -> None:
    """Another seed gives something else, where it is random at all."""
    first = subject.first.reached()
    if not first.drew:
        raise NotApplicable("it draws no random numbers")
    for seed in OTHER_SEEDS:
        other = subject.tried(seed)
        assert other.error is None, f"fails with another seed only: {other.error}"
        if _differ(first.result, other.result):
            return
    if excuse := subject.excuse():
        raise NotApplicable(excuse)
    raise AssertionError("draws random numbers that change nothing")


def _differ(one: Any, other: Any) -> bool:
    return attempt(lambda: assert_same(one, other)) is not None
