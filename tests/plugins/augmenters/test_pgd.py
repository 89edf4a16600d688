"""What PGD promises of any network; its numbers are golden file N's."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lpa3bench.api import Context, DatasetSpec, Output, View
from lpa3bench.runtime.distributed import ALONE
from lpa3bench.runtime.seeding import Draws
from lpa3bench_plugins.augmenters.pgd import PGD

CLASSES = 3
SPEC = DatasetSpec(name="Tiny", num_classes=CLASSES, channels=1, size=4, mean=(0.5,), std=(0.5,))


class Net(nn.Module):
    """Linear, after BatchNorm; counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.norm = nn.BatchNorm2d(1)
        self.head = nn.Linear(16, CLASSES)
        self.calls: list[bool] = []
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> Output:
        self.calls.append(self.training)
        self.seen.append(x.detach().clone())
        return Output(self.head(self.norm(x).flatten(1)), ())


def made(x: Tensor, target: Tensor | None, processes: Any, **options: Any) -> tuple[View, Net]:
    net = Net().requires_grad_(False)
    ctx = SimpleNamespace(
        model=net, logits=net, target=target, spec=SPEC, draws=Draws(0), processes=processes, index=None
    )
    return PGD(**options).generate(x, cast("Context", ctx)), net


def viewed(x: Tensor, target: Tensor | None = None, **options: Any) -> tuple[Tensor, Net]:
    view, net = made(x, target, ALONE, **options)
    assert view.rows.tolist() == list(range(len(x)))
    return view.x, net


X = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
Y = torch.eye(CLASSES, dtype=torch.float64)[torch.tensor([0, 1, 2, 0, 1, 2])]


@pytest.fixture(autouse=True)
def _doubles() -> Any:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_defaults_are_advprops() -> None:
    """In grey levels; but for the noise, which the overlay `augmenters/advprop` sets."""
    pgd = PGD()
    assert (pgd.radius * 255, pgd.step_size * 255, pgd.iterations, pgd.noise) == (4, 1, 5, 1)
    assert (pgd.norm, pgd.aim, pgd.label, pgd.statistics) == ("linf", "away", "given", "running")


def test_noise_fills_a_euclidean_ball_evenly() -> None:
    """In 16 dimensions the mean distance from the middle is 16/17 of the radius."""
    x = torch.full((4000, 1, 4, 4), 0.5)
    view, _ = viewed(x, norm="l2", epsilon=20.0, iterations=0)
    far = (view - x).flatten(1).norm(dim=1) * 255 / 20
    assert float(far.mean()) == pytest.approx(16 / 17, abs=0.004)
    assert float((far**16).mean()) == pytest.approx(0.5, abs=0.02), "its shells hold what they have room for"


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_no_view_depends_on_another_row(norm: Any) -> None:
    options: dict[str, Any] = {"norm": norm, "noise": 0.0, "epsilon": 20.0}
    together, _ = viewed(X, Y, **options)
    alone = [viewed(X[i : i + 1], Y[i : i + 1], **options)[0] for i in range(len(X))]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=1e-9)


def test_what_it_logs_is_the_loss_before_the_last_step_weighted_by_rows() -> None:
    processes = SimpleNamespace(weighted=lambda mean, rows: mean * rows)
    view, net = made(X, Y, processes, noise=0.0, iterations=1)
    assert float(view.info["loss"]) == pytest.approx(6 * float(F.cross_entropy(net.eval()(X).logits, Y)))


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("iterations", [0, 1, 5])
def test_views_lie_in_the_ball_and_in_the_image_range(norm: Any, iterations: int) -> None:
    view, _ = viewed(X, Y, norm=norm, epsilon=20.0, step_size=15.0, iterations=iterations)
    assert view.min() >= 0
    assert view.max() <= 1
    change = (view - X).flatten(1)
    far = change.abs().amax(1) if norm == "linf" else change.norm(dim=1)
    assert (far <= 20 / 255 + 1e-12).all()
    assert (far > 0).all()


def test_one_step_without_noise_is_fgsm() -> None:
    view, net = viewed(X, Y, epsilon=8.0, step_size=8.0, iterations=1, noise=0.0)
    x = X.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(F.cross_entropy(net.eval()(x).logits, Y), x)
    assert torch.equal(view, (X + 8 / 255 * gradient.sign()).clamp(0, 1))


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_aims(norm: Any) -> None:
    """Away raises the label's loss; with two classes, towards the other does too."""
    options: dict[str, Any] = {"norm": norm, "epsilon": 60.0, "noise": 0.0}
    away, net = viewed(X, Y, **options)
    net.eval()

    def loss(at: Tensor) -> Tensor:
        return F.cross_entropy(net(at).logits, Y, reduction="none")

    assert (loss(away) > loss(X)).all()
    target, _ = viewed(X, Y, aim="target", **options)
    towards = (net(target).logits.softmax(1) - net(X).logits.softmax(1)) > 0
    assert (towards & (Y == 0)).any(1).all(), "some other label gains in every image"


def test_whose_label() -> None:
    given, net = viewed(X, Y, noise=0.0)
    assert net.calls == [False] * 5, "no pass for the label"
    model, net = viewed(X, Y, noise=0.0, label="model")
    assert net.calls == [False] * 6
    said = F.one_hot(net.eval()(X).logits.argmax(1), CLASSES).double()
    assert not torch.equal(said, Y)
    assert torch.equal(model, viewed(X, said, noise=0.0)[0])
    assert torch.equal(model, viewed(X, None, noise=0.0)[0]), "no target: the model's"
    assert not torch.equal(model, given)
    noisy = viewed(X, None, iterations=1)[1]
    assert torch.equal(noisy.seen[0], X), "what it says of the image as it is"
    assert not torch.equal(noisy.seen[1], X)


def test_statistics() -> None:
    assert set(viewed(X, Y, statistics="batch")[1].calls) == {True}
    assert set(viewed(X, Y, statistics="running")[1].calls) == {False}


def test_some_images_start_as_they_are() -> None:
    images = X.repeat(20, 1, 1, 1)
    view, _ = viewed(images, None, iterations=0, noise=0.25)
    assert 10 <= (view != images).flatten(1).any(1).sum() <= 50
    assert torch.equal(viewed(X, Y, iterations=0, noise=0.0)[0], X)


def test_a_flat_loss_moves_nothing() -> None:
    class Flat(Net):
        def forward(self, x: Tensor) -> Output:
            return Output(super().forward(x).logits * 0, ())

    ctx = SimpleNamespace(model=Flat(), target=Y, spec=SPEC, draws=Draws(0), processes=ALONE, index=None)
    ctx.logits = ctx.model
    for norm in ("linf", "l2"):
        view = PGD(norm=norm, noise=0.0).generate(X, cast("Context", ctx))  # type: ignore[arg-type]
        assert torch.equal(view.x, X)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"epsilon": 0.0}, "epsilon: must be > 0 and finite, not 0.0"),
        ({"epsilon": float("nan")}, "epsilon: must be"),
        ({"step_size": -1.0}, "step_size: must be >= 0"),
        ({"iterations": -1}, "iterations: must be >= 0"),
        ({"noise": 1.5}, r"noise: must be in \[0, 1\]"),
        ({"norm": "l1"}, "norm: must be 'linf' or 'l2', not 'l1'"),
        ({"aim": "up"}, "aim: must be 'away' or 'target'"),
        ({"domain": "second"}, "domain: must be 'main' or 'aux'"),
    ],
)
def test_refusals(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValueError, match=f"^{fault}"):
        PGD(**options)
