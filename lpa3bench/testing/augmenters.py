"""The laws of augmenters: each is tried in every slot that it does not refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Self

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, SlotName, View
from lpa3bench.ops import one_hot
from lpa3bench.plugin.from_transform import _Transformed
from lpa3bench.testing.differences import (
    attempt,
    changed,
    drew,
    fresh_globals,
    global_draws,
    listed,
    no_exit,
    norm_settings,
    outcome_of,
    same_bits,
    weights_of,
)
from lpa3bench.testing.laws import (
    EVERY,
    Finding,
    Law,
    NotApplicable,
    NotReached,
    findings_of,
    hold,
    one_line,
)
from lpa3bench.testing.short_training import set_up
from lpa3bench.testing.subject import (
    DRAW_FROM_DRAWS,
    Observation,
    Subject,
    initialise,
    no_global_draws,
    other_seed,
    same_seed,
)
from lpa3bench.testing.tiny import COUNT, SPEC, GreyTinySet, TinySet, TinyTask
from lpa3bench.testing.training_subject import TaskSubject, finite_loss, pairing, resume, three_updates
from lpa3bench.training.environment import Environment
from lpa3bench.training.guard import WrongView
from lpa3bench.types import SLOTS

BATCH_SIZE = COUNT // 3
LATER = 10**6
"""The step at which the second pass begins: what starts late must be seen too."""
TARGET_ROUNDING = 1e-4
"""By how much the weights of a target may miss a sum of one."""


@dataclass
class ViewsSeen(Observation):
    """What an augmenter made of the first batches, through the real guard, and what it left behind.

    `raised`: by `generate`, or by the guard that looked at what it returned.
    """

    no_images: Exception | None = None
    """What the flags say of values and rows, or what is wrong with targets."""
    images: list[Tensor] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    overwritten: set[str] = field(default_factory=set)
    """What it wrote into, of all that it was handed."""
    changed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether it was the guard that raised: `generate` went through, and returned something else."""
        return isinstance(self.raised, WrongView)

    @property
    def own_error(self) -> Exception | None:
        """What `generate` raised, without the guard's words around it."""
        cause = None if self.raised is None else self.raised.__cause__
        if isinstance(cause, SystemExit):
            return no_exit(cause)
        return cause if isinstance(cause, Exception) else self.raised

    @property
    def error(self) -> Exception | None:
        return self.own_error or self.no_images

    def check_targets(self) -> None:
        """Those that views bring of their own must be probabilities."""
        for target in (view.target.double() for view in self.views if view.target is not None):
            good = bool((target >= 0).all()) and bool(((target.sum(1) - 1).abs() <= TARGET_ROUNDING).all())
            assert good, "returned a target whose rows are no probabilities: each >= 0, with a sum of one"

    def through(self) -> Self:
        """Itself, where every batch went through, whatever the views hold."""
        if self.raised is not None:
            raise NotReached("there are no views to look at")
        return self


