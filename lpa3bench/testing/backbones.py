"""The laws of backbones."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import cached_property

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
    refuse_global_draws,
    weights_of,
)
from lpa3bench.testing.laws import Finding, Law, NotApplicable, NotReached, hold, judge

CLASSES, SHAPE = 5, (2, 3, 32, 32)
GREY = (2, 1, 32, 32)
"""Images of one channel."""


class Trial:
    """A backbone. `make` builds one, from `num_classes` and `in_channels`."""

    def __init__(self, make: Callable[..., Backbone]) -> None:
        self.make = make
        self.x = torch.linspace(-200, 200, math.prod(SHAPE)).view(SHAPE).sin()

    def build(self, seed: int = 0) -> Backbone:
        """As the engine does, which seeds torch's global generator for it."""
        with seeded(seed):
            return self.make(num_classes=CLASSES, in_channels=SHAPE[1])

    @cached_property
    def refused(self) -> BaseException | None:
        """What building it raises."""
        return attempt(self.build)

    def net(self, seed: int = 0) -> Backbone:
        """A fresh one."""
        if self.refused is not None:
            raise NotReached("it could not be built")
        return self.build(seed)

    @cached_property
    def output(self) -> Output | BaseException:
        """What it makes of two images, in train mode; or what it raises."""
        net = self.net()
        try:
            with fresh_globals():
                output: Output = net(self.x)
                return output
        except (Exception, SystemExit) as error:
            return error

    def whole(self) -> Output:
        """The output, where there is a right one."""
        if not isinstance(self.output, Output):
            raise NotReached("a forward pass does not go through")
        return self.output


# ------------------------------------------------------------------------------------------------ the laws
def initialise(trial: Trial) -> None:
    """It can be built from `num_classes` and `in_channels`."""
    if trial.refused is not None:
        raise trial.refused


def shapes(trial: Trial) -> None:
    """It returns logits [B, K] and a feature map [B, C, H, W] of each stage."""
    trial.net()
    if isinstance(trial.output, BaseException):
        raise trial.output
    assert isinstance(trial.output, Output), f"forward returns a {type(trial.output).__name__}, not an Output"
    logits, features = trial.output
    wanted = [SHAPE[0], CLASSES]
    assert list(logits.shape) == wanted, f"logits are {list(logits.shape)}, not {wanted}"
    assert isinstance(features, tuple), f"features are a {type(features).__name__}, not a tuple"
    assert features, "there is no feature map"
    for feature in features:
        assert feature.ndim == 4, f"features are maps [B, C, H, W], not {list(feature.shape)}"
        assert len(feature) == SHAPE[0], "features belong to the images"


def one_channel(trial: Trial) -> None:
    """Built for images of one channel it takes them; or it says by a ValueError why it cannot."""
    trial.whole()
    try:
        net = trial.make(num_classes=CLASSES, in_channels=GREY[1])
    except ValueError as error:
        raise NotApplicable(f"it refuses images of one channel: {error}") from error
    logits = _logits(net, torch.linspace(-200, 200, math.prod(GREY)).view(GREY).sin())
    wanted = [GREY[0], CLASSES]
    assert list(logits.shape) == wanted, f"logits are {list(logits.shape)}, not {wanted}"


def stages(trial: Trial) -> None:
    """`stages()` holds every parameter once, and the last is the classification head."""
    net = trial.net()
    held = [p for stage in net.stages() for p in stage.parameters()]
    assert len(held) == len({id(p) for p in held}), "two stages share a parameter"
    assert {id(p) for p in held} == {id(p) for p in net.parameters()}, "the stages miss a parameter"
    assert isinstance(net.stages()[-1], nn.Linear), (
        "the last stage is not an nn.Linear, the classification head"
    )


def three_updates(trial: Trial) -> None:
    """Three steps of gradient descent have finite losses."""
    trial.whole()
    net = trial.net()
    label = torch.arange(SHAPE[0]) % CLASSES
    optimiser = torch.optim.SGD(net.parameters(), 0.01)
    with fresh_globals():
        for _ in range(3):
            loss = nn.functional.cross_entropy(net(trial.x).logits, label)
            assert bool(torch.isfinite(loss)), f"the loss is {float(loss)}"
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()


