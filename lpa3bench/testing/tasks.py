"""The laws of tasks: alone, and with a simple and a model-in-the-loop augmenter in each slot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Labels, SlotName, Task
from lpa3bench.errors import ConfigError
from lpa3bench.testing.differences import (
    assert_same,
    attempt,
    changed,
    fresh_globals,
    global_draws,
    listed,
    outcome_of,
    refuse_global_draws,
    weights_of,
)
from lpa3bench.testing.laws import EVERY, Finding, Law, NotApplicable, NotReached, hold, judge
from lpa3bench.testing.short_training import EPOCHS, LONGEST, begin, check_resume, steps
from lpa3bench.testing.tiny import SPEC, Noise, TinyLabels, hard
from lpa3bench.training.environment import Environment
from lpa3bench.types import SLOTS, steps_in

PLAN = 4
"""Times that an epoch may be longer, or shorter, than planned."""
SHOWN = 5
"""Images that are predicted."""


@dataclass
class Seen:
    """A training, and what it left behind."""

    raised: BaseException | None = None
    logs: list[dict[str, Any]] = field(default_factory=list)
    orders: list[list[list[int]]] = field(default_factory=list)
    """Of the first epoch: the places of each batch of each step."""
    draws: dict[str, Tensor] = field(default_factory=dict)
    """After the first epoch: the state of what orders and weak views are drawn from, by name."""
    unannounced: set[str] = field(default_factory=set)
    """Phases that steps name and `phases` does not."""
    lengths: list[tuple[int, int]] = field(default_factory=list)
    """Of each epoch: the steps that `phases` plans, and those that it had before it was cut short."""
    start: list[dict[str, Tensor]] = field(default_factory=list)
    trained: bool = False
    unused: list[str] = field(default_factory=list)
    global_draws: set[str] = field(default_factory=set)
    predicted: Tensor | None = None
    moved_by_predict: list[str] = field(default_factory=list)

    def whole(self) -> Seen:
        """Itself, where the training went through."""
        if self.raised is not None:
            raise NotReached("it could not be trained to the end")
        return self


class Trial:
    """A task, alone or with an augmenter in one of its slots. `make` and `augmenter` build fresh ones."""

    def __init__(
        self,
        make: Callable[[], Task],
        slot: SlotName | None = None,
        augmenter: Callable[[], Augmenter] | None = None,
        alone: Trial | None = None,
    ) -> None:
        self.make, self.slot, self.augmenter, self.alone = make, slot, augmenter, alone

    def begin(self, seed: int = 0) -> tuple[Environment, Task]:
        """Set up."""
        task = self.make()
        slots = {self.slot: self.augmenter()} if self.slot and self.augmenter else {}
        return begin(task, slots, seed=seed, labels=self.labels), task

    @cached_property
    def labels(self) -> Labels:
        """A label for every image; for every second one where the task refuses that."""
        return TinyLabels(partial=refusal(self.make, TinyLabels()) is not None)

    @cached_property
    def refused_setup(self) -> BaseException | None:
        """What building it, setting it up and asking what it is for raises."""
        with fresh_globals():
            return attempt(self._asked)

    def _asked(self) -> None:
        unknown = [slot for slot in self.make().slots if slot not in SLOTS]
        assert not unknown, f"there is no slot {unknown[0]!r}; slots are {', '.join(SLOTS)}"
        _, task = self.begin()
        reason = task.unsupported(SPEC, self.labels)
        assert reason is None or isinstance(reason, str), f"unsupported returns a {type(reason).__name__}"

    @cached_property
    def first(self) -> Seen:
        """Three epochs with seed 0."""
        return self.see()

    @cached_property
    def again(self) -> Seen:
        """The same once more."""
        return self.see()

    def see(self, seed: int = 0, epochs: int = EPOCHS) -> Seen:
        """Train, then predict."""
        if self.refused_setup is not None:
            raise NotReached("it could not be set up")
        seen = Seen()
        with fresh_globals(), global_draws(seen.global_draws):
            seen.raised = attempt(lambda: self._train(seen, seed, epochs))
        return seen

    def _train(self, seen: Seen, seed: int, epochs: int) -> None:
        env, task = self.begin(seed)
        plan = task.phases(EPOCHS)
        phases = {phase.name for phase in plan}
        nets = [env.models[name] for name in task.models]
        seen.start = [weights_of(net) for net in nets]
        for epoch in range(epochs):
            before = len(seen.logs)
            for step, logs in steps(env, task, epoch):
                seen.logs.append(logs)
                seen.unannounced |= {step.phase} - phases
                if epoch == 0:
                    seen.orders.append([batch.index.tolist() for batch in step.batches])
            seen.lengths.append((steps_in(plan, epoch), len(seen.logs) - before))
            if epoch == 0:
                states = env.state_dict()["draws"]
                seen.draws = {n: s["host"] for n, s in states.items() if n.startswith(("order/", "weak"))}
        seen.trained = any(changed(net, before) for net, before in zip(nets, seen.start, strict=True))
        seen.unused = env.views.unused()
        ended = [weights_of(net) for net in nets]
        with env.evaluating():
            seen.predicted = task.predict(env.images(torch.arange(SHOWN)))
        moved = (changed(net, before) for net, before in zip(nets, ended, strict=True))
        seen.moved_by_predict = [name for names in moved for name in names]


# ------------------------------------------------------------------------------------------------ the laws
def initialise(trial: Trial) -> None:
    """It can be built and set up."""
    error = trial.refused_setup
    if isinstance(error, ConfigError):
        raise NotApplicable(f"it refuses the tiny data set: {error}")
    if error is not None:
        raise error


def three_updates(trial: Trial) -> None:
    """It trains for three epochs of updates without raising."""
    if trial.first.raised is not None:
        raise trial.first.raised.__cause__ or trial.first.raised
    assert trial.first.logs, "`batches` yields no step"


def finite_loss(trial: Trial) -> None:
    """Every update returns 0-d tensors, among them a finite "loss"."""
    for logs in trial.first.whole().logs:
        assert "loss" in logs, 'update returns no "loss"'
        for name, value in logs.items():
            assert isinstance(value, Tensor), f"{name} is a {type(value).__name__}, not a tensor"
            assert value.ndim == 0, f"{name} is not a 0-d tensor"
            assert bool(torch.isfinite(value)), f"{name} is {float(value)}"


def trains(trial: Trial) -> None:
    """The network's weights change."""
    assert trial.first.whole().trained, "nothing was trained"


