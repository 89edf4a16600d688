"""What a card is of: the augmenter, how it was measured and by what, and pictures."""

from __future__ import annotations

import base64
import inspect
import io
from typing import Any

import torch
from torch import Tensor

from lpa3bench.analysis.card.runs import NUISANCE_EPOCHS, CardRuns, Request, Trainer
from lpa3bench.api import Augmenter
from lpa3bench.plugin.code import code_of
from lpa3bench.runtime import device as devices
from lpa3bench.runtime.files import digest


def augmenter_of(trainer: Trainer, runs: CardRuns) -> dict[str, Any]:
    """Name, parameters and recipe."""
    made: Augmenter = runs.augmenter
    parameters = parameters_of(runs)
    source = code_of(trainer.entry).digest
    recipe = "\n".join(f"{name}={value}" for name, value in sorted(parameters.items()))
    return {
        "name": trainer.entry.name,
        "distribution": trainer.entry.distribution,
        "about": (inspect.getdoc(trainer.entry.load()) or "").partition("\n\n")[0],
        "parameters": parameters,
        "describes_itself": made.describe(),
        "source_sha256": source,
        "recipe_sha256": digest(recipe.encode(), source.encode()),
        "slot": runs.slot,
        "bn_domain": made.bn_domain,
        "needs_model": made.needs_model,
    }


def parameters_of(runs: CardRuns) -> dict[str, str]:
    """Those of the augmenter, and of augmenters within it, as gin writes them: `{"LPA3.margin": "0.02"}`."""
    config = runs.augmented.trained.config
    augmenters = {entry.name for entry in config.plugins if entry.kind == "augmenters"}
    return {
        value.name.removeprefix(f"{runs.slot}/"): value.text
        for value in config.values
        if value.name.rpartition("/")[2].partition(".")[0] in augmenters
    }


def protocol_of(request: Request, runs: CardRuns) -> dict[str, Any]:
    """How it was measured, and by what."""
    judge, clean, attacked = runs.judge.trained, runs.clean.trained, runs.attacked
    dataset = clean.config.experiment().dataset
    whole = getattr(dataset, "dataset", dataset)
    return {
        "dataset": type(whole).__name__,
        "dataset_about": (inspect.getdoc(type(whole)) or "").partition("\n\n")[0],
        "dataset_sha256": clean.data.data_hash,
        "classes": judge.spec.num_classes,
        "images": min(request.images, len(judge.test.images)),
        "judge": request.judge,
        "judge_seed": request.seed + 1,
        "judge_images": judge.env.size,
        "judge_trained_on": "the other half of the test images" if request.run else "the other half",
        "attacked": attacked.config.names["backbone"],
        "attacked_images": attacked.env.size,
        "attacked_run": attacked.folder.path.name,
        "task": clean.config.names["task"],
        "epochs": clean.config.experiment().epochs,
        "nuisance_epochs": NUISANCE_EPOCHS,
        "floor": request.floor,
        "runs": {
            "clean": clean.folder.path.name,
            "augmented": runs.augmented.trained.folder.path.name,
            "judge": judge.folder.path.name,
        },
        "seed": request.seed,
        "device": attacked.device.type,
        "hardware": devices.device_name(attacked.device),
        "threads": torch.get_num_threads(),
        "versions": dict(runs.clean.record.data.provenance.versions),
    }


def png(image: Tensor) -> str:
    """An image [C, H, W] in [0, 1] as a PNG in base 64; of other than one or three channels the first."""
    from PIL import Image

    pixels = (image.detach().cpu().clamp(0, 1) * 255).round().to(torch.uint8)
    shown = pixels.permute(1, 2, 0).numpy() if len(pixels) == 3 else pixels[0].numpy()
    file = io.BytesIO()
    Image.fromarray(shown).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()
