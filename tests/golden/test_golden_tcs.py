"""The time-consistency memory and the data-set-wide selection against the released script (file B)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from support.golden_files import DEVICE, placed
from support.golden_network import relative

from lpa3bench.nn.bank import ConsistencyBank

PRECISIONS = {"f64": (torch.float64, 1e-9), "f32": (torch.float32, 2e-6)}


@pytest.fixture(scope="module")
def golden() -> Iterator[dict[str, np.ndarray]]:
    with np.load(Path(__file__).parent / "B_tcs_selection.npz") as archive:
        yield dict(archive)


@pytest.mark.parametrize("ratio_no", range(5))
@pytest.mark.parametrize("precision", PRECISIONS)
def test_whole_run(golden: dict[str, np.ndarray], precision: str, ratio_no: int) -> None:
    dtype, tolerance = PRECISIONS[precision]
    ratio = float(golden["ratios"][ratio_no])
    logits = placed(golden["logits"]).to(dtype) / float(golden["T"])
    order = placed(golden["order"])
    epochs, steps, batch = order.shape
    bank = ConsistencyBank(int(golden["N"]), int(golden["C"]), dtype=dtype, device=DEVICE)
    assert relative(bank.probabilities[0, 0], golden[f"{precision}/mem_prob_initial_value"]) <= 1e-7
    assert not bank.scores().any()

    selected = torch.zeros(epochs * steps, batch, dtype=torch.bool)
    for epoch in range(epochs):
        if epoch > 0:
            bank.refresh(ratio)
            count = int((bank.scores() < bank.threshold).sum())
            assert count == golden[f"ratio{ratio_no}/count_below_threshold_at_refresh"][epoch - 1]
        for k in range(steps):
            step, index = epoch * steps + k, order[epoch, k]
            selected[step] = bank.below(index)
            threshold = golden[f"{precision}/ratio{ratio_no}/threshold"][step]
            assert relative(bank.threshold, threshold) <= tolerance, step
            divergence = bank.update(index, logits[epoch, index].softmax(dim=1))
            assert relative(divergence, golden[f"{precision}/kl_mean"][step]) <= tolerance, step
            assert relative(bank.scores(), golden[f"{precision}/mem_tc"][step]) <= tolerance, step
        stored = golden[f"{precision}/mem_prob_end_of_epoch"]
        if len(stored) == epochs or epoch == epochs - 1:
            assert relative(bank.probabilities, stored[min(epoch, len(stored) - 1)]) <= tolerance
    np.testing.assert_array_equal(selected.numpy(), golden[f"ratio{ratio_no}/{precision}_mask"])
