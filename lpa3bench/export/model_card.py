"""The card of exported weights: what they are, what they score, on which data, and how to load them."""

from __future__ import annotations

from collections.abc import Sequence

from lpa3bench.records import Record
from lpa3bench.records.summary import LAST, VAL_SELECTED
from lpa3bench.report.markdown import escape_markdown
from lpa3bench.runtime import licences
from lpa3bench.types import DatasetSpec

SNIPPET = """\
import numpy as np
from lpa3bench.export import load

model = load("{folder}")  # in eval mode, on the CPU
image = np.zeros((40, 30, 3), np.uint8)  # or a file's path, or an image of Pillow
x = model.preprocess([image, image])  # [2, {channels}, {size}, {size}] in [0, 1]; it normalises them itself
probabilities = model(x)  # [2, {classes}]
names = [model.class_names[best] for best in probabilities.argmax(1)]
"""
ClassRow = tuple[str, int | None, float | None]
"""What a class is called, its test images, and the share of them that is right; None: not known."""
_MOST_CLASSES = 200
"""That a card lists."""


def write_card(
    record: Record,
    *,
    networks: Sequence[str],
    predicts: Sequence[str],
    faithful: bool,
    spec: DatasetSpec,
    epoch: int | None,
    classes: Sequence[ClassRow],
    folder: str = ".",
) -> str:
    """Markdown for `README.md`.

    Args:
        networks: that the file holds.
        predicts: those that the run predicts by.
        faithful: whether the sum of their logits was seen to be the task's own prediction.
        spec: of the data set, as the networks see it.
        epoch: with the best validation score, after which the weights were taken, counted from 1; None: the
            last one.
        classes: in the order of the probabilities, with scores of these weights.
        folder: that the snippet loads from.
    """
    snippet = SNIPPET.format(folder=folder, channels=spec.channels, size=spec.size, classes=spec.num_classes)
    rule = LAST if epoch is None else VAL_SELECTED
    after = "its last epoch" if epoch is None else f"epoch {epoch}, the best by validation"
    how = " + ".join(f"`{name}`" for name in predicts)
    caution = "" if faithful else (
        "\n**The task predicts in a way of its own: what `load` returns, the soft-max of these networks' "
        "summed logits, need not score as below.**\n"
    )  # fmt: skip
    return f"""\
---
library_name: lpa3bench
tags: [image-classification, data-augmentation]
---
# {escape_markdown(record.name)}, seed {record.seed}

Weights of one run of lpa3bench after {after}.
`model.safetensors` holds {", ".join(f"`{name}/…`" for name in networks)}; the run predicts by {how}.
`config.gin` holds every value that was in force; `lpa3bench run config.gin --seed {record.seed}` trains it
again.
{caution}
## Score

{_scores(record)}

All are scores on the test set of **one run (n = 1)**: they say nothing of how much another seed would differ,
and two such numbers are no comparison of two methods. {_of_these_weights(record, rule)}
{_flags(record)}
## Classes

{_classes(classes)}

## What it was trained on

{_table(_facts(record))}

Data licence: {escape_markdown(licences.of(record.cell.dataset))}.

## How to load it

```python
{snippet}```

The plugin of the backbone ({escape_markdown(record.cell.backbone)}) must be installed.
"""


def _scores(record: Record) -> str:
    rows = [
        (f"{name}.{rule}", _value(value, metric.unit))
        for name, metric in record.metrics.items()
        for rule, value in metric.scores.items()
    ]
    return _table(rows, ("metric", "value"))


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "undefined"
    return f"{100 * value:.2f} %" if unit == "%" else f"{value:.4g} {unit}".rstrip()


def _of_these_weights(record: Record, rule: str) -> str:
    """Which of the scores are of these weights, and which of other epochs."""
    ours = " and ".join(f"`{name}.{rule}`" for name in record.metrics)
    belong = "belongs" if len(record.metrics) == 1 else "belong"
    return f"{ours} {belong} to these weights, the others do not."


def _classes(classes: Sequence[ClassRow]) -> str:
    rows = [
        (name, "" if images is None else str(images), "" if share is None else f"{100 * share:.2f} %")
        for name, images, share in classes[:_MOST_CLASSES]
    ]
    more = f"\n\n{len(classes) - len(rows)} more." if len(rows) < len(classes) else ""
    return _table(rows, ("class", "test images", "right")) + more


def _flags(record: Record) -> str:
    return "".join(f"\n- {escape_markdown(flag)}" for flag in record.data.flags) + "\n"


def _facts(record: Record) -> list[tuple[str, str]]:
    cell, labels, provenance = record.cell, record.data.labels, record.data.provenance
    noise = {name: labels[name] for name in sorted(labels) if isinstance(labels[name], int | float | str)}
    slots = ", ".join(f"{slot}: {name}" for slot, name in record.slots.items()) or "none"
    return [
        ("data set", cell.dataset),
        ("hash of the data", record.data_hash),
        ("labels", cell.labels),
        *((f"labels: {name}", str(value)) for name, value in noise.items()),
        ("task", cell.task),
        ("augmenters", slots),
        ("backbone", cell.backbone),
        ("epochs", str(cell.epochs)),
        ("seconds of training", f"{record.seconds:.0f}"),
        ("forward equivalents", f"{record.passes:.0f}"),
        ("device", f"{provenance.device}, {provenance.gpu_name or provenance.cpu_model}"),
        ("finished", provenance.finished),
        ("versions", ", ".join(f"{name} {text}" for name, text in provenance.versions.items())),
    ]


def _table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...] = ("", "")) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(map(escape_markdown, row))} |" for row in rows)])