class AugmenterSubject(Subject[ViewsSeen]):
    """An augmenter in a slot."""

    results = "views"

    def __init__(
        self, make: Callable[[], Augmenter], slot: SlotName, dataset: type[TinySet] = TinySet
    ) -> None:
        self.make, self.slot, self.dataset = make, slot, dataset

    def begin(self, seed: int = 0) -> Environment:
        """Of the tiny task with the augmenter bound."""
        return set_up(TinyTask(), {self.slot: self.make()}, seed=seed, dataset=self.dataset)

    def start(self) -> None:
        """Build, copy and set it up."""
        self.begin()

    @cached_property
    def training(self) -> TaskSubject:
        """A task that trains on its views, where these are right."""
        if self.first.reached().overwritten:
            raise NotReached("it writes into what it is handed")
        return TaskSubject(TinyTask, self.slot, self.make, TaskSubject(TinyTask))

    def see(self, seed: int) -> ViewsSeen:
        """Hand it the training set in batches. Whatever the seed, the network has the weights of seed 0."""
        seen, plain = ViewsSeen(), set_up(TinyTask(), dataset=self.dataset)
        new, settings = weights_of(plain.models["net"]), norm_settings(plain.models["net"])
        # A network that has seen images: what resets its statistics must not find them as good as new.
        plain.models["net"](plain.images(torch.arange(COUNT)))
        before = weights_of(plain.models["net"])
        with fresh_globals():
            with global_draws(seen.global_draws):
                env = self.begin(seed)
            net = env.models["net"]
            seen.changed = [] if seed else changed(net, new)  # another seed has other weights
            net.load_state_dict(before, strict=False)
            seen.raised = attempt(lambda: self._calls(env, seen))
            seen.drew = any(drew(state) for state in env.state_dict()["draws"].values())
        seen.no_images = attempt(env.alarm.check) or attempt(seen.check_targets)
        seen.changed += changed(net, before)
        seen.changed += [name for name, value in norm_settings(net).items() if value != settings.get(name)]
        seen.left = [f"a gradient on {name}" for name, p in net.named_parameters() if p.grad is not None]
        seen.left += [f"{name} frozen" for name, p in net.named_parameters() if not p.requires_grad]
        seen.left += [] if net.training else ["the model in eval mode"]
        seen.result = [(view.x, view.rows) for view in seen.views]
        return seen

    def _calls(self, env: Environment, seen: ViewsSeen) -> None:
        net = env.models["net"]
        targets = one_hot(env.labels.given, SPEC.num_classes)
        for epoch, env.clock.step in enumerate((0, LATER)):
            env.clock.epoch = epoch
            with global_draws(seen.global_draws):
                env.views.begin_epoch(epoch)
            for index in torch.split(torch.arange(COUNT), BATCH_SIZE):
                x, target = env.images(index), targets[index]
                handed = {"images": x, "index": index, "target": target}
                before = {name: tensor.clone() for name, tensor in handed.items()}
                seen.images.append(before["images"])
                with global_draws(seen.global_draws):
                    view = env.views(self.slot, net, x, index=index, target=target, pass_no=epoch)
                assert view is not None  # the slot is bound
                seen.views.append(view)
                seen.overwritten |= {n for n, tensor in handed.items() if not same_bits(tensor, before[n])}
                env.clock.step += 1

    def excuse(self) -> str:
        views, images = self.first.views, self.first.images
        if isinstance(self.make(), _Transformed):  # it is seeded for it, and cannot pass a seed by
            return "what it draws does not show in these images"
        if all(torch.equal(v.x, x[v.rows]) for v, x in zip(views, images, strict=True)):
            return "it leaves these images as they are"
        return ""


# ------------------------------------------------------------------------------------------------ the laws
def batches(subject: AugmenterSubject) -> None:
    """`begin_epoch` and `generate` go through two epochs of the whole training set without raising."""
    error = subject.first.own_error
    if error is not None and not subject.first.refused:
        raise error


def view_shapes(subject: AugmenterSubject) -> None:
    """Views, rows, targets and info have the right shapes and types."""
    if subject.first.refused:
        raise AssertionError(_complaint(subject, subject.first.raised))
    subject.first.through()


def view_values(subject: AugmenterSubject) -> None:
    """Views lie in [0, 1], their rows ascend in the batch, and targets of their own are probabilities."""
    error = subject.first.through().no_images
    assert error is None, _complaint(subject, error)


def _complaint(subject: AugmenterSubject, error: Exception | None) -> str:
    """What the guard says after the plugin's name and slot."""
    text = str(error)
    return text.partition(f" in slot {subject.slot} ")[2] or text


def input_untouched(subject: AugmenterSubject) -> None:
    """The images, index and target that it is handed are left as they are."""
    _left_as_they_are(subject.first.through())


def grey_images(subject: AugmenterSubject) -> None:
    """Grey images, of one channel, are left as they are too, and made into images."""
    if subject.first.reached().overwritten:
        raise NotReached("it writes into what it is handed in colour")
    reason = subject.make().unsupported(GreyTinySet().spec, SLOTS[subject.slot])
    if reason is not None:
        raise NotApplicable(reason)
    grey = AugmenterSubject(subject.make, subject.slot, GreyTinySet)
    if grey.refused is not None:
        raise NotApplicable(one_line(grey.refused))
    seen = grey.first
    _left_as_they_are(seen)
    if seen.raised is not None and not seen.refused:  # a transform knows no way of saying so beforehand
        raise NotApplicable(f"it does not take them: {one_line(seen.own_error or seen.raised)}")
    error = seen.raised or seen.no_images
    assert error is None, _complaint(subject, error)


def _left_as_they_are(seen: ViewsSeen) -> None:
    names = " and ".join(sorted(seen.overwritten))
    assert not names, f"writes into the {names} that it is handed"


def weights_untouched(subject: AugmenterSubject) -> None:
    """The model's parameters and main BatchNorm statistics are left as they are."""
    names = list(dict.fromkeys(subject.first.changed))
    assert not names, f"changes {listed(names)} of the model"


