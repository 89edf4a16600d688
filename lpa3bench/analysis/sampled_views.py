"""Views of test images, and what a trained network makes of them: the numbers behind the paper's Fig. 3."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lpa3bench.analysis.trained_run import Trained
from lpa3bench.api import Augmenter, SlotName
from lpa3bench.errors import DataError, UsageError
from lpa3bench.training.evaluation import BATCH
from lpa3bench.types import SLOTS

if TYPE_CHECKING:
    from lpa3bench.analysis.scorecam import CamVariant

ORIGINAL = "original"
SHORT = 160
"""Characters of an augmenter's own description that a caption has room for."""
TRUE_LABEL = ("LPA3.label = 'given'",)
"""The bindings under which LP-A3 preserves the true label of a test image, as for Fig. 3."""


@dataclass(frozen=True, eq=False)
class Judged:
    """One row of Fig. 3: the same images through one augmenter, judged by the trained network."""

    name: str
    images: np.ndarray[Any, Any]
    """float32 [B, H, W, C] in [0, 1]; NaN where the augmenter gave no view of an image."""
    heat: np.ndarray[Any, Any]
    """float32 [B, H, W] in [0, 1]: Score-CAM for the true class; NaN likewise."""
    predicted: np.ndarray[Any, Any]
    """int64 [B]; −1 where there is no view."""
    confidence: np.ndarray[Any, Any]
    """float32 [B], the probability of the true class; NaN likewise."""
    selected: np.ndarray[Any, Any]
    """bool [B], whether training would have made a view of it, as far as that is known."""
    about: str = ""
    """The augmenter's parameters, and how it describes itself; empty for the images themselves."""


def choose_images(labels: Tensor, count: int, among: Tensor | None = None) -> Tensor:
    """Places of `count` images, no one's choice: the first of each class, then the second of each, ….

    Args:
        labels: int64 [N].
        count: how many; all where there are fewer.
        among: bool [N], those that are to be chosen from; None: all.

    Returns:
        int64 [count], on the CPU.
    """
    labels = labels.cpu()
    eligible = torch.ones_like(labels, dtype=torch.bool) if among is None else among.cpu()
    rank = torch.zeros_like(labels)
    for label in set(labels.tolist()):
        mine = (labels == label) & eligible
        rank[mine] = torch.arange(int(mine.sum()))
    places = eligible.nonzero().squeeze(1).tolist()
    order = sorted(places, key=lambda i: (int(rank[i]), int(labels[i])))
    return torch.tensor(order[:count], dtype=torch.int64)


def choose_right(trained: Trained, count: int) -> Tensor:
    """As `choose_images`, of the test images that the network predicts right.

    Raises:
        DataError: there is none.
    """
    images, labels = trained.test.images, trained.test.labels
    parts = torch.split(torch.arange(len(labels)), BATCH)
    right = torch.cat([trained.right(images.plain(part), labels[part]) for part in parts])
    if not right.any():
        raise DataError(f"{trained.folder.path}: its network predicts no test image right; train it longer")
    return choose_images(labels, count, right)


def named(trained: Trained, text: str) -> SlotName | Augmenter:
    """What a command line means by an augmenter: a slot of the run, or one spelt out.

    Args:
        text: "positives", "RandAugment" or "RandAugment(recipe='generic', magnitude=5)".

    Raises:
        UsageError: the run has no such slot, or the text is neither.
        ConfigError: a parameter is wrong.
    """
    for slot in SLOTS:
        if text == slot:
            if slot not in trained.slots:
                has = ", ".join(trained.slots) or "none"
                raise UsageError(f"the run has no augmenter in slot {slot}; slots bound: {has}")
            return slot
    name, parameters = _spelt(text)
    return trained.augmenter(name, **parameters)


def _spelt(text: str) -> tuple[str, dict[str, Any]]:
    """Name and parameters of an augmenter that is written as a call, or as its name alone."""
    try:
        expression = ast.parse(text, mode="eval").body
        call = ast.Call(expression, [], []) if isinstance(expression, ast.Name) else expression
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
            raise ValueError
        return call.func.id, {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError):
        raise UsageError(
            f"{text}: is no augmenter; write a slot, a name, or RandAugment(recipe='generic')"
        ) from None


def described(trained: Trained, text: str, augmenter: Augmenter) -> str:
    """What an augmenter is, in a line: its parameters but those that are None, and what it says of itself, of
    a long text the lines that are not indented.

    Args:
        text: as `named` takes it.
        augmenter: what `text` stands for.
    """
    if text in trained.slots:
        found = _bound(trained, text)
    else:
        defaults = inspect.signature(type(augmenter)).parameters.values()
        own = {p.name: p.default for p in defaults if p.default is not p.empty} | _spelt(text)[1]
        found = {name: repr(value) for name, value in own.items()}
    said = ", ".join(f"{name}={value}" for name, value in found.items() if value != "None")
    lines = augmenter.describe().splitlines()
    itself = " ".join(" ".join(lines).split())
    if len(itself) > SHORT:
        itself = ", ".join(line.strip() for line in lines if line.strip() and not line[0].isspace())
    return "; ".join(part for part in (said or "no parameters", itself) if part)


