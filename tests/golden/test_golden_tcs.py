"""LP-A3's memory and its data-set-wide selection against the released script (file B)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.golden_files import DEVICE, placed
from support.golden_network import relative
from support.recorded_draws import RecordedLogits, recorded, tags

from lpa3bench.nn.bank import ConsistencyBank
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.tasks.supervised import Supervised

PRECISIONS = {"f64": 1e-9, "f32": 2e-6}


@pytest.fixture(scope="module")
def golden() -> Iterator[dict[str, np.ndarray]]:
    with np.load(Path(__file__).parent / "B_tcs_selection.npz") as archive:
        yield dict(archive)


class Double(LPA3):
    """LP-A3 with a memory in float64."""

    def setup(self, env: Any) -> None:
        super().setup(env)
        assert self.bank is not None
        size = self.bank.probabilities.shape
        self.bank = ConsistencyBank(*size, flavour=self.tcs, device=env.device, dtype=torch.float64)


@pytest.mark.parametrize("ratio_no", range(5))
@pytest.mark.parametrize(("precision", "temperature"), [("f64", 1.0), ("f32", 1.0), ("f32", 2.0)])
def test_whole_run(golden: dict[str, np.ndarray], precision: str, ratio_no: int, temperature: float) -> None:
    """The recorded logits were divided by a temperature of 1; twice as large, they must be divided by 2."""
    tolerance = PRECISIONS[precision]
    ratio = float(golden["ratios"][ratio_no])
    count, classes = int(golden["N"]), int(golden["C"])
    dtype = torch.float64 if precision == "f64" else torch.float32
    logits = placed(golden["logits"]).to(dtype) * temperature
    order = placed(golden["order"])
    images = tags(count).to(dtype) / 255
    network = RecordedLogits(images, logits[0])
    lpa3 = (Double if precision == "f64" else LPA3)(
        ratio=ratio, select="dataset", temperature=temperature, iterations=0
    )
    env = recorded(
        Supervised(),
        network,
        given=torch.zeros(count, dtype=torch.int64),
        num_classes=classes,
        slots={"positives": lpa3},
    )
    bank = env.views.state_dict()["augmenters"]["positives/net"]["bank"]
    assert relative(bank["probabilities"][0, 0], golden[f"{precision}/mem_prob_initial_value"]) <= 1e-7
    assert not bank["scores"].any()

    epochs, steps, batch = order.shape
    selected = torch.zeros(epochs * steps, batch, dtype=torch.bool, device=DEVICE)
    for epoch in range(epochs):
        network.logits.data = logits[epoch]
        for k in range(steps):
            step, index, before = epoch * steps + k, order[epoch, k], bank["scores"].clone()
            view = env.views(
                "positives",
                env.models["net"],
                images.to(DEVICE)[index],
                index=index,
                target=None,
                pass_no=epoch,
            )
            assert view is not None
            selected[step, view.rows] = True
            if k == 0 and epoch > 0:
                below = int((before < bank["threshold"]).sum())
                assert below == golden[f"ratio{ratio_no}/count_below_threshold_at_refresh"][epoch - 1]
            threshold = golden[f"{precision}/ratio{ratio_no}/threshold"][step]
            assert relative(bank["threshold"], threshold) <= tolerance, step
            assert relative(bank["scores"], golden[f"{precision}/mem_tc"][step]) <= tolerance, step
        stored = golden[f"{precision}/mem_prob_end_of_epoch"]
        if len(stored) == epochs or epoch == epochs - 1:
            assert relative(bank["probabilities"], stored[min(epoch, len(stored) - 1)]) <= tolerance
    np.testing.assert_array_equal(selected.cpu().numpy(), golden[f"ratio{ratio_no}/{precision}_mask"])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_divergence(golden: dict[str, np.ndarray], precision: str) -> None:
    dtype = torch.float64 if precision == "f64" else torch.float32
    logits, order = placed(golden["logits"]).to(dtype), placed(golden["order"])
    bank = ConsistencyBank(int(golden["N"]), int(golden["C"]), dtype=dtype, device=DEVICE)
    for step, expected in enumerate(golden[f"{precision}/kl_mean"]):
        epoch, k = divmod(step, order.shape[1])
        divergence = bank.update(order[epoch, k], logits[epoch, order[epoch, k]].softmax(dim=1))
        assert relative(divergence, expected) <= PRECISIONS[precision], step
