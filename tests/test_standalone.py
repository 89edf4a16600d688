"""`lpa3bench.lpa3`: any network, left as it was; wrong arguments are told apart."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

import lpa3bench
from lpa3bench import attack
from lpa3bench.api import Output
from lpa3bench.nn.batchnorm import add_auxiliary, bn_domain
from lpa3bench.standalone import lpa3

MEAN, STD = (0.5, 0.4, 0.45), (0.2, 0.25, 0.3)


class Plain(nn.Module):
    """Somebody's network: BatchNorm, one ReLU used everywhere, global pooling as a module."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)
        self.bn2 = nn.BatchNorm2d(8)
        self.act = nn.LeakyReLU(0.1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 5)
        self.unused = nn.Conv2d(3, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.bn1(self.conv1(x)))
        x = self.act(self.bn2(self.conv2(x)))
        return 5 * self.head(self.pool(x).flatten(1))


class WithFeatures(Plain):
    """The same, handing out its features."""

    def forward(self, x: Tensor) -> Output:
        one = self.act(self.bn1(self.conv1(x)))
        two = self.act(self.bn2(self.conv2(one)))
        return Output(5 * self.head(self.pool(two).flatten(1)), (one, two))


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


def Pooled(classes: int) -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, classes))


def make(kind: type[nn.Module] = Plain) -> Any:
    torch.manual_seed(0)
    return kind()


def images(count: int = 6, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(1), dtype=dtype)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(2)


def augmented(model: nn.Module, x: Tensor, y: Tensor | None = None, **options: Any) -> Tensor:
    return lpa3(model, x, y, **{"mean": MEAN, "std": STD, "generator": seeded()} | options)


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """The model is bit for bit as before, flags, gradients, modes and hooks included."""

    def snapshot() -> tuple[Any, ...]:
        return (
            {name: value.clone() for name, value in model.state_dict().items()},
            [(p.requires_grad, None if p.grad is None else p.grad.clone()) for p in model.parameters()],
            [
                (module.training, len(module._forward_hooks), getattr(module, "track_running_stats", None))
                for module in model.modules()
            ],
        )

    before = snapshot()
    yield
    after = snapshot()
    assert before[0].keys() == after[0].keys()
    assert all(torch.equal(before[0][name], after[0][name]) for name in before[0])
    for (flag, grad), (flag_after, grad_after) in zip(before[1], after[1], strict=True):
        assert flag == flag_after
        assert (grad is None) == (grad_after is None)
        assert grad is None or torch.equal(grad, grad_after)
    assert before[2] == after[2]


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


