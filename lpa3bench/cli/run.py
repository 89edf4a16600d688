"""`lpa3bench run`: one experiment, from gin files to a record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lpa3bench.cli.options import SEED, config_options, data_option, device_option, json_option
from lpa3bench.cli.terminal import say
from lpa3bench.runtime.paths import data_root

if TYPE_CHECKING:
    from lpa3bench.config import Config
    from lpa3bench.records import Record
    from lpa3bench.records.schema import Cost, Purpose
    from lpa3bench.runtime.distributed import Processes
    from lpa3bench.training.job import Job
    from lpa3bench.training.sinks import Sink


@click.command()
@config_options
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of everything drawn.")
@device_option
@data_option
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default=Path("runs"),
    show_default=True,
    help="Where the run's folder is made.",
)
@click.option("--fresh", is_flag=True, help="Start over, whatever an earlier run of the same name left.")
@click.option("--dry-run", is_flag=True, help="One step of every phase on made-up images; writes nothing.")
@click.option("--explain", is_flag=True, help="Say why earlier runs are taken up or not; runs nothing.")
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    help="Train on N images only, and score on no more; the record is no result.",
)
@click.option(
    "--purpose",
    type=click.Choice(["result", "aid"]),
    default="result",
    show_default=True,
    help="What the record is for: an aid only serves a measurement, and boards, comparisons, figures and "
    "publishing leave it out.",
)
@click.option(
    "--download",
    is_flag=True,
    help="Fetch the data set first if it is not there; with torchrun in ten minutes, else use `data get`.",
)
@click.option(
    "--wandb",
    type=click.Choice(["online", "offline"]),
    help="Publish to W&B meanwhile, from a process of its own.",
)
@json_option
def command(
    files: tuple[Path, ...],
    setting: str | None,
    bindings: tuple[str, ...],
    plugins: tuple[Path, ...],
    seed: int,
    device: str,
    data: Path | None,
    out: Path,
    fresh: bool,
    dry_run: bool,
    explain: bool,
    limit: int | None,
    purpose: Purpose,
    download: bool,
    wandb: str | None,
    as_json: bool,
) -> None:
    """Train one experiment and write its record.

    Started by torchrun, its processes share the run.

    Each FILE is a gin file or the name of a shipped one (quickstart, cifar100_pes, augmenters/lpa3); later
    files win over earlier ones. A finished run is not run again; an interrupted one goes on where it was.
    """
    from lpa3bench import config as configs
    from lpa3bench.plugin.registry import load_registry
    from lpa3bench.runtime.distributed import joined
    from lpa3bench.training.job import Job

    with joined(device) as processes:
        with processes.agreeing():
            config = configs.load_config(
                files, setting=setting, bindings=bindings, registry=load_registry(plugins)
            )
        job = Job(
            config=config,
            seed=seed,
            device=device,
            data=data_root(data),
            out=out,
            limit=limit,
            purpose=purpose,
            fresh=fresh,
        )
        if download and not dry_run:
            processes.from_first(lambda: _fetch(job))
        if not dry_run and not explain:
            _train(job, processes, _publishing(wandb, job, plugins), as_json)
        elif processes.first:
            _print_dry_run(config, device, as_json) if dry_run else _explain(job, as_json)


def _explain(job: Job, as_json: bool) -> None:
    from lpa3bench.training.earlier_runs import explain

    lines = explain(job)
    say(json.dumps(lines, indent=1) if as_json else "\n".join(lines), as_is=as_json)


def _publishing(wandb: str | None, job: Job, plugins: tuple[Path, ...]) -> list[Sink]:
    """What publishes the run meanwhile, where `--wandb` asks for it."""
    if wandb is None:
        return []
    from lpa3bench.publish.following import FollowingProcess

    return [FollowingProcess(offline=wandb == "offline", data=job.data, plugins=plugins)]


def _train(job: Job, processes: Processes, publishing: list[Sink], as_json: bool) -> None:
    from lpa3bench.training.loop import run
    from lpa3bench.training.progress_bar import progress

    done = run(job, [*publishing, progress()] if processes.first else [], processes)
    if not processes.first:
        return
    if done.already_done:
        say("this run is finished; --fresh runs it again", err=True)
        if publishing:
            say(f"W&B: nothing was published; `lpa3bench publish {done.folder}` does so", err=True)
    assert done.record is not None
    if as_json:
        import msgspec

        click.echo(
            json.dumps({"folder": str(done.folder), **msgspec.to_builtins(done.record.data)}, indent=1)
        )
    else:
        say(record_summary(done.record))
        say(f"record         {done.folder / 'result.json'}")


def _fetch(job: Job) -> None:
    """Download the data set only where it is not there."""
    dataset = job.config.experiment().dataset
    if dataset.present(job.data).problem is not None:
        say(f"fetching {dataset.spec.name} into {job.data}", err=True)
        dataset.download(job.data)


def _print_dry_run(config: Config, device: str, as_json: bool) -> None:
    from dataclasses import asdict

    from lpa3bench.training.dry_run import try_every_phase

    done = try_every_phase(config, device=device)
    if as_json:
        click.echo(json.dumps(asdict(done), indent=1))
        return
    say(f"{'phase':<12}{'seconds':>9}{'passes':>9}{'loss':>10}")
    for cost in done.phases:
        say(f"{cost.phase.name:<12}{cost.seconds:>9.2f}{cost.passes:>9.0f}{cost.loss:>10.4f}")
    say(
        f"every phase did a step at batch {done.batch_size} (full: {done.full_batch_size}); "
        f"{done.parameters:,} parameters; nothing was written"
    )


def record_summary(record: Record) -> str:
    """The lines that a finished run prints: scores, cost and flags of its record."""
    cost = record.data.cost
    lines = [
        f"{record.name}  seed {record.seed}",
        *_scores(record),
        f"seconds        {cost.training_seconds:.1f} training, "
        f"{cost.wall_seconds.get('evaluation', 0.0):.1f} evaluation",
        f"image passes   {_thousands(_counted(cost, 'forward'))} forward, "
        f"{_thousands(_counted(cost, 'backward_weights'))} backward to the weights, "
        f"{_thousands(_counted(cost, 'backward_image'))} to the image",
        f"cost           {_thousands(cost.forward_equivalents)} forward equivalents, "
        f"{100 * (cost.augmenter_share or 0):.0f} % of them the augmenter's",
    ]
    lines += [f"note           {flag}" for flag in record.data.flags]
    return "\n".join(lines)


def _scores(record: Record) -> Iterator[str]:
    """The selecting metric by three rules, then what the others say of the last epoch."""
    from lpa3bench.records.summary import LAST, ORACLE_BEST, VAL_SELECTED

    select = record.data.select
    meanings = {
        LAST: ("last", f"{record.metrics[select].title} on the test set, last epoch"),
        VAL_SELECTED: ("val-selected", "likewise, best epoch by validation"),
        ORACLE_BEST: ("best-on-test", "looks at the test set: no number to report"),
    }
    for rule, (name, meaning) in meanings.items():
        why = record.metrics[select].undefined.get(rule)
        yield f"{name:<14} {_shown(record, select, rule):>8}  {why or meaning}"
    others = [name for name in record.metrics if name != select]
    if others:
        told = (f"{record.metrics[name].title} {_shown(record, name, LAST)}" for name in others)
        yield f"also           {', '.join(told)}"


def _shown(record: Record, metric: str, rule: str) -> str:
    value, unit = record.score(f"{metric}.{rule}"), record.metrics[metric].unit
    if value is None:
        return "–"
    return f"{100 * value:.2f}%" if unit == "%" else f"{value:.4f}{f' {unit}' if unit else ''}"


def _counted(cost: Cost, direction: str) -> int:
    """Image passes of training in one direction."""
    return sum(getattr(row, direction) for place, row in cost.passes.items() if place != "evaluation")


def _thousands(number: float) -> str:
    return f"{number:,.0f}"
