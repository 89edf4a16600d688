"""An exported network taken up again: needs the plugin of its backbone, and neither data nor a config."""

from __future__ import annotations

import hashlib
import json
from ast import literal_eval
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import torch
from msgspec import Meta, Struct
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from lpa3bench.api import Backbone, DatasetSpec
from lpa3bench.data.image_store import ImageStore
from lpa3bench.data.pictures import NewImage, as_picture, decode
from lpa3bench.data.pixels import Decoder
from lpa3bench.errors import PluginError, RunFailed
from lpa3bench.export import EXPORTED_WEIGHTS
from lpa3bench.ops import at_least_float32, probabilities
from lpa3bench.plugin import registry as registries
from lpa3bench.training.image_passes import Passes
from lpa3bench.training.network import build_networks
from lpa3bench.types import STILL, Weights

CONFIG = "config.gin"
AUXILIARY = ".aux."
"""In the name of a tensor that belongs to an auxiliary BatchNorm."""


class Constructed(Struct):
    """How a network is built."""

    name: str
    """That its plugin is registered by."""
    parameters: dict[str, str]
    """Of its constructor, as Python writes their values; but the numbers of classes and of channels."""


class Making(Struct):
    """How the exported networks were made, and what they take."""

    weights: Weights
    epoch: int
    """After which the weights were taken, counted from 1."""
    decoder: dict[str, Any]
    """What makes an image into pixels: the fields of `Decoder`."""
    backbone: Constructed | None
    """None: it takes the config to build it."""


class About(Struct):
    """What the file of exported weights says of itself, in its metadata."""

    run: str
    predicts: Annotated[tuple[str, ...], Meta(min_length=1)]
    """The networks that the run predicts by."""
    resize: int | None
    spec: dict[str, Any]
    config_digest: str = ""
    """SHA-256 of the config beside it; "", and the digest: an earlier version exported it."""
    digest: str = ""
    """SHA-256 of the weights and of all else that stands here."""
    making: Making | msgspec.UnsetType = msgspec.UNSET
    """Unset, it is left out of file and digest: an earlier version exported it."""


