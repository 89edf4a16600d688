"""LP-A3's search: its distance, its laws, and what it must not touch. Numbers are in the golden tests."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from support.hostsync import HostSyncs
from torch import Tensor, nn

from lpa3bench import attack
from lpa3bench.api import Output

SHAPES = ((3, 4, 5, 5), (3, 6, 3, 2), (3, 1, 1, 1))


class Net(nn.Module):
    """Two stages of features and a head, smooth, in train mode with BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 6, 3, padding=1)
        self.bn = nn.BatchNorm2d(6)
        self.two = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.head = nn.Linear(8, 5)

    def forward(self, z: Tensor) -> Output:
        one = F.leaky_relu(self.bn(self.one(z)), 0.1)
        two = F.leaky_relu(self.two(one), 0.1)
        return Output(4 * self.head(two.mean((2, 3))), (one, two))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net().double()


def images(seed: int = 1, count: int = 6) -> Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


MEAN = torch.tensor([0.5, 0.4, 0.45], dtype=torch.float64).view(3, 1, 1)
STD = torch.tensor([0.2, 0.25, 0.3], dtype=torch.float64).view(3, 1, 1)
BOX = attack.Box.of(MEAN, STD)


def start_noise(z: Tensor, seed: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.empty(z.shape, dtype=z.dtype).uniform_(-0.01, 0.01, generator=generator)


def run(net: Net, x: Tensor, *, noise_seed: int = 2, **options: float) -> tuple[Tensor, attack.Iteration]:
    """δ and the last iteration."""
    z = (x - MEAN) / STD
    chosen = attack.Options(**options)
    reference = attack.make_reference(net(z), temperature=chosen.temperature)
    noise = start_noise(z, noise_seed)
    delta, last = attack.search(net, z, noise, reference, box=BOX, options=chosen)
    assert last is not None
    return delta, last


def features(seed: int, shapes: tuple[tuple[int, ...], ...] = SHAPES) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]


def plain_distance(one: list[Tensor], other: list[Tensor]) -> Tensor:
    """The formula as the paper writes it, for autograd to differentiate."""

    def phi(maps: list[Tensor]) -> Tensor:
        normed = [f / (f.square().sum(1, keepdim=True).sqrt() + 1e-10) for f in maps]
        return torch.cat([f.flatten(1) / math.sqrt(f.shape[2] * f.shape[3]) for f in normed], dim=1)

    return (phi(one) - phi(other)).square().sum(1).sqrt()


# ------------------------------------------------------------------------------------------------ distance
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_distance_gradcheck(layout: torch.memory_format) -> None:
    moving = [f.contiguous(memory_format=layout).requires_grad_() for f in features(0)]
    reference = attack.unit(features(1))
    assert torch.autograd.gradcheck(lambda *maps: attack.distance(maps, reference), moving)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), scale=st.floats(-6, 3))
def test_distance_and_gradient_are_those_of_the_formula(seed: int, scale: float) -> None:
    moving = [(f * 10**scale).requires_grad_() for f in features(seed)]
    fixed = features(seed + 1)
    ours = attack.distance(moving, attack.unit(fixed))
    theirs = plain_distance(moving, fixed)
    torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)
    weights = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    for mine, other in zip(
        torch.autograd.grad((ours * weights).sum(), moving),
        torch.autograd.grad((theirs * weights).sum(), moving),
        strict=True,
    ):
        torch.testing.assert_close(mine, other, rtol=1e-9, atol=1e-12 * 10**-scale)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3))
