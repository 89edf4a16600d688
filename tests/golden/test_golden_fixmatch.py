"""FixMatch's losses, rates and set-up against the released implementation (file C)."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.golden_files import DEVICE, placed
from support.golden_network import below, relative
from support.recorded_draws import RecordedLogits, recorded, tags
from torch import Tensor, nn

from lpa3bench.api import Augmenter, Backbone, Context, Output, View
from lpa3bench.nn.ema import EMA
from lpa3bench_plugins.labels import released
from lpa3bench_plugins.tasks.fixmatch import FixMatch

PRECISIONS = [("f64", 1e-9), ("f32", 2e-6)]


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).with_name("C_fixmatch.npz")) as archive:
        return dict(archive)


def test_defaults(golden: dict[str, np.ndarray]) -> None:
    """Where the tests leave a parameter out, the released value is the default."""
    task = FixMatch()
    for name in ("T", "threshold", "lambda_u", "mu", "threshold_lpa3"):
        ours = {"T": "temperature", "threshold_lpa3": "positives_threshold"}.get(name, name)
        assert getattr(task, ours) == golden[f"loss/case0/{name}"], name
    assert task.ema_decay == golden["ema/decay"]
    assert task.lr == golden["lr/case0/base_lr"]
    assert task.warmup_steps == golden["lr/case0/warmup_steps"]


# ------------------------------------------------------------------------------------------------- losses
class Recorded(Augmenter):
    """The views of the recorded selection."""

    bn_domain = "aux"

    def __init__(self, x: Tensor, rows: Tensor) -> None:
        self.x, self.rows = x, rows

    def generate(self, x: Tensor, ctx: Context) -> View:
        return View(self.x, self.rows)


CASES = [(0, {}), (1, {"temperature": 0.5, "threshold": 0.8, "positives_threshold": 0.6, "mu": 3})]


@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("positives", [False, True])
@pytest.mark.parametrize(("case", "options"), CASES)
def test_losses(
    golden: dict[str, np.ndarray],
    case: int,
    options: dict[str, Any],
    positives: bool,
    precision: str,
    tolerance: float,
) -> None:
    """One update on the recorded logits. The LP-A3 script ignores lambda_u: all terms have weight one."""
    cfg = below(golden, f"loss/case{case}")
    stored = below(cfg, precision)
    logits = [placed(stored[f"logits_{name}"]) for name in ("x", "u_weak", "u_strong", "lpa3")]
    kinds = [tags(len(each), kind).to(DEVICE, logits[0].dtype) / 255 for kind, each in enumerate(logits)]
    network = RecordedLogits(torch.cat(kinds), torch.cat(logits))
    targets, (x, weak, strong, hard) = placed(cfg["targets_x"]), kinds
    lambda_u = {} if positives or case == 0 else {"lambda_u": float(cfg["lambda_u"])}
    task = FixMatch(batch_size=len(x), **options, **lambda_u)
    order = {"order/labelled": SimpleNamespace(permutation=torch.arange)}
    env = recorded(
        task,
        network,
        given=torch.cat([targets, targets.new_zeros(len(weak))]),
        labelled=torch.arange(len(x) + len(weak)) < len(x),
        num_classes=logits[0].shape[1],
        views=[x, weak, strong],
        draws=order,
        slots={"positives": Recorded(hard, placed(cfg["selected_mask"]).nonzero()[:, 0])}
        if positives
        else {},
    )
    logs = task.update(next(iter(task.batches(0))), env.views)
    names = {"labelled_loss": "Lx", "unlabelled_loss": "Lu"}
    names |= (
        {"loss": "loss_lpa3_total", "positives_loss": "L_lpa3"} if positives else {"loss": "loss_fixmatch"}
    )
    for found, name in names.items():
        assert relative(logs[found], stored[name]) <= tolerance, name
    shares = {"confident": "mask"} | ({"positives_confident": "lpa3_mask"} if positives else {})
    for found, name in shares.items():
        assert float(logs[found]) == pytest.approx(float(stored[name].mean()), abs=1e-7), name
    of_x, of_weak, of_strong, of_hard = network.gradient.split([len(each) for each in logits])
    assert not of_weak.any(), "no gradient through a guess"
    if positives:
        assert relative(of_hard, stored["grad_logits_lpa3"]) <= tolerance
    else:
        assert relative(of_x, stored["grad_logits_x"]) <= tolerance
        assert relative(of_strong, stored["grad_logits_u_strong"]) <= tolerance


# ------------------------------------------------------------------------------------------- set-up, rates
def plain(task: FixMatch, *, epochs: int = 1, count: int = 4, labelled: Tensor | None = None) -> Any:
    """An environment in which all images look the same to the network."""
    network = RecordedLogits(torch.zeros(1, 3, 1, 1), torch.zeros(1, 2))
    images = torch.zeros(count, 3, 1, 1, dtype=torch.uint8)
    given = torch.zeros(count, dtype=torch.int64)
    return recorded(
        task, network, given=given, labelled=labelled, num_classes=2, images=images, epochs=epochs
    )


@pytest.mark.parametrize(
    ("case", "options"),
    [(0, {}), (1, {}), (2, {"lr": 0.1, "warmup_steps": 50, "steps_per_epoch": 100})],
)
def test_learning_rate(golden: dict[str, np.ndarray], case: int, options: dict[str, Any]) -> None:
    """The rate that the optimiser has in the update of each recorded step."""
    stored = below(golden, f"lr/case{case}")
    task = FixMatch(batch_size=1, mu=1, **options)
    env = plain(task, epochs=int(stored["total_steps"]) // task.steps_per_epoch)
    rates = []
    for number in stored["step"].tolist():
        epoch, place = divmod(number, task.steps_per_epoch)
        task.update(next(itertools.islice(task.batches(epoch), place, None)), env.views)
        rates.append(task.sgd.param_groups[0]["lr"])
        assert task.sgd.param_groups[1]["lr"] == rates[-1]
    assert relative(np.array(rates), stored["lr"]) <= 1e-9


class Named(Backbone):
    """Has parameters of the given full names and computes nothing."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        for name in names:
            *path, last = name.split(".")
            place: nn.Module = self
            for part in path:
                if part not in dict(place.named_children()):
                    place.add_module(part, nn.Module())
                place = place.get_submodule(part)
            place.register_parameter(last, nn.Parameter(torch.zeros(1)))

    def forward(self, x: Tensor) -> Output:
        raise NotImplementedError

    def stages(self) -> list[nn.Module]:
        return [self]


