"""The laws of augmenters: each is tried in every slot that it does not refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial

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
    refuse_global_draws,
    same_bits,
    weights_of,
)
from lpa3bench.testing.laws import (
    EVERY,
    Finding,
    Law,
    NotApplicable,
    NotReached,
    hold,
    judge,
    one_line,
)
from lpa3bench.testing.short_training import EPOCHS, begin, check_resume, steps, train_epoch
from lpa3bench.testing.tiny import COUNT, SPEC, GreyTinySet, TinySet, TinyTask
from lpa3bench.training.environment import Environment
from lpa3bench.training.guard import WrongView
from lpa3bench.types import SLOTS

BATCH, OTHER_SEEDS = COUNT // 3, range(1, 6)
LATER = 10**6
"""The step at which the second pass begins: what starts late must be seen too."""
ROUNDING = 1e-4
"""By how much the weights of a target may miss a sum of one."""


@dataclass
class Seen:
    """What an augmenter made of the first batches, through the real guard, and what it left behind."""

    raised: Exception | None = None
    """By `generate`, or by the guard that looked at what it returned."""
    no_images: Exception | None = None
    """What the alarm says of values and rows, or what is wrong with targets."""
    images: list[Tensor] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    overwritten: set[str] = field(default_factory=set)
    """What it wrote into, of all that it was handed."""
    global_draws: set[str] = field(default_factory=set)
    drew: bool = False
    """Whether it drew any random number from the run's own."""
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

    def check_targets(self) -> None:
        """Those that views bring of their own must be probabilities."""
        for target in (view.target.double() for view in self.views if view.target is not None):
            good = bool((target >= 0).all()) and bool(((target.sum(1) - 1).abs() <= ROUNDING).all())
            assert good, "returned a target whose rows are no probabilities: each >= 0, with a sum of one"

    def through(self) -> Seen:
        """Itself, where every batch went through."""
        if self.raised is not None:
            raise NotReached("there are no views to look at")
        return self

    def whole(self) -> Seen:
        """Itself, where every batch went through and the views are images."""
        if self.through().no_images is not None:
            raise NotReached("the views are not what they must be")
        return self


class Trial:
    """An augmenter in a slot. `make` builds a fresh one."""

    def __init__(
        self, make: Callable[[], Augmenter], slot: SlotName, dataset: type[TinySet] = TinySet
    ) -> None:
        self.make, self.slot, self.dataset = make, slot, dataset

    def begin(self, seed: int = 0) -> tuple[Environment, TinyTask]:
        """The tiny task with the augmenter bound."""
        task = TinyTask()
        return begin(task, {self.slot: self.make()}, seed=seed, dataset=self.dataset), task

    @cached_property
    def refused_setup(self) -> Exception | None:
        """What building it and setting it up raises."""
        with fresh_globals():
            return attempt(self.begin)

    @cached_property
    def first(self) -> Seen:
        """With seed 0."""
        return self.see()

    @cached_property
    def again(self) -> Seen:
        """The same once more."""
        return self.see()

    def see(self, seed: int = 0) -> Seen:
        """Hand it the training set in batches. Whatever the seed, the network has the weights of seed 0."""
        if self.refused_setup is not None:
            raise NotReached("it could not be set up")
        seen, plain = Seen(), begin(TinyTask(), dataset=self.dataset)
        new, settings = weights_of(plain.models["net"]), norm_settings(plain.models["net"])
        # A network that has seen images: what resets its statistics must not find them as good as new.
        plain.models["net"](plain.images(torch.arange(COUNT)))
        before = weights_of(plain.models["net"])
        with fresh_globals():
            with global_draws(seen.global_draws):
                env, _ = self.begin(seed)
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
        return seen

    def _calls(self, env: Environment, seen: Seen) -> None:
        net = env.models["net"]
        targets = one_hot(env.labels.given, SPEC.num_classes)
        for epoch, env.clock.step in enumerate((0, LATER)):
            env.clock.epoch = epoch
            with global_draws(seen.global_draws):
                env.views.begin_epoch(epoch)
            for index in torch.split(torch.arange(COUNT), BATCH):
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


# ------------------------------------------------------------------------------------------------ the laws
def initialise(trial: Trial) -> None:
    """It can be built, copied and set up."""
    if trial.refused_setup is not None:
        raise trial.refused_setup


def batches(trial: Trial) -> None:
    """`begin_epoch` and `generate` go through two epochs of the whole training set without raising."""
    error = trial.first.own_error
    if error is not None and not trial.first.refused:
        raise error


def shapes(trial: Trial) -> None:
    """Views, rows, targets and info have the right shapes and types."""
    if trial.first.refused:
        raise AssertionError(_complaint(trial, trial.first.raised))
    trial.first.through()


def values(trial: Trial) -> None:
    """Views lie in [0, 1], their rows ascend in the batch, and targets of their own are probabilities."""
    error = trial.first.through().no_images
    assert error is None, _complaint(trial, error)


def _complaint(trial: Trial, error: Exception | None) -> str:
    """What the guard says after the plugin's name and slot."""
    text = str(error)
    return text.partition(f" in slot {trial.slot} ")[2] or text


def input_untouched(trial: Trial) -> None:
    """The images, index and target that it is handed are left as they are."""
    _left_as_they_are(trial.first.through())


