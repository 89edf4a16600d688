"""`lpa3bench.lpa3`: any network, left as it was, even one that breaks."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import torchvision
from support.plain_networks import MEAN, STD, Plain, WithFeatures, augmented, images, make, seeded, unchanged
from torch import Tensor, nn

import lpa3bench
from lpa3bench import attack
from lpa3bench.api import Output
from lpa3bench.nn.batchnorm import add_auxiliary, bn_domain
from lpa3bench.standalone import lpa3


class Normalised(nn.Module):
    """A network that normalises by itself."""

    def __init__(self, body: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("mean", torch.tensor(MEAN, dtype=dtype).view(3, 1, 1))
        self.register_buffer("std", torch.tensor(STD, dtype=dtype).view(3, 1, 1))
        self.normalise = nn.Identity()  # its output is the image itself, and no feature

    def forward(self, x: Tensor) -> Any:
        return self.body(self.normalise((x - self.mean) / self.std))


def test_is_exported() -> None:
    assert lpa3bench.lpa3 is lpa3


@pytest.mark.parametrize("training", [True, False])
def test_moves_images_and_leaves_the_model_alone(training: bool) -> None:
    model = make().train(training)
    model.conv1.weight.requires_grad_(False)
    model(images()).sum().backward()  # gradients to keep, and statistics that are not fresh
    x = images().requires_grad_()
    with unchanged(model):
        found = augmented(model, x)
    assert found.shape == x.shape
    assert found.dtype == x.dtype
    assert not found.requires_grad
    assert x.grad is None
    assert found.min() >= 0
    assert found.max() <= 1
    assert ((found - x).abs().flatten(1).max(1).values > 1e-3).all()


def test_an_auxiliary_batchnorm_that_is_selected_stands_still_too() -> None:
    model = make().train()
    add_auxiliary(model)
    with bn_domain(model, "aux"), unchanged(model):
        augmented(model, images())


def test_is_the_search_of_the_suite() -> None:
    model = make(WithFeatures).double()
    x, y = images(dtype=torch.float64), torch.tensor([0, 1, 2, 3, 4, 0])
    found = augmented(model, x, y, margin=0.1, iterations=3, lam=2.0, temperature=0.5)
    mean, std = (torch.tensor(v, dtype=torch.float64).view(3, 1, 1) for v in (MEAN, STD))
    z = (x - mean) / std
    options = attack.Options(margin=0.1, iterations=3, lam=2.0, temperature=0.5)
    reference = attack.make_reference(model(z), y, 0.5)
    noise = torch.empty(z.shape, dtype=z.dtype).uniform_(-0.01, 0.01, generator=seeded())
    box = attack.Box.of(mean, std)
    delta, _ = attack.search(model, z, noise, reference, box=box, options=options)
    torch.testing.assert_close(found, (x + delta * std).clamp(0, 1), rtol=0, atol=1e-12)


def test_hooks_find_the_features_that_a_backbone_hands_out() -> None:
    """Both calls of the shared activation are told apart; pooling and the image are not features."""
    x = images(dtype=torch.float64)
    plain, own = make().double(), make(WithFeatures).double()
    expected = augmented(own, x)
    torch.testing.assert_close(augmented(plain, x), expected)
    inside = Normalised(make().double(), torch.float64)
    torch.testing.assert_close(augmented(inside, x, normalises=True), expected, rtol=0, atol=1e-6)
    assert not torch.allclose(augmented(plain, x, layers=["bn2"]), expected)


def test_default_layers_of_a_torchvision_network() -> None:
    torch.manual_seed(0)
    model = torchvision.models.resnet18(num_classes=5).eval()
    x = torch.rand(2, 3, 64, 64, generator=seeded())
    named = ["relu", "layer1", "layer2", "layer3", "layer4"]  # 32, 16, 8, 4 and 2 pixels
    with unchanged(model):
        default = augmented(model, x, iterations=2)
    assert torch.equal(default, augmented(model, x, iterations=2, layers=named))
    assert not torch.equal(default, augmented(model, x, iterations=2, layers="layer4"))
    inside = Normalised(model, x.dtype).eval()  # its image at 64 pixels is no feature
    default = augmented(inside, x, iterations=2, normalises=True)
    named = [f"body.{name}" for name in named]
    assert torch.equal(default, augmented(inside, x, iterations=2, normalises=True, layers=named))


@pytest.mark.parametrize("outer", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_any_gradient_mode(outer: Any) -> None:
    model = make().eval()
    expected = augmented(model, images())
    with outer():
        found = augmented(model, images())
    assert torch.equal(found, expected)


def test_a_backward_pass_that_is_pending_still_works() -> None:
    model, twin = make().train(), make().train()
    x, y = images(), torch.arange(6) % 5
    loss = F.cross_entropy(model(x), y)
    augmented(model, x)
    loss.backward()
    F.cross_entropy(twin(x), y).backward()
    for ours, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        assert (ours.grad is None) == (theirs.grad is None)
        assert ours.grad is None or torch.equal(ours.grad, theirs.grad)


def test_labels_matter_and_none_means_the_prediction() -> None:
    model = make().eval()
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    predicted = model((images() - mean) / std).argmax(1)
    own = augmented(model, images())
    options = {"lam": 50.0, "iterations": 10}
    assert torch.equal(own, augmented(model, images(), predicted))
    other = augmented(model, images(), (predicted + 1) % 5, **options)
    assert not torch.equal(other, augmented(model, images(), predicted, **options))


def test_random_numbers() -> None:
    model = make().eval()
    state = torch.get_rng_state()
    first, again = (augmented(model, images()) for _ in range(2))
    assert torch.equal(first, again)
    assert torch.equal(torch.get_rng_state(), state)
    other = augmented(model, images(), generator=torch.Generator().manual_seed(9))
    assert not torch.equal(first, other)
    assert not torch.equal(augmented(model, images(), generator=None), first)
    assert not torch.equal(torch.get_rng_state(), state)


def test_memory_layout_and_dtype_are_kept() -> None:
    model = make().eval()
    expected = augmented(model, images())
    layout = torch.channels_last
    found = augmented(
        copy.deepcopy(model).to(memory_format=layout), images().contiguous(memory_format=layout)
    )
    assert found.is_contiguous(memory_format=layout)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-2)
    half = augmented(copy.deepcopy(model).bfloat16(), images().bfloat16())
    assert half.dtype == torch.bfloat16


class Fragile(Plain):
    """Breaks at everything but the images it knows, or at those too."""

    known: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        near = torch.zeros(len(x), dtype=torch.bool)
        if self.known is not None:
            near = (x - self.known).flatten(1).abs().amax(dim=1) < 1e-6
            near[1:] = True
        return torch.where(near.unsqueeze(1), logits, torch.nan)


def test_a_broken_model_is_told_and_no_image_is_nan() -> None:
    model, x = make(Fragile).eval(), images()  # a BatchNorm in training would mix the images
    with pytest.raises(ValueError, match="^model: the log-probability of a label is not finite at x"):
        augmented(model, x)
    model.known = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
    found = augmented(model, x)
    assert torch.equal(found[0], x[0])  # whatever is tried of it ends in NaN
    assert found.isfinite().all()
    assert (found[1:] != x[1:]).any()


def test_features_that_are_not_finite_are_told() -> None:
    model = make(WithFeatures)
    with pytest.raises(ValueError, match="^layers: a feature map of x holds NaN"):
        augmented(_Spoilt(model), images())


class _Spoilt(nn.Module):
    def __init__(self, body: nn.Module) -> None:
        super().__init__()
        self.body = body

    def forward(self, x: Tensor) -> Output:
        output = self.body(x)
        return Output(output.logits, (output.features[0] * torch.nan, *output.features[1:]))


@pytest.mark.parametrize("part", ["whole", "in place", "a layer"])
@pytest.mark.parametrize("layers", [None, ["conv2"]])
def test_a_compiled_network_goes_by_the_names_it_had(part: str, layers: list[str] | None) -> None:
    """Even where it ran before the hooks were there, so that its code was compiled without them."""
    x = images()
    plain = augmented(make().eval(), x, layers=layers)
    model = make().eval()
    if part == "whole":
        compiled = torch.compile(model, backend="eager")
    else:
        compiled = model
        (model if part == "in place" else model.conv2).compile(backend="eager")
    compiled(x)
    with torch._dynamo.config.patch(error_on_recompile=True):  # type: ignore[attr-defined]
        assert torch.equal(augmented(compiled, x, layers=layers), plain)
    if layers is not None:
        assert torch.equal(augmented(compiled, x, layers=["_orig_mod.conv2"]), plain)