def phases(trial: Trial) -> None:
    """`phases` announces every phase, and for each epoch a quarter to four times the steps that it has."""
    # Not the very number: how long an epoch gets may depend on what was learnt.
    unknown = sorted(trial.first.whole().unannounced)
    assert not unknown, f"phase {listed(unknown)} was not announced"
    for epoch, (planned, real) in enumerate(trial.first.lengths):
        cut = real >= LONGEST  # then it may have had any number more
        right = max(real, 1) <= PLAN * max(planned, 1) and (cut or planned <= PLAN * max(real, 1))
        shown = f"{real} or more" if cut else real
        assert right, f"{planned} steps are announced for epoch {epoch}, which has {shown}"


def shapes(trial: Trial) -> None:
    """`predict` returns one row of probabilities for each image."""
    probs = trial.first.whole().predicted
    assert isinstance(probs, Tensor), f"predict returns a {type(probs).__name__}"
    wanted = [SHOWN, SPEC.num_classes]
    assert list(probs.shape) == wanted, f"predict returns {list(probs.shape)}, not {wanted}"
    assert bool((probs >= 0).all()), "predict returns negative probabilities"
    assert torch.allclose(probs.sum(1).float(), torch.ones(SHOWN), atol=1e-4), (
        "predict's rows do not add up to 1"
    )


def predict_leaves_all(trial: Trial) -> None:
    """`predict` changes neither parameters nor BatchNorm statistics."""
    names = trial.first.whole().moved_by_predict
    assert not names, f"predict changes {listed(names)}"


def no_global_draws(trial: Trial) -> None:
    """Random numbers come from `env.draws`, not from torch's, NumPy's or Python's global generator."""
    trial.first.whole()
    # The first time may have imported a library that draws while it is imported.
    refuse_global_draws(trial.first.global_draws & trial.again.global_draws)


