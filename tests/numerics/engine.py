"""The engine's own numbers: draws, orders, views, losses, search, memory and what a small task trains to."""

from __future__ import annotations

from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from lpa3bench import attack, lpa3, ops
from lpa3bench.api import WeakView
from lpa3bench.config.experiment import Experiment
from lpa3bench.data.image_store import ImageStore
from lpa3bench.data.sampler import Sampler
from lpa3bench.data.splits import hold_out, limit
from lpa3bench.nn.bank import ConsistencyBank, lowest
from lpa3bench.nn.ema import EMA
from lpa3bench.nn.reset import reset_parameters
from lpa3bench.plugin.from_transform import from_transform
from lpa3bench.runtime.seeding import Draws, derive, seeded
from lpa3bench.testing import SPEC, Noise, TinySet, TinyTask
from lpa3bench.testing.tiny import hard
from numerics.fingerprints import ENGINE, Numbers, Scenario, exactly, floats, size
from numerics.stage import begin, double_net, trained, viewed

COMPONENTS = ("split", "labels", "init/net", "order/train", "weak", "augment/positives/net", "mixup")
CPU = torch.device("cpu")


# ------------------------------------------------------------------------------------------- draws and orders
def seeding() -> Numbers:
    """Seeds by name, and the first draws of each kind."""
    numbers: Numbers = {"seeds": {name: derive(3, name) for name in COMPONENTS}}
    like = torch.zeros(1, dtype=torch.float64)
    for name in COMPONENTS:
        draws = Draws(derive(3, name))
        weights = torch.tensor([[1.0, 2.0, 3.0], [3.0, 2.0, 1.0]])
        numbers |= {
            f"{name}: permutation": draws.permutation(12).tolist(),
            f"{name}: integers": draws.integers((8,), -3, 1000).tolist(),
            f"{name}: multinomial": draws.multinomial(weights, 5).tolist(),
            f"{name}: child": draws.child(),
            f"{name}: uniform": floats(draws.uniform((4,), -1.0, 3.0)),
            f"{name}: normal": floats(draws.normal((4,), 0.5, 2.0)),
            f"{name}: beta": [draws.beta(4.0, 4.0), draws.beta(0.75, 0.75)],
            f"{name}: image-sized uniform": size(draws.uniform((2, 3, 4, 4), -0.5, 0.5, like=like)),
            f"{name}: image-sized normal": size(draws.normal((2, 3, 4, 4), 1.0, 0.5, like=like)),
        }
    return numbers


def splits() -> Numbers:
    """Who is held out, and who is left of a limited set."""
    kept, held = hold_out(60, 13, Draws(4))
    return {"kept": kept.tolist(), "held": held.tolist(), "limited": limit(60, 17, Draws(4)).tolist()}


def orders() -> Numbers:
    """Batches over three passes."""
    numbers: Numbers = {}
    for name, count, batch_size, drop_last in (
        ("full", 20, 6, True),
        ("rest", 20, 6, False),
        ("repeated", 5, 8, True),
    ):
        sampler = Sampler(100 + torch.arange(count), batch_size, Draws(6), drop_last=drop_last)
        batches = [batch for _ in range(3) for batch in sampler.one_pass()]
        numbers[name] = [batch.index.tolist() for batch in batches]
        numbers[f"{name}, passes"] = [batch.pass_no for batch in batches]
    return numbers


# ----------------------------------------------------------------------------------------------------- images
def weak_views() -> Numbers:
    """The bytes of training views and of plain images."""
    images = TinySet().load(Path())["train"].images
    index = torch.arange(len(images)).flip(0)
    numbers: Numbers = {}
    for name, weak, resize in (
        ("reflected", WeakView(flip=True, pad=2), None),
        ("constant", WeakView(flip=True, pad=3, mode="constant"), None),
        ("straight", WeakView(flip=False, pad=1), None),
        ("cropped", WeakView(flip=True, pad=1, crop=6), None),
        ("resized", WeakView(flip=True, pad=1), 11),
    ):
        store, draws = ImageStore(images, weak, CPU, resize=resize), Draws(7)
        for number in range(2):
            x = store.weak(index, draws)
            numbers[f"{name} {number}"] = exactly(x.double().mul(255).round().to(torch.uint8))
            numbers[f"{name} {number}, scale"] = floats([float(x.max()), float(x.double().mean())])
        numbers[f"{name}, plain"] = exactly(store.plain(index).double().mul(255).round().to(torch.uint8))
    return numbers


