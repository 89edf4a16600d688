"""Which outputs of a network are its features: one choice, for `lpa3()` and for every adapted backbone.

Of a convolutional network, or one that keeps its places in a grid (Swin), the last output at each resolution
is taken among the links of its chain. Those are its children and what is in every `nn.Sequential` and
`nn.ModuleList` among them; the inside of a block with a forward of its own is no link, so in a ResNet these
are the outputs of stages, and hidden layers, gates and attention weights are out of reach. Of a known
transformer four blocks are taken. Where there is a doubt it refuses, and says what to name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn

from lpa3bench.nn.batchnorm import still
from lpa3bench.nn.hooks import watched
from lpa3bench.nn.layouts import FeatureLayer, Layout, Layouts, ModuleCall, check_rows, first_tensor
from lpa3bench.types import Output

LayerNames = str | Sequence[str] | Mapping[str, Layout]
"""Modules as in `model.named_modules()`, where need be with the layout of what they give."""

FAMILIES = {
    ("torchvision", "VisionTransformer"): "encoder.layers",
    ("timm", "VisionTransformer"): "blocks",  # and DeiT
    ("timm", "VisionTransformerRelPos"): "blocks",
    ("timm", "Beit"): "blocks",
    ("timm", "Eva"): "blocks",
    ("timm", "Cait"): "blocks",
    ("timm", "Xcit"): "blocks",
    ("timm", "MlpMixer"): "blocks",  # and gMLP, ResMLP
    ("transformers", "ViTModel"): "encoder.layer",
}
"""Networks of one resolution from end to end, by package and class: where their blocks are. The blocks at the
four quarters of the depth are taken."""
QUARTERS = 4
LARGE_IMAGE = 64
"""Side in pixels: on larger images a map of one place has been pooled."""
MANY = 4
"""With so many smaller maps one as large as the image is left out, as in VGG: networks for small images,
whose first stage has the image's size, have fewer."""


def feature_layers(
    model: nn.Module, x: Tensor, *, layers: LayerNames | None = None
) -> tuple[FeatureLayer, ...]:
    """What `lpa3(model, x, …)` takes as features, in the order of the forward pass.

    The model is called once, in the mode that it is in, without a gradient; as in `lpa3` itself, nothing of
    it changes. One that returns `Output` with features is taken at its word: "features[0]", ….

    Args:
        model: see `lpa3`.
        x: [B, C, H, W], images as the model takes them; only their size and number matter.
        layers: see `lpa3`.

    Raises:
        ValueError: there is a doubt, or a layer is unknown, is not reached or gives no feature; the message
            opens with "layers".
    """
    with torch.no_grad(), still(model):
        raw, seen = watched_pass(model, x)
    if layers is None and isinstance(raw, Output) and raw.features:
        maps = enumerate(raw.features)
        return tuple(FeatureLayer(f"features[{i}]", -1, "BCHW", tuple(m.shape)) for i, m in maps)
    return pick(model, seen, x, layers)


def watched_pass(model: nn.Module, image: Tensor) -> tuple[Any, list[ModuleCall]]:
    """What the model returns, and every call of every module in it."""
    modules, seen = _modules(model), list[ModuleCall]()

    def saw(name: str, call: int, output: Any) -> None:
        seen.append(ModuleCall(name, call, modules[name], output))

    with _uncompiled(model), watched(modules, saw):
        raw = model(image)
    return raw, seen


def read(model: nn.Module, layers: Sequence[FeatureLayer], image: Tensor) -> tuple[Any, tuple[Tensor, ...]]:
    """What the model returns, and its features, [B, C, H, W] each."""
    outputs: dict[tuple[str, int], Any] = {}

    def saw(name: str, call: int, output: Any) -> None:
        outputs[name, call] = outputs[name, -1] = output

    with watched({layer.name: _submodule(model, layer.name) for layer in layers}, saw):
        raw = model(image)
    if missed := [layer.name for layer in layers if (layer.name, layer.call) not in outputs]:
        raise ValueError(f"layers: the forward pass did not reach {missed[0]!r}")
    return raw, tuple(layer.map_of(outputs[layer.name, layer.call]) for layer in layers)


