"""The paper's Fig. 5: how much a parameter of an augmenter matters, beside the task without it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from lpa3bench.boards.measures import chosen_measure
from lpa3bench.errors import DataError
from lpa3bench.records import Record
from lpa3bench.records.config_text import value_of
from lpa3bench.report.figures.drawing import GREY_INK, LINE_COLOURS, canvas, caption, save, styled
from lpa3bench.report.figures.points import Point, check_one_engine, point_of
from lpa3bench.report.figures.series import AUGMENTER_NAMES, grouped, panel_key, titles, values_in_force
from lpa3bench.report.numbers import scale_of

SENSITIVITY_PARAMETERS = ("LPA3.margin", "LPA3.ratio")
PARAMETER_NAMES = {"LPA3.margin": "margin σ", "LPA3.ratio": "ratio τ"}
WIDE = 20
"""From this quotient of the largest to the smallest value on, an axis is logarithmic."""
SENSITIVITY_CAPTION = (
    "Points: mean over seeds, with one standard deviation (n − 1) each way; small dots: single runs. Band: "
    "the same task without the augmenter, likewise. All but the parameter on the axis is the same along a "
    "line."
)


@dataclass(frozen=True)
class SensitivityLine:
    """One parameter varied in one environment."""

    environment: Hashable
    """As `series.panel_key` has it: lines of one environment stand in one row."""
    title: str
    parameter: str
    """As it was asked for: `LPA3.margin`."""
    points: tuple[Point, ...]
    """By value; at least two."""
    baseline: Point | None
    """Without the augmenter (its `value` means nothing); None where there is no such run."""


def sensitivity_lines(
    records: Sequence[Record], parameter: str, metric: str | None = None
) -> list[SensitivityLine]:
    """For each environment the runs that differ in the parameter alone, the largest family of them.

    Args:
        records: of any runs.
        parameter: `LPA3.margin`; with a slot in front, `strong/RandAugment.magnitude`, of that slot alone.
        metric: `<metric>.<rule>`; None: the selecting metric's after the last epoch.

    Raises:
        DataError: runs that would make one point, or one line, were made by different code; two are of one
            seed; or it is undefined in a run.
        UsageError: no record has the metric.
    """
    found: list[SensitivityLine] = []
    if not records:
        return found
    key = chosen_measure(metric, records).key
    groups = grouped(records, panel_key)
    for (place, group), title in zip(groups.items(), titles([*groups.values()]), strict=True):
        varied = [record for record in group if _key(record, parameter) is not None]
        families = grouped(varied, lambda record: _others(record, parameter)).values()
        sizes = {id(f): len({_value(r, parameter) for r in f}) for f in families}
        several = [family for family in families if sizes[id(family)] > 1]
        if several:
            family = max(several, key=lambda f: (sizes[id(f)], len(f)))
            by_value = grouped(family, lambda record: _value(record, parameter))
            points = tuple(point_of(value, by_value[value], key) for value in sorted(by_value))
            without = _without(group, family[0], parameter)
            baseline = point_of(0.0, without, key) if without else None
            check_one_engine([*family, *without])
            found.append(SensitivityLine(place, title, parameter, points, baseline))
    return sorted(found, key=lambda line: line.title)


def _key(record: Record, parameter: str) -> str | None:
    """The parameter's full name in the record's config, where it is a number there."""
    for name, text in values_in_force(record).items():
        if name == parameter or name.endswith(f"/{parameter}"):
            try:
                float(value_of(text))
            except (TypeError, ValueError, OverflowError):
                return None
            return name
    return None


def _value(record: Record, parameter: str) -> float:
    return float(value_of(values_in_force(record)[_key(record, parameter) or parameter]))


def _others(record: Record, parameter: str) -> tuple[tuple[str, str], ...]:
    """All values but that of the parameter."""
    key, values = _key(record, parameter), values_in_force(record)
    return tuple(sorted((values | record.slots).items() - {(key, values.get(key or ""))}))


def _without(group: Sequence[Record], example: Record, parameter: str) -> list[Record]:
    """The runs that lack the augmenter and are the same in all else."""
    owner = (_key(example, parameter) or parameter).rpartition(".")[0]
    slot = owner.rpartition("/")[0]

    def rest(record: Record) -> dict[str, str]:
        others = {other: name for other, name in record.slots.items() if other != slot}
        values = values_in_force(record).items()
        return others | {n: text for n, text in values if not n.startswith(f"{owner}.")}

    wanted = rest(example)
    return [record for record in group if slot not in record.slots and rest(record) == wanted]


def draw_sensitivity(
    records: Sequence[Record],
    out: Path,
    *,
    parameters: Sequence[str] = SENSITIVITY_PARAMETERS,
    metric: str | None = None,
) -> list[Path]:
    """Draw a row of panels for each environment, one for each parameter, and write SVG and PNG.

    Args:
        metric: `<metric>.<rule>`; None: the selecting metric's after the last epoch.

    Raises:
        DataError: no parameter takes two values in otherwise equal runs, or as `lines` says.
    """
    columns = [sensitivity_lines(records, parameter, metric) for parameter in parameters]
    rows = {line.environment: line.title for column in columns for line in column}
    if not rows:
        what = " or ".join(parameters)
        raise DataError(f"no two runs there differ in {what} alone; run suites/digits_sensitivity, say")
    measure = chosen_measure(metric, records)
    with styled():
        figure = canvas(0.5 + 3.9 * len(columns), 0.7 + 2.9 * len(rows))
        grid = figure.subplots(len(rows), len(columns), squeeze=False, sharey="row")
        for row, (place, name) in zip(grid, sorted(rows.items(), key=lambda item: item[1]), strict=True):
            for axes, column, parameter in zip(row, columns, parameters, strict=True):
                line = next((line for line in column if line.environment == place), None)
                axes.set_xlabel(PARAMETER_NAMES.get(parameter, parameter))
                if line is None:
                    axes.text(0.5, 0.5, "no runs", ha="center", transform=axes.transAxes, color=GREY_INK)
                else:
                    _line(axes, line, scale_of(measure))
            row[0].set_ylabel(f"test {measure.name}, {measure.unit}".rstrip(", "))
            row[0].set_title(name, loc="left", fontweight="bold")
        caption(figure, SENSITIVITY_CAPTION)
        names = " and ".join(PARAMETER_NAMES.get(parameter, parameter) for parameter in parameters)
        title = f"Test {measure.name} against {names}: {'; '.join(sorted(rows.values()))}"
        return save(figure, out, title=title, text=SENSITIVITY_CAPTION)


def _line(axes: Axes, line: SensitivityLine, scale: int) -> None:
    owner = line.parameter.rpartition("/")[2].partition(".")[0]
    name = AUGMENTER_NAMES.get(owner, owner)
    if line.baseline is not None:
        mean, std = scale * line.baseline.mean, scale * (line.baseline.std or 0)
        axes.axhline(mean, color=LINE_COLOURS[1], linestyle=(0, (5, 2)), linewidth=1.4,
                     label=f"without {name} (n = {line.baseline.n})")  # fmt: skip
        axes.axhspan(mean - std, mean + std, color=LINE_COLOURS[1], alpha=0.15, linewidth=0)
    places = [point.value for point in line.points]
    means = [scale * point.mean for point in line.points]
    spread = [scale * (point.std or 0) for point in line.points]
    counts = {point.n for point in line.points}
    many = f"n = {min(counts)}" if len(counts) == 1 else "n at each point"
    axes.errorbar(places, means, yerr=spread, color=LINE_COLOURS[0], marker="o", markersize=5, capsize=3,
                  linewidth=1.5, label=f"with {name} ({many})")  # fmt: skip
    for point in line.points:
        scores = [scale * score for score in point.scores]
        axes.plot([point.value] * point.n, scores, ".", color=LINE_COLOURS[0], alpha=0.45, markersize=4)
        if len(counts) > 1:
            axes.annotate(f"{point.n}", (point.value, scale * point.mean), xytext=(5, 5),
                          textcoords="offset points", fontsize=7.5)  # fmt: skip
    if places[0] > 0 and places[-1] / places[0] >= WIDE:
        axes.set_xscale("log")
    axes.set_xticks(places, [f"{place:g}" for place in places], minor=False)
    axes.minorticks_off()
    axes.legend(loc="best")


def as_data(line: SensitivityLine) -> dict[str, Any]:
    """The numbers of a line, for JSON."""

    def told(point: Point) -> dict[str, Any]:
        return {"n": point.n, "mean": point.mean, "std": point.std, "scores": list(point.scores)}

    return {
        "title": line.title,
        "parameter": line.parameter,
        "points": [{"value": point.value, **told(point)} for point in line.points],
        "baseline": None if line.baseline is None else told(line.baseline),
    }