def eval_mode(trial: Trial) -> None:
    """In eval mode a pass leaves parameters and BatchNorm statistics alone, and repeats itself."""
    trial.whole()
    net = trial.net().eval()
    before = weights_of(net)
    one, again = _logits(net, trial.x), _logits(net, trial.x)
    names = changed(net, before)
    assert not names, f"a pass in eval mode changes {names[0]}"
    assert torch.equal(one, again), "two passes in eval mode differ"


def no_global_draws(trial: Trial) -> None:
    """A forward pass draws from no global generator; drop-out from torch's, in train mode, may."""
    trial.whole()
    net, found, in_eval = trial.net(), set[str](), set[str]()
    with fresh_globals():
        with global_draws(found):
            net(trial.x)
        with global_draws(in_eval):
            net.eval()(trial.x)
    refuse_global_draws((found - {"torch"}) | in_eval)


def same_seed(trial: Trial) -> None:
    """The same seed gives the same first weights."""
    with fresh_globals():
        one = trial.net().state_dict()
    assert_same(dict(one), dict(trial.net().state_dict()), "the same seed gives other first weights:")


def other_seed(trial: Trial) -> None:
    """Another seed gives other first weights, where they are random at all."""
    if not [*trial.net().parameters()]:
        raise NotApplicable("it has no parameters")
    assert changed(trial.net(1), weights_of(trial.net())), "another seed gives the same first weights"


def copies(trial: Trial) -> None:
    """A deep copy does what it does, and shares nothing with it."""
    trial.whole()
    net = trial.net().eval()
    twin = copy.deepcopy(net)
    assert torch.equal(_logits(net, trial.x), _logits(twin, trial.x)), "a deep copy answers otherwise"
    before = weights_of(net)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.add_(1)
    assert not changed(net, before), "a deep copy shares parameters with it"
    own = [f.clone() for f in net(trial.x).features]
    twin(trial.x * 0)
    assert_same(own, [*net(trial.x).features], "the features, after a pass of a deep copy:")


def auxiliary(trial: Trial) -> None:
    """With an auxiliary BatchNorm beside each of its own it answers as before, and keeps its names."""
    trial.whole()
    net = trial.net()
    plain, names = trial.whole().logits, net.state_dict().keys()
    if add_auxiliary(net) == 0:
        raise NotApplicable("it has no BatchNorm2d")
    assert names <= net.state_dict().keys(), "names of parameters change"
    before = weights_of(net)
    with fresh_globals(), bn_domain(net, "aux"):
        net(trial.x)
    moved = changed(net, before)
    assert not moved, f"a pass in the auxiliary domain changes {', '.join(moved[:1])}"
    with fresh_globals(), bn_domain(net, "main"):
        assert torch.equal(net(trial.x).logits, plain), "it answers otherwise in the main domain"


def resume(trial: Trial) -> None:
    """A fresh one that loads its state answers with the same bits."""
    trial.whole()
    net, other = trial.net(), trial.net(1)
    with fresh_globals():
        net(trial.x)  # so that the statistics are not those of a fresh one
    other.load_state_dict(net.state_dict())
    assert torch.equal(_logits(net.eval(), trial.x), _logits(other.eval(), trial.x)), (
        "its state is not all of it"
    )


def _logits(net: Backbone, x: Tensor) -> Tensor:
    with torch.no_grad(), fresh_globals():
        logits: Tensor = net(x).logits
    return logits


LAWS = (
    Law("initialise", initialise),
    Law("shapes", shapes),
    Law("one channel", one_channel),
    Law("stages", stages),
    Law("three updates", three_updates),
    Law("eval mode", eval_mode),
    Law("no global RNG", no_global_draws),
    Law("same seed", same_seed),
    Law("seeds matter", other_seed),
    Law("deep copy", copies),
    Law("auxiliary BatchNorm", auxiliary),
    Law("resume", resume),
)


def try_backbone(make: Callable[..., Backbone]) -> list[Finding]:
    """Every law."""
    return judge("", LAWS, Trial(make))


def check_backbone(make: Callable[..., Backbone]) -> None:
    """Hold a backbone to every law. `make` builds one from `num_classes` and `in_channels`.

    Raises:
        AssertionError: a law does not hold; the message names it.
    """
    hold(try_backbone(make))
