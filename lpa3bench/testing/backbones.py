"""The laws of backbones."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lpa3bench.api import Backbone, Output
from lpa3bench.nn.batchnorm import add_auxiliary, bn_domain
from lpa3bench.runtime.seeding import seeded
from lpa3bench.testing.differences import (
    assert_same,
    attempt,
    changed,
    fresh_globals,
    global_draws,
    weights_of,
)
from lpa3bench.testing.laws import Finding, Law, NotApplicable, findings_of, hold
from lpa3bench.testing.subject import (
    Observation,
    Subject,
    initialise,
    no_global_draws,
    other_seed,
    same_seed,
)

NUM_CLASSES, SHAPE = 5, (2, 3, 32, 32)
GREY_SHAPE = (2, 1, 32, 32)
"""Of images with one channel."""


@dataclass
class PassSeen(Observation):
    """The first weights, and a pass with two images; `raised` by the pass."""

    output: Any = None
    """In train mode."""

    @property
    def error(self) -> Exception | None:
        whole = isinstance(self.output, Output)
        return self.raised or (None if whole else AssertionError("a forward pass gives no Output"))


class BackboneSubject(Subject[PassSeen]):
    """A backbone. `make` builds one, from `num_classes` and `in_channels`."""

    results = "first weights"

    def __init__(self, make: Callable[..., Backbone]) -> None:
        self.make = make
        self.x = torch.linspace(-200, 200, math.prod(SHAPE)).view(SHAPE).sin()

    def start(self) -> Backbone:
        return self.net()

    def net(self, seed: int = 0) -> Backbone:
        """A fresh one, built as the engine does, which seeds torch's global generator for it."""
        with fresh_globals(), seeded(seed):
            return self.make(num_classes=NUM_CLASSES, in_channels=SHAPE[1])

    def see(self, seed: int) -> PassSeen:
        """Build it, and hand it images in train mode and in eval mode.

        Its first weights, and drop-out in train mode, may draw from torch's global generator.
        """
        seen, building, training = PassSeen(), set[str](), set[str]()
        with fresh_globals():
            with global_draws(building), seeded(seed):
                net = self.make(num_classes=NUM_CLASSES, in_channels=SHAPE[1])
            seen.result, seen.drew = weights_of(net), bool([*net.parameters()])

            def passes() -> None:
                with global_draws(training):
                    seen.output = net(self.x)
                with global_draws(seen.global_draws):
                    net.eval()(self.x)

            seen.raised = attempt(passes)
        seen.global_draws |= building | (training - {"torch"})
        return seen


# ------------------------------------------------------------------------------------------------ the laws
def output_shapes(subject: BackboneSubject) -> None:
    """It returns logits [B, K] and a feature map [B, C, H, W] of each stage."""
    first = subject.first
    if first.raised is not None:
        raise first.raised
    assert isinstance(first.output, Output), f"forward returns a {type(first.output).__name__}, not an Output"
    logits, features = first.output
    wanted = [SHAPE[0], NUM_CLASSES]
    assert list(logits.shape) == wanted, f"logits are {list(logits.shape)}, not {wanted}"
    assert isinstance(features, tuple), f"features are a {type(features).__name__}, not a tuple"
    assert features, "there is no feature map"
    for feature in features:
        assert feature.ndim == 4, f"features are maps [B, C, H, W], not {list(feature.shape)}"
        assert len(feature) == SHAPE[0], "features belong to the images"


def one_channel(subject: BackboneSubject) -> None:
    """Built for images of one channel it takes them; or it says by a ValueError why it cannot."""
    subject.first.reached()
    try:
        net = subject.make(num_classes=NUM_CLASSES, in_channels=GREY_SHAPE[1])
    except ValueError as error:
        raise NotApplicable(f"it refuses images of one channel: {error}") from error
    logits = _logits(net, torch.linspace(-200, 200, math.prod(GREY_SHAPE)).view(GREY_SHAPE).sin())
    wanted = [GREY_SHAPE[0], NUM_CLASSES]
    assert list(logits.shape) == wanted, f"logits are {list(logits.shape)}, not {wanted}"


def stages(subject: BackboneSubject) -> None:
    """`stages()` holds every parameter once, and the last is the classification head."""
    subject.started()
    net = subject.net()
    held = [p for stage in net.stages() for p in stage.parameters()]
    assert len(held) == len({id(p) for p in held}), "two stages share a parameter"
    assert {id(p) for p in held} == {id(p) for p in net.parameters()}, "the stages miss a parameter"
    assert isinstance(net.stages()[-1], nn.Linear), (
        "the last stage is not an nn.Linear, the classification head"
    )