def nothing_left(subject: AugmenterSubject) -> None:
    """No gradient, no frozen parameter and no eval mode is left on the model."""
    left = subject.first.left
    assert not left, f"leaves {listed(left)}"


def gradients_off(subject: AugmenterSubject) -> None:
    """It works where the task has switched gradients off, and the model to eval mode, as for a prediction.

    The engine leaves them off, so that what learns can tell by torch.is_grad_enabled() when it is not to.
    """
    subject.first.reached()
    with fresh_globals():
        env = subject.begin()
        env.views.begin_epoch(0)
        index = torch.arange(BATCH_SIZE)
        target = one_hot(env.labels.given[index], SPEC.num_classes)
        with env.evaluating():
            env.views(subject.slot, env.models["net"], env.images(index), index=index, target=target)
        env.alarm.check()


AUGMENTER_LAWS = (
    Law(
        "initialise",
        initialise,
        "let the constructor only keep its parameters; what costs anything belongs into `setup(env)`",
    ),
    Law("batches", batches, "mend `generate` or `begin_epoch`; LPA3BENCH_TRACEBACK=1 shows the line"),
    Law(
        "shapes",
        view_shapes,
        "return View(x, rows): x [M, C, H, W] of the dtype handed in, rows int64 [M], one for each view",
    ),
    Law("range", view_values, "clamp views to [0, 1], let rows ascend, and let targets be probabilities"),
    Law("input untouched", input_untouched, "work on a copy"),
    Law("grey images", grey_images, "go by x.shape[1], or refuse such data in `unsupported(spec, slot)`"),
    Law(
        "parameters untouched",
        weights_untouched,
        "call the network by `ctx.logits` alone, and change nothing but modules of your own",
    ),
    Law("no gradients left", nothing_left, "take gradients by torch.autograd.grad, not by backward()"),
    Law("no global RNG", no_global_draws, DRAW_FROM_DRAWS),
    Law("same seed", same_seed, "draw from `ctx.draws` alone, and keep nothing outside of the object"),
    Law("seeds matter", other_seed, "use what is drawn, or draw nothing"),
    Law(
        "data order",
        pairing,
        "draw from `ctx.draws`, or in `setup` from `env.draws` under a name of your own",
    ),
    Law("three updates", three_updates, "mend what it raises; LPA3BENCH_TRACEBACK=1 shows the line"),
    Law("finite loss", finite_loss, "keep views finite and, where there are targets, probabilities"),
    Law(
        "gradients off",
        gradients_off,
        "take gradients inside `with torch.enable_grad():`, and learn only where torch.is_grad_enabled()",
    ),
    Law("resume", resume, "make in `setup(env)` what the next epoch depends on, and name it in `saved`"),
)


def try_augmenter(make: Callable[[], Augmenter]) -> list[Finding]:
    """Every law in every slot; a slot that the augmenter refuses is one finding, with its reason."""
    findings = []
    for slot in SLOTS:
        where, reason = f"slot {slot}", outcome_of(partial(slot_refusal, make, slot))
        if reason is None:
            findings += findings_of(where, AUGMENTER_LAWS, AugmenterSubject(make, slot))
        elif isinstance(reason, Exception):
            said, remedy = f"`unsupported` raises {one_line(reason)}", "let it return the reason, or None"
            findings.append(Finding(where, "initialise", "FAILED", said, remedy, reason))
        else:
            findings.append(Finding(where, EVERY, "not applicable", reason))
    return findings


def slot_refusal(make: Callable[[], Augmenter], slot: SlotName) -> str | None:
    """Why it is not for this slot; None where it is, or where it cannot even be built."""
    augmenter = outcome_of(make)
    if isinstance(augmenter, Exception):  # the first law will say so
        return None
    reason = augmenter.unsupported(SPEC, SLOTS[slot])
    if reason is None and augmenter.bn_domain == "aux" and not SLOTS[slot].auxiliary:
        return f"it works in the auxiliary BatchNorm, and slot {slot} would never train the main one"
    return reason


def check_augmenter(make: Callable[[], Augmenter], slot: SlotName) -> None:
    """Hold an augmenter to every law, in a slot. `make` builds a fresh one.

    Raises:
        AssertionError: a law does not hold; the message names it.
    """
    hold(findings_of(f"slot {slot}", AUGMENTER_LAWS, AugmenterSubject(make, slot)))