# ----------------------------------------------------------------------------------------------------- losses
def losses() -> Numbers:
    """Every loss, mixing and ramp of `ops`."""
    draws = Draws(11)
    like = torch.zeros(1, dtype=torch.float64)
    logits, target = draws.normal((6, 4), like=like), draws.uniform((6, 4), like=like)
    target = target / target.sum(1, keepdim=True)
    x, partner = draws.uniform((6, 3, 2, 2), like=like), torch.tensor([3, 0, 5, 1, 2, 4])
    shares = torch.linspace(0.1, 0.9, 6, dtype=torch.float64).view(-1, 1, 1, 1)
    weights = torch.tensor([0.5, 1.0, 2.0, 0.0], dtype=torch.float64)
    epochs = [0, 1, 5, 7, 10, 12]
    return {
        "one hot": ops.one_hot(torch.tensor([2, 0, 1]), 3).tolist(),
        "probabilities": floats(ops.probabilities(logits)),
        "soft cross-entropy": floats([float(ops.soft_cross_entropy(logits, target))]),
        "weighted": floats([float(ops.soft_cross_entropy(logits, target, weights))]),
        "squared error": floats([float(ops.squared_error(logits, target))]),
        "sharpened": floats(ops.sharpen(target, 0.5)),
        "mixed": size(ops.mix(x, partner, 0.3)),
        "mixed by rows": size(ops.mix(x, partner, shares)),
        "linear ramp": floats(ops.linear_ramp(e + 0.25, 2.0, 8.0) for e in epochs),
        "cosine": floats(ops.cosine(e, 12, 0.02, 0.0002) for e in epochs),
        "staircase": floats(ops.staircase(e, 0.1, (5, 10)) for e in epochs),
        "prior penalty": floats([float(ops.uniform_prior_penalty(logits))]),
    }


# ----------------------------------------------------------------------------------------------------- search
OPTIONS = {
    "defaults": attack.Options(),
    "steep": attack.Options(margin=0.002, step_size=0.5, iterations=3, lam=3.0, temperature=2.0, probe=0.4),
    "unconstrained": attack.Options(margin=float("inf"), step_size=0.1, iterations=2, floor=0.05),
}


QUANTITIES = ("loss", *(f for f in attack.Iteration._fields if f not in ("lam", "share")))


def _network() -> tuple[nn.Module, Tensor, attack.Box, Tensor]:
    """A network, normalised images that reach to both ends of the range, their box, and noise."""
    with seeded(21):
        net = double_net(num_classes=4, in_channels=3)
    mean, std = (torch.tensor(v, dtype=torch.float64).view(3, 1, 1) for v in (SPEC.mean, SPEC.std))
    x = Draws(22).integers((6, 3, 8, 8), -40, 296).clamp(0, 255).double() / 255
    noise = Draws(23).integers(x.shape, -1000, 1001).double() / 1e5
    return net, (x - mean) / std, attack.Box.of(mean, std), noise


