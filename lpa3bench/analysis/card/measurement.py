"""An augmenter card: what an augmenter does to images and labels, measured, in one mapping of plain data.

Conditions (a) and (b) are those of the paper's theorem 4.2: the best of all views keeps what the image
tells of the label, (a), and of the rest as little as it can, (b). (a) is bounded from below by probes. (b)
cannot be measured on natural images, so it is by proxies, and on digits with known nuisances by the same
probes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lpa3bench.analysis.card import information, parts, training
from lpa3bench.analysis.card.card_measures import CardMeasure
from lpa3bench.analysis.card.head import augmenter_of, parameters_of, png, protocol_of
from lpa3bench.analysis.card.judge import look
from lpa3bench.analysis.card.nuisance import FACTORS, NuisanceDigits, Part
from lpa3bench.analysis.card.probes import read_probe
from lpa3bench.analysis.card.runs import CardRuns, Request, Trainer, state_of
from lpa3bench.analysis.card.views import Maker, Viewed, learned
from lpa3bench.analysis.trained_run import Trained
from lpa3bench.nn.batchnorm import bn_domain
from lpa3bench.ops import at_least_float32
from lpa3bench.runtime.seeding import Draws, derive
from lpa3bench.training.sinks import Sink
from lpa3bench.types import SLOTS

VERSION = 1
THRESHOLD = 0.02
"""Of margin violations where the augmenter has no margin: LP-A3's default."""
EXAMPLES = 8


def measure(request: Request, sinks: Callable[[], Sequence[Sink]] = tuple) -> dict[str, Any]:
    """Train what the card needs, measure, and return the card.

    Args:
        request: what it is to be made of.
        sinks: makes those that each run tells of its progress.

    Returns:
        Plain data, as `card.json` holds it; `report.figures.card` draws it.

    Raises:
        BenchError: as of a run; or a request that makes no sense.
    """
    trainer = Trainer(request, sinks)
    runs = trainer.train()
    measures, classes, examples = _on_data(request, runs)
    nuisance = _on_nuisances(trainer, runs)
    return {
        "version": VERSION,
        "augmenter": augmenter_of(trainer, runs),
        "protocol": protocol_of(request, runs) | {"margin": _margin(request, runs)[0]},
        "measures": [one.plain() for one in (*measures, *nuisance[0])],
        "not_measured": nuisance[1],
        "classes": classes,
        "examples": examples,
    }


# ------------------------------------------------------------------------------------ on the card's own data
def _on_data(request: Request, runs: CardRuns) -> tuple[list[CardMeasure], list[Any], list[Any]]:
    """The measures on held-out images of the data set; the classes; some images with their views."""
    judge, attacked, clean = runs.judge.trained, runs.attacked, runs.clean.trained
    x, label = _held_out(request, judge)
    state = runs.state()
    maker = Maker(attacked, runs.augmenter, runs.slot, state)
    viewed = maker.views(x, label, seed=request.seed, name="test")
    by_judge = look(judge.net, viewed.x, viewed.view)
    by_attacked = look(attacked.net, viewed.x, viewed.view, viewed.domain)
    on_clean, by_clean = viewed, by_attacked
    if attacked is not clean:  # affinity is that of a network that knows no augmentation
        on_clean = Maker(clean, runs.augmenter, runs.slot, state).views(
            x, label, seed=request.seed, name="test"
        )
        by_clean = look(clean.net, on_clean.x, on_clean.view, on_clean.domain)
    harmed, changes = training.harm(
        _right(runs.augmented.trained, x, label), _right(clean, x, label), label.cpu(), judge.spec.num_classes
    )
    layers = {"judge": _layers(judge, x), "attacked": _layers(attacked, x)}
    margin, whose = _margin(request, runs)
    found = [
        *parts.preservation(by_judge, viewed),
        *parts.margins(by_attacked, viewed, margin, whose),
        *parts.confidence(by_attacked, by_judge, viewed),
        *parts.distances(by_attacked, by_judge, viewed, layers),
        *training.affinity(by_clean, on_clean),
        *training.diversity(*_losses(request, runs)),
        *harmed,
        *_label_information(request, runs, maker, viewed),
        *information.recognition(by_judge),
        *parts.costs(viewed, runs.augmented.record.data.cost, runs.clean.record.data.cost),
    ]
    classes = parts.by_class(by_judge, viewed, judge.spec.num_classes, changes)
    shown = [
        {
            "label": int(viewed.label[place]),
            "image": png(viewed.x[place]),
            "view": png(viewed.view[place]),
            "judge_image": int(by_judge.before[place].argmax()),
            "judge_view": int(by_judge.after[place].argmax()),
        }
        for place in range(min(EXAMPLES, len(viewed.x)))
    ]
    return found, classes, shown


def _held_out(request: Request, judge: Trained) -> tuple[Tensor, Tensor]:
    """Images that no network of the card was trained on, in a drawn order, and their labels."""
    test = judge.test
    order = Draws(derive(request.seed, "card", "held out")).permutation(len(test.images))
    index = order[: request.images].to(judge.device)
    return test.images.plain(index), test.labels[index]


