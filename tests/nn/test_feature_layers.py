"""Which features are taken of a network: the table of docs/lpa3-function.md, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from lpa3bench.api import Output
from lpa3bench.attack import distance, unit
from lpa3bench.nn.feature_layers import feature_layers
from lpa3bench.nn.layouts import FeatureLayer

PAGE = Path(__file__).parents[2] / "docs" / "lpa3-function.md"
ROW = re.compile(r"^\| (torchvision|timm) `(\w+)` \| (\d+) \| (.+) \|$", re.MULTILINE)


def network(library: str, arch: str) -> nn.Module:
    """On the meta device: shapes without numbers."""
    with torch.device("meta"):
        if library == "torchvision":
            return models.get_model(arch, weights=None)
        timm = pytest.importorskip("timm", reason="timm is not installed; pip install 'lpa3bench[timm]'")
        return timm.create_model(arch, pretrained=False)


def told(layer: FeatureLayer) -> str:
    """As the page has it: name, channels and places."""
    _, *sizes = layer.shape
    if layer.layout == "BND":
        return f"`{layer.name}` {sizes[1]} × {sizes[0]} tokens"
    channels, height, width = sizes if layer.layout == "BCHW" else (sizes[2], *sizes[:2])
    assert height == width
    return f"`{layer.name}` {channels} × {height}²" + (" (last)" if layer.layout == "BHWC" else "")


def row(library: str, arch: str, side: int) -> str:
    x = torch.zeros(2, 3, side, side, device="meta")
    try:
        return ", ".join(map(told, feature_layers(network(library, arch).eval(), x)))
    except ValueError as error:
        return f"refused: {str(error).split(';')[0]}"


ROWS = ROW.findall(PAGE.read_text())


@pytest.mark.filterwarnings("ignore:The default weight initialization:FutureWarning")
@pytest.mark.parametrize(("library", "arch", "side", "features"), ROWS, ids=[f"{r[0]}-{r[1]}" for r in ROWS])
def test_the_table_of_the_page(library: str, arch: str, side: str, features: str) -> None:
    assert row(library, arch, int(side)) == features


def test_the_table_is_of_both_libraries_and_of_what_is_refused() -> None:
    kinds = [(library, features.startswith("refused")) for library, _, _, features in ROWS]
    assert kinds.count(("torchvision", False)) >= 10
    assert kinds.count(("timm", False)) >= 10
    assert any(refused for _, refused in kinds)


# ----------------------------------------------------------------------------------------- networks made here
class Block(nn.Module):
    """Halves the side, with a wider hidden layer and a gate that no one must take."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(channels, 4 * channels, 1)
        self.down = nn.Conv2d(4 * channels, 2 * channels, 3, 2, 1)
        self.gate = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(2 * channels, 2 * channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        narrow: Tensor = self.down(self.wide(x).relu())
        return narrow * self.gate(narrow).sigmoid()


class Body(nn.Module):
    def __init__(self, classes: int = 5) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.stages = nn.ModuleList([Block(4), Block(8)])
        self.head = nn.Linear(16, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        logits: Tensor = self.head(x.mean((2, 3)))
        return logits


class Wrapped(nn.Module):
    """Normalises, and has a network inside whose vectors go through a head of its own."""

    def __init__(self, body: nn.Module, returned: Any = lambda logits: logits) -> None:
        super().__init__()
        self.body, self.fc, self.returned = body, nn.Linear(5, 5), returned

    def forward(self, x: Tensor) -> Any:
        return self.returned(self.fc(self.body(x - 0.5)))


class Grid(nn.Module):
    """Channels last between its stages, as in Swin."""

    def __init__(self, channels: int = 6) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, channels, 2, 2)
        self.mix = nn.Linear(channels, channels)
        self.merge = nn.Sequential(nn.LayerNorm(channels), nn.Linear(channels, channels))
        self.head = nn.Linear(channels, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mix(self.patch(x).permute(0, 2, 3, 1))
        x = self.merge(x[:, ::2, ::2])
        logits: Tensor = self.head(x.mean((1, 2)))
        return logits


class Tokens(nn.Module):
    """A transformer of no known family."""

    def __init__(self, batch_first: bool = True) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 8, 4, 4)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(8, 2, 16, 0.0, batch_first=batch_first) for _ in range(2)
        )
        self.head = nn.Linear(8, 5)
        self.axis = 1 if batch_first else 0

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).mT
        x = x if self.axis == 1 else x.transpose(0, 1)
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(x.mean(self.axis))
        return logits


def images(height: int = 16, width: int = 16, count: int = 3) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def taken(model: nn.Module, x: Tensor | None = None, **options: Any) -> dict[str, str]:
    x = images() if x is None else x
    return {layer.name: layer.layout for layer in feature_layers(model.train(), x, **options)}


@pytest.mark.parametrize(
    ("model", "prefix"),
    [
        (Body(), ""),
        (Wrapped(Body()), "body."),
        (Wrapped(Wrapped(Body())), "body.body."),
        (Wrapped(Body(), lambda logits: (logits, "more")), "body."),
        (Wrapped(Body(), lambda logits: Output(logits, ())), "body."),
        (nn.DataParallel(Body()), "module."),
        (torch.compile(Body(), backend="eager"), ""),
        (Wrapped(torch.compile(Body(), backend="eager")), "body."),
    ],
)
def test_stages_are_found_within_what_is_wrapped_around_a_network(model: nn.Module, prefix: str) -> None:
    assert taken(model) == dict.fromkeys([f"{prefix}{n}" for n in ("stem", "stages.0", "stages.1")], "BCHW")


