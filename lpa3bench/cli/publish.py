"""`lpa3bench publish`: run directories, replayed into Weights & Biases."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lpa3bench.cli.options import data_option, json_option, plugin_option
from lpa3bench.cli.terminal import say
from lpa3bench.errors import BenchError, DataError, RunFailed, TryAgain, error_line

if TYPE_CHECKING:
    from lpa3bench.publish.upload import UploadResult
    from lpa3bench.publish.wandb_run import WandbRun

PublishVerb = TypeVar("PublishVerb", bound=Callable[..., Any])
SECONDS = 120.0
NICE = 10
"""Lowers the priority of `--follow`, so that training comes first."""


def target_options(function: PublishVerb) -> PublishVerb:
    """`--project --entity --offline --timeout`, of every verb that uploads to W&B."""
    function = click.option(
        "--timeout",
        type=click.FloatRange(1),
        default=SECONDS,
        show_default=True,
        metavar="S",
        help="Seconds that one upload may take (then exit code 75), and the images of one run.",
    )(function)
    function = click.option("--offline", is_flag=True, help="Write W&B's offline files, upload nothing.")(
        function
    )
    function = click.option(
        "--entity", metavar="E", help="W&B's entity. [default: $WANDB_ENTITY, else yours]"
    )(function)
    return click.option(
        "--project", metavar="P", help="W&B's project. [default: $WANDB_PROJECT, else lpa3bench]"
    )(function)


@click.command()
@click.argument(
    "runs",
    metavar="RUN...",
    nargs=-1,
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
)
@target_options
@click.option("--follow", is_flag=True, help="Publish a run while it is under way, until it is over.")
@click.option("--no-images", is_flag=True, help="Leave out the images of augmentations.")
@data_option
@plugin_option
@json_option
def command(
    runs: tuple[Path, ...],
    project: str | None,
    entity: str | None,
    offline: bool,
    timeout: float,
    follow: bool,
    no_images: bool,
    data: Path | None,
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Replay finished or running runs into Weights & Biases.

    Each RUN is a run directory; other folders are passed over. It has a fixed id at W&B, so publishing again
    changes nothing, and what broke off half-way is completed. Where one of many fails the others go on.
    WANDB_... variables are honoured. Without a key everything is written offline.
    """
    from lpa3bench.errors import UsageError
    from lpa3bench.publish.following import follow_run
    from lpa3bench.publish.target import Deadline, Target
    from lpa3bench.publish.upload import upload

    if follow and len(runs) > 1:
        raise UsageError("--follow takes one RUN; start a process for each")
    if switched_off():
        return
    target = Target(project=project, entity=entity, offline=offline)
    outcomes: list[dict[str, Any]] = []
    failures: list[BenchError] = []
    for run in _run_directories(runs):
        last = partial(_read_whole, run, images=not no_images, data=data, plugins=plugins, timeout=timeout)
        try:
            if follow:
                os.nice(NICE)
                done = follow_run(run, target, timeout=timeout, last=last, tell=_tell)
            else:
                done = upload(last(), run, target, Deadline(timeout))
        except BenchError as error:
            if len(runs) == 1:
                raise
            _tell(error_line(f"{run}: {error}"))
            failures.append(error)
            outcomes.append({"run": str(run), "status": "failed", "error": str(error)})
            continue
        outcomes.append({"run": str(run), **asdict(done)})
        if not as_json:
            say(f"{run}: {result_line(done)}")
        advise(done, f"lpa3bench publish {run}")
    if as_json:
        click.echo(json.dumps(outcomes, indent=1))
    if failures:
        _tell(f"{len(failures)} of {len(outcomes)} were not published")
        raise SystemExit(_worst(failures))


def _run_directories(paths: tuple[Path, ...]) -> list[Path]:
    """The run directories among them; other folders, `runs/search` say, and runs that only served a
    measurement are named on stderr and passed over.

    Raises:
        RunFailed: there is no run directory.
        DataError: there is no result among them.
    """
    from lpa3bench.training.run_directory import RunDirectory

    runs = [path for path in paths if RunDirectory(path).env.exists()]
    if not runs:
        name = RunDirectory(paths[0]).env.name
        below = any(paths[0].glob(f"*/{name}"))
        hint = f", which is in folders below; name these: {paths[0]}/*" if below else ""
        raise RunFailed(f"{paths[0]}: is no run directory: there is no {name}{hint}")
    for path in paths:
        if path not in runs:
            _tell(f"{path}: is no run directory, passed over")
    aids = {path: why for path in runs if (why := _no_evidence(path))}
    if len(aids) == len(runs):
        raise DataError(f"{runs[0]}: is no result: {aids[runs[0]]}")
    for path, why in aids.items():
        _tell(f"{path}: {why}, passed over")
    return [path for path in runs if path not in aids]


def _no_evidence(path: Path) -> str | None:
    """What a run is, finished or not, that was not made for its result; what is damaged is told of later."""
    from lpa3bench.records.record import NO_RESULT
    from lpa3bench.training.run_directory import RunDirectory

    folder = RunDirectory(path)
    try:
        record = folder.record()
        purpose = folder.beginning().purpose if record is None else record.data.purpose
    except RunFailed:
        return None
    return NO_RESULT.get(purpose)


def _worst(failures: Sequence[BenchError]) -> int:
    """The exit code of many: what no repetition mends comes before what one may mend."""
    lasting = [error.exit_code for error in failures if not isinstance(error, TryAgain)]
    return max(lasting, default=TryAgain.exit_code)


def _read_whole(
    run: Path, *, images: bool, data: Path | None, plugins: tuple[Path, ...], timeout: float
) -> WandbRun:
    """What a run holds, with its images made first."""
    from lpa3bench.publish.from_run_directory import read_run
    from lpa3bench.publish.run_images import make_images
    from lpa3bench.publish.target import Deadline

    if images:
        make_images(run, data=data, plugins=plugins, deadline=Deadline(timeout), tell=_tell)
    return read_run(run, images=images)


def switched_off() -> bool:
    """Whether WANDB_MODE switches W&B off; says so."""
    from lpa3bench.publish.target import is_disabled

    if off := is_disabled():
        say("nothing is published: WANDB_MODE=disabled", err=True)
    return off


def result_line(done: UploadResult) -> str:
    """For people: "published as https://…"."""
    where = f" as {done.url}" if done.url else ""
    if done.status == "offline":
        return f"written offline to {done.folder}"
    return f"published{where}" if done.status == "published" else f"published before{where}, nothing to do"


def advise(done: UploadResult, command: str) -> None:
    """One line on stderr where nothing but a key is missing."""
    if done.keyless:
        _tell(f"no W&B key, so nothing was uploaded; `wandb login` or WANDB_API_KEY, then `{command}`")


def _tell(line: str) -> None:
    say(line, err=True)
