"""Signals end a run between two steps."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from lpa3bench.errors import Stopped
from lpa3bench.runtime.signals import Interrupts

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


def handlers() -> list[object]:
    return [signal.getsignal(number) for number in SIGNALS]


def test_without_a_signal_nothing_happens_and_the_handlers_come_back() -> None:
    before = handlers()
    with Interrupts() as interrupts:
        assert all(one != other for one, other in zip(handlers(), before, strict=True))
        interrupts.check("epoch 0")
    assert handlers() == before
    with pytest.raises(KeyError), Interrupts():
        raise KeyError
    assert handlers() == before


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGUSR1, 138), (signal.SIGUSR2, 140)],
)
def test_the_first_is_remembered_until_somebody_asks(number: int, code: int) -> None:
    before = handlers()
    with Interrupts() as interrupts:
        os.kill(os.getpid(), number)
        assert interrupts.received == number
        assert handlers() == before, "a second one acts at once"
        with pytest.raises(Stopped) as stopped:
            interrupts.check("epoch 3 given up")
    assert str(stopped.value) == f"{signal.Signals(number).name} received: epoch 3 given up"
    assert stopped.value.exit_code == code
    assert handlers() == before


def test_who_waits_says_what_follows(capfd: pytest.CaptureFixture[str]) -> None:
    with Interrupts():
        os.kill(os.getpid(), signal.SIGTERM)
    with Interrupts(then="stopping all runs"):
        os.kill(os.getpid(), signal.SIGTERM)
    assert capfd.readouterr().err.splitlines() == [
        "stopping after this step; once more stops at once",
        "stopping all runs; once more stops at once",
    ]


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own handler: a shell starts what it puts into the background with SIGINT ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_a_second_one_does_not_wait() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.received == signal.SIGINT
        os.kill(os.getpid(), signal.SIGINT)


def test_in_another_thread_it_keeps_out_of_the_way() -> None:
    before, seen = handlers(), []

    def work() -> None:
        with Interrupts() as interrupts:
            interrupts.check("epoch 0")
            seen.append(handlers())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