def same_seed(trial: Trial) -> None:
    """The same seed gives the same training."""
    again = trial.again.whole()
    same = trial.first.whole().logs[: len(again.logs)]
    assert_same(same, again.logs, "the same seed gives another training: step")


def other_seed(trial: Trial) -> None:
    """Another seed gives another training."""
    first, other = trial.first.whole(), trial.see(seed=1, epochs=1).whole()
    if first.orders == other.orders:
        same = attempt(lambda: assert_same(first.logs[: len(other.logs)], other.logs)) is None
        assert not same, "another seed gives the same training"


def slot_used(trial: Trial) -> None:
    """It asks for what is bound in its slots."""
    alone(trial)
    if trial.first.whole().unused:
        raise NotApplicable(f"it has not asked for slot {trial.slot} in {EPOCHS} epochs")


def pairing(trial: Trial) -> None:
    """Binding an augmenter moves neither the first weights nor the order of the data."""
    plain = alone(trial).first.whole()
    assert_same(trial.first.whole().start, [*_main(plain, trial.first)], "the first weights with it: network")
    moved = f"binding slot {trial.slot} moves the order of the data"
    assert trial.first.orders == plain.orders, moved
    for name, state in plain.draws.items():
        assert torch.equal(state, trial.first.draws[name]), f"{moved}, drawn from {name!r}, in later epochs"


def _main(plain: Seen, like: Seen) -> list[dict[str, Tensor]]:
    """The weights of `plain`, with the auxiliary BatchNorms of `like`, which draw nothing."""
    return [
        {name: one.get(name, value) for name, value in other.items()}
        for one, other in zip(plain.start, like.start, strict=True)
    ]


def alone(trial: Trial) -> Trial:
    """The task without any augmenter."""
    if trial.alone is None:
        raise NotApplicable("nothing is bound")
    if trial.alone.refused_setup is not None:
        raise NotApplicable("it does not train alone")
    return trial.alone


def resume(trial: Trial) -> None:
    """Training that is stopped and goes on ends with the same bits."""
    trial.first.whole()
    check_resume(trial.make, trial.augmenter, trial.slot or "positives", labels=trial.labels)


LAWS = (
    Law("initialise", initialise),
    Law("three updates", three_updates),
    Law("finite loss", finite_loss),
    Law("trains", trains),
    Law("phases", phases),
    Law("shapes", shapes),
    Law("predict", predict_leaves_all),
    Law("no global RNG", no_global_draws),
    Law("same seed", same_seed),
    Law("seeds matter", other_seed),
    Law("slot used", slot_used),
    Law("data order", pairing),
    Law("resume", resume),
)


def trials(make: Callable[[], Task]) -> dict[str, Trial]:
    """The task alone, and with either partner in each of its slots."""
    plain = Trial(make)
    found = {"no augmenter": plain}
    for slot in make().slots:
        found[f"Noise in {slot}"] = Trial(make, slot, Noise, plain)
        found[f"Hard in {slot}"] = Trial(make, slot, partial(hard, slot), plain)
    return found


def try_task(make: Callable[[], Task]) -> list[Finding]:
    """Every law in every trial."""
    tried = outcome_of(lambda: trials(make))
    if isinstance(tried, BaseException):  # the first law says so
        return judge("no augmenter", LAWS, Trial(make))
    reasons = [refusal(make, TinyLabels(partial=partial)) for partial in (False, True)]
    if None not in reasons:
        return [Finding("", EVERY, "not applicable", f"it refuses the tiny data set: {reasons[0]}")]
    return [f for where, trial in tried.items() for f in judge(where, LAWS, trial)]


def refusal(make: Callable[[], Task], labels: Labels) -> str | None:
    """Why the task is not for the tiny data set with these labels; None where it is, or cannot even say."""
    error = attempt(lambda: begin(make(), labels=labels))
    reason = outcome_of(lambda: make().unsupported(SPEC, labels))
    if reason and isinstance(reason, str):
        return reason
    return str(error) if isinstance(error, ConfigError) else None


def check_task(make: Callable[[], Task]) -> None:
    """Hold a task to every law, in every trial. `make` builds a fresh one; its batches hold 16 or so images.

    Raises:
        AssertionError: a law does not hold; the message names it.
    """
    hold(try_task(make))
