"""Durations in words, and a machine that has other things to do."""

from __future__ import annotations

import os

import pytest

from lpa3bench.runtime import duration as durations
from lpa3bench.runtime.duration import busy, duration, duration_range


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (0.0, 0.0, "0 s"),
        (2.4, 5.4, "2.4 to 5.4 s"),
        (40.0, 119.0, "40 to 119 s"),
        (60.0, 120.0, "1 to 2 min"),
        (3600.0, 5400.0, "60 to 90 min"),
        (3600.0, 7200.0, "1 to 2 h"),
        (86_400.0, 172_800.0, "1 to 2 days"),
        (36_000.0, 36_100.0, "10 h"),
    ],
)
def test_a_range_has_one_unit(low: float, high: float, words: str) -> None:
    assert duration_range(low, high) == words
    assert duration(high) == duration_range(high, high)


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
