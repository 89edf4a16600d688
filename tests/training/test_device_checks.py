"""Flags on the device that are read now and then."""

from __future__ import annotations

import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.hostsync import HostSyncs

from lpa3bench.errors import RunFailed
from lpa3bench.training.device_checks import Alarm

GOOD, BAD = torch.tensor(False), torch.tensor(True)


def test_nothing_bad_is_no_alarm() -> None:
    alarm = Alarm()
    alarm.check()
    alarm.note("the loss is NaN", GOOD, 0)
    alarm.check()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=12), st.integers(0, 9))
def test_the_first_bad_step_is_named(steps: list[tuple[str, bool]], start: int) -> None:
    alarm = Alarm()
    for step, (what, bad) in enumerate(steps, start):
        alarm.note(what, torch.tensor(bad), step)
    broken = [f"step {step}: {what}" for step, (what, bad) in enumerate(steps, start) if bad]
    if broken:
        with pytest.raises(RunFailed, match=f"^{re.escape(broken[0])}$"):
            alarm.check()
    alarm.check()  # what was told once is not told again


def test_an_alarm_that_was_read_does_not_come_back() -> None:
    alarm = Alarm()
    alarm.note("a", BAD, 3)
    with pytest.raises(RunFailed, match="^step 3: a$"):
        alarm.check()
    alarm.note("a", GOOD, 4)
    alarm.check()
    alarm.note("a", BAD, 5)
    with pytest.raises(RunFailed, match="^step 5: a$"):
        alarm.check()


def test_noting_does_not_wait_for_the_device() -> None:
    alarm = Alarm()
    with HostSyncs() as syncs:
        for step in range(3):
            alarm.note("a", ~torch.isfinite(torch.tensor(float("nan"))), step)
    assert syncs.found == []
    with HostSyncs() as syncs, pytest.raises(RunFailed):
        alarm.check()
    assert syncs.found == ["tolist"]
