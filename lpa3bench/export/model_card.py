"""The card of exported weights: what they are, what they score, on which data, and how to load them."""

from __future__ import annotations

from collections.abc import Sequence

from lpa3bench.records import Record
from lpa3bench.records.summary import LAST
from lpa3bench.report.markdown import escape_markdown
from lpa3bench.runtime import licences

SNIPPET = """\
import torch
from lpa3bench.export.finished_run import load_exported

model = load_exported("{folder}")  # in eval mode, on the CPU
x = torch.rand(2, {channels}, {size}, {size})  # images in [0, 1]; the network normalises them itself
probabilities = model(x)  # [2, {classes}]
"""


def write_card(
    record: Record,
    *,
    networks: Sequence[str],
    predicts: Sequence[str],
    faithful: bool,
    spec: tuple[int, int, int],
    folder: str = ".",
) -> str:
    """Markdown for `README.md`.

    Args:
        networks: that the file holds.
        predicts: those that the run predicts by.
        faithful: whether the sum of their logits was seen to be the task's own prediction.
        spec: channels, size and classes.
        folder: that the snippet loads from.
    """
    channels, size, classes = spec
    snippet = SNIPPET.format(folder=folder, channels=channels, size=size, classes=classes)
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

Weights of one run of lpa3bench after its last epoch.
`model.safetensors` holds {", ".join(f"`{name}/…`" for name in networks)}; the run predicts by {how}.
`config.gin` holds every value that was in force; `lpa3bench run config.gin --seed {record.seed}` trains it
again.
{caution}
## Score

{_scores(record)}

All are scores on the test set of **one run (n = 1)**: they say nothing of how much another seed would differ,
and two such numbers are no comparison of two methods. {_of_these_weights(record)}
{_flags(record)}
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


def _of_these_weights(record: Record) -> str:
    """Which of the scores are the last epoch's, and which are of other epochs."""
    last = " and ".join(f"`{name}.{LAST}`" for name in record.metrics)
    belong = "belongs" if len(record.metrics) == 1 else "belong"
    return f"{last} {belong} to these weights, the others do not."


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


def _table(rows: Sequence[tuple[str, str]], head: tuple[str, str] = ("", "")) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "| --- | --- |"]
    return "\n".join(
        [*lines, *(f"| {escape_markdown(name)} | {escape_markdown(value)} |" for name, value in rows)]
    )
