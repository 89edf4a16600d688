"""Transforms of other libraries as augmenters: what they give, what decides, what is refused."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor

from lpa3bench import from_transform
from lpa3bench.api import Augmenter, Context
from lpa3bench.cli import main
from lpa3bench.errors import PluginError, RunFailed
from lpa3bench.plugin.code import code_of
from lpa3bench.plugin.registry import Entry
from lpa3bench.runtime.seeding import Draws
from lpa3bench.testing import COUNT, SPEC, TinyTask, check_augmenter, no_global_randomness
from lpa3bench.testing.short_training import set_up

X = torch.rand(12, 3, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def _no_update_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """albumentations asks a server for its newest version when it is imported."""
    monkeypatch.setitem(os.environ, "NO_ALBUMENTATIONS_UPDATE", "1")


def context(seed: int = 0) -> Context:
    """With draws and nothing else: a transform needs no more."""
    return Context(
        model=None,  # type: ignore[arg-type]
        logits=None,  # type: ignore[arg-type]
        index=None,
        target=None,
        copies=1,
        spec=SPEC,
        epoch=0,
        step=0,
        pass_no=0,
        draws=Draws(seed),
    )


def ready(cls: Callable[..., Augmenter], **given: Any) -> Augmenter:
    """Built and set up."""
    augmenter = cls(**given)
    augmenter.setup(set_up(TinyTask()))
    return augmenter


def views(augmenter: Augmenter, x: Tensor = X, seed: int = 0) -> Tensor:
    return augmenter.generate(x, context(seed)).x


def torchvision_v2() -> Any:
    from torchvision.transforms import v2

    return v2.Compose([v2.RandomHorizontalFlip(), v2.ColorJitter(0.4, 0.4, 0.4, 0.1), v2.RandomErasing()])


def torchvision_v1() -> Any:
    from torchvision import transforms

    return transforms.Compose([transforms.RandomRotation(30), transforms.RandomAutocontrast()])


def pil() -> Any:
    from torchvision import transforms

    return transforms.Compose([transforms.AutoAugment(), transforms.RandomHorizontalFlip()])


def kornia() -> Any:
    augmentation = pytest.importorskip("kornia.augmentation")
    return torch.nn.Sequential(
        augmentation.RandomHorizontalFlip(p=0.5), augmentation.ColorJiggle(0.3, 0.3, 0.3, 0.1, p=0.8)
    )


def albumentations() -> Any:
    library = pytest.importorskip("albumentations")
    return library.Compose([library.HorizontalFlip(p=0.5), library.RandomBrightnessContrast(p=0.8)])


def bare_albumentations() -> Any:
    return pytest.importorskip("albumentations").RandomBrightnessContrast(p=0.8)


def by_hand() -> Any:
    """A callable that draws from all three global generators."""

    def shift(image: Tensor) -> Tensor:
        return (
            (image + 0.1 * torch.rand(1) + 0.1 * np.random.rand() - 0.1 * random.random()).float().clamp(0, 1)
        )

    return shift


LIBRARIES: dict[str, dict[str, Any]] = {
    "torchvision v2": {"make": torchvision_v2},
    "torchvision v1": {"make": torchvision_v1},
    "torchvision, PIL": {"make": pil, "takes": "pil"},
    "kornia": {"make": kornia, "batched": True},
    "albumentations": {"make": albumentations, "takes": "array"},
    "albumentations, bare": {"make": bare_albumentations, "takes": "array"},
    "by hand": {"make": by_hand},
}


@pytest.fixture(params=LIBRARIES)
def cls(request: pytest.FixtureRequest) -> type[Augmenter]:
    arguments = LIBRARIES[request.param]
    arguments["make"]()  # skips where the library is absent
    return from_transform(**arguments)


# ------------------------------------------------------------------------------------------------ the laws
@pytest.mark.parametrize("slot", ["view", "strong", "positives"])
def test_it_keeps_the_laws_of_augmenters(cls: type[Augmenter], slot: Any) -> None:
    check_augmenter(cls, slot)


def test_the_images_of_a_batch_get_different_choices(cls: type[Augmenter]) -> None:
    same = X[:1].expand(12, 3, 8, 8)
    assert len({view.numpy().tobytes() for view in views(ready(cls), same)}) > 2


def test_the_seed_decides_and_the_global_generators_stay(cls: type[Augmenter]) -> None:
    augmenter, other = ready(cls), ready(cls)
    torch.manual_seed(3)
    with no_global_randomness():
        one = views(augmenter)
    np.random.seed(5)
    random.seed(5)
    assert torch.equal(one, views(other))
    assert not torch.equal(one, views(other, seed=1))


def test_memory_order_changes_nothing(cls: type[Augmenter]) -> None:
    other = X.to(memory_format=torch.channels_last)
    assert torch.equal(views(ready(cls)), views(ready(cls), other))


def test_generators_are_put_back_when_it_raises() -> None:
    def fail(image: Tensor) -> Tensor:
        torch.rand(1), np.random.rand(), random.random()
        raise RuntimeError("no")

    augmenter = ready(from_transform(lambda: fail))
    with no_global_randomness(), pytest.raises(RuntimeError):
        views(augmenter)


# ------------------------------------------------------------------------------------------------- numbers
def test_a_tensor_transform_is_applied_image_by_image() -> None:
    augmenter = ready(from_transform(lambda: lambda image: image.flip(2)))
    assert torch.equal(views(augmenter), X.flip(3))


def test_a_batched_transform_gets_the_batch() -> None:
    shapes = []

    def flip(x: Tensor) -> Tensor:
        shapes.append(list(x.shape))
        return x.flip(3)

    assert torch.equal(views(ready(from_transform(lambda: flip, batched=True))), X.flip(3))
    assert shapes == [[12, 3, 8, 8]]


@pytest.mark.parametrize("channels", [1, 3])
def test_pil_and_arrays_go_there_and_back(channels: int) -> None:
    x = (X[:, :channels] * 255).round() / 255
    seen: list[Any] = []

    def keep(image: Any) -> Any:
        seen.append(image)
        return image

    assert torch.allclose(views(ready(from_transform(lambda: keep, takes="pil")), x), x, atol=1e-6)
    assert (seen[0].size, seen[0].mode) == ((8, 8), "RGB" if channels == 3 else "L")

    def keep_array(*, image: Any) -> Any:
        seen.append(image)
        return {"image": image}

    assert torch.allclose(views(ready(from_transform(lambda: keep_array, takes="array")), x), x, atol=1e-6)
    assert (seen[-1].shape, seen[-1].dtype) == ((8, 8, channels), np.uint8)


def test_rounding_is_clamped_and_more_is_reported() -> None:
    slightly = ready(from_transform(lambda: lambda image: image + 2e-5))
    ones = torch.ones(2, 3, 8, 8)
    assert torch.equal(views(slightly, ones), ones)

    normalised = from_transform(lambda: lambda image: (image - 0.5) / 0.2, name="Normalised")
    env = set_up(TinyTask(), {"view": normalised()})
    index = torch.arange(COUNT)
    env.views("view", env.models["net"], env.images(index), index=index, target=None)
    with pytest.raises(RunFailed, match=r"Normalised in slot view returned images outside \[0, 1\]"):
        env.alarm.check()


@pytest.mark.parametrize(
    ("transform", "told"),
    [
        (lambda image: image[:, 1:], r"a tensor \[3, 7, 8\]"),
        (lambda image: image.double(), ".*float64"),
        (lambda image: (image, 3), "a tuple"),
    ],
)
def test_another_shape_or_type_is_named(transform: Any, told: str) -> None:
    env = set_up(TinyTask(), {"view": from_transform(lambda: transform, name="Odd")()})
    index = torch.arange(4)
    with pytest.raises(PluginError, match=f"Odd in slot view failed .*the transform returned {told}"):
        env.views("view", env.models["net"], env.images(index), index=index, target=None)


# -------------------------------------------------------------------------------------------------- classes
def test_the_parameters_of_make_are_the_augmenters() -> None:
    def make(*, p: float = 0.5) -> Any:
        return lambda image: image * p

    Dim = from_transform(make, name="Dim")
    assert Dim.__name__ == "Dim"
    assert torch.equal(views(ready(Dim, p=0.25)), X * 0.25)
    assert torch.equal(views(ready(Dim)), X * 0.5)
    with pytest.raises(TypeError, match="q"):
        Dim(q=1)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("arguments", "opening"),
    [
        ({"make": dict, "takes": "image"}, "takes: "),
        ({"make": dict, "takes": "pil", "batched": True}, "batched: "),
        ({"make": dict, "takes": "array", "batched": True}, "batched: "),
        ({"make": lambda p: p}, "make: 'p' must be a keyword with a default"),
        ({"make": dict}, "make: its parameters cannot be told"),
    ],
)
def test_arguments_that_make_no_sense(arguments: Any, opening: str) -> None:
    with pytest.raises(ValueError, match=f"^{opening}"):
        from_transform(**arguments)


def test_its_source_is_the_file_that_made_it() -> None:
    made, plain = (
        code_of(Entry("augmenters", "Mine", cls, "toys 1.0")) for cls in (from_transform(lambda: None), Local)
    )
    assert made.files == plain.files
    assert Path(__file__) in made.files.values()


class Local:
    """Of this file."""


FILE = """
from torchvision.transforms import v2
from lpa3bench import from_transform, hookimpl

