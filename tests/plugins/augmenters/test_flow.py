"""The flow of colours: invertible, volume-preserving, per pixel, and still where it starts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lpa3bench.nn.reset import reset_parameters
from lpa3bench_plugins.augmenters.flow import SHIFTED, Colours, PixelFlow, Space

SPACES: tuple[Space, ...] = ("rgb", "ydbdr")
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.3, 0.25)


def images(seed: int = 0, count: int = 4) -> Tensor:
    return torch.rand(count, 3, 5, 6, generator=torch.Generator().manual_seed(seed)).double()


def restless(space: Space) -> PixelFlow:
    """A flow that moves everything."""
    flow = PixelFlow(space).double()
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in flow.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return flow


@pytest.fixture(params=SPACES)
def space(request: pytest.FixtureRequest) -> Space:
    found: Space = request.param
    return found


def test_starts_as_the_identity_and_can_leave_it(space: Space) -> None:
    flow = PixelFlow(space).double()
    reset_parameters(flow, 5)
    z = 2 * images() - 1
    assert torch.equal(flow(z), z)
    (loss := (flow(z) - z.roll(1, 2)).square().mean()).backward()
    moving = [p.grad.abs().sum() > 0 for name, p in flow.named_parameters() if "conv2" in name]  # type: ignore[union-attr]
    assert loss > 0
    assert any(moving)


def test_is_undone_by_its_inverse(space: Space) -> None:
    flow, z = restless(space), 2 * images() - 1
    moved = flow(z)
    assert (moved - z).abs().amin(dim=(0, 2, 3)).min() > 0
    torch.testing.assert_close(flow.inverse(moved), z, rtol=0, atol=1e-10)
    torch.testing.assert_close(flow(flow.inverse(z)), z, rtol=0, atol=1e-10)


def test_keeps_volumes_from_image_to_image(space: Space) -> None:
    """The Jacobian of a pixel's colour has determinant one, of the whole way there and back."""
    flow, colours = restless(space), Colours.of(space, MEAN, STD)

    def recoloured(colour: Tensor) -> Tensor:
        return colours.decode(flow(colours.encode(colour.view(1, 3, 1, 1)))).flatten()

    found = images().flatten(2).transpose(1, 2).reshape(-1, 3)[:20]
    jacobians = torch.stack([torch.autograd.functional.jacobian(recoloured, colour) for colour in found])
    assert (jacobians - torch.eye(3)).abs().max() > 0.1
    torch.testing.assert_close(torch.linalg.det(jacobians), torch.ones(20).double(), rtol=0, atol=1e-5)


def test_changes_each_pixel_by_its_own_colour_alone(space: Space) -> None:
    flow, z = restless(space), images()
    order = torch.randperm(30, generator=torch.Generator().manual_seed(1))
    shuffled = z.flatten(2)[:, :, order].view_as(z)
    torch.testing.assert_close(flow(shuffled), flow(z).flatten(2)[:, :, order].view_as(z))


def test_which_channels_each_block_moves() -> None:
    assert SHIFTED == {"rgb": ((0,), (1,), (2,), (0,)), "ydbdr": ((0,), (1, 2), (0,), (1, 2))}
    for name in SPACES:
        z = images()
        for block, shifted in zip(restless(name).blocks, SHIFTED[name], strict=True):
            moved = (block(z) - z).abs().amax(dim=(0, 2, 3)) > 0
            assert moved.nonzero().flatten().tolist() == [*shifted]


def test_ydbdr_against_its_definition() -> None:
    colours = Colours.of("ydbdr", MEAN, STD)
    x = images()
    red, green, blue = x.unbind(1)
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    to_blue = -0.450 * red - 0.883 * green + 1.333 * blue
    to_red = -1.333 * red + 1.116 * green + 0.217 * blue
    mean, std = (0.434, -0.049, -0.028), (0.500, 1.169, 1.321)
    expected = [(c - m) / s for c, m, s in zip((luma, to_blue, to_red), mean, std, strict=True)]
    torch.testing.assert_close(colours.encode(x), torch.stack(expected, 1), rtol=0, atol=1e-6)


def test_ydbdr_backwards() -> None:
    """Grey has no chroma; and the inverse's published coefficients."""
    colours = Colours.of("ydbdr", MEAN, STD)
    grey = torch.full((1, 3, 1, 1), 0.7, dtype=torch.float64)
    z = colours.encode(grey).flatten() * torch.tensor((0.5, 1.169, 1.321)) + torch.tensor(
        (0.434, -0.049, -0.028)
    )
    torch.testing.assert_close(z, torch.tensor((0.7, 0, 0)).double(), rtol=0, atol=1e-6)
    rows = ((1, 0.000092, -0.525913), (1, -0.129133, 0.267899), (1, 0.664679, -0.000079))
    for place, column in enumerate(torch.tensor(rows).T):
        ydbdr = torch.eye(3)[place]
        z = (ydbdr - torch.tensor((0.434, -0.049, -0.028))) / torch.tensor((0.5, 1.169, 1.321))
        found = colours.decode(z.view(1, 3, 1, 1)).flatten()
        torch.testing.assert_close(found, column, rtol=0, atol=1e-5)


def test_decoding_undoes_encoding(space: Space) -> None:
    colours, x = Colours.of(space, MEAN, STD), images()
    torch.testing.assert_close(colours.decode(colours.encode(x)), x, rtol=0, atol=1e-6)
    if space == "rgb":
        expected = (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)
        torch.testing.assert_close(colours.encode(x), expected, rtol=0, atol=1e-5)