def test_phi_does_not_see_the_scale_of_features(seed: int, scale: float) -> None:
    one, other = features(seed), attack.unit(features(seed + 1))
    scaled = [f * scale for f in one]
    for before, after in zip(attack.unit(one), attack.unit(scaled), strict=True):
        torch.testing.assert_close(before, after, rtol=1e-5, atol=1e-7)
    torch.testing.assert_close(
        attack.distance(scaled, other), attack.distance(one, other), rtol=1e-5, atol=1e-7
    )


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_distance_is_a_distance(seed: int) -> None:
    one, other = features(seed), features(seed + 1)
    there, back = attack.distance(one, attack.unit(other)), attack.distance(other, attack.unit(one))
    torch.testing.assert_close(there, back)
    assert (there > 0).all()
    assert (there <= 2 * math.sqrt(len(SHAPES)) + 1e-12).all()
    opposite = attack.distance([-f for f in one], attack.unit(one))
    torch.testing.assert_close(opposite, torch.full_like(opposite, 2 * math.sqrt(len(SHAPES))))
    norms = sum(layer.square().sum((1, 2, 3)) for layer in attack.unit(one))
    torch.testing.assert_close(norms, torch.full_like(norms, len(SHAPES)))


def test_distance_zero_has_zero_gradient() -> None:
    moving = [f.requires_grad_() for f in features(0)]
    apart = attack.distance(moving, attack.unit([f.detach() for f in moving]))
    assert apart.tolist() == [0.0] * 3
    assert not any(g.any() for g in torch.autograd.grad(apart.sum(), moving))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_zero_vectors_have_zero_gradient(dtype: torch.dtype) -> None:
    moving = features(0)[0].to(dtype)
    moving[:, :, 1, 2] = 0
    moving[2] = 0  # a whole image
    moving.requires_grad_()
    reference = attack.unit([features(1)[0]])
    apart = attack.distance([moving], [reference[0].to(torch.promote_types(dtype, torch.float32))])
    assert apart.isfinite().all()
    (gradient,) = torch.autograd.grad(apart.sum(), moving)
    assert not gradient[:, :, 1, 2].any()
    assert not gradient[2].any()
    assert gradient.isfinite().all()
    assert gradient[:2].any(1).flatten(1).sum(1).tolist() == [24, 24]  # everywhere else there is one


def test_half_precision_features_are_measured_in_single() -> None:
    half = features(0)[0].half()
    reference = attack.unit([features(1)[0].half()])
    assert reference[0].dtype == torch.float32
    exact = attack.distance([half.double()], attack.unit([features(1)[0].half().double()]))
    found = attack.distance([half], reference)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), exact, rtol=1e-6, atol=0)
    moving = half.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(attack.distance([moving], reference).sum(), moving)
    assert gradient.dtype == torch.float16


def test_autocast_does_not_reach_the_distance() -> None:
    def measure() -> tuple[Tensor, Tensor]:
        moving = features(0)[0].float().requires_grad_()
        apart = attack.distance([moving], attack.unit([features(1)[0].float()]))
        return apart.detach(), torch.autograd.grad(apart.sum(), moving)[0]

    plain = measure()
    with torch.autocast("cpu", torch.bfloat16):
        cast = measure()
    for before, after in zip(plain, cast, strict=True):
        assert torch.equal(before, after)


def test_without_a_temperature_it_is_one(net: Net) -> None:
    output = net(images())
    label = output.logits.argmax(1)
    expected = output.logits.log_softmax(1).max(1).values
    torch.testing.assert_close(attack.label_logp(output.logits, label), expected)
    torch.testing.assert_close(attack.make_reference(output).logp, expected)


def test_label_logp_survives_underflow() -> None:
    logits = torch.tensor([[0.0, 200.0], [5.0, 5.0]]).half()
    found = attack.label_logp(logits, torch.tensor([0, 1]), temperature=0.5)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.tensor([-400.0, -math.log(2)]))


# -------------------------------------------------------------------------------------- options and schedule
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("margin", -1), ("margin", math.nan), ("margin", 0), ("margin", math.inf), ("iterations", -1),
        ("lam", -0.1), ("start", -0.01), ("temperature", 0), ("probe", 0), ("floor", 0), ("step_size", 0),
        ("step_size", math.inf), ("step_size", -1),
    ],
)  # fmt: skip
def test_options_out_of_range(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name}: must be"):
        attack.Options(**{name: value})


