"""The laws of tasks: alone, and with a simple and a model-in-the-loop augmenter in each slot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from lpa3bench.api import Task
from lpa3bench.testing.differences import listed, outcome_of
from lpa3bench.testing.laws import EVERY, Finding, Law, NotApplicable, findings_of, hold
from lpa3bench.testing.short_training import _LONGEST, TRIED_EPOCHS
from lpa3bench.testing.subject import DRAW_FROM_DRAWS, initialise, no_global_draws, other_seed, same_seed
from lpa3bench.testing.tiny import SPEC, Noise, TinyLabels, hard
from lpa3bench.testing.training_subject import (
    PREDICTED,
    TaskSubject,
    data_refusal,
    finite_loss,
    pairing,
    resume,
    three_updates,
    trained_alone,
)

PLAN = 4
"""Times that an epoch may be longer, or shorter, than planned."""


def trains(subject: TaskSubject) -> None:
    """The network's weights change."""
    assert subject.first.reached().trained, "nothing was trained"


def phases(subject: TaskSubject) -> None:
    """`phases` announces every phase, and for each epoch a quarter to four times the steps that it has."""
    # Not the very number: how long an epoch gets may depend on what was learnt.
    unknown = sorted(subject.first.reached().unannounced)
    assert not unknown, f"phase {listed(unknown)} was not announced"
    for epoch, (planned, real) in enumerate(subject.first.lengths):
        cut = real >= _LONGEST  # then it may have had any number more
        right = max(real, 1) <= PLAN * max(planned, 1) and (cut or planned <= PLAN * max(real, 1))
        shown = f"{real} or more" if cut else real
        assert right, f"{planned} steps are announced for epoch {epoch}, which has {shown}"


def prediction_shapes(subject: TaskSubject) -> None:
    """`predict` returns one row of probabilities for each image."""
    probs = subject.first.reached().predicted
    assert isinstance(probs, Tensor), f"predict returns a {type(probs).__name__}"
    wanted = [PREDICTED, SPEC.num_classes]
    assert list(probs.shape) == wanted, f"predict returns {list(probs.shape)}, not {wanted}"
    assert bool((probs >= 0).all()), "predict returns negative probabilities"
    assert torch.allclose(probs.sum(1).float(), torch.ones(PREDICTED), atol=1e-4), (
        "predict's rows do not add up to 1"
    )


def predict_leaves_all(subject: TaskSubject) -> None:
    """`predict` changes neither parameters nor BatchNorm statistics."""
    names = subject.first.reached().moved_by_predict
    assert not names, f"predict changes {listed(names)}"


def slot_used(subject: TaskSubject) -> None:
    """It asks for what is bound in its slots."""
    trained_alone(subject)
    if subject.first.reached().unused:
        raise NotApplicable(f"it has not asked for slot {subject.slot} in {TRIED_EPOCHS} epochs")


TASK_LAWS = (
    Law(
        "initialise",
        initialise,
        "let the constructor only keep its parameters, and make optimisers in `setup(env)`",
    ),
    Law(
        "three updates",
        three_updates,
        "mend `batches`, `update` or `end_epoch`; LPA3BENCH_TRACEBACK=1 shows the line",
    ),
    Law(
        "finite loss", finite_loss, 'return 0-d tensors, {"loss": loss.detach(), …}, and keep the loss finite'
    ),
    Law(
        "trains",
        trains,
        "call `env.backward(loss)` and `step()` of an optimiser of the network's parameters in `update`",
    ),
    Law(
        "phases", phases, "let `phases` name every phase that `batches` yields, with about its steps an epoch"
    ),
    Law("shapes", prediction_shapes, "return probabilities [B, K], by `softmax(1)` of logits"),
    Law("predict", predict_leaves_all, "only read in `predict`; what learns belongs into `update`"),
    Law("no global RNG", no_global_draws, DRAW_FROM_DRAWS),
    Law(
        "same seed",
        same_seed,
        "draw from `env.draws` and `env.sampler` alone, and keep nothing outside of the object",
    ),
    Law("seeds matter", other_seed, "take the order of the data from `env.sampler`"),
    Law("slot used", slot_used, "ask for `views(slot, …)` in `update`, or take the slot out of `slots`"),
    Law(
        "data order",
        pairing,
        "let orders and draws depend on no view; give each `env.draws` and `env.sampler` a name of its own",
    ),
    Law(
        "resume",
        resume,
        "name in `saved` what the next epoch depends on: optimisers, samplers, schedules, splits",
    ),
)


def task_subjects(make: Callable[[], Task]) -> dict[str, TaskSubject]:
    """The task alone, and with either partner in each of its slots."""
    plain = TaskSubject(make)
    found = {"no augmenter": plain}
    for slot in make().slots:
        found[f"Noise in {slot}"] = TaskSubject(make, slot, Noise, plain)
        found[f"Hard in {slot}"] = TaskSubject(make, slot, partial(hard, slot), plain)
    return found


def try_task(make: Callable[[], Task]) -> list[Finding]:
    """Every law, for the task alone and with each partner."""
    subjects = outcome_of(lambda: task_subjects(make))
    if isinstance(subjects, BaseException):  # the first law says so
        return findings_of("no augmenter", TASK_LAWS, TaskSubject(make))
    reasons = [data_refusal(make, TinyLabels(partial=partial)) for partial in (False, True)]
    if None not in reasons:
        return [Finding("", EVERY, "not applicable", f"it refuses the tiny data set: {reasons[0]}")]
    return [f for where, subject in subjects.items() for f in findings_of(where, TASK_LAWS, subject)]


def check_task(make: Callable[[], Task]) -> None:
    """Hold a task to every law. `make` builds a fresh one; its batches hold 16 or so images.

    Raises:
        AssertionError: a law does not hold; the message names it.
    """
    hold(try_task(make))
