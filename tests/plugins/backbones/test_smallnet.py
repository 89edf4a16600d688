"""SmallNet, with the recorded small network that it equals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lpa3bench.nn.batchnorm import add_auxiliary, bn_domain
from lpa3bench_plugins.backbones.smallnet import SmallNet

GOLDEN = Path(__file__).parents[2] / "golden" / "A_lpa3_attack.npz"


def ours(key: str) -> str:
    """`bn2_adv.weight` → `stage2.bn.aux.weight`, and so on."""
    layer, parameter = key.split(".")
    if layer == "head":
        return key
    kind, _, branch = layer.partition("_")
    child = ".aux" if branch == "adv" else ""
    return f"stage{kind[-1]}.{kind[:-1]}{child}.{parameter}"


def test_parameter_count() -> None:
    def count(**kw: int) -> int:
        return sum(p.numel() for p in SmallNet(num_classes=10, **kw).parameters())

    # convolutions 9·(1·16 + 16·32 + 32·64), BatchNorm 2·(16 + 32 + 64), head 64·10 + 10
    assert count(in_channels=1) == 9 * 2576 + 2 * 112 + 650 == 24_058
    assert count(in_channels=3, width=32) == 9 * (96 + 32 * 64 + 64 * 128) + 2 * 224 + 1290


@pytest.mark.parametrize("size", [1, 5, 8])
def test_takes_tiny_images(size: int) -> None:
    output = SmallNet(num_classes=10, in_channels=1)(torch.rand(3, 1, size, size))
    sides = [size, -(-size // 2), -(-size // 4)]
    assert [tuple(f.shape) for f in output.features] == [
        (3, channels, side, side) for channels, side in zip((16, 32, 64), sides, strict=True)
    ]


def test_refuses_a_width_out_of_range() -> None:
    with pytest.raises(ValueError, match=r"^width: must be >= 1, not 0"):
        SmallNet(num_classes=10, in_channels=1, width=0)


@pytest.mark.parametrize("case", ["fixmatch_bn", "pes_bn"])
def test_equals_the_recorded_network_and_its_auxiliary_statistics(case: str) -> None:
    """The pass over the originals, through the second BatchNorm: logits, and both branches' statistics."""
    archive = np.load(GOLDEN)
    weights = {
        ours(key.removeprefix(f"{case}/weights/")): torch.as_tensor(archive[key])
        for key in archive.files
        if key.startswith(f"{case}/weights/")
    }
    model = SmallNet(num_classes=10, in_channels=3, width=8).double().train()
    add_auxiliary(model)
    model.load_state_dict(weights)

    with bn_domain(model, "aux"):
        logits = model(torch.as_tensor(archive[f"{case}/f64/x_norm"])).logits

    reference = torch.as_tensor(archive[f"{case}/f64/logits_original"])
    torch.testing.assert_close(logits, reference, rtol=0, atol=1e-9)
    prefix = f"{case}/f64/buffers_after_original/"
    recorded: dict[str, Tensor] = {
        ours(key.removeprefix(prefix)): torch.as_tensor(archive[key])
        for key in archive.files
        if key.startswith(prefix)
    }
    assert len(recorded) == len(list(model.buffers())) == 18
    for name, buffer in model.named_buffers():
        torch.testing.assert_close(buffer, recorded[name], rtol=0, atol=1e-9, check_dtype=False)