@settings(deadline=None)
@given(count=st.integers(1, 20), size=st.floats(1e-4, 10), lam=st.floats(0.01, 100))
def test_schedule(count: int, size: float, lam: float) -> None:
    paces = attack.Options(margin=0.5, step_size=size, iterations=count, lam=lam).schedule()
    assert len(paces) == count
    assert paces[0] == (size, pytest.approx(lam / 10))
    assert size / 10 < paces[-1].budget <= size
    assert lam / 10 <= paces[-1].lam < lam * (1 + 1e-12)
    products = [pace.budget * pace.lam for pace in paces]  # one falls as the other rises
    assert products == pytest.approx([size * lam / 10] * count)


def test_step_size_is_the_margin_by_default() -> None:
    assert attack.Options(margin=0.3).schedule() == attack.Options(margin=1.0, step_size=0.3).schedule()
    assert attack.Options(iterations=0).schedule() == []


# ---------------------------------------------------------------------------------------------------- search
def test_infinite_margin_is_pure_ascent(net: Net) -> None:
    """No constraint: the multiplier does not matter, and each image ends farther away than it began."""
    outcomes = [
        run(net, images(), margin=math.inf, step_size=0.02, lam=lam, iterations=8)[0] for lam in (0, 1e6)
    ]
    assert torch.equal(*outcomes)
    z = (images() - MEAN) / STD
    reference = attack.make_reference(net(z))
    begin = attack.begin(start_noise(z), z, BOX)
    before, after = (
        attack.distance(net(z + delta).features, reference.phi) for delta in (begin, outcomes[0])
    )
    assert (after > 2 * before).all()


def test_margin_zero_with_a_large_multiplier_keeps_the_label(net: Net) -> None:
    def drop(lam: float, margin: float) -> Tensor:
        options = {"margin": margin, "step_size": 0.05, "iterations": 20, "lam": lam}
        return run(net, images(count=12), **options)[1].gap

    free, held = drop(0, math.inf), drop(1e3, 0)
    assert free.max() > 0.1  # without the constraint the label goes
    assert held.mean() < 0.01


def test_each_step_has_the_length_it_says(net: Net) -> None:
    z = (images() - MEAN) / STD
    wide = attack.Box(BOX.lower - 1e9, BOX.upper + 1e9)
    options = attack.Options(iterations=3)
    before = start_noise(z)
    for iteration in attack.trace(net, z, before, attack.make_reference(net(z)), box=wide, options=options):
        moved = (iteration.delta - before).flatten(1).norm(dim=1)
        torch.testing.assert_close(moved, iteration.step_length, rtol=1e-5, atol=0)
        before = iteration.delta


def test_noise_decides_and_nothing_else(net: Net) -> None:
    first, again, other = (run(net, images(), noise_seed=seed)[0] for seed in (2, 2, 3))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_iterations_leave_the_noise(net: Net) -> None:
    x = images() * 0.9 + 0.05
    x[0] = 0  # at the border of the box
    x[1] = 1
    z = (x - MEAN) / STD
    noise = start_noise(z)
    options = attack.Options(iterations=0)
    delta, last = attack.search(net, z, noise, attack.make_reference(net(z)), box=BOX, options=options)
    assert last is None
    assert torch.equal(delta[2:], noise[2:])
    assert (delta[0] >= 0).all()
    assert (delta[1] <= 0).all()


def test_result_is_an_image(net: Net) -> None:
    x = images()
    delta, _ = run(net, x, margin=10.0)  # steps far too long: only the box holds them
    moved = attack.perturbed(x, delta, STD)
    assert moved.min() >= 0
    assert moved.max() <= 1
    torch.testing.assert_close((moved - MEAN) / STD, (x - MEAN) / STD + delta, rtol=1e-9, atol=1e-9)
    assert ((moved == 0) | (moved == 1)).any()


def test_channels_last_gives_the_same(net: Net) -> None:
    x = images()
    plain, _ = run(net, x)
    other = net.to(memory_format=torch.channels_last)
    found, _ = run(other, x.contiguous(memory_format=torch.channels_last))
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, plain, rtol=1e-9, atol=1e-9)


