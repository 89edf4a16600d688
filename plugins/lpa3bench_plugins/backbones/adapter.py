"""Somebody else's network as a backbone: what it is made of is found in one probing pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from lpa3bench.api import Backbone, Output
from lpa3bench.nn.feature_layers import LayerNames, pick, read, watched_pass
from lpa3bench.nn.layouts import FeatureLayer
from lpa3bench.nn.mode import kept_mode

PROBED = 128
"""Side in pixels of the probing image, where a network takes images of any size. At strides of up to 64 a map
is no single pixel there: what is has been pooled."""


class Adapted(Backbone):
    """A network whose features are read by hooks and whose stages are parts of it.

    The hooks live for one call each and find their modules by name, so nothing in here points to a network:
    a deep copy reads its own features, and swapping classes or children of modules does no harm. A tapped
    module whose output is changed in place afterwards, as by an in-place ReLU, is seen as changed.

    Args:
        network: takes [B, C, H, W] and returns logits [B, K], made by its last `nn.Linear`.
        in_channels: C.
        layers: names of modules that give maps or tokens, or by name how these lie; None: those that
            `lpa3bench.nn.feature_layers` is sure of.
        image_size: side of the images that the network is made for; None: of any size.

    Raises:
        ValueError: the network is none of the kind that this can adapt; the message opens with "arch" or
            "layers".
    """

    def __init__(
        self, network: nn.Module, in_channels: int, layers: LayerNames | None, image_size: int | None = None
    ) -> None:
        super().__init__()
        _refuse_auxiliary_heads(network)
        self.layers, head = _probe(network, in_channels, layers, image_size or PROBED)
        """What gives the features, in the order in which it does."""
        self.network = network
        self.taps = tuple(layer.name for layer in self.layers)
        self.parts = _parts(network, (*self.taps, head), head)
        """Names of the stages: of modules, and of parameters that belong to no smaller one."""

    def forward(self, x: Tensor) -> Output:
        return Output(*read(self.network, self.layers, x))

    def stages(self) -> list[nn.Module]:
        own = dict(self.network.named_parameters())
        return [
            nn.ParameterList([own[name]]) if name in own else self.network.get_submodule(name)
            for name in self.parts
        ]


# ---------------------------------------------------------------------------------------------- the network
def _refuse_auxiliary_heads(network: nn.Module) -> None:
    if getattr(network, "aux_logits", False):
        raise ValueError(
            f"arch: {type(network).__name__} returns the logits of auxiliary heads too while it is trained, "
            "and no task has a loss for them; take a network with one head"
        )


def _probe(
    network: nn.Module, in_channels: int, names: LayerNames | None, side: int
) -> tuple[tuple[FeatureLayer, ...], str]:
    """What is taken of a black image, and the name of the head.

    In eval mode and without gradient: no statistics move, and drop-out draws nothing.
    """
    image = torch.zeros(1, in_channels, side, side)
    try:
        with torch.no_grad(), kept_mode(network):
            logits, seen = watched_pass(network.eval(), image)
    except Exception as error:  # whatever a network says to an image size that it was not made for
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"arch: {type(network).__name__} refuses an image of {side} pixels ({reason}); "
            "give the side of your images as image_size, or take a network for images of any size"
        ) from error
    linear = [s for s in seen if isinstance(s.module, nn.Linear)]
    if not linear or linear[-1].output is not logits:
        raise ValueError(
            f"arch: the logits of {type(network).__name__} are not the output of an nn.Linear, "
            "so it has no head that a task could train apart; take another network"
        )
    return pick(network, seen, image, names), linear[-1].name


# ----------------------------------------------------------------------------------------------- the stages
def _parts(network: nn.Module, inner: Sequence[str], head: str) -> tuple[str, ...]:
    """Names of modules and parameters that hold every parameter once, in the order of their definition.

    A link of the chain is a part, unless it holds one of `inner` and can be taken apart. Parameters of what
    is taken apart, such as a class token, are parts of their own, before the others.

    Raises:
        ValueError: a parameter is shared, or the head is not the last part.
    """
    found = list(_split(network, "", inner, head))
    own = dict(network.named_parameters(remove_duplicate=False))
    held = [
        id(p)
        for name in found
        for p in ([own[name]] if name in own else network.get_submodule(name).parameters())
    ]
    if found[-1] != head or len(held) != len(set(held)):
        raise ValueError(
            f"arch: the stages of {type(network).__name__} cannot be told, because "
            + ("two parts share a parameter" if found[-1] == head else f"{found[-1]!r} comes after its head")
        )
    return tuple(found)


def _split(module: nn.Module, prefix: str, inner: Sequence[str], head: str) -> Iterator[str]:
    yield from (prefix + name for name, _ in module.named_parameters(recurse=False))
    for name, child in module.named_children():
        full = prefix + name
        chain = isinstance(child, nn.Sequential | nn.ModuleList)
        if head.startswith(f"{full}.") or (chain and any(tap.startswith(f"{full}.") for tap in inner)):
            yield from _split(child, f"{full}.", inner, head)
        elif next(child.parameters(), None) is not None:
            yield full
