"""Durations in words, and a machine that has other things to do."""

from __future__ import annotations

import os

import pytest

from lpa3bench.runtime import duration as durations
from lpa3bench.runtime.duration import about, busy, duration


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.0, "0 s"), (3.6, "3.6 s"), (119.0, "119 s"), (120.0, "2 min"), (5400.0, "90 min"), (7200.0, "2 h"),
     (9000.0, "2.5 h"), (165_600.0, "46 h"), (216_000.0, "2.5 days"), (8.64e6, "100 days")],
)  # fmt: skip
def test_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_range_is_in_the_unit_of_what_is_expected() -> None:
    assert about(110_400.0, 165_600.0, 248_400.0) == "about 46 h (31 to 69 h)"
    assert about(60.0, 119.0, 300.0) == "about 119 s (60 to 300 s)"


@pytest.mark.parametrize(("load", "is_busy"), [(0.2, False), (2.0, False), (2.5, True), (40.0, True)])
def test_the_machine_is_busy(load: float, is_busy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of two cores is this process's, and of the rest others may have half."""
    monkeypatch.setattr(durations, "usable_cores", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    said = f"the machine is busy (load {load:.1f} on 2 cores), and was timed so"
    assert busy() == (said if is_busy else None)


def test_a_system_that_does_not_tell_is_not_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> None:
        raise OSError

    monkeypatch.setattr(os, "getloadavg", unknown)
    assert busy() is None