def pick(
    model: nn.Module, seen: Sequence[ModuleCall], image: Tensor, names: LayerNames | None = None
) -> tuple[FeatureLayer, ...]:
    """The features of a model, from a `watched_pass` with the image [B, C, H, W].

    Raises:
        ValueError: see `feature_layers`.
    """
    links = set(_links(_plain(model), "", seen))
    if names is None:
        names = _of_family(model, seen)
    if names is None:
        return _last_at_each_resolution([s for s in seen if s.name in links], image, seen)
    return _named(_modules(model), seen, image, names, links)


# ------------------------------------------------------------------------------------------------- the names
def _plain(module: nn.Module) -> nn.Module:
    """What `torch.compile` was given."""
    original: nn.Module = getattr(module, "_orig_mod", module)
    return original


def _modules(model: nn.Module) -> dict[str, nn.Module]:
    """Every module but the model itself, under the name that it had before anything was compiled."""
    found = {
        ".".join(part for part in name.split(".") if part != "_orig_mod"): module
        for name, module in model.named_modules()
    }
    return {name: module for name, module in found.items() if name}


def _submodule(model: nn.Module, name: str) -> nn.Module:
    for part in name.split("."):
        model = _plain(_plain(model).get_submodule(part))
    return model


def _uncompiled(model: nn.Module) -> AbstractContextManager[Any]:
    """Inside the block hooks are called; code that was compiled without them skips them."""
    compiled = any(
        hasattr(module, "_orig_mod") or module._compiled_call_impl is not None for module in model.modules()
    )
    return torch.compiler.set_stance("force_eager") if compiled else nullcontext()


def _links(module: nn.Module, prefix: str, seen: Sequence[ModuleCall]) -> Iterator[str]:
    """Names of the links of the chain, those of a body inside the model included."""
    for child_name, child in module.named_children():
        child, name = _plain(child), prefix + child_name
        yield name
        if isinstance(child, nn.Sequential | nn.ModuleList) or _is_body(child, name, seen):
            yield from _links(child, f"{name}.", seen)


def _is_body(module: nn.Module, name: str, seen: Sequence[ModuleCall]) -> bool:
    """Whether it is a network in itself, of the kind that ends in pooled vectors or in logits, [B, D], and
    has maps of several sizes inside."""
    outputs = [first_tensor(getattr(s.output, "logits", s.output)) for s in seen if s.name == name]
    if not outputs or any(getattr(output, "ndim", None) != 2 for output in outputs):
        return False
    inside = set(_links(module, f"{name}.", seen))
    sizes = {s.shape[2:] for s in seen if s.name in inside and len(s.shape) == 4}
    return len(sizes - {(1, 1)}) > 1