def digest_of_export(about: About, tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 of the weights, by name, and of what the file says beside them.

    Args:
        tensors: on the CPU, contiguous.
    """
    bare = msgspec.structs.replace(about, digest="")
    total = hashlib.sha256(msgspec.json.encode(bare, order="deterministic"))
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(json.dumps([name, str(tensor.dtype), list(tensor.shape)]).encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


class Exported(nn.Module):
    """The networks that a run predicts by, as one module.

    Args:
        networks: by name; each takes images [B, C, H, W] in [0, 1].
        spec: of the images that they take.
        decoder: what makes an image into pixels, as the images of the run were made.
        resize: the side that they are brought to, where that is another one.
        weights: which ones of the run they have.
    """

    class_names: tuple[str, ...]
    """In the order of the probabilities; "0", "1", … where the data set has no names for its classes."""

    def __init__(
        self,
        networks: dict[str, nn.Module],
        spec: DatasetSpec,
        *,
        decoder: Decoder,
        resize: int | None,
        weights: Weights,
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(networks)
        self.class_names = spec.shown_names
        self.decoder = decoder
        self.resize = resize
        self.weights = weights

    def forward(self, x: Tensor) -> Tensor:
        """Class probabilities [B, K], the soft-max of the sum of the networks' logits.

        Args:
            x: float [B, C, S, S] in [0, 1], as `preprocess` makes them.

        Raises:
            ValueError: it is no tensor, of another size, or of no such numbers.
        """
        sides = dict.fromkeys((self.decoder.size, self.resize or self.decoder.size))
        shapes = [(self.decoder.channels, side, side) for side in sides]
        if not isinstance(x, torch.Tensor):
            raise ValueError(
                f"x: is of type {type(x).__name__}, and must be a tensor, as preprocess makes of any image"
            )
        if x.ndim != 4 or tuple(x.shape[1:]) not in shapes:
            takes = f"[B, {', '.join(map(str, shapes[0]))}]"
            raise ValueError(f"x: is {list(x.shape)}, and must be {takes}, as preprocess makes of any image")
        if not x.is_floating_point():
            raise ValueError(f"x: is {x.dtype}, and must be float in [0, 1]")
        if self.resize is not None and x.shape[-1] != self.resize:
            x = F.interpolate(x, (self.resize, self.resize), mode="nearest-exact")  # as `ImageStore` does
        return predict([*self.networks.values()], x)

    def preprocess(self, images: NewImage | Sequence[NewImage]) -> Tensor:
        """Images as the run has seen them: decoded, of its size, float32 [B, C, S, S] in [0, 1].

        Args:
            images: one or several: paths of files, images of Pillow, or arrays [H, W] or [H, W, 3] of uint8
                or uint16.

        Raises:
            DataError: one cannot be read.
            ValueError: one is no image, or there is none.
        """
        several = images if isinstance(images, list | tuple) else [images]
        pictures = [as_picture(image, f"image {place}") for place, image in enumerate(several)]
        if not pictures:
            raise ValueError("images: there is none")
        pixels = [*decode(pictures, self.decoder, Counter(), of="preprocess")]
        return self.as_input(torch.from_numpy(np.concatenate(pixels)))

    def as_input(self, pixels: Tensor) -> Tensor:
        """What `forward` takes, of pixels uint8 [B, C, S, S]."""
        store = ImageStore(pixels, STILL, next(self.parameters()).device)
        return store.plain(torch.arange(len(pixels)))


def predict(networks: list[nn.Module], x: Tensor) -> Tensor:
    """Soft-max of the sum of the networks' logits [B, K] for images [B, C, H, W] in [0, 1]."""
    logits = [at_least_float32(network(x).logits) for network in networks]
    return probabilities(torch.stack(logits).sum(0))


def load_exported(path: Path | str, *, plugins: tuple[Path, ...] = ()) -> Exported:
    """What `lpa3bench export` wrote, rebuilt and in eval mode on the CPU.

    Args:
        path: the folder, or its `model.safetensors`, which is enough by itself.
        plugins: files as of `--plugin`, if the backbone is in one.

    Raises:
        RunFailed: it is no export, or was damaged since, or its weights fit no longer into the backbone.
        PluginError: the plugin of the backbone is missing or broken.
        ConfigError: an earlier version exported it, and its config cannot be read here.
    """
    file = Path(path) / EXPORTED_WEIGHTS if Path(path).is_dir() else Path(path)
    tensors, about = _read(file)
    spec = _spec(file, about)
    models = build_networks(
        about.predicts,
        _factory(file, about, plugins),
        spec,
        seed=0,
        device=torch.device("cpu"),
        auxiliary=any(AUXILIARY in name for name in tensors),
        passes=Passes(),
    )
    for name, model in models.items():
        own = {key.removeprefix(f"{name}/"): t for key, t in tensors.items() if key.startswith(f"{name}/")}
        try:
            model.load_state_dict(own)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise RunFailed(f"{file}: its weights do not fit its backbone ({reason})") from error
    making = None if about.making is msgspec.UNSET else about.making
    told = making.decoder if making else {}
    made = Exported(
        {**models},
        spec,
        decoder=Decoder(**{"size": spec.size, "channels": spec.channels, **told}),
        resize=about.resize,
        weights=making.weights if making else "last",
    )
    return made.eval().requires_grad_(False)


def _factory(file: Path, about: About, plugins: tuple[Path, ...]) -> Callable[..., Backbone]:
    """What builds the backbone, without a config where the file says how."""
    registry = registries.load_registry(plugins)
    built = None if about.making is msgspec.UNSET else about.making.backbone
    if built is None:
        from lpa3bench.config import load_config

        return load_config((file.with_name(CONFIG),), registry=registry).experiment().backbone
    entry = registry.get(built.name)
    if entry is None or entry.kind != "backbones":
        raise PluginError(f"{file}: there is no backbone {built.name} here; give its file in plugins")
    parameters = {name: literal_eval(text) for name, text in built.parameters.items()}
    return partial(entry.load(), **parameters)


def is_export(path: Path) -> bool:
    """Whether this file holds weights that lpa3bench has exported, and nobody else's."""
    try:
        with safe_open(path, framework="pt") as file:
            return "lpa3bench" in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False


def _spec(file: Path, about: About) -> DatasetSpec:
    try:
        return msgspec.convert(about.spec, DatasetSpec)
    except msgspec.ValidationError as error:
        raise RunFailed(f"{file}: is no export ({error})") from error


def _read(path: Path) -> tuple[dict[str, Tensor], About]:
    """Tensors by `<network>/<name>`, and what the file says of itself; both as exported, and so is a config
    that lies beside it."""
    try:
        with safe_open(path, framework="pt") as file:
            about = msgspec.json.decode(file.metadata()["lpa3bench"], type=About)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
    except FileNotFoundError as error:
        raise RunFailed(f"{path}: there is no such file; lpa3bench export RUN writes one") from error
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFailed(f"{path}: is no export ({type(error).__name__}: {error})") from error
    if about.digest and about.digest != digest_of_export(about, tensors):
        raise RunFailed(f"{path}: its digest is not that of what it holds; export it again", kind="damaged")
    config = path.with_name(CONFIG)
    if about.config_digest and config.exists() and about.config_digest != _digest_of_file(config):
        raise RunFailed(f"{config}: is not as it was exported; export it again", kind="damaged")
    return tensors, about


def _digest_of_file(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise RunFailed(f"{path}: cannot be read ({error.strerror})") from error