def _bound(trained: Trained, slot: str) -> dict[str, str]:
    """The parameters of a slot's augmenter, as gin writes them."""
    values = {value.name: value.text for value in trained.config.values}
    reference = values[f"run.{slot}"].removeprefix("@").removesuffix("()").replace("augmenters.", "")
    return {n.removeprefix(f"{reference}."): t for n, t in values.items() if n.startswith(f"{reference}.")}


def default_augmenters(trained: Trained) -> list[str]:
    """What is shown unless told otherwise: the run's own, the method's first, and RandAugment."""
    own = [slot for slot in reversed(SLOTS) if slot in trained.slots]
    compared = [] if "RandAugment" in trained.slots.values() else ["RandAugment"]
    return [*own, *compared]


def judge(
    trained: Trained,
    index: Tensor,
    augmenters: Sequence[str],
    *,
    variant: CamVariant = "repo",
    layer: int | None = None,
    seed: int = 0,
    earlier: Trained | None = None,
) -> list[Judged]:
    """The images themselves, then a row for each augmenter.

    Args:
        trained: the run; opened with `TRUE_LABEL`, so that LP-A3 preserves the true label.
        earlier: the same run an epoch before. With it, what an augmenter that remembers predictions selects
            of these images, as of one batch, is known: by how they changed in that epoch.
        index: int64 [B], places in the test split.
        augmenters: as `named` takes them.
        variant, layer: of `score_cam`.
        seed: of what the augmenters draw.

    Raises:
        UsageError: an augmenter or the layer does not exist, or torchcam is not installed.
    """
    x = trained.test.images.plain(index)
    labels = trained.test.labels[index.to(trained.test.labels.device)]
    rows = [_judged(trained, ORIGINAL, x, torch.arange(len(x)), labels, variant, layer)]
    for text in augmenters:
        augmenter = named(trained, text)
        view = trained.views(augmenter, x, labels, seed=seed)
        name = text if isinstance(augmenter, Augmenter) else trained.slots[augmenter]
        made = (
            augmenter if isinstance(augmenter, Augmenter) else trained.config.experiment().slots()[augmenter]
        )
        row = _judged(trained, name, view.x, view.rows.cpu(), labels, variant, layer)
        chosen = row.selected
        if earlier is not None and not isinstance(augmenter, Augmenter) and made.needs_model:
            again = trained.views_after(earlier, augmenter, x, labels, seed=seed)
            chosen = np.isin(np.arange(len(x)), again.rows.cpu().numpy())
        rows.append(replace(row, selected=chosen, about=described(trained, text, made)))
    return rows


def _judged(
    trained: Trained,
    name: str,
    x: Tensor,
    rows: Tensor,
    labels: Tensor,
    variant: CamVariant,
    layer: int | None,
) -> Judged:
    """x: [M, C, H, W], views of the images `rows` of the batch that `labels` belongs to."""
    own = labels[rows.to(labels.device)]
    probs = trained.predict(x)
    confidence = probs.gather(1, own.view(-1, 1)).squeeze(1)
    heat = _heat(trained, x, own, variant, layer)

    def spread(values: Tensor, missing: float) -> np.ndarray[Any, Any]:
        whole = torch.full((len(labels), *values.shape[1:]), missing, dtype=values.dtype)
        whole[rows] = values.cpu()
        return whole.numpy()

    return Judged(
        name=name,
        images=spread(x.permute(0, 2, 3, 1).float(), torch.nan),
        heat=spread(heat.float(), torch.nan),
        predicted=spread(probs.argmax(1), -1),
        confidence=spread(confidence, torch.nan),
        selected=np.ones(len(labels), dtype=bool),
    )


def _heat(trained: Trained, x: Tensor, labels: Tensor, variant: CamVariant, layer: int | None) -> Tensor:
    try:
        from lpa3bench.analysis.scorecam import score_cam
    except ModuleNotFoundError as error:
        if error.name != "torchcam":
            raise
        raise UsageError("heat maps need torchcam: pip install 'lpa3bench[figures]'") from error
    return score_cam(trained.net, x, labels, layer=layer, variant=variant)


def sample(trained: Trained, n: int, *, seed: int = 0) -> dict[SlotName, np.ndarray[Any, Any]]:
    """Pictures of what the run's augmenters do, for whoever publishes them.

    Args:
        n: how many images of the test split, as `choose` chooses them.
        seed: of what the augmenters draw.

    Returns:
        For each bound slot uint8 [M, 2, H, W, C]: an image, and its view. M is n, or fewer where the
        augmenter gave fewer.
    """
    index = choose_images(trained.test.labels, n)
    x = trained.test.images.plain(index)
    labels = trained.test.labels[index.to(trained.test.labels.device)]
    found: dict[SlotName, np.ndarray[Any, Any]] = {}
    for slot in trained.slots:
        view = trained.views(slot, x, labels, seed=seed)
        pairs = torch.stack((x.to(view.x.device)[view.rows], view.x), 1)
        found[slot] = pairs.mul(255).round().to(torch.uint8).permute(0, 1, 3, 4, 2).cpu().numpy()
    return found