def descends(subject: BackboneSubject) -> None:
    """Three steps of gradient descent have finite losses."""
    subject.first.reached()
    net = subject.net()
    label = torch.arange(SHAPE[0]) % NUM_CLASSES
    optimiser = torch.optim.SGD(net.parameters(), 0.01)
    with fresh_globals():
        for _ in range(3):
            loss = nn.functional.cross_entropy(net(subject.x).logits, label)
            assert bool(torch.isfinite(loss)), f"the loss is {float(loss)}"
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()


def eval_mode(subject: BackboneSubject) -> None:
    """In eval mode a pass leaves parameters and BatchNorm statistics alone, and repeats itself."""
    subject.first.reached()
    net = subject.net().eval()
    before = weights_of(net)
    one, again = _logits(net, subject.x), _logits(net, subject.x)
    names = changed(net, before)
    assert not names, f"a pass in eval mode changes {names[0]}"
    assert torch.equal(one, again), "two passes in eval mode differ"


def copies(subject: BackboneSubject) -> None:
    """A deep copy does what it does, and shares nothing with it."""
    subject.first.reached()
    net = subject.net().eval()
    twin = copy.deepcopy(net)
    assert torch.equal(_logits(net, subject.x), _logits(twin, subject.x)), "a deep copy answers otherwise"
    before = weights_of(net)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1)
    assert not changed(net, before), "a deep copy shares parameters with it"
    own = [f.clone() for f in net(subject.x).features]
    twin(subject.x * 0)
    assert_same(own, [*net(subject.x).features], "the features, after a pass of a deep copy:")


def auxiliary(subject: BackboneSubject) -> None:
    """With an auxiliary BatchNorm beside each of its own it answers as before, and keeps its names."""
    subject.first.reached()
    net = subject.net()
    plain, names = subject.first.reached().output.logits, net.state_dict().keys()
    if add_auxiliary(net) == 0:
        raise NotApplicable("it has no BatchNorm2d")
    assert names <= net.state_dict().keys(), "names of parameters change"
    before = weights_of(net)
    with fresh_globals(), bn_domain(net, "aux"):
        net(subject.x)
    moved = changed(net, before)
    assert not moved, f"a pass in the auxiliary domain changes {', '.join(moved[:1])}"
    with fresh_globals(), bn_domain(net, "main"):
        assert torch.equal(net(subject.x).logits, plain), "it answers otherwise in the main domain"


def state_is_whole(subject: BackboneSubject) -> None:
    """A fresh one that loads its state answers with the same bits."""
    subject.first.reached()
    net, other = subject.net(), subject.net(1)
    with fresh_globals():
        net(subject.x)  # so that the statistics are not those of a fresh one
    other.load_state_dict(net.state_dict())
    assert torch.equal(_logits(net.eval(), subject.x), _logits(other.eval(), subject.x)), (
        "its state is not all of it"
    )


def _logits(net: Backbone, x: Tensor) -> Tensor:
    with torch.no_grad(), fresh_globals():
        logits: Tensor = net(x).logits
    return logits


BACKBONE_LAWS = (
    Law(
        "initialise",
        initialise,
        "take `num_classes` and `in_channels` by keyword, and call super().__init__()",
    ),
    Law("shapes", output_shapes, "return Output(logits [B, K], (a map [B, C, H, W] of each stage, …))"),
    Law(
        "one channel",
        one_channel,
        "build the first layer from `in_channels`, or refuse by a ValueError that names it",
    ),
    Law("stages", stages, "return every part once, from stem to head, and an nn.Linear as the last"),
    Law("three updates", descends, "look for what overflows or cuts the gradient"),
    Law("eval mode", eval_mode, "change nothing in `forward` but what nn.BatchNorm2d keeps in training"),
    Law(
        "no global RNG",
        no_global_draws,
        "draw in the constructor and, in training only, from torch's own generator (drop-out)",
    ),
    Law("same seed", same_seed, "draw first weights from torch's own generator, which is seeded for it"),
    Law("seeds matter", other_seed, "leave first weights to the layers' own `reset_parameters`"),
    Law("deep copy", copies, "keep all that it holds in parameters, buffers and sub-modules"),
    Law(
        "auxiliary BatchNorm",
        auxiliary,
        "use plain nn.BatchNorm2d, called once a pass, and read no statistics by yourself",
    ),
    Law("resume", state_is_whole, "keep in parameters and buffers what an answer depends on"),
)


def try_backbone(make: Callable[..., Backbone]) -> list[Finding]:
    """Every law."""
    return findings_of("", BACKBONE_LAWS, BackboneSubject(make))


def check_backbone(make: Callable[..., Backbone]) -> None:
    """Hold a backbone to every law. `make` builds one from `num_classes` and `in_channels`.

    Raises:
        AssertionError: a law does not hold; the message names it.
    """
    hold(try_backbone(make))
