"""What probes read of a trained representation, where the truth is known."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from support.small_trained import NUISANCES, few_copies, train
from torch import Tensor, nn

from lpa3bench.analysis.card import probes
from lpa3bench.analysis.representation import (
    dataset_of,
    head_input,
    images_of,
    measure_images,
    measure_representation,
    read_targets,
    swapped_within_class,
)
from lpa3bench.analysis.trained_run import Trained, open_run
from lpa3bench.api import Output
from lpa3bench.data.nuisances import FACTORS
from lpa3bench.errors import UsageError
from lpa3bench.runtime.seeding import Draws

NUISANCE_NAMES = tuple(FACTORS)


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    """A small network on digits with known nuisances."""
    with pytest.MonkeyPatch.context() as patch:
        few_copies(patch)
        folder = tmp_path_factory.mktemp("coloured")
        path = train(folder, "", base=NUISANCES)
        yield open_run(path, data=folder, device="cpu")


# ------------------------------------------------------------------------------------------ Z made by hand
Targets = dict[str, tuple[int, Tensor]]


def halves(*values: Tensor) -> tuple[Targets, Targets]:
    """Of so many targets what is learned, and what is asked."""
    learned, asked = (
        {str(place): (4, value[part]) for place, value in enumerate(values)}
        for part in (slice(600), slice(600, None))
    )
    return learned, asked


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> tuple[Tensor, Tensor]:
    """Two independent values of four, 900 each; and quick probes."""
    few_copies(monkeypatch)
    draws = Draws(1)
    return draws.integers((900,), 0, 4), draws.integers((900,), 0, 4)


def test_all_that_is_there_is_found_and_no_more(drawn: tuple[Tensor, Tensor]) -> None:
    shown, hidden = drawn
    z = F.one_hot(shown, 4) + 0.05 * Draws(2).normal((900, 4))
    found = read_targets(z[:600], z[600:], *halves(shown, hidden), seed=0)
    assert found["0"] == pytest.approx([2.0], abs=0.2), "of 2 bits"
    assert found["1"] == pytest.approx([0.0], abs=0.05)
    far = read_targets(1e4 * z[:600], 1e4 * z[600:], *halves(shown, hidden), seed=0)
    assert far["0"] == pytest.approx([2.0], abs=0.2), "how large Z is has no say"


def test_a_constant_tells_nothing(drawn: tuple[Tensor, Tensor]) -> None:
    z = torch.full((900, 8), 3.0)
    assert read_targets(z[:600], z[600:], *halves(*drawn), seed=0) == {"0": [0.0], "1": [0.0]}


def test_what_two_features_tell_together_is_found(drawn: tuple[Tensor, Tensor]) -> None:
    one, other = (value % 2 for value in drawn)
    z = torch.stack([one, other], 1).float() + 0.05 * Draws(2).normal((900, 2))
    found = read_targets(z[:600], z[600:], *halves(one, one ^ other), seed=0)
    assert found["0"][0] > 0.8
    assert found["1"][0] > 0.8


def test_images_are_swapped_within_their_class_alone() -> None:
    label = torch.tensor([0, 1, 0, 2, 1, 0])
    taken = swapped_within_class(label)
    assert taken.tolist() == [5, 4, 0, 3, 1, 2]
    assert torch.equal(label[taken], label)


# ------------------------------------------------------------------------------------- through a trained run
def test_z_is_what_the_head_reads(coloured: Trained) -> None:
    x = images_of(coloured, "test").x
    assert x.shape[2:] == torch.Size(coloured.data.store.view_size)
    z = head_input(coloured, x)
    output = coloured.logits(x)
    torch.testing.assert_close(z, output.features[-1].mean((2, 3)))
    with torch.no_grad():
        torch.testing.assert_close(coloured.net.backbone.head(z), output.logits)  # type: ignore[operator]
    torch.testing.assert_close(z[:3], head_input(coloured, x[:3]), msg="BatchNorm is in eval mode")


def test_images_whose_truth_is_known_come_out_as_they_are(coloured: Trained) -> None:
    found = measure_representation(coloured, calibrate=True)
    assert found["features"] == 32
    assert found["bits"]["colour"][0] > 1
    (swapped,), (plain,) = found["swapped"]["label"], found["bits"]["label"]
    assert swapped == pytest.approx(plain, abs=0.2)
    for name in NUISANCE_NAMES:
        assert found["swapped"][name] == pytest.approx([0.0], abs=0.05), name
    assert found["blank"] == {name: [0.0] for name in ("label", *NUISANCE_NAMES)}


def test_the_same_run_gives_the_same_numbers(coloured: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "STEPS", 5)
    before = torch.get_rng_state()
    one, other = (measure_representation(coloured, calibrate=False) for _ in range(2))
    assert one == other
    assert {*one} == {"features", "bits"}
    assert torch.equal(torch.get_rng_state(), before)


def test_the_images_tell_their_own_entropies(coloured: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "STEPS", 1)
    told = measure_images(dataset_of(coloured), device=coloured.device)
    assert [(one["name"], one["values"]) for one in told["targets"]] == [("label", 10), *FACTORS.items()]
    for one in told["targets"]:
        log = torch.tensor(float(one["values"])).log2().item()
        assert log - 0.05 < one["entropy"] <= log
        assert 0 <= told["images"][one["name"]][0] <= one["entropy"]


# ------------------------------------------------------------------------------------------------- refusals
def test_a_data_set_without_known_nuisances_is_refused(fixmatch: Trained) -> None:
    with pytest.raises(UsageError, match=r"was trained on Synthetic, whose nuisances nobody knows; runs of "):
        measure_representation(fixmatch, calibrate=False)


class Halved(nn.Module):
    """The logits are no layer's own output."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Output:
        output = self.inner(x)
        return Output(output.logits / 2, output.features)


def test_logits_of_no_linear_layer_are_refused(coloured: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    x = images_of(coloured, "test").x[:4]
    monkeypatch.setattr(coloured.net, "backbone", Halved(coloured.net.backbone))
    with pytest.raises(UsageError, match="the logits of SmallNet come from no linear layer"):
        head_input(coloured, x)