@pytest.mark.parametrize("size", [(16, 16), (12, 20), (20, 12), (15, 31)])
def test_channels_last_are_told_by_the_shape(size: tuple[int, int]) -> None:
    assert taken(Grid(), images(*size)) == {"mix": "BHWC", "merge": "BHWC"}


def test_as_many_channels_as_places_are_told_by_the_neighbours() -> None:
    """[B, 8, 8, 8] after a convolution, of a linear layer and of what comes between two such."""
    model = Grid(8)
    model.merge.insert(0, nn.Identity())
    assert taken(model) == {"mix": "BHWC", "merge": "BHWC"}
    model.mix = nn.Sequential(nn.Identity())  # neither before nor after it is sure alike
    with pytest.raises(
        ValueError, match=r"^layers: channels cannot be told from places in \[3, 8, 8, 8\]"
    ) as e:
        taken(model)
    assert "layers={'mix': 'BCHW'} or 'BHWC'" in str(e.value)
    assert taken(model, layers={"mix": "BHWC"}) == {"mix": "BHWC"}
    with pytest.raises(ValueError, match="^layers: 'mix': a layout is 'BCHW', 'BHWC' or 'BND', not 'NHWC'"):
        taken(model, layers={"mix": "NHWC"})
    with pytest.raises(ValueError, match="^layers: 'mix' gives .* which cannot lie as 'BND'"):
        taken(model, layers={"mix": "BND"})


def test_named_tokens_and_maps_come_in_the_order_of_the_pass() -> None:
    model = Tokens()
    assert taken(model, layers=["blocks.1", "patch", "blocks.0"]) == {
        "patch": "BCHW", "blocks.0": "BND", "blocks.1": "BND"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("model", "layers", "message"),
    [
        (
            Tokens(),
            None,
            r"'blocks.0' gives \[3, 16, 8\], not maps .* name the modules, of a transformer its",
        ),
        (
            Tokens(False),
            ["blocks.0"],
            r"'blocks.0' gives \[16, 3, 8\] for 3 images; features have one row",
        ),
        (nn.Sequential(nn.Flatten(), nn.Linear(768, 5)), None, "no module gives feature maps"),
        (Wrapped(Tokens()), None, "no module gives feature maps .*; name those whose outputs"),
    ],
)
def test_where_it_is_not_sure_it_says_what_to_name(model: nn.Module, layers: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^layers: {message}"):
        taken(model, layers=layers)


def test_two_transformers_are_refused() -> None:
    def vit() -> nn.Module:
        return models.VisionTransformer(16, 8, 2, 2, 8, 16, num_classes=5)

    blocks = [f"body.encoder.layers.encoder_layer_{i}" for i in (0, 1)]
    assert taken(Wrapped(vit())) == dict.fromkeys(blocks, "BND")

    class Two(Wrapped):
        def forward(self, x: Tensor) -> Any:
            return self.body(x) + self.fc(x)

    two = Two(vit())
    two.fc = vit()  # type: ignore[assignment]
    with pytest.raises(ValueError, match="^layers: the model holds 2 transformers, 'body' and 'fc'; name"):
        taken(two)


def test_the_distance_is_over_channels_whatever_the_layout() -> None:
    """Equation 3: unit vectors of channels, divided by the root of the number of places."""
    one, other = (
        torch.randn(2, 4, 4, 6, generator=torch.Generator().manual_seed(i)).double() for i in (1, 2)
    )
    maps = distance([other], unit([one]))
    for layout, form in (("BHWC", lambda f: f.permute(0, 2, 3, 1)), ("BND", lambda f: f.flatten(2).mT)):
        layer = FeatureLayer("", 0, layout, ())
        lying = [form(f).contiguous().requires_grad_() for f in (one, other)]
        found = distance([layer.map_of(lying[1])], unit([layer.map_of(lying[0]).detach()]))
        torch.testing.assert_close(found, maps, rtol=1e-12, atol=0)
        (gradient,) = torch.autograd.grad(found.sum(), lying[1])
        plain = other.clone().requires_grad_()
        (expected,) = torch.autograd.grad(distance([plain], unit([one])).sum(), plain)
        torch.testing.assert_close(gradient, form(expected), rtol=1e-10, atol=1e-14)


def test_a_model_that_hands_out_features_is_taken_at_its_word() -> None:
    class Own(Body):
        def forward(self, x: Tensor) -> Any:
            return Output(super().forward(x), (x, x[:, :, ::2, ::2]))

    assert taken(Own()) == {"features[0]": "BCHW", "features[1]": "BCHW"}
    assert taken(Own(), layers="stem") == {"stem": "BCHW"}


def test_looking_changes_nothing() -> None:
    model = Wrapped(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(784, 5)))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    taken(model, layers="body.1")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(m._forward_hooks for m in model.modules())
