"""An exported network taken up again: needs the plugin of its backbone, and no data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import torch
from msgspec import Meta, Struct
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from torch.nn import functional as F

from lpa3bench import config as configs
from lpa3bench.api import DatasetSpec
from lpa3bench.errors import RunFailed
from lpa3bench.ops import at_least_float32, probabilities
from lpa3bench.plugin import registry as registries
from lpa3bench.training.image_passes import Passes
from lpa3bench.training.network import build_networks

WEIGHTS = "model.safetensors"
CONFIG = "config.gin"
AUXILIARY = ".aux."
"""In the name of a tensor that belongs to an auxiliary BatchNorm."""


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
        resize: side that images are brought to first, as in the run; None: as they are.
    """

    def __init__(self, networks: dict[str, nn.Module], resize: int | None) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(networks)
        self.resize = resize

    def forward(self, x: Tensor) -> Tensor:
        """Class probabilities [B, K], the soft-max of the sum of the networks' logits.

        Args:
            x: float [B, C, H, W] in [0, 1].
        """
        if self.resize is not None and x.shape[-2:] != (self.resize, self.resize):
            x = F.interpolate(x, (self.resize, self.resize), mode="nearest-exact")  # as `ImageStore` does
        return predict([*self.networks.values()], x)


def predict(networks: list[nn.Module], x: Tensor) -> Tensor:
    """Soft-max of the sum of the networks' logits [B, K] for images [B, C, H, W] in [0, 1]."""
    logits = [at_least_float32(network(x).logits) for network in networks]
    return probabilities(torch.stack(logits).sum(0))


def load_exported(folder: Path | str, *, plugins: tuple[Path, ...] = ()) -> Exported:
    """What `lpa3bench export` wrote, rebuilt and in eval mode on the CPU.

    Args:
        folder: holds `model.safetensors` and `config.gin`.
        plugins: files as of `--plugin`, if the backbone is in one.

    Raises:
        RunFailed: the folder is no export, or was damaged since, or its weights fit no longer into the
            backbone.
        ConfigError, PluginError: its config cannot be read here, or a plugin is missing.
    """
    folder = Path(folder)
    tensors, about = _read(folder)
    config = configs.load_config((folder / CONFIG,), registry=registries.load_registry(plugins))
    models = build_networks(
        about.predicts,
        config.experiment().backbone,
        _spec(folder, about),
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
            raise RunFailed(f"{folder}: its weights do not fit its backbone ({reason})") from error
    return Exported({**models}, about.resize).eval().requires_grad_(False)


def is_export(path: Path) -> bool:
    """Whether this file holds weights that lpa3bench has exported, and nobody else's."""
    try:
        with safe_open(path, framework="pt") as file:
            return "lpa3bench" in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False


def _spec(folder: Path, about: About) -> DatasetSpec:
    try:
        return DatasetSpec(**about.spec)
    except (TypeError, ValueError) as error:
        raise RunFailed(f"{folder / WEIGHTS}: is no export ({error})") from error


def _read(folder: Path) -> tuple[dict[str, Tensor], About]:
    """Tensors by `<network>/<name>`, and what the file says of itself; both and the config as exported."""
    path = folder / WEIGHTS
    try:
        with safe_open(path, framework="pt") as file:
            about = msgspec.json.decode(file.metadata()["lpa3bench"], type=About)
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (it is no dict)
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFailed(f"{path}: is no export ({type(error).__name__}: {error})") from error
    if about.digest and about.digest != digest_of_export(about, tensors):
        raise RunFailed(f"{path}: its digest is not that of what it holds; export it again", kind="damaged")
    if about.config_digest and about.config_digest != _digest_of_file(folder / CONFIG):
        raise RunFailed(f"{folder / CONFIG}: is not as it was exported; export it again", kind="damaged")
    return tensors, about


def _digest_of_file(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise RunFailed(f"{path}: cannot be read ({error.strerror})") from error