def _right(trained: Trained, x: Tensor, label: Tensor) -> Tensor:
    """bool [N]: which images the task predicts right."""
    return (trained.predict(x).argmax(1) == label).cpu()


def _layers(trained: Trained, x: Tensor) -> int:
    return len(trained.logits(x[:1]).features)


def _margin(request: Request, runs: CardRuns) -> tuple[float, str]:
    """The margin that views are held to, and where it comes from."""
    if request.margin is not None:
        return request.margin, "as was asked for"
    for name, value in parameters_of(runs).items():
        if name.endswith(".margin") and value != "None":
            return float(value), "the augmenter's own margin"
    return THRESHOLD, "LP-A3's default; the augmenter has no margin"


def _losses(request: Request, runs: CardRuns) -> tuple[Tensor, Tensor]:
    """Final training losses per image, with the augmenter on its views, and without it on the images."""
    clean, augmented = runs.clean.trained, runs.augmented.trained
    index = _labelled(clean)
    x, given = clean.env.weak(index), clean.train.labels[index]
    maker = Maker(augmented, runs.augmenter, runs.slot, runs.state())
    viewed = maker.views(x, given, seed=request.seed, name="train")
    return (
        _cross_entropy(augmented, viewed),
        -look(clean.net, x, x).before.gather(1, given.cpu().unsqueeze(1)).squeeze(1),
    )


def _cross_entropy(trained: Trained, viewed: Viewed) -> Tensor:
    """Loss of each view, [N], through the BatchNorm that views are trained in."""
    found = []
    with torch.no_grad(), bn_domain(trained.net, viewed.domain):
        for view, target in zip(torch.split(viewed.view, 250), torch.split(viewed.target, 250), strict=True):
            logp = at_least_float32(trained.net(view).logits).log_softmax(1)
            found.append(-(target * logp).sum(1))
    return torch.cat(found).cpu()


def _labelled(trained: Trained) -> Tensor:
    """int64 [n], the training images that have a label."""
    return trained.data.labels.labelled.nonzero().flatten()


def _label_information(request: Request, runs: CardRuns, maker: Maker, viewed: Viewed) -> list[CardMeasure]:
    """Condition (a) on the card's own data: probes learn on the judge's half, which the attacked network has
    not seen, and read the held-out images."""
    judge = runs.judge.trained
    index = _labelled(judge)[: 4 * request.images]
    x, label = judge.train.images.plain(index), judge.train.labels[index]
    learnt = maker.views(x, label, seed=request.seed, name="probe")
    classes = {"label": judge.spec.num_classes}
    plain, seen = (
        read_probe(
            one,
            {"label": of},
            other,
            {"label": of_other},
            classes,
            seed=request.seed,
        )
        for one, of, other, of_other in (
            (learnt.x, learnt.label, viewed.x, viewed.label),
            (learnt.view, learnt.view_label, viewed.view, viewed.view_label),
        )
    )
    return information.label_information(plain, seen, n=len(viewed.x), where=judge.spec.name, prefix="data")


# --------------------------------------------------------------------------------------- on known nuisances
def _on_nuisances(trainer: Trainer, runs: CardRuns) -> tuple[list[CardMeasure], str | None]:
    """Conditions (a) and (b) where the nuisances are known; or why they cannot be measured."""
    request, augmenter = trainer.request, runs.augmenter
    digits = NuisanceDigits()
    if reason := augmenter.unsupported(digits.spec, SLOTS[runs.slot]):
        return [], f"{request.augmenter} refuses the digits with known nuisances: {reason}"
    trained = trainer.train_on_nuisances(runs.slot, augmented=False)
    state = None
    if learned(runs.state()):  # what it learned on other images would not fit these
        state = state_of(trainer.train_on_nuisances(runs.slot, augmented=True), runs.slot)
    maker = Maker(trained, runs.augmenter, runs.slot, state)
    viewed, targets = {}, {}
    names: tuple[Part, ...] = ("probe", "test")
    for part in names:
        split, drawn = digits.part(part)
        x = (split.images.float() / 255).to(trained.device)
        label = split.labels.to(trained.device)
        viewed[part] = maker.views(x, label, seed=request.seed, name=f"nuisance/{part}")
        rows = viewed[part].rows.cpu()
        targets[part] = {name: value[rows].to(trained.device) for name, value in drawn.items()}
    classes = {"label": digits.spec.num_classes, **FACTORS}
    learn, held = viewed["probe"], viewed["test"]
    plain = read_probe(
        learn.x,
        {"label": learn.label, **targets["probe"]},
        held.x,
        {"label": held.label, **targets["test"]},
        classes,
        seed=request.seed,
    )
    seen = read_probe(
        learn.view,
        {"label": learn.view_label, **targets["probe"]},
        held.view,
        {"label": held.view_label, **targets["test"]},
        classes,
        seed=request.seed,
    )
    where = "coloured digits"
    return information.label_information(plain, seen, n=len(held.x), where=where, prefix="known"), None
