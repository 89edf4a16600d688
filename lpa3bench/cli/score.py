"""`lpa3bench score`: stored weights on corrupted images, and how calibrated they are."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpa3bench.analysis.stored_metrics import StoredMetrics
from lpa3bench.cli.options import data_option, device_option, json_option, plugin_option, weights_option
from lpa3bench.cli.terminal import say, width
from lpa3bench.errors import BenchError, PluginError, UsageError, error_line
from lpa3bench.runtime.terminal_text import number_table
from lpa3bench.types import CORRUPTIONS, SEVERITIES

if TYPE_CHECKING:
    from lpa3bench.api import Metric
    from lpa3bench.records.later_scores import LaterScores, ScoredCondition, ScoredImages
    from lpa3bench.types import Corruption, Weights

METRICS = ("accuracy", "ece", "nll", "brier")
_RANGE = re.compile(r"([1-5])(?:-([1-5]))?")


class Severities(click.ParamType):  # type: ignore[type-arg]  # generic in click's newer stubs alone
    """`1-5`, `3` or `1,3,5`: a tuple of whole numbers."""

    name = "severities"

    def convert(
        self, value: str | tuple[int, ...], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[int, ...]:
        if isinstance(value, tuple):
            return value
        parts = [_RANGE.fullmatch(part.strip()) for part in value.split(",")]
        found = [range(int(part[1]), int(part[2] or part[1]) + 1) if part else range(0) for part in parts]
        if not all(found):
            self.fail(f"{value!r} is none of 1 to 5, as in 1-5 or 1,3,5", param, ctx)
        return tuple(sorted({severity for part in found for severity in part}))


@click.command()
@click.argument(
    "runs", metavar="RUN...", type=click.Path(path_type=Path, exists=True), nargs=-1, required=True
)
@click.option(
    "--on",
    type=click.Choice(["corruptions", "test"]),
    default="corruptions",
    show_default=True,
    help="The fifteen common corruptions of the test images, or these as they are alone.",
)
@click.option(
    "--kinds",
    type=click.Choice(CORRUPTIONS),
    multiple=True,
    metavar="KIND",
    help=f"This corruption alone: {', '.join(CORRUPTIONS)}. Repeatable.",
)
@click.option(
    "--severities",
    type=Severities(),
    default="1-5",
    show_default=True,
    metavar="RANGE",
    help="As in 1-5 or 1,3.",
)
@click.option(
    "--temperature", is_flag=True, help="After temperature scaling too, fitted on the validation split."
)
@click.option(
    "--baseline",
    type=click.Path(path_type=Path, exists=True),
    metavar="RUN",
    help="Tell mean corruption errors relative to this run, which is scored too.",
)
@weights_option
@device_option
@data_option
@plugin_option
@json_option
def command(
    runs: tuple[Path, ...],
    on: ScoredImages,
    kinds: tuple[Corruption, ...],
    severities: tuple[int, ...],
    temperature: bool,
    baseline: Path | None,
    weights: Weights,
    device: str,
    data: Path | None,
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Score stored weights on corrupted images.

    RUN is the directory of a finished run. Its scores go into RUN/scores/, in place of earlier ones, beside
    its record and joined to it: boards that take the run show them as measures more, such as
    corruptions_accuracy.last. They are never counted as results. Those of a part of the corruptions lie apart
    and are shown on no board. Where one of many fails the others go on. docs/robustness.md says what the
    corruptions are.
    """
    from lpa3bench.analysis.rescoring import CorruptedImages, score_on_corruptions
    from lpa3bench.analysis.trained_run import open_run
    from lpa3bench.plugin.registry import load_registry
    from lpa3bench.records.later_scores import write_later_scores
    from lpa3bench.runtime.paths import data_root

    if on == "test" and (kinds or baseline or severities != SEVERITIES):
        without = "--kinds, --severities and --baseline do not go with it"
        raise click.UsageError(f"--on test has no corruptions: {without}")
    registry = load_registry(plugins)
    metrics = _metrics(StoredMetrics(registry))
    chosen = () if on == "test" else tuple(kind for kind in CORRUPTIONS if kind in (kinds or CORRUPTIONS))
    images = CorruptedImages()
    found: dict[Path, LaterScores] = {}
    failures: list[BenchError] = []

    def score(run: Path) -> LaterScores:
        trained = open_run(
            run, data=data_root(data), device=device, weights=weights, plugins=plugins, registry=registry
        )
        base = found.get(baseline) if baseline else None
        if base and (base.data, base.images) != (trained.data.data_hash, len(trained.test.labels)):
            raise UsageError(f"--baseline {baseline}: its images are not those of {run}; score {run} without")
        for change in trained.changed:
            say(f"changed since the run: {change}", err=True)
        with click.progressbar(
            length=1 + len(chosen) * len(severities),
            label=run.name,
            file=sys.stderr,
            hidden=not sys.stderr.isatty(),
        ) as bar:
            return score_on_corruptions(
                trained,
                metrics,
                weights=weights,
                kinds=chosen,
                severities=severities,
                temperature=temperature,
                images=images,
                progress=partial(_step, bar),
            )

    for run in dict.fromkeys((*([baseline] if baseline else ()), *runs)):
        try:
            scores = score(run)
            say(f"wrote {write_later_scores(run, scores)}", err=True)
            found[run] = scores
        except BenchError as error:
            if run == baseline or len(runs) == 1:
                raise
            failures.append(error)
            say(error_line(f"{run}: {str(error).removeprefix(f'{run}: ')}"), err=True)
    if told := [found[run] for run in dict.fromkeys(runs) if run in found]:
        _tell(told, found[baseline] if baseline else None, as_json)
    if failures:
        say(f"{len(failures)} of {len(runs)} were not scored", err=True)
        raise SystemExit(max(error.exit_code for error in failures))


