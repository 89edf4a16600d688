"""The laws of augmenters: each is tried in every slot that it does not refuse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Slot, View
from lpa3bench.environment import Environment
from lpa3bench.errors import PluginError
from lpa3bench.ops import one_hot
from lpa3bench.slots import SLOTS
from lpa3bench.testing.compare import (
    attempt,
    changed,
    drew,
    fresh_globals,
    global_draws,
    listed,
    refuse_global_draws,
    weights_of,
)
from lpa3bench.testing.laws import EVERY, Finding, Law, NotApplicable, NotReached, hold, judge
from lpa3bench.testing.tiny import COUNT, SPEC, TinyTask
from lpa3bench.testing.training import EPOCHS, begin, check_resume, steps, train_epoch

PASSES, BATCH, OTHER_SEEDS = 2, COUNT // 3, range(1, 6)


@dataclass
class Seen:
    """What an augmenter made of the first batches, through the real guard, and what it left behind."""

    raised: Exception | None = None
    """By `generate`, or by the guard that looked at what it returned."""
    no_images: Exception | None = None
    """What the alarm says of values and rows."""
    images: list[Tensor] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    overwritten: bool = False
    """Whether it wrote into the images that it was handed."""
    global_draws: set[str] = field(default_factory=set)
    drew: bool = False
    """Whether it drew any random number from the run's own."""
    changed: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def refused(self) -> bool:
        """Whether it was the guard that raised: `generate` went through, and returned something else."""
        return isinstance(self.raised, PluginError) and " returned " in str(self.raised)

    def whole(self) -> Seen:
        """Itself, where every batch went through."""
        if self.raised is not None:
            raise NotReached("there are no views to look at")
        return self


class Trial:
    """An augmenter in a slot. `make` builds a fresh one."""

    def __init__(self, make: Callable[[], Augmenter], slot: Slot) -> None:
        self.make, self.slot = make, slot

    def begin(self, seed: int = 0) -> tuple[Environment, TinyTask]:
        """The tiny task with the augmenter bound."""
        task = TinyTask()
        return begin(task, {self.slot: self.make()}, seed=seed), task

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
        seen, plain = Seen(), begin(TinyTask()).models["net"]
        before = weights_of(plain)
        with fresh_globals():
            with global_draws(seen.global_draws):
                env, _ = self.begin(seed)
            net = env.models["net"]
            if seed:
                net.load_state_dict(before, strict=False)
            seen.raised = attempt(lambda: self._calls(env, seen))
            seen.drew = any(drew(state) for state in env.state_dict()["draws"].values())
        seen.no_images = attempt(env.alarm.check)
        seen.changed = changed(net, before)
        seen.left = [f"a gradient on {name}" for name, p in net.named_parameters() if p.grad is not None]
        seen.left += [f"{name} frozen" for name, p in net.named_parameters() if not p.requires_grad]
        seen.left += [] if net.training else ["the model in eval mode"]
        return seen

    def _calls(self, env: Environment, seen: Seen) -> None:
        net = env.models["net"]
        target = one_hot(env.labels.given, SPEC.num_classes)
        for call in range(3 * PASSES):
            index = torch.arange(BATCH) + BATCH * (call % 3)
            x = env.images(index)
            seen.images.append(x.clone())
            with global_draws(seen.global_draws):
                view = env.views(self.slot, net, x, index=index, target=target[index], pass_no=call // 3)
            assert view is not None  # the slot is bound
            seen.views.append(view)
            seen.overwritten |= not torch.equal(x, seen.images[-1])
            env.clock.step += 1


# ------------------------------------------------------------------------------------------------ the laws
def initialise(trial: Trial) -> None:
    """It can be built, copied and set up."""
    if trial.refused_setup is not None:
        raise trial.refused_setup


def batches(trial: Trial) -> None:
    """`generate` takes batch after batch, twice the whole training set, without raising."""
    error = trial.first.raised
    if error is not None and not trial.first.refused:
        raise error.__cause__ or error  # what `generate` raised, without the guard's words around it


def shapes(trial: Trial) -> None:
    """Views, rows and targets have the right shapes and types."""
    if trial.first.refused:
        raise AssertionError(_complaint(trial, trial.first.raised))
    trial.first.whole()


def values(trial: Trial) -> None:
    """Views lie in [0, 1], and their rows ascend in the batch."""
    error = trial.first.whole().no_images
    assert error is None, _complaint(trial, error)


def _complaint(trial: Trial, error: Exception | None) -> str:
    """What the guard says after the plugin's name and slot."""
    text = str(error)
    return text.partition(f" in slot {trial.slot} ")[2] or text


def input_untouched(trial: Trial) -> None:
    """The images that it is handed are left as they are."""
    assert not trial.first.whole().overwritten, "writes into the images that it is handed; work on a copy"


def weights_untouched(trial: Trial) -> None:
    """The model's parameters and main BatchNorm statistics are left as they are."""
    names = trial.first.changed
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
    assert _same(trial.first.whole(), trial.again.whole()), "the same seed gives other views"


def other_seed(trial: Trial) -> None:
    """Another seed gives other views, where it is random at all."""
    first = trial.first.whole()
    if not first.drew:
        raise NotApplicable("it draws no random numbers")
    others = (trial.see(seed).whole() for seed in OTHER_SEEDS)
    if not all(_same(first, other) for other in others):
        return
    if all(torch.equal(v.x, x[v.rows]) for v, x in zip(first.views, first.images, strict=True)):
        raise NotApplicable("it leaves these images as they are")
    raise AssertionError("draws random numbers that change nothing")


def _same(one: Seen, other: Seen) -> bool:
    pairs = zip(one.views, other.views, strict=True)
    return all(torch.equal(a.x, b.x) and torch.equal(a.rows, b.rows) for a, b in pairs)


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
        reason = refusal(make, slot)
        if reason is None:
            findings += judge(f"slot {slot}", LAWS, Trial(make, slot))
        else:
            findings.append(Finding(f"slot {slot}", EVERY, "not applicable", reason))
    return findings


def refusal(make: Callable[[], Augmenter], slot: Slot) -> str | None:
    """Why it is not for this slot; None where it is, or where not even that can be found out."""
    try:
        augmenter = make()
        reason = augmenter.unsupported(SPEC, slot)
    except Exception:  # the first law will say so
        return None
    if reason is None and slot == "view" and augmenter.bn_domain == "aux":
        return "it works in the auxiliary BatchNorm, and slot view would never train the main one"
    return reason


def check_augmenter(make: Callable[[], Augmenter], slot: Slot) -> None:
    """Hold an augmenter to every law, in a slot. `make` builds a fresh one.

    Raises:
        AssertionError: a law does not hold; the message names it.
    """
    hold(judge(f"slot {slot}", LAWS, Trial(make, slot)))
