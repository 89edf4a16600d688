from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.data.splits import fingerprint, hold_out, limit
from lpa3bench.runtime.seeding import Draws

seeds = st.integers(0, 2**32)


@given(st.data(), st.integers(1, 60), seeds)
def test_a_hold_out_parts_the_images(data: st.DataObject, n: int, seed: int) -> None:
    count = data.draw(st.integers(0, n - 1))
    train, held = hold_out(n, count, Draws(seed))
    assert len(held) == count
    assert torch.equal(torch.cat([train, held]).sort().values, torch.arange(n))
    assert torch.equal(train, train.sort().values)
    assert torch.equal(held, held.sort().values)


@given(seeds)
def test_a_larger_hold_out_contains_a_smaller_one(seed: int) -> None:
    small, large = (hold_out(50, count, Draws(seed))[1] for count in (5, 20))
    assert torch.isin(small, large).all()


@pytest.mark.parametrize("count", [-1, 10, 11])
def test_a_hold_out_leaves_something(count: int) -> None:
    with pytest.raises(ValueError, match=r"^holdout: must be >= 0 and < 10"):
        hold_out(10, count, Draws(0))


@given(st.integers(1, 60), st.integers(1, 80), seeds)
def test_a_limit_is_an_ascending_part(n: int, count: int, seed: int) -> None:
    chosen = limit(n, count, Draws(seed))
    assert len(chosen) == min(n, count)
    assert torch.equal(chosen, chosen.unique())
    assert chosen.min() >= 0
    assert chosen.max() < n


def test_a_limit_is_no_front_and_differs_by_seed() -> None:
    chosen = limit(1000, 50, Draws(0))
    assert chosen.max() > 500
    assert torch.equal(chosen, limit(1000, 50, Draws(0)))
    assert not torch.equal(chosen, limit(1000, 50, Draws(1)))
    with pytest.raises(ValueError, match=r"^limit: "):
        limit(10, 0, Draws(0))


def test_a_fingerprint_is_of_the_contents() -> None:
    x = torch.arange(24, dtype=torch.uint8).view(2, 3, 4)
    known = fingerprint([x])
    assert len(known) == 64
    assert fingerprint([x.clone()]) == known
    assert fingerprint([x.permute(2, 1, 0).contiguous().permute(2, 1, 0)]) == known
    others = [
        [x.view(3, 2, 4)],
        [x.to(torch.int8)],
        [x.index_fill(0, torch.tensor([1]), 0)],
        [x, x],
        [x[:1], x[1:]],
        [],
    ]
    prints = [fingerprint(tensors) for tensors in others]
    assert len({known, *prints}) == 1 + len(others)


@pytest.mark.parametrize("dtype", [torch.bool, torch.bfloat16, torch.int64, torch.float32])
def test_a_fingerprint_takes_any_dtype_and_shape(dtype: torch.dtype) -> None:
    one, none, alone = torch.ones(3, dtype=dtype), torch.ones(0, dtype=dtype), torch.ones((), dtype=dtype)
    assert len({fingerprint([tensor]) for tensor in (one, none, alone)}) == 3
