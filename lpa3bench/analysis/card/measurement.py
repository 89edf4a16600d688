"""An augmenter card: what an augmenter does to images and labels, measured, in one mapping of plain data.

Conditions (a) and (b) are those of the paper's theorem 4.2: the best of all views keeps what the image
tells of the label, (a), and of the rest as little as it can, (b). (a) is bounded from below by probes. (b)
cannot be measured on natural images, so it is by proxies, and on digits with known nuisances by the same
probes. A lower bound can refute (b), where much of a nuisance is found, and never show it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from lpa3bench.analysis.card import information, parts, training
from lpa3bench.analysis.card.attacks import attack, attack_measures, held_out
from lpa3bench.analysis.card.card_measures import CardMeasure
from lpa3bench.analysis.card.head import augmenter_of, parameters_of, png, protocol_of
from lpa3bench.analysis.card.judge import Seen, look, recognised
from lpa3bench.analysis.card.runs import KNOWN_FLOOR, CardRuns, Request, Trainer, state_of
from lpa3bench.analysis.card.views import Maker, Viewed, learned
from lpa3bench.analysis.known_nuisances import nuisance_digits, painted
from lpa3bench.analysis.trained_run import Trained
from lpa3bench.nn.batchnorm import bn_domain
from lpa3bench.ops import at_least_float32
from lpa3bench.training.sinks import Sink
from lpa3bench.types import SLOTS

VERSION = 2
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
    refused = runs.augmenter.unsupported(nuisance_digits(trainer.registry).spec, SLOTS[runs.slot])
    known = None if refused else trainer.train_on_nuisances(runs.slot, augmented=False)
    measures, classes, examples = _on_data(request, runs)
    nuisance = _on_nuisances(trainer, runs, known) if known else []
    return {
        "version": VERSION,
        "augmenter": augmenter_of(trainer, runs),
        "protocol": protocol_of(request, runs) | {"margin": _margin(request, runs)[0]},
        "measures": [one.plain() for one in (*measures, *nuisance)],
        "not_measured": f"{request.augmenter} refuses the digits with known nuisances: {refused}"
        if refused
        else None,
        "classes": classes,
        "examples": examples,
    }


# ------------------------------------------------------------------------------------ on the card's own data
def _on_data(request: Request, runs: CardRuns) -> tuple[list[CardMeasure], list[Any], list[Any]]:
    """The measures on held-out images of the data set; the classes; some images with their views."""
    judge, attacked, clean = runs.judge.trained, runs.attacked, runs.clean.trained
    held = held_out(judge, request.images, request.seed)
    state, seed = runs.state(), request.seed
    maker = Maker(attacked, runs.augmenter, runs.slot, state)
    made = on_clean = attack(maker, *held, held=held, seed=seed, name="test")
    if attacked is not clean:  # affinity is that of a network that knows no augmentation
        on_clean = attack(
            Maker(clean, runs.augmenter, runs.slot, state), *held, held=held, seed=seed, name="test"
        )
    taught = _training_images(clean)
    learner = Maker(runs.augmented.trained, runs.augmenter, runs.slot, state)
    learnt = attack(learner, *taught, held=held, seed=seed, name="train")
    viewed, label = made.viewed, held[1].cpu()
    by_judge = look(judge.net, viewed.x, viewed.view)
    harmed, changes = training.harm(learnt.right, on_clean.right, label, judge.spec.shown_names)
    layers = {"judge": _layers(judge, held[0]), "attacked": _layers(attacked, held[0])}
    margin, whose = _margin(request, runs)
    found = [
        *parts.preservation(by_judge, viewed),
        *attack_measures("attacked", "the attacked network", made, floor=request.floor),
        *([] if made is on_clean else attack_measures("clean", "the one without it", on_clean)),
        *attack_measures("augmented", "the one trained with it", learnt, of="training images"),
        *parts.margins(made.seen, viewed, margin, whose),
        *parts.confidence(made.seen, by_judge, viewed),
        *parts.distances(made.seen, by_judge, viewed, layers),
        *training.affinity(on_clean.seen, on_clean.viewed),
        *training.diversity(*_losses(runs, taught, learnt.viewed)),
        *harmed,
        *_label_information(request, runs, maker, viewed),
        *information.recognition(recognised(judge.net, viewed.x, viewed.view)),
        *parts.costs(viewed, runs.augmented.record.data.cost, runs.clean.record.data.cost),
    ]
    classes = parts.by_class(by_judge, viewed, judge.spec.shown_names, changes)
    return found, classes, _examples(by_judge, viewed)


def _examples(by_judge: Seen, viewed: Viewed) -> list[dict[str, Any]]:
    """The first images with their views, and what the judge takes them for."""
    return [
        {
            "label": int(viewed.label[place]),
            "image": png(viewed.x[place]),
            "view": png(viewed.view[place]),
            "judge_image": int(by_judge.before[place].argmax()),
            "judge_view": int(by_judge.after[place].argmax()),
        }
        for place in range(min(EXAMPLES, len(viewed.x)))
    ]


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


def _labelled(trained: Trained) -> Tensor:
    """int64 [n], the training images that have a label."""
    return trained.data.labels.labelled.nonzero().flatten()


def _training_images(trained: Trained) -> tuple[Tensor, Tensor]:
    """The training images as the run draws them, and the labels given."""
    index = _labelled(trained)
    return trained.env.weak(index), trained.train.labels[index]


def _losses(runs: CardRuns, taught: tuple[Tensor, Tensor], viewed: Viewed) -> tuple[Tensor, Tensor]:
    """Final training losses per image: with the augmenter on its views, and without it on the images."""
    x, given = taught
    before = look(runs.clean.trained.net, x, x).before
    return (
        _cross_entropy(runs.augmented.trained, viewed),
        -before.gather(1, given.cpu().unsqueeze(1)).squeeze(1),
    )


def _cross_entropy(trained: Trained, viewed: Viewed) -> Tensor:
    """Loss of each view, [N], through the BatchNorm that views are trained in."""
    found = []
    with torch.no_grad(), bn_domain(trained.net, viewed.domain):
        for view, target in zip(torch.split(viewed.view, 250), torch.split(viewed.target, 250), strict=True):
            logp = at_least_float32(trained.net(view).logits).log_softmax(1)
            found.append(-(target * logp).sum(1))
    return torch.cat(found).cpu()


def _label_information(request: Request, runs: CardRuns, maker: Maker, held: Viewed) -> list[CardMeasure]:
    """Condition (a) on the card's own data: probes learn on the judge's half, which the attacked network has
    not seen, and read the held-out images."""
    judge = runs.judge.trained
    index = _labelled(judge)[: 4 * request.images]
    x, label = judge.train.images.plain(index), judge.train.labels[index]
    learn = maker.views(x, label, seed=request.seed, name="probe")
    targets = {"label": information.label_target(learn, held, judge.spec.num_classes)}
    return information.what_is_told(
        learn, held, targets, where=judge.spec.name, prefix="data", seed=request.seed
    )


# --------------------------------------------------------------------------------------- on known nuisances
def _on_nuisances(trainer: Trainer, runs: CardRuns, known: Trained) -> list[CardMeasure]:
    """Conditions (a) and (b) where the nuisances are known. `known`: the network that is attacked there."""
    request, digits = trainer.request, nuisance_digits(trainer.registry)
    state = None
    if learned(runs.state()):  # what it learned on other images would not fit these
        state = state_of(trainer.train_on_nuisances(runs.slot, augmented=True), runs.slot)
    maker = Maker(known, runs.augmenter, runs.slot, state)
    x, label, drawn = painted(digits, "probe", known.device)
    learn = maker.views(x, label, seed=request.seed, name="nuisance/probe")
    x, label, held_drawn = painted(digits, "test", known.device)
    images = held_out(known, len(known.test.labels), request.seed)
    made = attack(maker, x, label, held=images, seed=request.seed, name="nuisance/test")
    held = made.viewed
    targets = {"label": information.label_target(learn, held, digits.spec.num_classes)}
    for name, count in digits.factors.items():
        learned_from, asked = drawn[name][learn.rows], held_drawn[name][held.rows]
        targets[name] = information.ProbeTarget(count, (learned_from, learned_from), (asked, asked))
    where = "coloured digits"
    return [
        *attack_measures("known", f"the one on {where}", made, floor=KNOWN_FLOOR),
        *information.what_is_told(learn, held, targets, where=where, prefix="known", seed=request.seed),
    ]