def _of_family(model: nn.Module, seen: Sequence[ModuleCall]) -> list[str] | None:
    """The layers to take where the model is of a family with shipped ones, or wraps one that is."""
    called = {"": _plain(model)} | {s.name: s.module for s in seen}
    found = [(name, path) for name, module in called.items() if (path := _blocks(module)) is not None]
    if not found:
        return None
    if len(found) > 1:
        raise ValueError(
            f"layers: the model holds {len(found)} transformers, {found[0][0]!r} and {found[1][0]!r}; "
            "name the blocks whose tokens are to be taken"
        )
    ((name, path),) = found
    full = f"{name}.{path}" if name else path
    blocks = [f"{full}.{child}" for child, _ in _submodule(model, full).named_children()]
    # Rounded up; of fewer than four blocks each once.
    places = {-(-len(blocks) * quarter // QUARTERS) - 1 for quarter in range(1, QUARTERS + 1)}
    return [blocks[place] for place in sorted(places)]


def _blocks(module: nn.Module) -> str | None:
    keys = ((cls.__module__.partition(".")[0], cls.__name__) for cls in type(module).__mro__)
    return next((FAMILIES[key] for key in keys if key in FAMILIES), None)


# ----------------------------------------------------------------------------------------------- the features
def _last_at_each_resolution(
    outputs: Sequence[ModuleCall], image: Tensor, seen: Sequence[ModuleCall]
) -> tuple[FeatureLayer, ...]:
    """The features of a chain: by size of the map, the last link that gives one, ever smaller sizes."""
    layouts = Layouts(outputs, image, seen)
    height, width = image.shape[2:]
    last: dict[tuple[int, int], ModuleCall] = {}
    pooled = False
    for link in outputs:
        shape = link.shape
        if len(shape) < 3 or shape[1:] == image.shape[1:]:
            continue
        if len(shape) != 4:
            raise ValueError(
                f"layers: {link.name!r} gives {list(shape)}, not maps [B, C, H, W], as those of transformers "
                "do; name the modules, of a transformer its blocks, whose outputs are the features"
            )
        check_rows(link, len(image))
        size = layouts.size(link)
        places = size[0] * size[1]
        if places > height * width or any(places > h * w for h, w in last):
            continue  # enlarged again, as by an adaptive pool in front of a classifier
        if size == (1, 1):
            kind = type(link.module)
            pooled = pooled or ("pool" in kind.__name__.lower() and not issubclass(kind, nn.MaxPool2d))
            if pooled or max(height, width) > LARGE_IMAGE or not _is_stage(link.module):
                continue
        last[size] = link
    if len(last) > MANY:
        last.pop((height, width), None)
    if not last:
        raise ValueError(
            "layers: no module gives feature maps [B, C, H, W]; name those whose outputs are the features"
        )
    return tuple(FeatureLayer(s.name, s.call, layouts(s), s.shape) for s in last.values())


def _is_stage(module: nn.Module) -> bool:
    """Whether it has parts, and parameters. What has not and gives one place is a mean, or a gate."""
    return next(module.children(), None) is not None and next(module.parameters(), None) is not None


def _named(
    modules: Mapping[str, nn.Module],
    seen: Sequence[ModuleCall],
    image: Tensor,
    names: LayerNames,
    links: set[str],
) -> tuple[FeatureLayer, ...]:
    """The named layers in the order of their outputs, of which the last in a pass counts."""
    told = (
        {_known(modules, name): layout for name, layout in names.items()}
        if isinstance(names, Mapping)
        else {}
    )
    wanted = [_known(modules, name) for name in ([names] if isinstance(names, str) else names)]
    if not wanted:
        raise ValueError("layers: must name at least one module; None chooses them")
    outputs = [s._replace(output=first_tensor(s.output)) for s in seen if s.name in links or s.name in wanted]
    layouts = Layouts(outputs, image, seen)
    found = {s.name: s for s in outputs if s.name in wanted}
    if missed := [name for name in wanted if name not in found]:
        raise ValueError(f"layers: the forward pass did not reach {missed[0]!r}")
    order = sorted(found.values(), key=lambda s: next(i for i, other in enumerate(outputs) if other is s))
    layers = []
    for output in order:
        shape = output.shape
        if len(shape) not in (3, 4):
            what = list(shape) if shape else type(output.output).__name__
            raise ValueError(
                f"layers: {output.name!r} gives {what}, no feature: neither maps [B, C, H, W] or "
                "[B, H, W, C] nor tokens [B, N, D]"
            )
        check_rows(output, len(image))
        layout: Layout = "BND" if len(shape) == 3 else told.get(output.name) or layouts(output)
        if (layout == "BND") != (len(shape) == 3) or told.get(output.name, layout) != layout:
            raise ValueError(
                f"layers: {output.name!r} gives {list(shape)}, which cannot lie as {told[output.name]!r}"
            )
        layers.append(FeatureLayer(output.name, -1, layout, shape))
    return tuple(layers)


def _known(modules: Mapping[str, nn.Module], name: str) -> str:
    """The name of a module, as it was before anything was compiled."""
    plain = ".".join(part for part in name.split(".") if part != "_orig_mod")
    if plain not in modules:
        near = get_close_matches(plain, modules, n=3, cutoff=0.4)
        hint = f"; nearest: {', '.join(near)}" if near else "; see model.named_modules()"
        raise ValueError(f"layers: the model has no module {name!r}{hint}")
    return plain