@pytest.mark.parametrize("wrap", [lambda t: (t, "more"), lambda t: Output(t, ()), lambda t: {"logits": t}])
def test_what_a_model_may_return(wrap: Any) -> None:
    model = make().eval()
    expected = augmented(model, images())

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = model

        def forward(self, x: Tensor) -> Any:
            return wrap(self.body(x))

    if isinstance(wrap(torch.zeros(1)), dict):
        with pytest.raises(ValueError, match=r"^model: must return logits \[6, K\], not dict"):
            augmented(Wrapped(), images())
    else:
        assert torch.equal(augmented(Wrapped(), images()), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": images()[0]}, r"x: must be images \[B, C, H, W\], not \[3, 8, 8\]"),
        ({"x": images()[:0]}, r"x: must be images \[B, C, H, W\]"),
        ({"x": (images() * 255).byte()}, r"x: must be float in \[0, 1\], not torch.uint8; divide bytes"),
        ({"x": images() * 4 - 2}, r"x: must be finite and in \[0, 1\], but reaches from"),
        ({"x": images() / 0}, "x: must be finite"),
        ({"x": images().mul(torch.nan)}, "x: must be finite"),
        ({"x": np.zeros((2, 3, 8, 8))}, r"x: must be a tensor \[B, C, H, W\], not ndarray"),
        ({"mean": (0.5, 0.5)}, r"mean: must be one finite number or one per channel \(3\), not \(0.5, 0.5\)"),
        ({"std": (0.5, 0.5, 0.0)}, r"std: must be in \(0, 1\]"),
        ({"mean": 0, "std": 57}, r"std: must be in \(0, 1\], as of x, not 57; divide those of bytes by 255"),
        ({"mean": (123.7, 116.3, 103.5)}, r"mean: must be in \[0, 1\], as x is, .* divide"),
        ({"mean": -0.5}, r"mean: must be in \[0, 1\]"),
        ({"layers": ["bn1", "conv3"]}, "layers: the model has no module 'conv3'; nearest: conv"),
        ({"layers": ["xyz"]}, r"layers: the model has no module 'xyz'; see model.named_modules\(\)"),
        ({"layers": []}, "layers: must name at least one module"),
        ({"layers": ["head"]}, r"layers: 'head' gives \[6, 5\], no feature: neither maps"),
        ({"layers": ["unused"]}, "layers: the forward pass did not reach 'unused'"),
        ({"model": nn.Sequential(nn.Flatten(), nn.Linear(192, 5))}, "layers: no module gives feature maps"),
        ({"model": nn.Conv2d(3, 4, 1)}, r"model: must return logits \[6, K\], not \[6, 4, 8, 8\]"),
        ({"model": Pooled(1)}, r"model: returns one logit, .*torch.cat\(\[torch.zeros_like\(logit\)"),
        ({"margin": -1}, "margin: must be >= 0"),
        ({"iterations": -1}, "iterations: must be >= 0"),
    ],
)  # fmt: skip
def test_wrong_arguments(change: dict[str, Any], message: str) -> None:
    arguments = {"model": make(), "x": images(), "mean": MEAN, "std": STD} | change
    model = arguments["model"]
    with unchanged(model), pytest.raises(ValueError, match=f"^{message}"):
        lpa3(**arguments)


ROWS = [0, 1, 2, 3, 4, 0]
SOFT = 0.9 * torch.eye(5)[ROWS] + 0.02


@pytest.mark.parametrize(
    "y",
    [
        ROWS,
        tuple(ROWS),
        np.array(ROWS),
        np.array(ROWS, dtype=np.uint8),
        np.array(ROWS).reshape(-1, 1),
        torch.tensor(ROWS, dtype=torch.int32),
        torch.tensor(ROWS, dtype=torch.uint8),
        F.one_hot(torch.tensor(ROWS)),
        np.eye(5, dtype=bool)[ROWS],
        SOFT,
        SOFT.half(),
        SOFT.tolist(),
    ],
)
def test_labels_in_other_forms(y: Any) -> None:
    model = make().eval()
    expected = augmented(model, images(), torch.tensor(ROWS), lam=50.0)
    assert torch.equal(augmented(model, images(), y, lam=50.0), expected)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.zeros(6), r"must be class numbers \[6\] or probabilities \[6, 5\], not .*: y.long\(\)"),
        (torch.zeros(6, dtype=torch.bool), r"must be class numbers .*; as class numbers: y.long\(\)"),
        (torch.zeros(5, dtype=torch.int64), r"must be class numbers \[6\] or .*, not torch.int64 \[5\]$"),
        (["cat"] * 6, r"must be class numbers \[6\] .*, not list"),
        ([[0], [1, 2]], r"must be class numbers \[6\] .*, not list"),
        (torch.full((6,), 5), "must be in 0 … 4, but reaches from 5 to 5"),
        ([-1] * 6, "must be in 0 … 4, but reaches from -1 to -1"),
        (4 * torch.eye(5)[ROWS], r"has rows that are no probabilities .*y.argmax\(1\)"),
        (
            torch.eye(5)[ROWS] + torch.eye(5)[[1, 2, 3, 4, 0, 1]],
            "has rows that are no prob.*; of several true",
        ),
        (torch.full((6, 5), torch.nan), "has rows that are no probabilities"),
    ],
)
def test_labels_that_are_not_plain(y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^y: {message}") as caught:
        augmented(make(), images(), y)
    assert "\n" not in str(caught.value)


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
