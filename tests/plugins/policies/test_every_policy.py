"""What all policies do: they are bound in gin and in Python, stop runs of several processes or share them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from support.hostsync import HostSyncs
from support.shipped_configs import loaded, value
from support.small_runs import begin, train
from torch import Tensor

from lpa3bench.api import Guesses, Policy, TrainLabels
from lpa3bench.config.plugin_objects import given_parameters
from lpa3bench.plugin import registry
from lpa3bench.testing import COUNT
from lpa3bench.testing.policies import made_up_steps, tensors_of
from lpa3bench_plugins.augmenters.identity import Identity
from lpa3bench_plugins.policies.flexmatch import FlexMatch
from lpa3bench_plugins.policies.freematch import FreeMatch
from lpa3bench_plugins.policies.softmatch import SoftMatch
from lpa3bench_plugins.tasks.fixmatch import FixMatch

POLICIES: dict[str, type[Policy]] = {"flexmatch": FlexMatch, "freematch": FreeMatch, "softmatch": SoftMatch}


def small(**changed: Any) -> FixMatch:
    return FixMatch(**({"batch_size": 4, "mu": 2, "steps_per_epoch": 5} | changed))


def few() -> TrainLabels:
    labelled = torch.arange(COUNT) < 6
    return TrainLabels(torch.where(labelled, torch.arange(COUNT) % 3, -1), labelled)


# ------------------------------------------------------------------------------------------- how it is bound
@pytest.mark.parametrize("data", ["cifar10", "cifar100", "digits"])
@pytest.mark.parametrize("name", POLICIES)
def test_an_overlay_binds_it_with_what_was_published(name: str, data: str) -> None:
    config = loaded(f"{data}_fixmatch", f"policies/{name}")
    policy = config.experiment().task.policy  # type: ignore[attr-defined]
    assert type(policy) is POLICIES[name]
    assert config.identity_config["FixMatch.policy"] == f"@policies.{POLICIES[name].__name__}()"
    if data == "digits":
        return
    plain = POLICIES[name]()
    own = {parameter: text for parameter, text in vars(plain).items() if not parameter.startswith("_")}
    assert {parameter: getattr(policy, parameter) for parameter in own} == own


@pytest.mark.parametrize("data", ["cifar10", "cifar100", "stl10", "digits", "fashion"])
def test_without_one_a_run_is_what_it_was(data: str) -> None:
    """Neither parameter is in an identity, so earlier records of FixMatch are of the same experiment."""
    config = loaded(f"{data}_fixmatch")
    assert value(config, "FixMatch.policy") == "None"
    assert not {"FixMatch.policy", "FixMatch.hard_labels"} & config.identity_config.keys()
    assert not any("policies" in line for line in config.operative.splitlines())


def test_one_is_given_in_python() -> None:
    given = given_parameters({"FixMatch.policy": FlexMatch(threshold=0.9)}, registry.load_registry())
    assert given.bindings == (
        "policies.FlexMatch.threshold = 0.9",
        "policies.FlexMatch.warmup = True",
        "FixMatch.policy = @policies.FlexMatch()",
    )


# --------------------------------------------------------------------------------------------- in FixMatch
@pytest.mark.parametrize("name", POLICIES)
def test_a_step_never_waits_for_the_device(name: str) -> None:
    task = small(policy=POLICIES[name]())
    env = begin(task, labels=few(), positives=Identity(domain="aux"))
    env.weak = env.images  # type: ignore[method-assign]
    for step in task.batches(0):
        with HostSyncs() as syncs:
            task.update(step, env.views)
        assert not syncs.found


def test_positives_keep_their_own_threshold() -> None:
    class Nothing(Policy):
        def weigh(self, guesses: Guesses) -> Tensor:
            return torch.zeros(len(guesses.probs))

    task = small(policy=Nothing(), positives_threshold=0.0)
    for _, logs in train(task, begin(task, labels=few(), positives=Identity()), [0]):
        assert logs["unlabelled_loss"] == logs["confident"] == 0
        assert logs["positives_confident"] == 1
        torch.testing.assert_close(logs["loss"], logs["labelled_loss"] + logs["positives_loss"])


def test_a_penalty_is_added_as_it_is() -> None:
    task = small(policy=FreeMatch(fairness=0.5))
    for _, logs in train(task, begin(task, labels=few()), [0]):
        assert logs["policy_loss"] < 0
        torch.testing.assert_close(
            logs["loss"], logs["labelled_loss"] + logs["unlabelled_loss"] + logs["policy_loss"]
        )


# ------------------------------------------------------------------------------------- several processes
def alone(gather: Any) -> Any:
    return SimpleNamespace(
        size=COUNT, device=torch.device("cpu"), spec=SimpleNamespace(num_classes=3), gather=gather
    )


@pytest.mark.parametrize(
    "policy",
    [
        FlexMatch,
        lambda: SoftMatch(decay=0.5),
        lambda: SoftMatch(decay=0.5, target="labelled"),
        lambda: FreeMatch(decay=0.5, fairness=0.0),
    ],
)
def test_one_that_can_be_shared_goes_by_the_rows_of_all(policy: Any) -> None:
    """One process that has the first half of each batch weighs it as one that has the whole."""
    everywhere: list[Tensor] = []
    whole, half = policy(), policy()
    assert whole.unshared() is None
    assert small(policy=whole).unshared() is None
    whole.setup(alone(lambda x: everywhere.append(x) or x), torch.ones(COUNT, dtype=torch.bool))
    half.setup(alone(lambda x: everywhere.pop(0)), torch.ones(COUNT, dtype=torch.bool))
    for guesses, _ in made_up_steps():
        expected = whole.weigh(guesses)
        found = half.weigh(Guesses(*(part[: len(part) // 2] for part in tensors_of(guesses))))
        assert torch.equal(found, expected[: len(found)])


def test_one_that_cannot_says_so() -> None:
    wanted = "FreeMatch: its fairness loss is of a whole batch; start it without torchrun"
    assert small(policy=FreeMatch()).unshared() == wanted


# ----------------------------------------------------------------------------------------------- refusals
@pytest.mark.parametrize(
    ("policy", "given"),
    [
        (FlexMatch, {"threshold": 1.5}), (FreeMatch, {"decay": 1.0}), (FreeMatch, {"fairness": -1.0}),
        (FreeMatch, {"quantile": 2.0}), (FreeMatch, {"limit": 0.0}), (SoftMatch, {"decay": -0.1}),
        (SoftMatch, {"sigmas": 0.0}), (SoftMatch, {"target": "other"}), (SoftMatch, {"flavour": "other"}),
    ],
    ids=str,
)  # fmt: skip
def test_values_out_of_range_are_refused_by_name(policy: type, given: dict[str, Any]) -> None:
    (name,) = given
    with pytest.raises(ValueError, match=f"^{name}: must "):
        policy(**given)
