"""Random numbers by name."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.runtime.seeding import Draws, derive, seeded
from lpa3bench.testing import no_global_randomness

IMAGES = torch.zeros(2, 3, 4, 5)
LAYOUTS = {"contiguous": IMAGES, "channels_last": IMAGES.to(memory_format=torch.channels_last)}
DRAWS: dict[str, Callable[[Draws], Any]] = {
    "uniform": lambda d: d.uniform((3,), -1, 2),
    "uniform like": lambda d: d.uniform(IMAGES.shape, -1, 2, like=IMAGES),
    "normal": lambda d: d.normal((3,), 1, 2),
    "normal like": lambda d: d.normal(IMAGES.shape, 1, 2, like=IMAGES),
    "permutation": lambda d: d.permutation(7),
    "integers": lambda d: d.integers((5,), 3, 6),
    "multinomial": lambda d: d.multinomial(torch.tensor([[1.0, 0.0, 2.0]]), 4),
    "beta": lambda d: d.beta(4.0, 4.0),
    "child": lambda d: d.child(),
}
names = st.text(st.characters(blacklist_characters="/", codec="utf-8"), max_size=6)
paths = st.tuples(st.integers(0, 2**31), st.lists(names, max_size=3).map(tuple))
series = st.lists(st.sampled_from([*DRAWS]), max_size=5)


def same(one: Any, other: Any) -> bool:
    return torch.equal(torch.as_tensor(one), torch.as_tensor(other))


@given(st.lists(paths, unique=True, min_size=2, max_size=20))
def test_seeds_of_different_names_never_collide(wanted: list[tuple[int, tuple[str, ...]]]) -> None:
    seeds = {derive(seed, *path) for seed, path in wanted}
    assert len(seeds) == len(wanted)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_seeds_are_the_same_in_every_process_and_version() -> None:
    assert derive(0, "order/train") == 16211205668641688
    assert derive(1, "init", "net") == derive(1, "init/net")


@given(before=series, after=series, elsewhere=series)
def test_saved_and_loaded_they_go_on_with_the_same_numbers(
    before: list[str], after: list[str], elsewhere: list[str]
) -> None:
    one, other = Draws(1), Draws(2)
    for name in before:
        DRAWS[name](one)
    for name in elsewhere:
        DRAWS[name](other)
    file = io.BytesIO()
    torch.save(one.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    for name in (*after, *DRAWS):
        assert same(DRAWS[name](one), DRAWS[name](other)), name


@given(st.sampled_from([name for name in DRAWS if "like" not in name]))
def test_draws_on_the_device_move_none_on_the_host_nor_the_other_way(name: str) -> None:
    plain, both = Draws(3), Draws(3)
    on_device = DRAWS["uniform like"]
    first = on_device(both)
    assert same(DRAWS[name](plain), DRAWS[name](both))
    assert same(first, on_device(plain))


@pytest.mark.parametrize("kind", ["uniform", "normal"])
def test_noise_does_not_depend_on_the_memory_layout(kind: str) -> None:
    one, other = (getattr(Draws(0), kind)(IMAGES.shape, 0, 1, like=like) for like in LAYOUTS.values())
    assert torch.equal(one, other)
    assert len(one.unique()) > one.numel() * 0.9  # a view of few numbers would be equal too


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_noise_has_the_dtype_of_what_it_is_like(dtype: torch.dtype) -> None:
    noise = Draws(0).uniform((1000,), -0.01, 0.01, like=IMAGES.to(dtype))
    assert noise.dtype == dtype
    assert -0.0101 < float(noise.min()) < -0.009
    assert 0.009 < float(noise.max()) < 0.0101
    assert Draws(0).normal((4,), like=IMAGES.to(dtype)).dtype == dtype


def test_each_kind_means_what_it_says() -> None:
    draws = Draws(0)
    uniform, normal = draws.uniform((4000,), -1, 3), draws.normal((4000,), 5, 2)
    assert -1 <= float(uniform.min()) < -0.99
    assert 2.99 < float(uniform.max()) <= 3
    assert float(uniform.mean()) == pytest.approx(1, abs=0.1)
    assert float(normal.mean()) == pytest.approx(5, abs=0.15)
    assert float(normal.std()) == pytest.approx(2, abs=0.15)
    assert draws.permutation(50).sort().values.tolist() == [*range(50)]
    assert set(draws.integers((300,), 3, 6).tolist()) == {3, 4, 5}
    assert set(draws.multinomial(torch.tensor([[1.0, 0.0, 2.0]]), 300)[0].tolist()) == {0, 2}
    shares = [draws.beta(4.0, 2.0) for _ in range(300)]
    assert len(set(shares)) == 300
    assert all(0 < share < 1 for share in shares)
    assert sum(shares) / 300 == pytest.approx(4 / 6, abs=0.05)


@pytest.mark.parametrize("name", DRAWS)
def test_only_the_seed_decides_and_no_global_generator_is_touched(name: str) -> None:
    with no_global_randomness():
        one, again, other = (DRAWS[name](Draws(seed)) for seed in (1, 1, 2))
    assert same(one, again)
    if name not in ("multinomial", "integers"):  # few values, which may well agree
        assert not same(one, other)


# ------------------------------------------------------------------------------- library code without a door
def test_seeded_gives_the_same_numbers_and_puts_the_generator_back() -> None:
    with no_global_randomness():
        with seeded(5):
            one = torch.rand(3)
            with seeded(6):
                inner = torch.rand(3)
            rest = torch.rand(3)
        with seeded(5):
            assert torch.equal(one, torch.rand(3))
            assert torch.equal(rest, torch.rand(3))
        assert not torch.equal(one, inner)
        with pytest.raises(KeyError), seeded(7):
            torch.rand(3)
            raise KeyError


def test_seeded_leaves_the_generators_of_other_devices_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(seed: int) -> None:
        raise AssertionError("it is not put back after the block")

    monkeypatch.setattr(torch.cuda, "manual_seed_all", fail)
    with seeded(5):
        torch.rand(3)
