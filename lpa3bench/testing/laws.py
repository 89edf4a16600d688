"""A law, and what is found when a plugin is held to a list of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lpa3bench.errors import DataError

LawOutcome = Literal["passed", "FAILED", "not applicable", "not reached"]


EVERY = "every law"
"""Stands for the name of a law where none of them was looked into."""


class NotApplicable(Exception):
    """Raised by a law that has nothing to say of this plugin; the message says why."""


class NotReached(Exception):
    """Raised by a law that cannot be looked into, because what comes before it has failed."""


@dataclass(frozen=True)
class Law:
    """One thing that every plugin of a kind must hold to."""

    name: str
    check: Callable[[Any], None]
    """Is handed the plugin's `Subject`. Its docstring is the law in one sentence; it raises where the law
    does not hold, with what was found instead."""
    remedy: str
    """What to do where it does not hold; ends the line that says so."""


@dataclass(frozen=True)
class Finding:
    where: str
    """Of which of the plugin's subjects: "slot view"; empty where there is one only."""
    law: str
    outcome: LawOutcome
    reason: str = ""
    """What was found."""
    remedy: str = ""
    """What to do, where it failed."""
    error: BaseException | None = field(default=None, compare=False, repr=False)
    """What was raised."""

    @property
    def said(self) -> str:
        """What was found, and what to do."""
        return f"{self.reason.rstrip('.')}; {self.remedy}" if self.remedy else self.reason

    @property
    def data_missing(self) -> bool:
        """Nothing could be looked into because files are not there."""
        return isinstance(self.error, DataError)


def one_line(error: BaseException) -> str:
    """What an exception says, as one line; its type too, where it is not one of a law's own."""
    text = " ".join(str(error).split())
    if isinstance(error, AssertionError | NotApplicable | NotReached | DataError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def findings_of(where: str, laws: Sequence[Law], subject: Any) -> list[Finding]:
    """What comes of each law, in order."""
    return [_found(where, law, subject) for law in laws]


def _found(where: str, law: Law, subject: Any) -> Finding:
    found: BaseException
    outcome: LawOutcome
    try:
        law.check(subject)
    except (NotApplicable, DataError) as error:
        found, outcome = error, "not applicable"
    except NotReached as error:
        found, outcome = error, "not reached"
    except (Exception, SystemExit) as error:  # somebody else's code can raise anything
        found, outcome = error, "FAILED"
    else:
        return Finding(where, law.name, "passed")
    remedy = law.remedy if outcome == "FAILED" else ""
    return Finding(where, law.name, outcome, one_line(found), remedy, found)


def hold(findings: Sequence[Finding]) -> None:
    """Let the first law that does not hold speak.

    Raises:
        AssertionError: names the law, and what was found; what the plugin itself raised is its cause.
    """
    for finding in findings:
        if finding.outcome == "FAILED":
            place = f" ({finding.where})" if finding.where else ""
            raise AssertionError(f"{finding.law}{place}: {finding.said}") from finding.error
