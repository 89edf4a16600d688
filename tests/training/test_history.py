"""What a run has seen and cost."""

from __future__ import annotations

import io
import json
import time

import pytest
import torch
from support.hostsync import HostSyncs

from lpa3bench.testing import assert_same
from lpa3bench.training.history import Ledger, Means


def test_means_are_over_the_steps_that_have_the_number() -> None:
    means = Means()
    assert means.read() == {}
    means.add({"loss": torch.tensor(1.0)})
    means.add({"loss": torch.tensor(2.0, requires_grad=True), "positives_loss": torch.tensor(5)})
    means.add({"loss": torch.tensor(6.0, dtype=torch.bfloat16), "selected": 0.5})
    means.add({"loss": 3, "selected": 0.25})
    assert means.read() == {"loss": 3.0, "positives_loss": 5.0, "selected": 0.375}


def test_means_of_many_steps_keep_their_digits() -> None:
    means = Means()
    means.add({"loss": torch.tensor(2.0**24)})
    for _ in range(64):
        means.add({"loss": torch.tensor(1.0)})  # float32 sums would lose every one of them
    assert means.read()["loss"] == (2**24 + 64) / 65


def test_a_mean_that_is_no_number_is_none() -> None:
    """A record is JSON, which has no word for NaN: one such log must not cost the run its record."""
    means = Means()
    means.add({"loss": torch.tensor(1.0), "ratio": torch.tensor(float("nan")), "x": torch.tensor(torch.inf)})
    assert means.read() == {"loss": 1.0, "ratio": None, "x": None}


def test_adding_does_not_wait_for_the_device() -> None:
    means = Means()
    with HostSyncs() as syncs:
        for _ in range(3):
            means.add({"loss": torch.tensor(1.0)})
    assert syncs.found == []


def test_time_is_booked_where_it_was_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([12.0, 15.0, 20.0])
    monkeypatch.setattr(time, "perf_counter", lambda: next(now))
    ledger = Ledger()
    mark = 10.0
    for what in ("warm-up", "evaluation", "warm-up"):
        mark = ledger.spend(what, since=mark)
    assert mark == 20.0
    assert ledger.seconds == {"warm-up": 7.0, "evaluation": 3.0}
    assert ledger.training_seconds == 7.0
    ledger.count("warm-up", 64)
    ledger.count("warm-up", 6)
    record = ledger.as_record()
    assert record["steps"] == {"warm-up": 2}
    assert record["images_per_second"] == 10.0
    json.dumps(record)


def test_a_run_without_training_has_no_speed() -> None:
    assert Ledger().as_record()["images_per_second"] is None


def test_saved_and_loaded() -> None:
    one, other = Ledger(), Ledger()
    one.curve.append({"epoch": 0, "test": 0.5, "note": None})
    one.spend("train", since=time.perf_counter() - 1)
    one.count("train", 8)
    one.flops["train"] = 10**12
    one.resumed_from.append(0)
    untouched = Ledger().state_dict()
    assert all(one.state_dict()[name] != untouched[name] for name in Ledger.saved)
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert_same(one.state_dict(), other.state_dict())
