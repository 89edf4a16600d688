"""Somebody else's convolutional network as a backbone: what it is made of is found in one probing pass."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from lpa3bench.api import Backbone, Output
from lpa3bench.nn.hooks import watched
from lpa3bench.nn.mode import kept_mode

PROBED = 128
"""Side in pixels of the probing image. At strides of up to 64 a map is no single pixel there: what is has
been pooled."""


class Adapted(Backbone):
    """A network whose features are read by hooks and whose stages are parts of it.

    The hooks live for one call each and find their modules by name, so nothing in here points to a network:
    a deep copy reads its own features, and swapping classes or children of modules does no harm. A tapped
    module whose output is changed in place afterwards, as by an in-place ReLU, is seen as changed.

    Args:
        network: takes [B, C, H, W] of any size and returns logits [B, K], made by its last `nn.Linear`.
        in_channels: C.
        layers: names of modules that give maps [B, C', H', W']. None: the last output at each resolution
            among the links of the network's chain, which are its children and those of every `nn.Sequential`
            or `nn.ModuleList` in it. What is inside a block with a forward of its own is no link, so in a
            ResNet these are the outputs of stages. Pooled vectors are no maps.

    Raises:
        ValueError: the network is none of the kind that this can adapt; the message opens with "arch" or
            "layers".
    """

    def __init__(self, network: nn.Module, in_channels: int, layers: tuple[str, ...] | None) -> None:
        super().__init__()
        _refuse_auxiliary_heads(network)
        links = dict(_links(network))
        wanted = links if layers is None else {name: _known(network, name) for name in layers}
        if not wanted:
            raise ValueError("layers: must name at least one module; None finds them")
        seen, head = _probe(network, in_channels, wanted)
        self.network = network
        self.taps = _last_at_each_resolution(seen) if layers is None else _all_maps(seen, layers)
        """Names of the modules that give the features, in the order in which they do."""
        self.parts = _parts(network, (*self.taps, head), head)
        """Names of the stages."""

    def forward(self, x: Tensor) -> Output:
        seen: dict[str, Tensor] = {}
        tapped = {name: self.network.get_submodule(name) for name in self.taps}
        with watched(tapped, lambda name, _, output: seen.__setitem__(name, output)):
            logits = self.network(x)
        return Output(logits, tuple(seen[name] for name in self.taps))

    def stages(self) -> list[nn.Module]:
        return [self.network.get_submodule(name) for name in self.parts]


# ---------------------------------------------------------------------------------------------- the network
def _refuse_auxiliary_heads(network: nn.Module) -> None:
    if getattr(network, "aux_logits", False):
        raise ValueError(
            f"arch: {type(network).__name__} returns the logits of auxiliary heads too while it is trained, "
            "and no task has a loss for them; take a network with one head"
        )


def _links(module: nn.Module, prefix: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The links of the chain with their full names."""
    for name, child in module.named_children():
        yield prefix + name, child
        if isinstance(child, nn.Sequential | nn.ModuleList):
            yield from _links(child, f"{prefix}{name}.")


def _known(network: nn.Module, name: str) -> nn.Module:
    modules: dict[str, nn.Module] = dict(network.named_modules())
    if name not in modules:
        near = get_close_matches(name, modules, n=3, cutoff=0.4)
        hint = f"; nearest: {', '.join(near)}" if near else ""
        raise ValueError(f"layers: {type(network).__name__} has no module {name!r}{hint}")
    return modules[name]


def _probe(
    network: nn.Module, in_channels: int, wanted: dict[str, nn.Module]
) -> tuple[list[tuple[str, Any]], str]:
    """What the wanted modules return for a black image, call by call, and the name of the head.

    In eval mode and without gradient: no statistics move, and drop-out draws nothing.
    """
    seen: list[tuple[str, Any]] = []
    linear: list[tuple[str, Any]] = []
    heads: dict[str, nn.Module] = {
        name: module for name, module in network.named_modules() if isinstance(module, nn.Linear)
    }
    image = torch.zeros(1, in_channels, PROBED, PROBED)
    try:
        with (
            torch.no_grad(),
            kept_mode(network),
            watched(wanted, lambda name, _, output: seen.append((name, output))),
            watched(heads, lambda name, _, output: linear.append((name, output))),
        ):
            logits = network.eval()(image)
    except Exception as error:  # whatever a network says to an image size that it was not made for
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ValueError(
            f"arch: {type(network).__name__} refuses an image of {PROBED} pixels ({reason}); "
            "take a convolutional network, which takes images of any size"
        ) from error
    if not linear or linear[-1][1] is not logits:
        raise ValueError(
            f"arch: the logits of {type(network).__name__} are not the output of an nn.Linear, "
            "so it has no head that a task could train apart; take another network"
        )
    return seen, linear[-1][0]


# --------------------------------------------------------------------------------------------- the features
def _is_map(output: Any) -> bool:
    """Whether it can be [B, C, H, W] of a square image."""
    return isinstance(output, Tensor) and output.dim() == 4 and output.shape[2] == output.shape[3]


def _last_at_each_resolution(seen: list[tuple[str, Any]]) -> tuple[str, ...]:
    """The features of a chain: by side of the map, the last link that gives one, ever smaller sides."""
    calls = [name for name, _ in seen]
    last: dict[int, str] = {}
    for name, output in seen:
        if isinstance(output, Tensor) and output.dim() > 2 and not _is_map(output):
            raise ValueError(
                f"arch: its module {name!r} gives {list(output.shape)}, not a map [B, C, H, W], as those of "
                "transformers do; take a convolutional network, or name the layers that give maps"
            )
        if not _is_map(output) or calls.count(name) > 1:
            continue
        side = output.shape[2]
        # Not pooled, and not enlarged again, as by an adaptive pool in front of a classifier.
        if 1 < side < PROBED and side <= min(last, default=side):
            last[side] = name
    if not last:
        raise ValueError("arch: no module gives maps [B, C, H, W]; take a convolutional network")
    return tuple(last.values())


def _all_maps(seen: list[tuple[str, Any]], layers: Sequence[str]) -> tuple[str, ...]:
    """The named layers in the order of their outputs."""
    outputs: dict[str, Any] = {}
    for name, output in seen:
        outputs.pop(name, None)  # a later call counts, and takes its place
        outputs[name] = output
        if not _is_map(output):
            what = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ValueError(f"layers: {name!r} gives {what}, not a map [B, C, H, W]")
    if missed := [name for name in layers if name not in outputs]:
        raise ValueError(f"layers: the forward pass does not reach {missed[0]!r}")
    return tuple(outputs)


# ----------------------------------------------------------------------------------------------- the stages
def _parts(network: nn.Module, inner: Sequence[str], head: str) -> tuple[str, ...]:
    """Names of modules that hold every parameter once, in the order of the network's definition.

    A link of the chain is a part, unless it holds one of `inner` and can be taken apart.

    Raises:
        ValueError: a module that has to be taken apart has parameters of its own, a parameter is shared, or
            the head is not the last part.
    """
    found = list(_split(network, "", inner, head))
    held = [id(p) for name in found for p in network.get_submodule(name).parameters()]
    if found[-1] != head or len(held) != len(set(held)):
        raise ValueError(
            f"arch: the stages of {type(network).__name__} cannot be told, because "
            + ("two parts share a parameter" if found[-1] == head else f"{found[-1]!r} comes after its head")
        )
    return tuple(found)


def _split(module: nn.Module, prefix: str, inner: Sequence[str], head: str) -> Iterator[str]:
    own = [name for name, _ in module.named_parameters(recurse=False)]
    if own:
        raise ValueError(
            f"arch: the stages of {type(module).__name__} cannot be told, because {prefix + own[0]!r} "
            "belongs to none of its parts"
        )
    for name, child in module.named_children():
        full = prefix + name
        chain = isinstance(child, nn.Sequential | nn.ModuleList)
        if head.startswith(f"{full}.") or (chain and any(tap.startswith(f"{full}.") for tap in inner)):
            yield from _split(child, f"{full}.", inner, head)
        elif next(child.parameters(), None) is not None:
            yield full
