"""`lpa3bench figure information`: what trained representations still tell of label and nuisances."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lpa3bench.cli.options import data_option, device_option, figure_out_option, json_option, plugin_option
from lpa3bench.cli.terminal import say
from lpa3bench.errors import DataError
from lpa3bench.runtime.paths import data_root

if TYPE_CHECKING:
    from lpa3bench.records import Record
    from lpa3bench.report.figures.measured_bits import MeasuredBits, MeasuredRun


@click.command()
@click.argument(
    "sources",
    metavar="RUNS_OR_FILE...",
    type=click.Path(path_type=Path, exists=True),
    nargs=-1,
    required=True,
)
@click.option(
    "--known",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A FILE.json of before: runs that stand there are not measured again.",
)
@device_option
@data_option
@plugin_option
@figure_out_option("information", "FILE.json with every number, ")
@json_option
def command(
    sources: tuple[Path, ...],
    known: Path | None,
    device: str,
    data: Path | None,
    plugins: tuple[Path, ...],
    out: Path,
    as_json: bool,
) -> None:
    """Bits of label and nuisances in trained representations.

    RUNS are directories of finished runs on a data set whose nuisances are known, or folders of them: those
    of suites/nuisances. Of each the weights of the last epoch are taken, and small probes are trained to read
    the label and each nuisance off what the network's linear head reads: about twenty seconds a run. A
    FILE.json written before is drawn again, without runs, data or PyTorch.
    """
    from lpa3bench.report.figures.information_figure import draw_information
    from lpa3bench.report.figures.measured_bits import (
        difference_table,
        information_of,
        information_table,
        read_bits,
    )

    if len(sources) == 1 and sources[0].suffix == ".json":
        file = read_bits(sources[0])
    else:
        file = _measured(sources, read_bits(known) if known else None, device, data_root(data), plugins)
    files = draw_information(file, out)
    if as_json:
        click.echo(json.dumps({"files": [str(path) for path in files], **json.loads(file.text())}, indent=1))
        return
    found = information_of(file)
    click.echo(f"{information_table(found)}\n\n{difference_table(found)}\n")
    click.echo("\n".join(map(str, files)))


def _measured(
    places: Sequence[Path], known: MeasuredBits | None, device: str, root: Path, plugins: tuple[Path, ...]
) -> MeasuredBits:
    """Every run measured that is not known."""
    from lpa3bench.analysis.representation import dataset_of, measure_images, measure_representation
    from lpa3bench.analysis.trained_run import open_run
    from lpa3bench.plugin.registry import load_registry
    from lpa3bench.records import read_records
    from lpa3bench.report.figures.measured_bits import (
        INFORMATION_VERSION,
        MeasuredArm,
        MeasuredBits,
        MeasuredRun,
        MeasuredTarget,
        arms_of,
    )

    registry = load_registry(plugins)
    arms = arms_of(read_records(places))
    done = {run.run: run for arm in known.arms for run in arm.runs} if known else {}
    records = [record for *_, several in arms for record in several]
    folders = {str(record): _folder(record) for record in records if str(record) not in done}
    count = 0
    its_images = known is not None and len(folders) < len(records)  # else it may be of another data set
    shown = (known.targets, known.images) if known and its_images else None

    def measured(record: Record, role: str) -> MeasuredRun:
        nonlocal count, shown
        count += 1
        if (name := str(record)) in done:
            return done[name]
        say(f"{count}/{len(records)} {name}", err=True)
        trained = open_run(folders[name], data=root, device=device, registry=registry)
        for line in trained.changed:
            say(f"{name}: since the run: {line}", err=True)
        if shown is None:
            told = measure_images(dataset_of(trained), device=trained.device)
            shown = tuple(MeasuredTarget(**one) for one in told["targets"]), told["images"]
        found = measure_representation(trained, calibrate=role == "baseline")
        return MeasuredRun(run=name, seed=record.seed, **found)

    measured_arms = tuple(
        MeasuredArm(name, role, tuple(measured(record, role) for record in several))
        for name, role, several in arms
    )
    assert shown is not None
    return MeasuredBits(
        version=INFORMATION_VERSION,
        dataset=records[0].cell.dataset,
        targets=shown[0],
        images=shown[1],
        arms=measured_arms,
    )


def _folder(record: Record) -> Path:
    """Its run directory."""
    folder = record.path.parent
    if record.path.name != "result.json" or not (folder / "env.json").is_file():
        raise DataError("is a record without its run, and its network is needed", path=record.path)
    return folder
