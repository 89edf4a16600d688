"""The laws of policies: each is shown the guesses of a few steps."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from lpa3bench.api import Guesses, Policy
from lpa3bench.runtime.seeding import Draws
from lpa3bench.testing.differences import assert_same, attempt, fresh_globals, global_draws, same_bits
from lpa3bench.testing.laws import Finding, Law, NotApplicable, findings_of, hold
from lpa3bench.testing.short_training import set_up
from lpa3bench.testing.subject import Observation, Subject, initialise, no_global_draws, same_seed
from lpa3bench.testing.tiny import COUNT, SPEC, Bystander

TRIED_STEPS = 6
_UNLABELLED, _LABELLED = 16, 8


class PolicyStep(NamedTuple):
    """What it is shown in one step."""

    guesses: Guesses
    strong: Tensor
    """[M, K], the logits of the strong views."""


def made_up_steps() -> Iterator[PolicyStep]:
    """Guesses that get surer from step to step, as training goes; some of each step are not sure."""
    draws, classes = Draws(3), SPEC.num_classes
    orders = torch.split(torch.cat([draws.permutation(COUNT) for _ in range(TRIED_STEPS)]), _UNLABELLED)
    for step, index in zip(range(TRIED_STEPS), orders, strict=False):
        weak, strong, labelled = (
            4 * (1 + step) * draws.uniform((count, 1)) * draws.normal((count, classes))
            for count in (_UNLABELLED, _UNLABELLED, _LABELLED)
        )
        yield PolicyStep(Guesses(weak.softmax(1), index, labelled.softmax(1)), strong)


def tensors_of(guesses: Guesses) -> tuple[Tensor, ...]:
    """Its tensors, in order."""
    return guesses.probs, guesses.index, guesses.labelled


@dataclass
class WeightsSeen(Observation):
    """What it made of the steps."""

    weights: list[Any] = field(default_factory=list)
    penalties: list[Any] = field(default_factory=list)
    gradients: list[Tensor] = field(default_factory=list)
    """Of the penalties, with regard to the logits."""
    overwritten: bool = False
    """Whether it wrote into what it was handed."""


class PolicySubject(Subject[WeightsSeen]):
    """A policy. `make` builds a fresh one."""

    results = "weights"

    def __init__(self, make: Callable[[], Policy]) -> None:
        self.make = make

    def start(self) -> Policy:
        """Set it up for the tiny set, of which every image is guessed."""
        policy = self.make()
        policy.setup(set_up(Bystander()), torch.ones(COUNT, dtype=torch.bool))
        return policy

    def see(self, seed: int) -> WeightsSeen:
        """Show it all steps. It has no seed."""
        seen, policy = WeightsSeen(), self.start()
        with fresh_globals(), global_draws(seen.global_draws):
            seen.raised = attempt(lambda: self.show_all(policy, seen))
        seen.result = [seen.weights, seen.penalties, seen.gradients]
        return seen

    def show_all(self, policy: Policy, seen: WeightsSeen) -> None:
        for step in made_up_steps():
            self.show(policy, step, seen)

    def show(self, policy: Policy, step: PolicyStep, seen: WeightsSeen) -> None:
        """One step, as a task goes through it."""
        guesses = Guesses(*(part.clone() for part in tensors_of(step.guesses)))
        strong = step.strong.clone().requires_grad_()
        weight = policy.weigh(guesses)
        seen.weights.append(weight)
        penalty = policy.penalty(strong, weight)
        seen.penalties.append(None if penalty is None else penalty.detach())
        if penalty is not None:
            (gradient,) = torch.autograd.grad(penalty, strong)
            seen.gradients.append(gradient)
        handed = zip((*tensors_of(step.guesses), step.strong), (*tensors_of(guesses), strong), strict=True)
        seen.overwritten |= not all(same_bits(one, other) for one, other in handed)


# ------------------------------------------------------------------------------------------------ the laws
def weighs(subject: PolicySubject) -> None:
    """Through six steps it weighs guesses, and nothing is raised."""
    if subject.first.raised is not None:
        raise subject.first.raised


def weights(subject: PolicySubject) -> None:
    """`weigh` returns a finite number of at least 0 for each guess, without gradient."""
    for weight in subject.first.reached().weights:
        assert isinstance(weight, Tensor), f"weigh returns a {type(weight).__name__}"
        assert list(weight.shape) == [_UNLABELLED], f"weigh returns {list(weight.shape)}, not [{_UNLABELLED}]"
        assert weight.dtype == torch.float32, f"weigh returns {weight.dtype} of guesses in float32"
        assert not weight.requires_grad, "the weights bring a gradient"
        assert bool(weight.isfinite().all() & (weight >= 0).all()), "a weight is below 0 or not finite"


def penalties(subject: PolicySubject) -> None:
    """`penalty` returns None, or a finite 0-d tensor with a gradient to the logits."""
    seen = subject.first.reached()
    found = [penalty for penalty in seen.penalties if penalty is not None]
    if not found:
        raise NotApplicable("it adds no loss")
    for penalty in found:
        assert penalty.ndim == 0, f"penalty returns {list(penalty.shape)}, not a 0-d tensor"
        assert bool(penalty.isfinite()), f"penalty returns {float(penalty)}"
    for gradient in seen.gradients:
        assert bool(gradient.isfinite().all()), "its gradient is not finite"


def guesses_untouched(subject: PolicySubject) -> None:
    """The guesses and logits that it is handed are left as they are."""
    assert not subject.first.reached().overwritten, "writes into what it is handed"


def resumes(subject: PolicySubject) -> None:
    """One that is stored in a file and read again after each step goes on with the same bits."""
    whole, seen = subject.first.reached(), WeightsSeen()
    policy = subject.start()
    for step in made_up_steps():
        subject.show(policy, step, seen)
        file = io.BytesIO()
        torch.save(policy.state_dict(), file)
        file.seek(0)
        policy = subject.start()
        policy.load_state_dict(torch.load(file, weights_only=True))
    assert_same(seen.weights, whole.weights, "after it was read again weigh")
    assert_same(seen.penalties, whole.penalties, "after it was read again penalty")


POLICY_LAWS = (
    Law("initialise", initialise, "let the constructor only keep its parameters, and allocate in `setup`"),
    Law("weighs", weighs, "mend `weigh` or `penalty`; LPA3BENCH_TRACEBACK=1 shows the line"),
    Law("weights", weights, "return a float tensor [M], by `.detach()` and in the precision of `probs`"),
    Law("penalty", penalties, "return None, or a finite mean that is computed from the logits"),
    Law("input untouched", guesses_untouched, "work on a copy"),
    Law("resume", resumes, "name in `saved` what the next step depends on, and make it in `setup`"),
    Law("no global RNG", no_global_draws, "compute it without random numbers"),
    Law("same again", same_seed, "keep nothing outside of the object"),
)


def try_policy(make: Callable[[], Policy]) -> list[Finding]:
    """Every law."""
    return findings_of("", POLICY_LAWS, PolicySubject(make))


def check_policy(make: Callable[[], Policy]) -> None:
    """Hold a policy to every law. `make` builds a fresh one.

    Raises:
        AssertionError: a law does not hold; the message names it.
    """
    hold(try_policy(make))