def search() -> Numbers:
    """Every iteration of the search, quantity by quantity."""
    net, z, box, noise = _network()
    numbers: Numbers = {"box": floats([*box.lower.flatten(), *box.upper.flatten()])}
    for name, options in OPTIONS.items():
        reference = attack.make_reference(net(z), None, options.temperature)
        numbers |= {
            f"{name}: budgets": floats(pace.budget for pace in options.schedule()),
            f"{name}: multipliers": floats(pace.lam for pace in options.schedule()),
            f"{name}: label": reference.label.tolist(),
            f"{name}: reference": size(reference.logp, *reference.phi),
        }
        delta = attack.begin(noise, z, box)
        steps = attack.trace(net, z, delta, reference, box=box, options=options)
        for place, iteration in enumerate(steps):
            for field in QUANTITIES:
                numbers[f"{name} {place}: {field}"] = size(getattr(iteration, field))
    rows = torch.tensor([1, 4])
    label = torch.tensor([0, 1, 2, 3, 0, 1])
    given = attack.make_reference(net(z), label).rows(rows)
    numbers["given label"] = floats(given.logp)
    whole, last = attack.search(
        net, z, noise, attack.make_reference(net(z)), box=box, options=attack.Options()
    )
    assert last is not None
    numbers |= {"whole: delta": size(whole), "whole: loss": floats([float(last.loss)])}
    once = attack.Pace(budget=0.1, lam=2.0)
    options = attack.Options(margin=0.0, step_size=1.0)
    alone = attack.iterate(
        net, z[rows], noise[rows], given, once, limits=box.around(z[rows]), options=options
    )
    numbers |= {f"one iteration: {field}": size(getattr(alone, field)) for field in QUANTITIES}
    # Of so small a share the gradient is short, and what is added to its length counts.
    few, last = attack.search(net, z[rows], noise[rows], given, box=box, options=attack.Options(), share=1e-7)
    assert last is not None
    numbers |= {"share: delta": size(few), "share: gradient": floats(last.grad_norm)}
    numbers["perturbed"] = size(attack.perturbed(z * 0.1, few.repeat(3, 1, 1, 1), box.upper - box.lower))
    return numbers


def feature_distance() -> Numbers:
    """The distance and its gradient, of features so small that what is added to their norms counts too."""
    like = torch.zeros(1, dtype=torch.float64)
    numbers: Numbers = {}
    for name, scale in (("ordinary", 1.0), ("small", 1e-9)):
        draws = Draws(31)
        one, other = ([draws.normal((3, c, 5, 5), like=like) * scale for c in (4, 7)] for _ in range(2))
        one[0][0, :, 2, 2] = 0  # a vector of zeros
        leaves = [feature.requires_grad_() for feature in one]
        apart = attack.distance(leaves, attack.unit(other))
        numbers |= {
            f"{name}: unit": size(*attack.unit(other)),
            f"{name}: distance": floats(apart),
            f"{name}: gradient": size(*torch.autograd.grad(apart.sum(), leaves)),
        }
    logits = Draws(32).normal((5, 4), like=like)
    label = torch.tensor([0, 1, 2, 3, 0])
    numbers["log-probability"] = floats(attack.label_logp(logits, label))
    numbers["log-probability, T = 1.7"] = floats(attack.label_logp(logits, label, 1.7))
    return numbers


def outside_the_suite() -> Numbers:
    """`lpa3()` on a network that is called with normalised images."""
    net, z, box, _ = _network()
    std = 1 / (box.upper - box.lower)
    mean = -box.lower * std
    x = (z * std + mean).clamp(0, 1)
    label = torch.tensor([0, 1, 2, 3, 0, 1])
    found = lpa3(
        net, x, label, mean=mean.flatten(), std=std.flatten(), generator=torch.Generator().manual_seed(1)
    )
    return {"moved": size(found - x)}