def grey_images(trial: Trial) -> None:
    """Grey images, of one channel, are left as they are too, and made into images."""
    if trial.first.whole().overwritten:
        raise NotReached("it writes into what it is handed in colour")
    reason = trial.make().unsupported(GreyTinySet().spec, SLOTS[trial.slot])
    if reason is not None:
        raise NotApplicable(reason)
    grey = Trial(trial.make, trial.slot, GreyTinySet)
    if grey.refused_setup is not None:
        raise NotApplicable(one_line(grey.refused_setup))
    seen = grey.first
    _left_as_they_are(seen)
    if seen.raised is not None and not seen.refused:  # a transform knows no way of saying so beforehand
        raise NotApplicable(f"it does not take them: {one_line(seen.own_error or seen.raised)}")
    error = seen.raised or seen.no_images
    assert error is None, _complaint(trial, error)


def _left_as_they_are(seen: Seen) -> None:
    names = " and ".join(sorted(seen.overwritten))
    assert not names, f"writes into the {names} that it is handed; work on a copy"


def weights_untouched(trial: Trial) -> None:
    """The model's parameters and main BatchNorm statistics are left as they are."""
    names = list(dict.fromkeys(trial.first.changed))
    assert not names, f"changes {listed(names)} of the model"


def nothing_left(trial: Trial) -> None:
    """No gradient, no frozen parameter and no eval mode is left on the model."""
    left = trial.first.left
    assert not left, f"leaves {listed(left)}"


def no_global_draws(trial: Trial) -> None:
    """Random numbers come from `ctx.draws`, not from torch's, NumPy's or Python's global generator."""
    # The first time may have imported a library that draws while it is imported.
    refuse_global_draws(trial.first.global_draws & trial.again.global_draws)


def same_seed(trial: Trial) -> None:
    """The same seed gives the same views."""
    first, again = trial.first.whole(), trial.again
    assert again.own_error is None, f"raises, the second time only: {again.own_error}"
    assert _same(first, again), "the same seed gives other views"


def other_seed(trial: Trial) -> None:
    """Another seed gives other views, where it is random at all."""
    first = trial.first.whole()
    if not first.drew:
        raise NotApplicable("it draws no random numbers")
    for seed in OTHER_SEEDS:
        other = trial.see(seed)
        error = other.own_error or other.no_images
        assert error is None, f"fails with another seed only: {error}"
        if not _same(first, other):
            return
    if isinstance(trial.make(), _Transformed):  # it is seeded for it, and cannot pass a seed by
        raise NotApplicable("what it draws does not show in these images")
    if all(torch.equal(v.x, x[v.rows]) for v, x in zip(first.views, first.images, strict=True)):
        raise NotApplicable("it leaves these images as they are")
    raise AssertionError("draws random numbers that change nothing")


def _same(one: Seen, other: Seen) -> bool:
    pairs = zip(one.views, other.views, strict=True)
    return all(same_bits(a.x, b.x) and same_bits(a.rows, b.rows) for a, b in pairs)


def pairing(trial: Trial) -> None:
    """Binding it moves neither the order of the data nor any other random number of the run."""
    trial.first.whole()
    plain_task = TinyTask()
    plain = begin(plain_task)
    train_epoch(plain, plain_task, 0)
    with fresh_globals():
        env, task = trial.begin()
        train_epoch(env, task, 0)
    for name, draws in plain.state_dict()["draws"].items():
        moved = not torch.equal(draws["host"], env.state_dict()["draws"][name]["host"])
        assert not moved, f"binding it moves the draws of {name!r}, which are not its own"


def three_updates(trial: Trial) -> None:
    """A task that trains on its views for three epochs has finite losses."""
    trial.first.whole()
    with fresh_globals():
        env, task = trial.begin()
        for epoch in range(EPOCHS):
            for _, logs in steps(env, task, epoch):
                assert bool(torch.isfinite(logs["loss"])), f"the loss is {float(logs['loss'])}"


def gradients_off(trial: Trial) -> None:
    """It works where the task has switched gradients off, and the model to eval mode, as for a prediction."""
    trial.first.whole()
    with fresh_globals():
        env, _ = trial.begin()
        env.views.begin_epoch(0)
        index = torch.arange(BATCH)
        target = one_hot(env.labels.given[index], SPEC.num_classes)
        with env.evaluating():
            env.views(trial.slot, env.models["net"], env.images(index), index=index, target=target)
        env.alarm.check()


def resume(trial: Trial) -> None:
    """Training that is stopped and goes on ends with the same bits."""
    trial.first.whole()
    check_resume(TinyTask, trial.make, trial.slot)


LAWS = (
    Law("initialise", initialise),
    Law("batches", batches),
    Law("shapes", shapes),
    Law("range", values),
    Law("input untouched", input_untouched),
    Law("grey images", grey_images),
    Law("parameters untouched", weights_untouched),
    Law("no gradients left", nothing_left),
    Law("no global RNG", no_global_draws),
    Law("same seed", same_seed),
    Law("seeds matter", other_seed),
    Law("data order", pairing),
    Law("three updates", three_updates),
    Law("gradients off", gradients_off),
    Law("resume", resume),
)


def try_augmenter(make: Callable[[], Augmenter]) -> list[Finding]:
    """Every law in every slot; a slot that the augmenter refuses is one finding, with its reason."""
    findings = []
    for slot in SLOTS:
        where, reason = f"slot {slot}", outcome_of(partial(refusal, make, slot))
        if reason is None:
            findings += judge(where, LAWS, Trial(make, slot))
        elif isinstance(reason, Exception):
            said = f"`unsupported` raises {one_line(reason)}"
            findings.append(Finding(where, "initialise", "FAILED", said, reason))
        else:
            findings.append(Finding(where, EVERY, "not applicable", reason))
    return findings


def refusal(make: Callable[[], Augmenter], slot: SlotName) -> str | None:
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
    hold(judge(f"slot {slot}", LAWS, Trial(make, slot)))
