"""The feature embedding, its distance and the label's log-probability (file G)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from support.golden_files import placed
from support.golden_network import relative
from torch import Tensor

from lpa3bench import attack

PRECISIONS = {"f64": 1e-9, "f32": 2e-6}


@pytest.fixture(scope="module")
def golden() -> Iterator[dict[str, np.ndarray]]:
    with np.load(Path(__file__).parent / "G_phi_lpips.npz") as archive:
        yield dict(archive)


def embedding(maps: tuple[Tensor, ...]) -> Tensor:
    """As the golden file lays it out: channel, row, column, and the stages one after the other."""
    return torch.cat([layer.flatten(1) for layer in maps], dim=1)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_phi_and_distance(
    golden: dict[str, np.ndarray], number: int, precision: str, layout: torch.memory_format
) -> None:
    prefix, tolerance = f"set{number}/{precision}", PRECISIONS[precision]

    def features(suffix: str) -> list[Tensor]:
        count = sum(key.startswith(f"{prefix}/feature") and key.endswith("_other") for key in golden)
        assert count > 0
        arrays = [golden[f"{prefix}/feature{j}{suffix}"] for j in range(count)]
        return [placed(array).contiguous(memory_format=layout) for array in arrays]

    one, other = features(""), features("_other")
    assert relative(embedding(attack.unit(one)), golden[f"{prefix}/phi"]) <= tolerance
    assert relative(embedding(attack.unit(other)), golden[f"{prefix}/phi_other"]) <= tolerance
    assert relative(attack.distance(other, attack.unit(one)), golden[f"{prefix}/lpips"]) <= tolerance
    assert relative(attack.distance(one, attack.unit(other)), golden[f"{prefix}/lpips"]) <= tolerance


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_label_logp(golden: dict[str, np.ndarray], precision: str, temperature: float) -> None:
    logits = placed(golden[f"softmax/{precision}/logits"])
    label = placed(golden["softmax/label"])
    found = attack.label_logp(logits, label, temperature)
    stored = golden[f"softmax/{precision}/T{temperature}/logp"]
    assert relative(found, stored) <= PRECISIONS[precision]


def test_zero_vector(golden: dict[str, np.ndarray]) -> None:
    """φ of a zero vector is zero; the gradient, not a number in the release, is zero at that place alone."""
    feature = placed(golden["zero_vector/feature"])
    assert relative(embedding(attack.unit([feature])), golden["zero_vector/phi"]) <= 1e-12

    stored = placed(golden["zero_vector/grad_of_sum_phi"])
    assert stored[..., 0].isnan().all()  # what the release does there
    moving = feature.clone().requires_grad_()
    # With r = φ − 1/2 the gradient of ‖φ(f) − r‖² is that of the sum of φ.
    reference = [attack.unit([feature])[0] - 0.5]
    (squared,) = attack.distance([moving], reference).square()
    (gradient,) = torch.autograd.grad(squared, moving)
    assert relative(gradient[..., 1], stored[..., 1].cpu().numpy()) <= 1e-12
    assert torch.equal(gradient[..., 0], torch.zeros_like(gradient[..., 0]))
