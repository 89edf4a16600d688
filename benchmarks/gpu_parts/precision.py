"""How wrong LP-A3's first step is in each precision, against float64, on a network that was trained briefly.

The step's length is a quotient of two small differences, so it is where rounding shows first. float16 has a
constant loss scale, handed in as the search's `share`, which multiplies the loss, and so has its reference.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from gpu_parts import cells
from gpu_parts.budget import Item, Setting
from lpa3bench import attack
from lpa3bench.api import Backbone
from lpa3bench.config.experiment import Experiment
from lpa3bench.nn.batchnorm import bn_domain
from lpa3bench.nn.freeze import frozen
from lpa3bench.runtime.seeding import Draws
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.backbones.smallnet import SmallNet
from lpa3bench_plugins.backbones.wideresnet import WideResNet
from lpa3bench_plugins.datasets.synthetic import Synthetic
from lpa3bench_plugins.labels.noise import SymmetricNoise
from lpa3bench_plugins.tasks.supervised import Supervised

SCALE = 1024.0
"""Of the loss in float16."""
DROPPED_BITS = 13
"""Of float32's 23-bit mantissa, to have TF32's ten."""
BATCH, TOY_BATCH = 128, 8
STEPS, TOY_STEPS = 100, 6


class Scene(NamedTuple):
    """A trained network and what its search starts from, in float32."""

    network: Backbone
    z: Tensor
    noise: Tensor
    box: attack.Box
    options: attack.Options


def part(setting: Setting) -> Iterator[Item]:
    """The training, then one item for each precision."""
    made: list[Scene] = []

    def training() -> dict[str, float]:
        scene, accuracy = trained(setting.device, toy=setting.toy)
        made.append(scene)
        confidence = first_step(scene, EXACT).reference_logp.exp().mean()
        return {"train_accuracy": accuracy, "confidence": float(confidence), "images": len(scene.z)}

    def of(name: str) -> dict[str, Any]:
        return error(made[0], name)

    yield "training", training
    for name in PRECISIONS:
        yield name, partial(of, name)


def trained(device: torch.device, *, toy: bool) -> tuple[Scene, float]:
    """A network (WRN-28-2, or a toy) after a short supervised training, and its last training accuracy."""
    batch = TOY_BATCH if toy else BATCH
    backbone: Callable[..., Backbone] = partial(SmallNet, width=4) if toy else WideResNet
    lpa3 = LPA3(margin=0.02, iterations=1, ratio=1.0)
    experiment = Experiment(
        task=Supervised(batch_size=batch, optimizer="sgd", lr=0.03),
        dataset=Synthetic(train=64, num_classes=10),
        labels=SymmetricNoise(rate=0.5),  # else it would soon be sure of everything, and every step as long
        backbone=backbone,
        epochs=10**6,
        positives=lpa3,
        precision="float32",
    )
    stage = cells.Stage(experiment, device, images=8 * batch)
    for _ in range(TOY_STEPS if toy else STEPS):
        stage.advance()
    stage.env.alarm.check()
    accuracy = float(stage.logs["train_accuracy"])
    network: Any = stage.env.model("net")
    x = stage.env.images(torch.arange(batch, device=device))
    z = network.normalise(x)
    noise = Draws(0).uniform(z.shape, -lpa3.options.start, lpa3.options.start, like=z)
    box = attack.Box.of(network.mean, network.std)
    return Scene(network.backbone, z, noise, box, lpa3.options), accuracy


# ---------------------------------------------------------------------------------------------- precisions
class Precision(NamedTuple):
    """How the network computes."""

    dtype: torch.dtype
    """Of weights and images."""
    block: Callable[[torch.device], AbstractContextManager[Any]]
    """What surrounds the search."""
    share: float = 1.0
    wide_head: bool = False
    """The last linear layer, whose output the step's length is made of, stays in float32."""
    emulated: bool = False
    """Operands of products are rounded to TF32 by us, where the device does not do it."""


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Products and convolutions of float32 in TF32, or not."""
    backends = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = on
        yield
    finally:
        for backend, value in zip(backends, before, strict=True):
            backend.allow_tf32 = value


def _half(dtype: torch.dtype) -> Callable[[torch.device], AbstractContextManager[Any]]:
    def block(device: torch.device) -> AbstractContextManager[Any]:
        return torch.autocast(device.type, dtype)

    return block


PRECISIONS = {
    "float32": Precision(torch.float32, lambda device: tf32(False)),
    "TF32": Precision(torch.float32, lambda device: tf32(True), emulated=True),
    "float16": Precision(torch.float32, _half(torch.float16), share=SCALE),
    "float16, head in float32": Precision(torch.float32, _half(torch.float16), share=SCALE, wide_head=True),
    "bfloat16": Precision(torch.float32, _half(torch.bfloat16)),
}
EXACT = Precision(torch.float64, lambda device: nullcontext())


def error(scene: Scene, name: str) -> dict[str, Any]:
    """How far the first step's length and direction are from those in float64, image by image."""
    precision = PRECISIONS[name]
    exact = first_step(scene, EXACT._replace(share=precision.share))
    found = first_step(scene, precision)
    lengths = (found.step_length.double() / exact.step_length - 1).abs()
    along = nn.functional.cosine_similarity(_moved(scene, found), _moved(scene, exact), dim=1)
    emulated = precision.emulated and scene.z.device.type == "cpu"
    return {
        "length_error_mean": float(lengths.mean()),
        "length_error_median": float(lengths.median()),
        "length_error_largest": float(lengths.max()),
        "direction_cosine_mean": float(along.mean()),
        "emulated": emulated,
    }


