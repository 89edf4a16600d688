"""FlexMatch, FreeMatch and SoftMatch, by FixMatch's updates, against the released code (files H, I, J)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.golden_files import DEVICE, placed
from support.golden_network import below, relative
from support.recorded_draws import RecordedLogits, recorded, tags
from torch import Tensor

from lpa3bench.api import Guesses, Policy, Step
from lpa3bench.data.sampler import Batch
from lpa3bench_plugins.policies.flexmatch import FlexMatch
from lpa3bench_plugins.policies.freematch import FreeMatch, fairness_loss
from lpa3bench_plugins.policies.softmatch import SoftMatch
from lpa3bench_plugins.tasks.fixmatch import FixMatch
from lpa3bench_plugins.tasks.steps import TRAIN

FILES = {"H": "H_flexmatch", "I": "I_freematch", "J": "J_softmatch"}


@pytest.fixture(scope="module")
def golden() -> dict[str, dict[str, np.ndarray]]:
    found = {}
    for letter, name in FILES.items():
        with np.load(Path(__file__).with_name(f"{name}.npz")) as archive:
            found[letter] = dict(archive)
    return found


# ------------------------------------------------------------------------------------------ through FixMatch
def updates(
    stored: dict[str, np.ndarray], policy: Policy, index: Tensor | None = None, images: int | None = None
) -> Iterator[tuple[int, Tensor, dict[str, Tensor]]]:
    """Updates of FixMatch on the recorded logits: of each step its number, the weights of its guesses and
    what it logs, after losses and gradients were compared.

    Args:
        index: [S, M], the places of the unlabelled images among `images`; None: the same in each step.
    """
    cfg = below(stored, "cfg")
    steps, classes = len(stored["logits_x"]), stored["logits_x"].shape[-1]
    kinds = ("logits_x", "logits_u_weak", "logits_u_strong")
    counts = [stored[name].shape[1] for name in kinds]
    views = [
        (tags(count, 3 * step + kind).double() / 255).to(DEVICE)
        for step in range(steps)
        for kind, count in enumerate(counts)
    ]
    logits = [placed(stored[name][step]) for step in range(steps) for name in kinds]
    network = RecordedLogits(torch.cat(views), torch.cat(logits))
    hard = bool(cfg["hard_label"])
    temperature = {} if hard else {"temperature": float(cfg["T"])}
    # The labelled images stand behind the unlabelled ones and are none of them: the pool is the recorded one.
    task = FixMatch(
        policy=policy,
        hard_labels=hard,
        lambda_u=float(cfg["lambda_u"]),
        labelled_too=False,
        **temperature,
    )
    weighed = watched(policy)
    pool = images or counts[1]
    given = torch.zeros(pool + counts[0], dtype=torch.int64, device=DEVICE)
    env = recorded(
        task,
        network,
        given=given,
        labelled=torch.arange(len(given)) >= pool,
        num_classes=classes,
        views=views,
    )
    for step in range(steps):
        env.labels.given[pool:] = placed(stored["targets_x"][step])
        places = torch.arange(pool) if index is None else index[step]
        batches = Batch(torch.arange(pool, len(given)), 0), Batch(places.to(DEVICE), 0)
        logs = task.update(Step(TRAIN, batches, 0.0), env.views)
        names = {"labelled_loss": "loss_sup", "unlabelled_loss": "loss_unsup", "loss": "loss_total"}
        for ours, theirs in names.items():
            assert relative(logs[ours], stored[theirs][step]) <= 1e-9, (step, ours)
        of_x, of_weak, of_strong = network.gradient.split(counts * steps)[3 * step : 3 * step + 3]
        assert relative(of_x, stored["grad_logits_x"][step]) <= 1e-9, step
        assert relative(of_strong, stored["grad_logits_u_strong"][step]) <= 1e-9, step
        assert not of_weak.any(), "no gradient through a guess"
        yield step, weighed[-1], logs


def watched(policy: Policy) -> list[Tensor]:
    """What `weigh` is going to return, step by step."""
    found: list[Tensor] = []
    weigh = policy.weigh

    def watch(guesses: Guesses) -> Tensor:
        found.append(weigh(guesses))
        return found[-1]

    policy.weigh = watch  # type: ignore[method-assign]
    return found


def test_defaults(golden: dict[str, dict[str, np.ndarray]]) -> None:
    """The published settings, where the files hold them."""
    free, soft = below(golden["I"], "default/cfg"), below(golden["J"], "default/cfg")
    assert (FreeMatch().decay, FreeMatch().fairness) == (free["ema_p"], free["lambda_e"])
    assert (FreeMatch().quantile, FreeMatch().limit) == (None, 1.0)
    assert not free["use_quantile"]
    assert not free["clip_thresh"]
    assert (SoftMatch().decay, SoftMatch().sigmas) == (soft["ema_p"], soft["n_sigma"])
    assert SoftMatch().per_class == soft["per_class"]
    assert (SoftMatch().target == "uniform") == soft["dist_uniform"]
    assert (FlexMatch().threshold, FlexMatch().warmup) == (0.95, True)


@pytest.mark.parametrize("case", ["warm", "nowarm"])
def test_flexmatch(golden: dict[str, dict[str, np.ndarray]], case: str) -> None:
    stored = below(golden["H"], case)
    cfg = below(stored, "cfg")
    policy = FlexMatch(threshold=float(cfg["p_cutoff"]), warmup=bool(cfg["thresh_warmup"]))
    images = int(cfg["num_unlabelled"])
    for step, weight, logs in updates(stored, policy, torch.from_numpy(stored["idx_u"]), images):
        np.testing.assert_array_equal(weight.cpu().numpy(), stored["mask"][step])
        assert float(logs["confident"]) == pytest.approx(float(stored["mask"][step].mean()))
        np.testing.assert_array_equal(policy.chosen[:images].cpu(), stored["state/selected_label"][step])
        assert relative(policy.status, stored["state/classwise_acc"][step]) <= 1e-9, step


@pytest.mark.parametrize("case", ["ties_warm", "ties_nowarm", "one_class_warm", "one_class_nowarm"])
@pytest.mark.parametrize("precision", [torch.float32, torch.float64])
def test_flexmatch_on_the_brink(
    golden: dict[str, dict[str, np.ndarray]], case: str, precision: torch.dtype
) -> None:
    """Confidences on a threshold and just below it, and a data set that becomes all one class."""
    stored = below(golden["H"], case)
    cfg = below(stored, "cfg")
    policy = FlexMatch(threshold=float(cfg["p_cutoff"]), warmup=bool(cfg["thresh_warmup"]))
    images, classes = int(cfg["num_unlabelled"]), int(cfg["num_classes"])
    begin(policy, images, classes)
    steps = sorted({key.partition("/")[0] for key in stored if key.startswith("step")})
    for step in (below(stored, name) for name in steps):
        guesses = Guesses(
            placed(step["prob_u_weak"]).to(precision), placed(step["idx_u"]), torch.zeros(0, classes)
        )
        weight = policy.weigh(guesses)
        assert weight.dtype == precision
        np.testing.assert_array_equal(weight.cpu().numpy(), step["mask"])
        np.testing.assert_array_equal(policy.chosen.cpu().numpy(), step["state/selected_label"])
        assert relative(policy.status, step["state/classwise_acc"]) <= 1e-9


def begin(policy: Policy, images: int, classes: int) -> None:
    """Set a policy up alone."""
    env: Any = SimpleNamespace(
        size=images, device=DEVICE, spec=SimpleNamespace(num_classes=classes), gather=lambda x: x
    )
    policy.setup(env, torch.ones(images, dtype=torch.bool, device=DEVICE))


@pytest.mark.parametrize("case", ["default", "fast", "quantile_clip_soft"])
def test_freematch(golden: dict[str, dict[str, np.ndarray]], case: str) -> None:
    stored = below(golden["I"], case)
    cfg = below(stored, "cfg")
    policy = FreeMatch(
        decay=float(cfg["ema_p"]),
        fairness=float(cfg["lambda_e"]),
        quantile=0.8 if cfg["use_quantile"] else None,
        limit=0.95 if cfg["clip_thresh"] else 1.0,
    )
    for step, weight, logs in updates(stored, policy):
        np.testing.assert_array_equal(weight.cpu().numpy(), stored["mask"][step])
        assert relative(logs["policy_loss"] / policy.fairness, stored["loss_fairness"][step]) <= 1e-9, step
        for ours, theirs in (("level", "time_p"), ("mean", "p_model"), ("shares", "label_hist")):
            assert relative(getattr(policy, ours), stored[f"state/{theirs}"][step]) <= 1e-9, (step, ours)


@pytest.mark.parametrize("case", [0, 1])
def test_fairness(golden: dict[str, dict[str, np.ndarray]], case: int) -> None:
    stored = {name: placed(value) for name, value in below(golden["I"], f"fairness/case{case}").items()}
    logits = stored["logits_u_strong"].requires_grad_()
    loss = fairness_loss(logits, stored["mask"], stored["p_model"], stored["label_hist"])
    (gradient,) = torch.autograd.grad(loss, logits)
    assert relative(loss, stored["loss"].cpu().numpy()) <= 1e-9
    assert relative(gradient, stored["grad_logits_u_strong"].cpu().numpy()) <= 1e-9


def soft_state(policy: SoftMatch) -> dict[str, Tensor]:
    """By the names of the golden file."""
    return {
        "p_model": policy.predicted,
        "p_target": policy.wanted,
        "prob_max_mu": policy.mean,
        "prob_max_var": policy.variance,
    }


@pytest.mark.parametrize("case", ["default", "fast", "labelled_target_soft", "per_class"])
def test_softmatch(golden: dict[str, dict[str, np.ndarray]], case: str) -> None:
    stored = below(golden["J"], case)
    cfg = below(stored, "cfg")
    policy = SoftMatch(
        decay=float(cfg["ema_p"]),
        sigmas=float(cfg["n_sigma"]),
        target="uniform" if cfg["dist_uniform"] else "labelled",
        per_class=bool(cfg["per_class"]),
    )
    for step, weight, _ in updates(stored, policy):
        assert relative(weight, stored["weight"][step]) <= 1e-9, step
        for name, value in soft_state(policy).items():
            assert relative(value, stored[f"state/{name}"][step]) <= 1e-9, (step, name)


def test_softmatch_as_in_torchssl(golden: dict[str, dict[str, np.ndarray]]) -> None:
    stored = below(golden["J"], "torchssl_flavour")
    classes = int(stored["cfg/num_classes"])
    policy = SoftMatch(decay=float(stored["cfg/ema_p"]), target="labelled", flavour="torchssl")
    begin(policy, stored["logits_u_weak"].shape[1], classes)
    names: dict[str, Callable[[], Tensor]] = {
        "prob_labelled": lambda: policy.wanted,
        "prob_unlabelled": lambda: policy.predicted,
        "prob_max_mu": lambda: policy.mean,
        "prob_max_var": lambda: policy.variance,
    }
    for step in range(len(stored["weight"])):
        weak, labelled = (placed(stored[f"logits_{name}"][step]).softmax(1) for name in ("u_weak", "x"))
        weight = policy.weigh(Guesses(weak, torch.arange(len(weak)), labelled))
        assert relative(weight, stored["weight"][step]) <= 1e-9, step
        for name, value in names.items():
            assert relative(value(), stored[f"state/{name}"][step]) <= 1e-9, (step, name)
