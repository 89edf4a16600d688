"""Writes the final weights of a finished run, its config and a card; what else lies there stays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import save

from lpa3bench.analysis.trained_run import Trained, open_run
from lpa3bench.errors import RunFailed, UsageError, plain
from lpa3bench.export.finished_run import (
    CONFIG,
    WEIGHTS,
    About,
    Exported,
    digest_of_export,
    is_export,
    predict,
)
from lpa3bench.export.model_card import write_card
from lpa3bench.runtime.files import make_folders, text_writer, write_all
from lpa3bench.training.run_directory import RunDirectory

CARD = "README.md"
_LEFT_OVER = {f".{name}.{end}" for name in (WEIGHTS, CONFIG, CARD) for end in ("tmp", "old")}
"""What a killed export leaves."""
LOOKED_AT = 64
"""Test images on which the networks' own prediction is compared with the task's."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """What was written."""

    folder: Path
    networks: tuple[str, ...]
    predicts: tuple[str, ...]
    faithful: bool
    """Whether the sum of the logits of those networks is the task's own prediction."""
    changed: tuple[str, ...]
    """What is no longer as it was when the run was trained."""


def export(
    path: Path, *, out: Path | None = None, data: Path, device: str = "auto", plugins: tuple[Path, ...] = ()
) -> Export:
    """Write `model.safetensors`, `config.gin` and `README.md`.

    Args:
        path: the directory of a finished run.
        out: the folder. The three files of an earlier export there are replaced; whatever else lies beside
            them stays. None: `export` in the run directory.
        data, device, plugins: as of `run`.

    Raises:
        RunFailed: the run is not finished, or its checkpoint is gone, or the disk refused it.
        UsageError: `out` holds files, and no export of lpa3bench's.
        DataError, ConfigError, PluginError: the run cannot be opened again.
    """
    folder = RunDirectory(path)
    if not folder.result.exists():
        raise RunFailed(f"{path}: is no finished run (no {folder.result.name}); give its command again first")
    record = folder.finished()
    assert record is not None
    target = (out or path / "export").resolve()
    _check_free(target, called=out or target)
    trained = open_run(path, data=data, device=device, plugins=plugins)
    named = _named(trained)
    predicts = tuple(name for name, network in named.items() if network in trained.networks)
    faithful = _faithful(trained)
    spec = trained.spec
    config = folder.operative.read_bytes()
    about = About(
        run=str(record),
        predicts=predicts,
        resize=trained.config.experiment().resize,
        spec={
            "name": spec.name,
            "num_classes": spec.num_classes,
            "channels": spec.channels,
            "size": spec.size,
            "mean": spec.mean,
            "std": spec.std,
        },
        config_digest=hashlib.sha256(config).hexdigest(),
    )
    tensors = {
        f"{name}/{key}": tensor.detach().cpu().contiguous().clone()
        for name, network in named.items()
        for key, tensor in network.state_dict().items()
    }
    about.digest = digest_of_export(about, tensors)
    card = write_card(
        record,
        networks=tuple(named),
        predicts=predicts,
        faithful=faithful,
        spec=(spec.channels, spec.size, spec.num_classes),
    )
    _write(target, tensors, about, config, card)
    return Export(
        folder=target,
        networks=tuple(named),
        predicts=predicts,
        faithful=faithful,
        changed=trained.changed,
    )


def as_module(trained: Trained) -> Exported:
    """The networks that an open run predicts by, as what `export` writes is loaded again."""
    networks = {name: net for name, net in _named(trained).items() if net in trained.networks}
    resize = trained.config.experiment().resize
    return Exported(networks, resize).eval().requires_grad_(False)


def _named(trained: Trained) -> dict[str, Any]:
    """Every network of the run, and those that it predicts by and does not train, such as an average."""
    named: dict[str, Any] = dict(trained.env.models)
    for network in trained.networks:
        if not any(network is known for known in named.values()):
            name = f"{network.name}-average"
            while name in named:
                name += "-"
            named[name] = network
    return named


@torch.no_grad()
def _faithful(trained: Trained) -> bool:
    """Whether the task predicts by the sum of its networks' logits, seen on some test images."""
    count = min(LOOKED_AT, len(trained.test.labels))
    x = trained.test.images.plain(torch.arange(count, device=trained.device))
    with trained.env.evaluating(*trained.networks), trained.env.autocast():
        own = predict([*trained.networks], x)
    return bool(torch.allclose(own.float(), trained.predict(x), atol=1e-3))


def _check_free(target: Path, *, called: Path) -> None:
    """Refuse a folder in which our three files might replace somebody else's."""
    if not target.exists() or is_export(target / WEIGHTS):
        return
    if not target.is_dir() or any(file.name not in _LEFT_OVER for file in target.iterdir()):
        raise UsageError(f"{called}: holds something else; choose another --out")


def _write(target: Path, tensors: dict[str, Any], about: About, config: bytes, card: str) -> None:
    """Write the three files as one act: a full disk leaves the old ones."""
    try:  # `save_file` would leave the file readable by its owner alone
        weights = save(tensors, {"lpa3bench": msgspec.json.encode(about).decode()})
    except SafetensorError as error:
        raise RunFailed(f"{target / WEIGHTS}: could not be written ({error})") from error
    make_folders([target])
    write_all(
        {
            target / WEIGHTS: partial(Path.write_bytes, data=weights),
            target / CONFIG: partial(Path.write_bytes, data=config),
            target / CARD: text_writer(plain(card)),
        }
    )
