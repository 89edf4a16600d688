from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.data.sampler import Sampler
from lpa3bench.runtime.seeding import Draws

sizes = st.integers(1, 40)
batch_sizes = st.integers(1, 50)


def places(n: int) -> torch.Tensor:
    """Samples that are not simply 0 … n−1."""
    return torch.arange(n) * 3 + 5


@given(sizes, batch_sizes, st.integers(1, 3))
def test_every_pass_has_every_sample_once(n: int, batch_size: int, passes: int) -> None:
    sampler = Sampler(places(n), batch_size, Draws(0), drop_last=False)
    for number in range(passes):
        batches = list(sampler.one_pass())
        assert [batch.pass_no for batch in batches] == [number] * len(sampler)
        assert torch.equal(torch.cat([batch.index for batch in batches]).sort().values, places(n))


@given(sizes, batch_sizes, st.integers(1, 5))
def test_what_is_less_than_the_least_joins_the_batch_before(n: int, batch_size: int, least: int) -> None:
    sampler = Sampler(places(n), batch_size, Draws(0), drop_last=False, least=least)
    lengths = [len(batch.index) for _ in range(2) for batch in sampler.one_pass()]
    full, rest = divmod(n, batch_size)
    expected = [batch_size] * full
    if full and rest < least:
        expected[-1] += rest
    elif rest:
        expected.append(rest)
    assert lengths == expected * 2
    assert len(sampler) == len(expected)


def test_by_default_no_last_batch_is_of_one() -> None:
    def lengths(n: int) -> list[int]:
        return [len(batch.index) for batch in Sampler(places(n), 8, Draws(0), drop_last=False).one_pass()]

    assert [lengths(n) for n in (1, 8, 9, 17, 18)] == [[1], [8], [9], [8, 9], [8, 8, 2]]


@given(sizes, batch_sizes)
def test_dropping_the_last_leaves_full_batches(n: int, batch_size: int) -> None:
    sampler = Sampler(places(n), batch_size, Draws(0))
    batches = list(sampler.one_pass())
    assert {len(batch.index) for batch in batches} == {batch_size}
    assert len(batches) == len(sampler) == max(n // batch_size, 1)
    drawn = torch.cat([batch.index for batch in batches])
    assert torch.isin(drawn, places(n)).all()
    # No sample comes again before all have come: a set smaller than a batch is repeated to fill it.
    counts = drawn.unique(return_counts=True)[1]
    assert counts.max() == -(-len(drawn) // n)
    assert len(counts) == min(n, len(drawn))
    assert counts.max() - counts.min() <= 1


@given(sizes, batch_sizes, st.integers(0, 30), st.booleans())
def test_it_goes_on_where_it_was(n: int, batch_size: int, done: int, drop_last: bool) -> None:
    first = Sampler(places(n), batch_size, Draws(7), drop_last=drop_last)
    for _ in range(done):
        first.next()
    draws = Draws(0)
    draws.load_state_dict(first.draws.state_dict())
    second = Sampler(places(n), batch_size, draws, drop_last=drop_last)
    second.load_state_dict(first.state_dict())
    for _ in range(12):
        expected, found = first.next(), second.next()
        assert torch.equal(expected.index, found.index)
        assert expected.pass_no == found.pass_no


def test_orders_differ_between_passes_and_seeds_alone() -> None:
    def orders(seed: int) -> list[list[int]]:
        sampler = Sampler(torch.arange(100), 100, Draws(seed))
        return [sampler.next().index.tolist() for _ in range(2)]

    first, second = orders(1)
    assert first != second
    assert orders(1) == [first, second]
    assert orders(2)[0] != first


@pytest.mark.parametrize(("n", "batch_size", "name"), [(0, 1, "subset"), (3, 0, "batch_size")])
def test_nothing_to_draw(n: int, batch_size: int, name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        Sampler(torch.arange(n), batch_size, Draws(0))