def make(*, p: float = 0.5):
    return v2.RandomHorizontalFlip(p)

@hookimpl
def register_augmenters(register):
    register("Mirror", from_transform(make, name="Mirror"))
"""


def test_from_a_plugin_file_with_its_parameters_bound_in_gin(tmp_path: Path) -> None:
    (tmp_path / "mirror.py").write_text(FILE)

    def bound(value: str) -> Any:
        words = ["--plugin", str(tmp_path / "mirror.py"), "-p", "run.view = @augmenters.Mirror()"]
        words += ["-p", f"Mirror.p = {value}"]
        return CliRunner().invoke(main, ["show", "quickstart", *words, "--no-forecast"])

    good = bound("0.25")
    assert good.exit_code == 0, good.output
    assert "RandomHorizontalFlip(p=0.25)" in good.stdout
    assert "Mirror.p" in good.stdout
    bad = bound("'often'")
    assert bad.exit_code == 3
    assert "Mirror.p must be a float" in bad.stderr


def test_a_transform_that_works_in_place_leaves_the_batch_alone() -> None:
    """A grey batch is contiguous and channels_last at once, so that asking for either copies nothing."""
    halve = from_transform(lambda: lambda x: x.mul_(0.5), batched=True, name="Halve")
    x = torch.rand(4, 1, 8, 8)
    before = x.clone()
    assert torch.equal(views(ready(halve), x), before / 2)
    assert torch.equal(x, before)


def test_one_that_draws_nothing_leaves_the_draws_where_they_were() -> None:
    still, random_ = context(), context()
    ready(from_transform(lambda: lambda x: 1 - x, name="Invert")).generate(X, still)
    assert torch.equal(still.draws.uniform((3,)), context().draws.uniform((3,)))
    ready(from_transform(lambda: lambda x: x * torch.rand(()), name="Dim")).generate(X, random_)
    assert not torch.equal(random_.draws.uniform((3,)), context().draws.uniform((3,)))


def test_a_class_lends_its_annotations() -> None:
    class Dim:
        def __init__(self, *, p: float = 0.5) -> None:
            self.p = p

        def __call__(self, x: Tensor) -> Tensor:
            return x * self.p

    made = from_transform(Dim)
    assert made.__init__.__annotations__ == {"p": float}
    assert torch.equal(views(ready(made, p=0.25)), X * 0.25)
    with pytest.raises(ValueError, match="make: must be a function that builds the transform, not a Dim"):
        from_transform(Dim())  # type: ignore[arg-type]


class Halve(torch.nn.Module):
    """Without a constructor of its own; torch's takes *args and **kwargs."""

    def forward(self, x: Tensor) -> Tensor:
        return x / 2