# ----------------------------------------------------------------------------------------------------- memory
def memory() -> Numbers:
    """Scores, thresholds and selections over three visits, in both flavours."""
    numbers: Numbers = {}
    like = torch.zeros(1, dtype=torch.float64)
    for flavour in ("lpa3", "tcssl"):
        bank, draws = ConsistencyBank(10, 4, flavour=flavour, dtype=torch.float64), Draws(41)
        for visit, index in enumerate(([0, 1, 2, 3, 4, 5], [5, 4, 3, 3, 8, 0], [1, 7, 6, 5, 5, 2])):
            places = torch.tensor(index)
            predicted = draws.normal((6, 4), like=like).softmax(1)
            name = f"{flavour} {visit}"
            numbers[f"{name}: divergence"] = floats(bank.update(places, predicted))
            bank.refresh(0.6)
            numbers[f"{name}: scores"] = floats(bank.scores())
            numbers[f"{name}: threshold"] = floats([float(bank.threshold)])
            numbers[f"{name}: below"] = bank.below(torch.arange(10)).tolist()
            numbers[f"{name}: lowest"] = lowest(bank.scores(places), 4).tolist()
            bank.refresh(0.5, torch.tensor([0, 2, 4, 6]))
            numbers[f"{name}: threshold of some"] = floats([float(bank.threshold)])
            bank.refresh(0.9)  # (1 − 0.9) · 10 is a little less than 1
            numbers[f"{name}: threshold of nearly all"] = floats([float(bank.threshold)])
        numbers[f"{flavour}: remembered"] = size(bank.state_dict()["probabilities"])
        underflown = torch.tensor([[0.0, 0.5, 0.25, 0.25]], dtype=torch.float64)
        numbers[f"{flavour}: underflow"] = floats(bank.update(torch.tensor([7]), underflown))
    return numbers


# --------------------------------------------------------------------------------------------------- networks
def networks() -> Numbers:
    """First weights by name, a moving average, fresh weights of a part, both BatchNorms, normalisation."""
    env = begin(TinyTask(), {"positives": hard("positives")}, epochs=1)
    net, numbers = env.models["net"], Numbers()
    numbers["first weights"] = size(*net.parameters())
    x = env.images(torch.arange(16))
    numbers["normalised"] = size(net.normalise(x))
    average = EMA(net, 0.9)
    for number in range(3):
        for domain in ("main", "aux"):
            numbers[f"logits {number}, {domain}"] = size(env.logits(net, x, domain).logits)
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.mul_(1.1)
        average.update()
    numbers["statistics"] = size(*(v for n, v in net.state_dict().items() if "running" in n))
    numbers["average"] = size(*average.state_dict().values())
    reset_parameters(net.backbone.stages()[-1], 17)
    numbers["fresh head"] = size(*net.backbone.stages()[-1].parameters())
    return numbers


def small_task(slot: Any, augmenter: Any) -> Numbers:
    """The kit's task through the guard, two epochs."""
    task = TinyTask()
    return trained(task, begin(task, {slot: augmenter()} if slot else {}, epochs=2))


class OneStrength(nn.Module):
    """A transform that draws from torch's global generator."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.empty(1, dtype=x.dtype).uniform_(0.5, 1.0)


def transforms() -> Numbers:
    """A foreign transform, seeded for each call."""
    augmenter = from_transform(lambda: OneStrength(), name="OneStrength")()
    return viewed(begin(TinyTask(), {"view": augmenter}, epochs=1), "view")


def defaults() -> Numbers:
    """What a config that does not bind them gets."""
    return {
        f"{cls.__name__}.{field.name}": repr(field.default)
        for cls in (Experiment, WeakView, attack.Options)
        for field in fields(cls)
        if isinstance(field.default, int | float | str | bool | None | tuple)
    }


def scenarios() -> list[Scenario]:
    plain = (
        seeding, splits, orders, weak_views, losses, search, feature_distance, outside_the_suite, memory,
        networks, transforms, defaults,
    )  # fmt: skip
    found = [Scenario(ENGINE, measure.__name__.replace("_", " "), measure) for measure in plain]
    bound: dict[str, tuple[Any, Any]] = {"alone": (None, None), "noise": ("view", Noise)}
    bound |= {f"hard in {slot}": (slot, partial(hard, slot)) for slot in ("view", "positives")}
    return found + [
        Scenario(ENGINE, f"small task, {name}", partial(small_task, *slot)) for name, slot in bound.items()
    ]
