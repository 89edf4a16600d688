"""Auxiliary BatchNorm for any network, and BatchNorm statistics that stand still.

The released LP-A3 code trains its augmented images through a second set of BatchNorm layers, which the paper
does not mention, and throws that set away at test time: augmented images follow another distribution, and
one set of statistics would fit neither. There the choice is a flag that every layer's `forward` passes on;
here each `nn.BatchNorm2d` gets a second one as its child `aux`, its class is swapped for one that knows which
of the two to use, and `bn_domain` makes the choice. So it works for networks that have never heard of it, the
keys of a plain state dict stay valid, and a network that needs no auxiliary BatchNorm carries none.

Save state dicts, not whole modules: the classes made here for BatchNorm subclasses cannot be pickled.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lpa3bench.nn.syncbatchnorm import SyncBatchNorm
from lpa3bench.types import Domain


class DualBatchNorm2d(nn.BatchNorm2d):
    """A BatchNorm2d that can hand its input to another one. Made by `add_auxiliary`, never constructed."""

    aux: nn.BatchNorm2d
    use_aux: bool = False

    def forward(self, input: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape, by this BatchNorm or by the auxiliary one."""
        if self.use_aux:
            output: Tensor = self.aux(input)
            return output
        return super().forward(input)


def add_auxiliary(model: nn.Module, momentum: float = 0.01) -> int:
    """Put an auxiliary BatchNorm beside every `nn.BatchNorm2d` of the model, in place.

    It starts as a copy: affine parameters, running statistics and whatever a subclass adds (timm's keeps its
    activation in there). No random number is drawn. Layers that have one already keep it as it is.

    Args:
        momentum: of the auxiliary running statistics, in PyTorch's sense; the released code uses 0.01
            whatever the main one's is.

    Returns:
        How many layers have an auxiliary BatchNorm now; 0: the model has no BatchNorm2d.

    Raises:
        ValueError: `momentum` is not in (0, 1].
    """
    if not 0 < momentum <= 1:
        raise ValueError(f"momentum: must be in (0, 1], not {momentum}")
    layers = _batchnorm2d(model)
    for layer in layers:
        if not isinstance(layer, DualBatchNorm2d):
            aux = copy.deepcopy(layer)
            aux.momentum = momentum
            layer.add_module("aux", aux)
            plain: type = type(layer)
            layer.__class__ = _dual(plain)
    return len(layers)


def bn_domain(model: nn.Module, name: Domain) -> AbstractContextManager[None]:
    """Inside the block the model normalises with its main or with its auxiliary BatchNorm.

    What was selected before comes back after the block, so blocks nest. A model without any BatchNorm2d has
    nothing to select, and either name is right for it. Other kinds of BatchNorm have one set of statistics
    and stay out of it.

    Raises:
        ValueError: `name` is neither, or is "aux" for a model with a BatchNorm2d that has no auxiliary one.
    """
    if name not in ("main", "aux"):
        raise ValueError(f"name: must be 'main' or 'aux', not {name!r}")
    layers = _batchnorm2d(model)
    dual = [layer for layer in layers if isinstance(layer, DualBatchNorm2d)]
    if name == "aux" and len(dual) < len(layers):
        raise ValueError(
            f"name: 'aux' cannot be selected, {len(layers) - len(dual)} of the model's {len(layers)} "
            "BatchNorm2d have no auxiliary one; call add_auxiliary(model) first"
        )
    return _holding(dual, "use_aux", name == "aux")


def frozen_statistics(model: nn.Module) -> AbstractContextManager[None]:
    """Inside the block, passes in train mode leave the main running statistics and their counts alone.

    They still normalise with the statistics of the batch. The auxiliary running statistics do move. Nothing
    is written back into buffers, so what was recorded for a backward pass before or inside the block stays
    good for it. Holds for BatchNorm of any dimension.
    """
    return _holding(_main_batchnorms(model), "track_running_stats", False)


def still(model: nn.Module) -> AbstractContextManager[None]:
    """As `frozen_statistics`, and the auxiliary running statistics stand still too."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    return _holding(norms, "track_running_stats", False)


@contextmanager
def single_values(model: nn.Module) -> Iterator[list[_BatchNorm]]:
    """Inside the block, a BatchNorm in train mode may get a single value per channel: one image, on a map of
    one place.

    A single value has no variance, and torch refuses it. It is normalised with the running statistics, which
    stand still. One that several processes share sees to that itself.

    Returns:
        The layers that have got a single value so far.
    """
    found: list[_BatchNorm] = []

    def look(layer: _BatchNorm, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].numel() == inputs[0].shape[1]:
            found.append(layer)
            if not isinstance(layer, SyncBatchNorm):
                layer.training = False

    layers = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.training]
    handles = [layer.register_forward_pre_hook(look) for layer in layers]
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()
        for layer in found:
            layer.training = True


@cache
def _dual(plain: type[nn.BatchNorm2d]) -> type[DualBatchNorm2d]:
    """The dual class of a BatchNorm2d class; its `super().forward` is the plain class's own."""
    if plain is nn.BatchNorm2d:
        return DualBatchNorm2d
    return type(f"Dual{plain.__name__}", (DualBatchNorm2d, plain), {})


def _main_batchnorms(model: nn.Module) -> list[_BatchNorm]:
    """Every BatchNorm of the model, once each, but no auxiliary one.

    Found anew at each call: a remembered list goes stale when a layer is replaced, and a walk over the bare
    module dictionaries takes 10 to 20 µs for a ResNet, about a quarter of what `modules()` takes.
    """
    found: dict[_BatchNorm, None] = {}
    waiting: list[nn.Module | None] = [model]
    while waiting:
        module = waiting.pop()
        if isinstance(module, _BatchNorm):
            found[module] = None
        elif module is not None:
            waiting.extend(module._modules.values())
    return list(found)


def _batchnorm2d(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in _main_batchnorms(model) if isinstance(layer, nn.BatchNorm2d)]


@contextmanager
def _holding(layers: Sequence[nn.Module], attribute: str, value: bool) -> Iterator[None]:
    """A plain attribute of all layers holds `value` inside the block, and each its old value after."""
    # nn.Module's own __setattr__ looks for parameters and submodules first; that takes ten times as long.
    before = [getattr(layer, attribute) for layer in layers]
    try:
        for layer in layers:
            object.__setattr__(layer, attribute, value)
        yield
    finally:
        for layer, old in zip(layers, before, strict=True):
            object.__setattr__(layer, attribute, old)
