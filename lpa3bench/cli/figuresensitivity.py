"""`lpa3bench figure sensitivity`: accuracy against an augmenter's parameters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lpa3bench.cli.options import json_option, plugin_option
from lpa3bench.cli.terminal import say
from lpa3bench.errors import DataError, UsageError
from lpa3bench.runtime.paths import resolve_config

if TYPE_CHECKING:
    from lpa3bench.records import Record


@click.command()
@click.argument("sources", metavar="SUITE_OR_RUNS...", nargs=-1, required=True)
@click.option(
    "--from",
    "folders",
    type=click.Path(path_type=Path),
    metavar="DIR",
    multiple=True,
    help="Where the runs of a suite are looked for. Repeatable. [default: runs]",
)
@click.option(
    "--parameter",
    "parameters",
    metavar="NAME",
    multiple=True,
    help="What to draw accuracy against. Repeatable. [default: LPA3.margin and LPA3.ratio]",
)
@click.option(
    "--metric",
    metavar="METRIC.RULE",
    help="The score that is drawn, such as accuracy.last or nll.val_selected; without it the metric that the "
    "runs select by, after the last epoch.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE", default=Path("sensitivity"), show_default=True,
    help="FILE.svg and FILE.png are written.",
)  # fmt: skip
@plugin_option
@json_option
def command(
    sources: tuple[str, ...],
    folders: tuple[Path, ...],
    parameters: tuple[str, ...],
    metric: str | None,
    out: Path,
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Accuracy against LP-A3's margin and ratio (Fig. 5).

    Of a suite file (suites/digits_sensitivity) the runs of its cells and seeds are looked for in --from DIR;
    otherwise these are run directories, folders of them, or records. A line joins runs that differ in the
    parameter alone; the band is the same task without the augmenter.
    """
    from lpa3bench.boards.measures import chosen_measure
    from lpa3bench.records import read_records
    from lpa3bench.report.figures.sensitivity import (
        SENSITIVITY_PARAMETERS,
        as_data,
        draw_sensitivity,
        sensitivity_lines,
    )

    places = [Path(text) for text in sources if _is_place(text)]
    suites = [resolve_config(text) for text in sources if not _is_place(text)]
    if folders and not suites:
        raise UsageError("--from goes with a suite file; name folders of runs as they are")
    records = read_records(places)
    if suites:
        within = read_records(folders or (Path("runs"),))
        for suite in suites:
            records += _of_suite(suite, within, plugins)
    shown = parameters or SENSITIVITY_PARAMETERS
    files = draw_sensitivity(records, out, parameters=shown, metric=metric)
    if not as_json:
        click.echo("\n".join(map(str, files)))
        return
    key = chosen_measure(metric, records).key
    found = [line for parameter in shown for line in sensitivity_lines(records, parameter, key)]
    told = {"files": [str(file) for file in files], "lines": [as_data(line) for line in found]}
    click.echo(json.dumps(told, indent=1))


def _is_place(text: str) -> bool:
    """Whether it is a folder or a record, and no gin file."""
    path = Path(text)
    return path.is_dir() or path.suffix == ".json"


def _of_suite(path: Path, records: Sequence[Record], plugins: tuple[Path, ...]) -> list[Record]:
    """The records whose config and seed the suite lists."""
    from lpa3bench.plugin.registry import load_registry as load_plugins
    from lpa3bench.suites import is_suite, read_suite

    if not is_suite(path):
        raise UsageError(f"{path}: is no suite file; give one, or the folders of runs")
    suite = read_suite(path)
    registry = load_plugins(plugins).with_files(suite.plugins)
    wanted = []
    for cell in suite.cells:
        config = suite.complete(cell, registry).load(registry)
        wanted.append({v.name: v.text for v in config.values if not v.name.startswith("run.setting")})
    found = [r for r in records if r.config in wanted and r.seed in suite.seeds]
    expected = len(suite.cells) * len(suite.seeds)
    if not found:
        raise DataError(
            f"{path}: none of its {expected} runs is there; run the suite first, or give --from DIR"
        )
    if len(found) < expected:
        say(f"{path.name}: {len(found)} of {expected} runs are there", err=True)
    return found