def _widen(head: nn.Module, device: torch.device) -> None:
    """Let the layer compute in float32 inside autocast too; hand in a copy, which stays so."""
    narrow = head.forward

    def wide(x: Tensor) -> Tensor:
        with torch.autocast(device.type, enabled=False):
            return narrow(x.float())

    head.forward = wide  # type: ignore[method-assign]


class Start(NamedTuple):
    """What the first iteration found."""

    reference_logp: Tensor
    """[B], of the label, from the reference pass."""
    delta: Tensor
    step_length: Tensor


def first_step(scene: Scene, precision: Precision) -> Start:
    """LP-A3's first iteration, from the reference pass on, all of it in one precision."""
    network = copy.deepcopy(scene.network).to(precision.dtype).train()
    z, noise = (each.to(precision.dtype) for each in (scene.z, scene.noise))
    box = attack.Box(*(bound.to(precision.dtype) for bound in scene.box))
    with ExitStack() as around:
        around.enter_context(precision.block(z.device))
        around.enter_context(frozen(network))
        around.enter_context(bn_domain(network, "aux"))
        if precision.wide_head:
            _widen(network.stages()[-1], z.device)
        if precision.emulated and z.device.type == "cpu":
            around.enter_context(rounded_products(network))
        with torch.no_grad():
            reference = attack.make_reference(network(z))
        pace = scene.options.schedule()[0]
        delta = attack.begin(noise, z, box)
        step = attack.iterate(
            network,
            z,
            delta,
            reference,
            pace,
            limits=box.around(z),
            options=scene.options,
            share=precision.share,
        )
    return Start(reference.logp, step.delta, step.step_length)


def _moved(scene: Scene, step: Start) -> Tensor:
    """Where the step led, from where it began: float64 [B, C·H·W]."""
    begin = attack.begin(scene.noise, scene.z, scene.box)
    return (step.delta.double() - begin.double()).flatten(1)


# -------------------------------------------------------------------------------------- TF32 without a GPU
def to_tf32(x: Tensor) -> Tensor:
    """float32 rounded to the nearest number with a mantissa of ten bits, ties to even."""
    bits = x.view(torch.int32)
    odd = (bits >> DROPPED_BITS) & 1
    rounded = (bits + ((1 << (DROPPED_BITS - 1)) - 1) + odd) & -(1 << DROPPED_BITS)
    return rounded.view(torch.float32)


class _RoundedIn(torch.autograd.Function):
    """Rounds on the way forward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return to_tf32(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient


class _RoundedBack(torch.autograd.Function):
    """Rounds on the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return to_tf32(gradient)


@contextmanager
def rounded_products(network: nn.Module) -> Iterator[None]:
    """Inside the block convolutions and linear layers take operands rounded to TF32, forward and backward.

    The network's weights stay rounded, so hand in a copy.
    """
    hooks = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.weight.data = to_tf32(module.weight.data)
            hooks.append(module.register_forward_pre_hook(lambda _, inputs: _RoundedIn.apply(*inputs)))
            hooks.append(module.register_forward_hook(lambda _, __, output: _RoundedBack.apply(output)))
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
