"""Writes the weights of a finished run, its config and a card; what else lies there stays."""

from __future__ import annotations

import hashlib
from ast import literal_eval
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import save

from lpa3bench.analysis.trained_run import Trained, open_run
from lpa3bench.api import DatasetSpec
from lpa3bench.config import Config
from lpa3bench.errors import RunFailed, UsageError, plain
from lpa3bench.export import EXPORTED_WEIGHTS
from lpa3bench.export.finished_run import (
    CONFIG,
    About,
    Constructed,
    Exported,
    Making,
    digest_of_export,
    is_export,
    predict,
)
from lpa3bench.export.model_card import ClassRow, write_card
from lpa3bench.runtime.files import make_folders, text_writer, write_all
from lpa3bench.runtime.seeding import Draws
from lpa3bench.training.evaluation import per_class
from lpa3bench.training.predictions import Predictions, read_predictions
from lpa3bench.training.run_directory import RunDirectory
from lpa3bench.types import Weights

CARD = "README.md"
_LEFT_OVER = {f".{name}.{end}" for name in (EXPORTED_WEIGHTS, CONFIG, CARD) for end in ("tmp", "old")}
"""What a killed export leaves."""
LOOKED_AT = 64
"""Images on which the networks' own prediction is compared with the task's."""


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
    path: Path,
    *,
    out: Path | None = None,
    weights: Weights = "last",
    data: Path | None = None,
    device: str = "auto",
    plugins: tuple[Path, ...] = (),
) -> Export:
    """Write `model.safetensors`, `config.gin` and `README.md`.

    Args:
        path: the directory of a finished run.
        out: the folder. The three files of an earlier export there are replaced; whatever else lies beside
            them stays. None: `export` in the run directory.
        weights: of the last epoch, or of the one with the best validation score.
        data: as of `open_run`.
        device, plugins: as of `run`.

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
    trained = open_run(path, data=data, device=device, weights=weights, plugins=plugins)
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
            "class_names": spec.class_names,
            "channels": spec.channels,
            "size": spec.size,
            "mean": spec.mean,
            "std": spec.std,
        },
        config_digest=hashlib.sha256(config).hexdigest(),
        making=Making(weights, trained.epochs_done, asdict(trained.decoder), _construction(trained.config)),
    )
    tensors = {
        f"{name}/{key}": tensor.detach().cpu().contiguous().clone()
        for name, network in named.items()
        for key, tensor in network.state_dict().items()
    }
    about.digest = digest_of_export(about, tensors)
    stored = read_predictions(folder.predictions)
    card = write_card(
        record,
        networks=tuple(named),
        predicts=predicts,
        faithful=faithful,
        spec=spec,
        epoch=None if weights == "last" else trained.epochs_done,
        classes=_classes(stored.of(weights).get("test") if stored else None, spec),
    )
    _write(target, tensors, about, config, card)
    return Export(
        folder=target,
        networks=tuple(named),
        predicts=predicts,
        faithful=faithful,
        changed=trained.changed,
    )


def as_module(trained: Trained, weights: Weights) -> Exported:
    """The networks that an open run predicts by, as what `export` writes is loaded again."""
    networks = {name: net for name, net in _named(trained).items() if net in trained.networks}
    made = Exported(
        networks,
        trained.spec,
        decoder=trained.decoder,
        resize=trained.config.experiment().resize,
        weights=weights,
    )
    return made.eval().requires_grad_(False)


def _construction(config: Config) -> Constructed | None:
    """How the backbone is built without a config; None where it takes one, for an object among its
    parameters."""
    values = {value.name: value for value in config.values if value.line is not None}
    scope, slash, target = values["run.backbone"].text.lstrip("@").rpartition("/")
    name = target.rpartition(".")[2]
    opening = f"{scope}{slash}{name}."
    parameters = {own.removeprefix(opening): v.text for own, v in values.items() if own.startswith(opening)}
    try:
        for text in parameters.values():
            literal_eval(text)
    except (ValueError, SyntaxError):
        return None
    return Constructed(name, parameters)


def _classes(test: Predictions | None, spec: DatasetSpec) -> list[ClassRow]:
    """What the card says of each class: name, and of its test images how many there are and how many are
    right, where that is known."""
    if test is None:
        return [(name, None, None) for name in spec.shown_names]
    its = per_class(test, spec)
    return [*zip(spec.shown_names, its.images, its.shares, strict=True)]


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
    """Whether the task predicts by the sum of its networks' logits, seen on made-up images."""
    shape = (LOOKED_AT, trained.spec.channels, *trained.data.store.view_size)
    x = Draws(0).uniform(shape).to(trained.device)
    with trained.env.evaluating(*trained.networks), trained.env.autocast():
        own = predict([*trained.networks], x)
    return bool(torch.allclose(own.float(), trained.predict(x), atol=1e-3))


def _check_free(target: Path, *, called: Path) -> None:
    """Refuse a folder in which our three files might replace somebody else's."""
    if not target.exists() or is_export(target / EXPORTED_WEIGHTS):
        return
    if not target.is_dir() or any(file.name not in _LEFT_OVER for file in target.iterdir()):
        raise UsageError(f"{called}: holds something else; choose another --out")


def _write(target: Path, tensors: dict[str, Any], about: About, config: bytes, card: str) -> None:
    """Write the three files as one act: a full disk leaves the old ones."""
    try:  # `save_file` would leave the file readable by its owner alone
        weights = save(tensors, {"lpa3bench": msgspec.json.encode(about).decode()})
    except SafetensorError as error:
        raise RunFailed(f"{target / EXPORTED_WEIGHTS}: could not be written ({error})") from error
    make_folders([target])
    write_all(
        {
            target / EXPORTED_WEIGHTS: partial(Path.write_bytes, data=weights),
            target / CONFIG: partial(Path.write_bytes, data=config),
            target / CARD: text_writer(plain(card)),
        }
    )
