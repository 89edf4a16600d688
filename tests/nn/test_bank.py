"""The consistency memory: what the golden run does not reach."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.hostsync import HostSyncs

from lpa3bench.nn.bank import ConsistencyBank, divergence_lpa3, divergence_tcssl, lowest

Divergence = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def distributions(seed: int, count: int, classes: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, classes, generator=generator, dtype=torch.float64).softmax(1)


@given(
    scores=st.lists(st.sampled_from([-2.0, -1.0, 0.0, 0.5]) | st.floats(-9, 9), min_size=1, max_size=40),
    data=st.data(),
)
def test_lowest_takes_the_lowest_and_the_first_of_equals(scores: list[float], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(scores)))
    expected = sorted(sorted(range(len(scores)), key=lambda place: (scores[place], place))[:count])
    assert lowest(torch.tensor(scores, dtype=torch.float64), count).tolist() == expected


def test_equal_scores_go_by_place_however_many_there_are() -> None:
    scores = (torch.arange(10_000) % 2).float()  # short lists are sorted stably anyhow
    assert torch.equal(lowest(scores, 700), torch.arange(0, 1400, 2))


def test_divergences_by_hand() -> None:
    now, before = torch.tensor([[0.25, 0.75]]), torch.tensor([[0.5, 0.5]])
    forward = 0.25 * math.log(0.25 / 0.5) + 0.75 * math.log(0.75 / 0.5)
    backward = 0.5 * math.log(0.5 / 0.25) + 0.5 * math.log(0.5 / 0.75)
    assert divergence_lpa3(now, before).item() == pytest.approx(forward / 2)
    assert divergence_tcssl(now, before).item() == pytest.approx(backward + math.log(2))
    both = torch.cat([now, before]), torch.cat([before, before])
    assert divergence_lpa3(*both).tolist() == pytest.approx([forward / 2, 0])
    assert divergence_tcssl(*both).tolist() == pytest.approx([backward + math.log(2), 0])


@pytest.mark.parametrize("divergence", [divergence_lpa3, divergence_tcssl])
def test_divergence_of_an_unchanged_prediction_is_zero(divergence: Divergence) -> None:
    p = distributions(0, 5)
    assert torch.equal(divergence(p, p), torch.zeros(5, dtype=torch.float64))
    assert (divergence(p, distributions(1, 5)) > 0).all()


def test_first_visits() -> None:
    """LP-A3 ranks them by entropy, as released; TC-SSL has nothing to compare with."""
    p = distributions(0, 5)
    entropy = -(p * p.log()).sum(1)
    index = torch.arange(5)
    bank = ConsistencyBank(5, 4, dtype=torch.float64)
    torch.testing.assert_close(bank.update(index, p), -(entropy + math.log(1.01)) / 4)
    assert (bank.scores() > 0).all()
    other = ConsistencyBank(5, 4, flavour="tcssl", dtype=torch.float64)
    assert not other.update(index, p).any()
    assert other.update(index, distributions(1, 5)).all()
    assert (other.scores() < 0).all()


@pytest.mark.parametrize("flavour", ["lpa3", "tcssl"])
def test_a_probability_that_underflows_does_no_lasting_harm(flavour: str) -> None:
    bank = ConsistencyBank(2, 3, flavour=flavour)
    index = torch.arange(2)
    certain, open_ = torch.eye(3)[:2], torch.full((2, 3), 1 / 3)
    for prediction in (certain, open_, certain.flip(1), open_):
        bank.update(index, prediction)
        assert bank.scores().isfinite().all()
    for _ in range(20):
        bank.update(index, open_)
    assert bank.scores().abs().max() < 1e-6


def test_several_views_of_a_sample_count_as_one_visit() -> None:
    views = distributions(0, 6)
    both = torch.tensor([7, 3, 5, 7, 3, 5])
    bank, other = (ConsistencyBank(9, 4, dtype=torch.float64) for _ in range(2))
    found = bank.update(both, views)
    expected = other.update(both[:3], (views[:3] + views[3:]) / 2)
    torch.testing.assert_close(found, torch.cat([expected, expected]))
    torch.testing.assert_close(bank.probabilities, other.probabilities)
    torch.testing.assert_close(bank.scores(), other.scores())


def test_a_visit_changes_no_other_sample() -> None:
    bank = ConsistencyBank(6, 4)
    bank.update(torch.tensor([1, 4]), distributions(0, 2))
    assert bank.scores().nonzero().flatten().tolist() == [1, 4]
    assert (bank.probabilities[[0, 2, 3, 5]] > 1).all()
    torch.testing.assert_close(bank.probabilities[[1, 4]], distributions(0, 2).float())


@given(size=st.integers(1, 60), ratio=st.floats(0, 1), seed=st.integers(0, 99))
def test_refresh(size: int, ratio: float, seed: int) -> None:
    bank = ConsistencyBank(size, 4, dtype=torch.float64)
    index = torch.arange(size)
    assert bank.below(index).all()  # before any refresh
    bank.update(index, distributions(seed, size))
    bank.refresh(ratio)
    descending = bank.scores().sort(descending=True).values
    place = int((1 - ratio) * size)
    chosen = int(bank.below(index).sum())
    if place >= size:
        assert chosen == 0
    else:
        assert bank.threshold == descending[place]
        assert chosen == size - place - 1  # no ties here: one fewer than asked


def test_state_goes_into_a_fresh_bank() -> None:
    def life(bank: ConsistencyBank, seeds: range) -> ConsistencyBank:
        for seed in seeds:
            bank.update(torch.arange(3), distributions(seed, 3))
            bank.refresh(0.5)
        return bank

    whole = life(ConsistencyBank(5, 4), range(4))
    resumed = ConsistencyBank(5, 4)
    resumed.load_state_dict(life(ConsistencyBank(5, 4), range(2)).state_dict())
    life(resumed, range(2, 4))
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name


def test_nothing_waits_for_the_device() -> None:
    bank = ConsistencyBank(20, 4)
    index, p = torch.tensor([3, 5, 3]), distributions(0, 3)
    with HostSyncs() as syncs:
        lowest(bank.scores(index), 2)
        bank.update(index, p)
        bank.refresh(0.5)
        bank.below(index)
    assert syncs.found == []


def test_lives_where_it_is_told_to() -> None:
    bank = ConsistencyBank(5, 4, device="meta", dtype=torch.float16)
    for name, value in bank.state_dict().items():
        assert (value.device.type, value.dtype) == ("meta", torch.float16), name


def test_scores_of_some_and_of_all() -> None:
    bank = ConsistencyBank(4, 4, dtype=torch.float64)
    bank.update(torch.arange(4), distributions(0, 4))
    everything = bank.scores()
    assert bank.scores(torch.tensor([3, 1])).tolist() == everything[[3, 1]].tolist()
    everything.zero_()
    assert bank.scores().all(), "what is handed out is a copy"


def test_unknown_flavour() -> None:
    with pytest.raises(ValueError, match=r"^flavour: must be 'lpa3' or 'tcssl', not 'kl'"):
        ConsistencyBank(2, 2, flavour="kl")  # type: ignore[arg-type]


@pytest.mark.parametrize("pool", [None, torch.arange(0, 200, 2)])
def test_the_share_is_of_what_is_drawn(pool: torch.Tensor | None) -> None:
    """Samples that are never drawn keep score 0, above nearly all others: they must not count."""
    bank = ConsistencyBank(200, 3)
    drawn = torch.arange(200) if pool is None else pool
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        bank.update(drawn, torch.rand(len(drawn), 3, generator=generator).softmax(1))
    bank.refresh(0.6, pool)
    assert int(bank.below(drawn).sum()) == int(0.6 * len(drawn)) - 1  # one fewer than asked, as released