def test_weight_decay(golden: dict[str, np.ndarray]) -> None:
    names = golden["weight_decay/name"].tolist()
    network, task = Named(names), FixMatch()
    recorded(task, network, given=torch.zeros(4, dtype=torch.int64), num_classes=2)
    decay = {p: group["weight_decay"] for group in task.sgd.param_groups for p in group["params"]}
    found = [decay[dict(network.named_parameters())[name]] for name in names]
    assert found == [5e-4 if decays else 0.0 for decays in golden["weight_decay/decayed"].tolist()]


class Averaged(nn.Module):
    """Two parameters and two buffers, as the golden model has them."""

    def __init__(self, w: Tensor, b: Tensor, run: Tensor) -> None:
        super().__init__()
        self.w, self.b = nn.Parameter(w), nn.Parameter(b)
        self.register_buffer("run", run)
        self.register_buffer("cnt", torch.tensor(0, device=DEVICE))


@pytest.mark.parametrize(("precision", "tolerance"), PRECISIONS)
def test_average(golden: dict[str, np.ndarray], precision: str, tolerance: float) -> None:
    stored = below(golden, f"ema/{precision}")
    model: Any = Averaged(**{name: placed(value) for name, value in below(stored, "initial").items()})
    average = EMA(model, float(golden["ema/decay"]))
    trained, expected = below(stored, "model"), below(stored, "ema")
    for step in range(len(trained["cnt"])):
        model.load_state_dict({name: torch.as_tensor(values[step]) for name, values in trained.items()})
        average.update()
        for name, value in average.state_dict().items():
            assert relative(value, expected[name][step]) <= tolerance, (name, step)


@pytest.mark.parametrize("case", [0, 1, 2])
def test_labelled_split(golden: dict[str, np.ndarray], case: int) -> None:
    """Ours draws other images (one split for all methods), but as many, and repeats them by the same rule."""
    stored = below(golden, f"split/case{case}")
    cfg = {name: value.item() for name, value in stored.items() if value.ndim == 0}
    count = cfg["num_labeled"]
    found = released.fixmatch(
        stored["labels"],
        count,
        num_classes=cfg["num_classes"],
        batch_size=cfg["batch_size"],
        steps_per_epoch=cfg["eval_step"],
        expand=cfg["expand"],
        seed=cfg["numpy_seed"],
    )
    np.testing.assert_array_equal(found, stored["labeled_idx"])
    unique = stored["unique_labeled_idx_sorted"]
    np.testing.assert_array_equal(np.unique(found), unique)
    labelled = torch.zeros(len(stored["labels"]), dtype=torch.bool)
    labelled[torch.from_numpy(unique)] = True
    task = FixMatch(batch_size=cfg["batch_size"], steps_per_epoch=cfg["eval_step"])
    env = plain(task, count=len(labelled), labelled=labelled)
    if cfg["expand"] or count < cfg["batch_size"]:
        np.testing.assert_array_equal(np.sort(env.subsets["labelled"]), np.sort(found))
    np.testing.assert_array_equal(env.subsets["unlabelled"], stored["unlabeled_idx"])