def _tell(told: Sequence[LaterScores], baseline: LaterScores | None, as_json: bool) -> None:
    if as_json:
        click.echo(_json(told, baseline))
        return
    tables = [_table(scores, baseline) for scores in told]
    texts = [[_what(scores), *_text_of(*table)] for scores, table in zip(told, tables, strict=True)]
    if len(told) > 1:
        means = [[scores.run, *body[-1][1:]] for scores, (_, body) in zip(told, tables, strict=True)]
        what = "means over the corruptions" if told[0].kinds else "test images"
        texts.append([f"{what}, by run", *_text_of(tables[0][0], means)])
    say("\n\n".join("\n".join(lines) for lines in texts))


def _step(bar: Any, _: str) -> None:
    bar.update(1)


def _metrics(stored: StoredMetrics) -> list[Metric]:
    found = [(name, stored.metric(name)) for name in METRICS]
    if missing := [name for name, metric in found if metric is None]:
        raise PluginError(f"there is no metric {missing[0]}; is the distribution of lpa3bench whole?")
    return [metric for _, metric in found if metric is not None]


def _json(told: Sequence[LaterScores], baseline: LaterScores | None) -> str:
    import msgspec

    from lpa3bench.stats.corruption_error import mean_corruption_error

    rows = [
        {
            **msgspec.to_builtins(scores),
            **({"mean_corruption_error": mean_corruption_error(scores, baseline)} if baseline else {}),
        }
        for scores in told
    ]
    return msgspec.json.format(msgspec.json.encode(rows), indent=1).decode()


def _what(scores: LaterScores) -> str:
    told = f"{scores.run}, {scores.weights} weights, {scores.images} test images"
    if scores.on == "corruptions":
        told += f", constants of {scores.constants}"
    if scores.temperature is not None:
        told += f", temperature {scores.temperature:.3f}"
    return told


def _table(scores: LaterScores, baseline: LaterScores | None) -> tuple[list[str], list[list[str]]]:
    """A heading, and the run's numbers a row a kind and their means in the last one, with its error relative
    to the baseline's."""
    from lpa3bench.stats.corruption_error import corruption_errors, mean_corruption_error

    errors = corruption_errors(scores, baseline) if baseline else {}
    names = [name for name in METRICS if name in scores.metrics]
    after = [name for name in names if name in scores.clean.scaled]
    head = ["", *(_heading(scores, name) for name in names)]
    head += [f"scaled {_heading(scores, name)}" for name in after]
    body = [["clean", *_cells(scores, scores.clean, names, after)]]
    for kind in (*scores.kinds, *([None] if scores.kinds else [])):
        numbers = [
            *(_text(scores, name, scores.mean(name, kind)) for name in names),
            *(_text(scores, name, scores.mean(name, kind, scaled=True)) for name in after),
        ]
        body.append([kind or "mean", *numbers])
    if baseline:
        head.append("error / baseline")
        mean = mean_corruption_error(scores, baseline)
        for row in body:
            ratio = mean if row[0] == "mean" else errors.get(row[0])
            row.append("–" if ratio is None else f"{ratio:.3f}")
    return head, body


def _text_of(head: list[str], body: list[list[str]]) -> list[str]:
    return number_table(head, body, [""] * len(body), width())


def _heading(scores: LaterScores, name: str) -> str:
    unit = scores.metrics[name].unit
    short = name if name == "accuracy" else name.upper() if len(name) == 3 else name.capitalize()
    return f"{short} {unit}".rstrip()


def _cells(
    scores: LaterScores, one: ScoredCondition, names: Sequence[str], after: Sequence[str]
) -> list[str]:
    plain = [_text(scores, name, one.scores.get(name)) for name in names]
    return [*plain, *(_text(scores, name, one.scaled.get(name)) for name in after)]


def _text(scores: LaterScores, name: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{100 * value:.2f}" if scores.metrics[name].unit == "%" else f"{value:.4f}"