class Third:
    """Without any constructor."""

    def __call__(self, x: Tensor) -> Tensor:
        return x / 3


class Passing:
    """Passes on what it does not know."""

    def __init__(self, *rest: int, p: float = 0.5, **others: int) -> None:
        self.p = p

    def __call__(self, x: Tensor) -> Tensor:
        return x * self.p


@pytest.mark.parametrize(("make", "factor"), [(Halve, 1 / 2), (Third, 1 / 3), (Passing, 0.5)])
def test_parameters_without_a_name_are_none(make: Any, factor: float) -> None:
    made = from_transform(make)
    assert made.__init__.__annotations__ == ({"p": float} if make is Passing else {})
    assert torch.allclose(views(ready(made)), X * factor)
    with pytest.raises(TypeError, match="q"):
        made(q=1)  # type: ignore[call-arg]


# --------------------------------------------------------------------------------------- bytes and clamping
def test_bytes_go_in_and_either_kind_comes_out() -> None:
    seen: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        seen.append(x)
        return x

    rounded = (X * 255).round() / 255
    assert torch.allclose(views(ready(from_transform(lambda: keep, takes="bytes"))), rounded)
    assert (len(seen), seen[0].shape, seen[0].dtype) == (12, (3, 8, 8), torch.uint8)
    assert torch.allclose(views(ready(from_transform(lambda: keep, takes="bytes", batched=True))), rounded)
    assert (len(seen), seen[-1].shape) == (13, X.shape)
    floats = from_transform(lambda: lambda x: x.float() / 510, takes="bytes")
    assert torch.allclose(views(ready(floats)), rounded / 2)
    with pytest.raises(ValueError, match="returned a tuple"):
        views(ready(from_transform(lambda: lambda x: (x, 3), takes="bytes")))


def test_torchvisions_jpeg_keeps_the_laws() -> None:
    from torchvision.transforms import v2

    jpeg = from_transform(lambda: v2.JPEG((20, 60)), takes="bytes", name="Jpeg")
    check_augmenter(jpeg, "view")
    assert 0.001 < float((views(ready(jpeg)) - X).abs().mean()) < 0.3


def test_what_leaves_the_range_is_cut_off_where_that_is_asked_for() -> None:
    noise = views(ready(from_transform(lambda: lambda x: x + torch.randn_like(x), clamp=True)))
    assert (noise.min(), noise.max()) == (0, 1)
    brighter = from_transform(lambda: lambda x: x + 0.5, clamp=True)
    assert torch.equal(views(ready(brighter)), (X + 0.5).clamp(max=1))
    broken = from_transform(lambda: lambda x: x * torch.nan, clamp=True)
    assert bool(views(ready(broken)).isnan().all()), "the guard still sees it"