def test_an_outer_no_grad_changes_nothing_and_no_graph_escapes(net: Net) -> None:
    expected, _ = run(net, images())
    with torch.no_grad():
        found, last = run(net, images())
    assert torch.equal(found, expected)
    assert not any(value.requires_grad for value in (found, *last[:-2]))
    assert all(parameter.grad is None for parameter in net.parameters())


def test_a_share_of_all_that_are_searched_weighs_its_loss_by_it(net: Net) -> None:
    z = (images() - MEAN) / STD
    reference = attack.make_reference(net(z))
    losses = []
    for share in ({}, {"share": 0.25}):
        _, last = attack.search(
            net, z, start_noise(z), reference, box=BOX, options=attack.Options(iterations=1), **share
        )
        assert last is not None
        losses.append(float(last.loss))
    assert losses[1] == losses[0] / 4 != 0


def test_the_perturbation_keeps_the_precision_of_the_images(net: Net) -> None:
    z = ((images() - MEAN) / STD).half()
    reference = attack.make_reference(net.half()(z))
    box = attack.Box.of(MEAN.half(), STD.half())
    noise = start_noise(z.float())
    delta, _ = attack.search(net, z, noise, reference, box=box, options=attack.Options(iterations=2))
    assert delta.dtype == torch.float16


def test_reference_rows(net: Net) -> None:
    rows = torch.tensor([0, 3, 4])
    output = net((images() - MEAN) / STD)
    label = torch.tensor([4, 3, 2, 1, 0, 4])
    whole, some = attack.make_reference(output, label), attack.make_reference(output, label).rows(rows)
    assert some.label.tolist() == [4, 1, 0]
    assert torch.equal(some.logp, output.logits.log_softmax(1)[rows, some.label])
    assert [layer.shape[0] for layer in some.phi] == [3, 3]
    assert torch.equal(some.phi[1], whole.phi[1][rows])
    assert not some.logp.requires_grad


class Fixed(Net):
    """One of its features comes of the image without a gradient, as a frozen branch's may."""

    def forward(self, z: Tensor) -> Output:
        logits, (one, two) = super().forward(z)
        return Output(logits, (one.detach(), two))


def test_a_feature_without_a_gradient_counts_in_the_distance_alone(net: Net) -> None:
    fixed = Fixed().double()
    fixed.load_state_dict(net.state_dict())
    noise = start_noise(images())
    (_, one), (_, other) = (run(n, images(), iterations=1) for n in (net, fixed))
    assert torch.equal(one.distance, other.distance)
    assert not torch.equal(one.grad_norm, other.grad_norm)
    z = (images() - MEAN) / STD
    delta = attack.begin(noise, z, BOX).requires_grad_()
    output = fixed(z + delta)
    reference = attack.make_reference(fixed(z))
    hinge = (reference.logp - attack.label_logp(output.logits, reference.label) - 0.02).relu()
    loss = 0.1 * hinge.mean() - attack.distance(output.features, reference.phi).mean()
    (gradient,) = torch.autograd.grad(loss, delta)
    torch.testing.assert_close(other.grad_norm, torch.linalg.vector_norm(gradient, dim=(1, 2, 3)))


def test_a_network_without_features_is_refused(net: Net) -> None:
    with pytest.raises(ValueError, match="^output: has no features"):
        attack.make_reference(Output(net(images()).logits, ()))


def test_nothing_waits_for_the_device(net: Net) -> None:
    z = (images() - MEAN) / STD
    noise = start_noise(z)
    with HostSyncs() as syncs:
        reference = attack.make_reference(net(z)).rows(torch.tensor([0, 2]))
        attack.search(net, z[[0, 2]], noise[[0, 2]], reference, box=BOX, options=attack.Options())
    assert syncs.found == []
    with HostSyncs() as syncs:  # the watch sees what it is there to see
        float(z.sum())
        z[z > 0]
        bool((z > 0).all())
    assert syncs.found == ["__float__", "__getitem__", "__bool__"]
