"""`lpa3bench suite`: every cell of a suite with every seed, however often it is interrupted."""

from __future__ import annotations

import json
import os
import signal
from contextlib import closing, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from lpa3bench.cli.options import data_option, device_option, grid_options, json_option, plugin_option
from lpa3bench.cli.terminal import say, width
from lpa3bench.errors import DataError, Stopped, TryAgain, UsageError, error_line, printable
from lpa3bench.runtime.paths import config_names, data_root, resolve_config, suite_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lpa3bench.plugin.registry import Registry
    from lpa3bench.suites.engine import Engine
    from lpa3bench.suites.execution import SuiteResult
    from lpa3bench.suites.forked_run import ForkServer
    from lpa3bench.suites.overview import SuiteOverview
    from lpa3bench.suites.plan import CellPlan, Planner
    from lpa3bench.suites.suite_run import SuiteRun

FAILED = 6
"""The exit code of a suite that went to its end, and not every run did."""
THREADS = "OMP_NUM_THREADS"


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Shipped suites and configs, and the shell's own completion of paths."""
    shipped = (*suite_names(), *config_names())
    names = [CompletionItem(name) for name in shipped if name.startswith(incomplete)]
    return [CompletionItem(incomplete, type="file"), *names]


@click.command()
@click.argument(
    "file", callback=lambda ctx, param, text: resolve_config(text), shell_complete=_complete, metavar="FILE"
)
@grid_options
@click.option(
    "--engine",
    type=click.Choice(("local", "ray", "slurm")),
    default="local",
    show_default=True,
    help="Who runs them: processes on this machine, Ray, or Slurm (the extras `ray` and `slurm`).",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    help="Runs at once. [default: one for each GPU, else for each core; with Ray as many as have room, "
    "with Slurm 256]",
)
@click.option("--address", metavar="ADDR", help="Join the Ray cluster there instead of starting one here.")
@click.option(
    "--sbatch",
    metavar="OPTION=VALUE",
    multiple=True,
    help="An option of Slurm's sbatch for every job: time=4:00:00, partition=gpu, gpus=1. Repeatable.",
)
@click.option(
    "--only",
    metavar="GLOB",
    multiple=True,
    help="Only the cells, as written, or runs, by name, that fit this pattern, "
    "in capital or small letters. Repeatable.",
)
@click.option("--dry-run", is_flag=True, help="Print the plan and run nothing.")
@click.option(
    "--list-commands", is_flag=True, help="Print one command a line for each run that is not finished."
)
@click.option("--no-forecast", is_flag=True, help="Time no steps for the forecast of hours.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    default=Path("runs"),
    show_default=True,
    help="Where the runs' folders are made.",
)
@click.option(
    "--board",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Build a board of the finished runs there: by the board.toml in it, without one as a draft.",
)
@data_option
@device_option
@plugin_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    file: Path,
    grid: tuple[str, ...],
    seeds: str | None,
    engine: str,
    workers: int | None,
    address: str | None,
    sbatch: tuple[str, ...],
    only: tuple[str, ...],
    dry_run: bool,
    list_commands: bool,
    no_forecast: bool,
    out: Path,
    board: Path | None,
    data: Path | None,
    device: str,
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Train every cell of a suite with every seed.

    FILE is a suite file or the name of a shipped one (suites/digits); with --seeds also a config
    (quickstart), of which --grid makes many cells. Finished runs are not run again,
    interrupted ones go on where they were, and one that fails does not keep the others: the same command goes
    on until all is done. Exits with 6 where some runs failed, with 75 where other processes hold all that is
    left, or Ray or Slurm lost it.
    """
    from lpa3bench.plugin.registry import load_registry
    from lpa3bench.runtime.shared_locks import why_locks_are_local
    from lpa3bench.suites import check_suite, parse_axis, parse_seeds
    from lpa3bench.suites.execution import finished_result, with_chosen_runs
    from lpa3bench.suites.forecast import forecast_suite
    from lpa3bench.suites.overview import SuiteOverview
    from lpa3bench.suites.plan import Planner, is_pending, matching_plans

    if address is not None and engine != "ray":
        raise UsageError("--address: is Ray's; add --engine ray")
    if sbatch and engine != "slurm":
        raise UsageError("--sbatch: is Slurm's; add --engine slurm")
    ctx.with_resource(_ignoring_hangup())  # so do the engine's own processes, which inherit it
    wanted: Any = {"axes": [*map(parse_axis, grid)], "seeds": parse_seeds(seeds) if seeds else ()}
    early = ctx.with_resource(
        _fork_server_for(file, out, wanted)
        if engine == "local" and not (dry_run or list_commands)
        else nullcontext()
    )
    checked = check_suite(file, load_registry(plugins), **wanted)
    if checked.errors:
        for error in checked.errors:
            say(error_line(error), err=True)
        ctx.exit(max(error.exit_code for error in checked.errors))
    if board is not None:
        _check_board(board, checked.registry)
    plugins = tuple(dict.fromkeys((*plugins, *checked.suite.plugins)))
    options = _options(device, data, plugins)
    planner = Planner(checked.suite, checked.registry, out=out, data=data_root(data), options=options)
    plans = with_chosen_runs(planner, planner.plan(checked.cells), {}, save=not dry_run)
    plans = [*matching_plans(plans, only, checked.suite.seeds)] if only else plans
    if not plans:
        listed = "`--dry-run` without it lists the cells, with --json the names of runs too"
        raise UsageError(f"--only {' '.join(only)}: fits no cell and no run of {file}; {listed}")
    if list_commands:
        _list_commands(planner, plans)
        ctx.exit(FAILED if any(planned.problem for planned in plans) else 0)
    threads = checked.suite.threads
    if engine == "slurm":
        opening = partial(_opened_slurm, sbatch, out, workers, threads)
    else:
        opening = partial(_opened, engine, workers, address, device, threads, early)
    shared = engine == "slurm" or address is not None
    if shared and is_pending(plans) and (why := why_locks_are_local(out)):
        say(f"note: {why}; let one suite at a time work in {out}", err=True)
    with opening() if is_pending(plans) else nullcontext() as opened:
        found = forecast_suite(
            plans,
            data=planner.data,
            device=device,
            threads=threads,
            cache=out / ".cache",
            plugins=plugins,
            time_steps=not no_forecast and engine != "slurm",  # this is another machine than theirs
        )
        overview = SuiteOverview(checked.suite, plans, found, opened.capacity if opened else 0)
        if dry_run:
            say(json.dumps(overview.as_data(), indent=1) if as_json else overview.text(), as_is=as_json)
            return
        say(overview.text(), err=as_json)
        result = _run_pending(planner, overview, opened) if opened else finished_result(plans)
    told = _board(board, result, checked.registry) if board is not None else None
    say(json.dumps(_data(result, told), indent=1) if as_json else _text(result, told), as_is=as_json)
    if result.problems or any(outcome.code != TryAgain.exit_code for outcome in result.failures):
        ctx.exit(FAILED)
    if result.failures:
        ctx.exit(TryAgain.exit_code)
    if told is not None and not told["all_taken"]:
        ctx.exit(DataError.exit_code)


def _options(device: str, data: Path | None, plugins: Sequence[Path]) -> tuple[str, ...]:
    """What every run gets beside its cell and seed."""
    chosen = [("--device", device)] if device != "auto" else []
    chosen += [("--data", str(data))] if data is not None else []
    chosen += [("--plugin", str(path)) for path in plugins]
    return tuple(word for option in chosen for word in option)


def _list_commands(planner: Planner, plans: Sequence[CellPlan]) -> None:
    """For a scheduler of somebody else's: each line is a whole command for a shell."""
    from lpa3bench.suites.command_lines import command_line

    runs = {run.name: run for planned in plans for run in planned.all_runs}
    for run in runs.values():
        if run.state != "done":
            click.echo(command_line(run.arguments, _threads(planner.suite.threads)))
    for planned in plans:
        if planned.problem:
            say(error_line(f"{planned}: {planned.problem}"), err=True)
        elif planned.is_unchosen:
            say(f"{planned}: trials only; the same command lists its runs when they are done", err=True)


def _opened(
    name: str,
    workers: int | None,
    address: str | None,
    device: str,
    threads: int,
    server: ForkServer | None,
) -> closing[Engine]:
    """The engine of that name, started.

    Args:
        server: of the local engine, where it was started before.

    Raises:
        UsageError: Ray is not installed or not there, or no machine has room for a run.
    """
    if name == "ray":
        from lpa3bench.suites.ray_engine import connect_ray

        return closing(connect_ray(address, workers=workers, threads=threads, device=device))
    from lpa3bench.runtime.device import gpus, usable_cores
    from lpa3bench.suites.forked_run import fork_server, modules_to_share
    from lpa3bench.suites.local_engine import LocalEngine

    here = gpus(device)
    server = None if here else server or fork_server(_threads(threads))
    if server is not None:
        server.preload(modules_to_share())
    return closing(LocalEngine(workers or len(here) or max(1, usable_cores() // threads), here, server))


def _opened_slurm(sbatch: Sequence[str], out: Path, workers: int | None, threads: int) -> closing[Engine]:
    from lpa3bench.suites.slurm_engine import connect_slurm, sbatch_options

    return closing(connect_slurm(sbatch_options(sbatch), out=out, workers=workers, threads=threads))


@contextmanager
def _fork_server_for(file: Path, out: Path, wanted: dict[str, Any]) -> Iterator[ForkServer | None]:
    """What starts the suite's runs, importing what they need while they are being planned.

    None where it may not be needed: as many runs are done as the suite has.
    """
    from lpa3bench.suites.forked_run import fork_server
    from lpa3bench.suites.suite_file import read_suite_and_errors

    suite, errors = read_suite_and_errors(file, **wanted)
    all_may_be_done = sum(1 for _ in out.glob("*/result.json")) >= len(suite.cells) * len(suite.seeds)
    server = None if errors or all_may_be_done else fork_server(_threads(suite.threads))
    with closing(server) if server is not None else nullcontext():
        yield server


def _threads(number: int) -> dict[str, str]:
    """What tells the libraries of a run how many threads to start."""
    return {THREADS: str(number)}


@contextmanager
def _ignoring_hangup() -> Iterator[None]:
    """Inside, this process and those it starts go on when the terminal is closed."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def _run_pending(planner: Planner, overview: SuiteOverview, engine: Engine) -> SuiteResult:
    """Do all runs that are not done.

    Raises:
        Stopped: a signal came; the runs were stopped by it too.
    """
    from lpa3bench.runtime.signals import Interrupts
    from lpa3bench.suites.execution import run_suite
    from lpa3bench.suites.progress import progress_display
    from lpa3bench.suites.run_queue import RunQueue, launch_from_here

    environment = _threads(planner.suite.threads)
    environment |= {name: os.environ[name] for name in ("LPA3BENCH_DATA",) if name in os.environ}
    with (
        Interrupts(then=engine.on_stop) as interrupts,
        closing(progress_display(engine.capacity)) as display,
    ):
        queue = RunQueue(engine, display, interrupts, launch_from_here(environment))
        result = run_suite(planner, overview.plans, overview.forecast, queue)
    if interrupts.received is not None:
        name = signal.Signals(interrupts.received).name
        raise Stopped(
            f"{name} received: {result.count('done')} runs are done, {result.count('stopped')} are not; "
            f"{engine.after_stop}",
            interrupts.received,
        )
    return result


def _done(result: SuiteResult) -> list[SuiteRun]:
    return [outcome.run for outcome in result.outcomes if outcome.status == "done"]


def _check_board(folder: Path, registry: Registry) -> None:
    """Raise before the runs, and not after them, what no board can be built for there."""
    from lpa3bench.boards.definition import BOARD_TOML, load_definition
    from lpa3bench.boards.intake import check_takes_records
    from lpa3bench.plugin.renames import current_names

    above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise UsageError(f"--board {folder}: {above} takes no files; name another folder")
    if (folder / BOARD_TOML).exists():
        check_takes_records(load_definition(folder, current_names(registry)))


def _board(folder: Path, result: SuiteResult, registry: Registry) -> dict[str, Any] | None:
    """Build the board of the runs that are done, beside what it has; None where none is."""
    from lpa3bench.boards.definition import BOARD_TOML
    from lpa3bench.cli.leaderboard import take_into_board

    places = tuple(run.folder.path for run in _done(result) if run.purpose == "result")
    draft = not (folder / BOARD_TOML).exists()
    return take_into_board(folder, places, registry, draft=draft) if places else None


def _text(result: SuiteResult, board: dict[str, Any] | None) -> str:
    """What became of all, for people: what the cells came to, and failures by cell and cause."""
    from lpa3bench.suites.cell_results import cell_results, cell_table
    from lpa3bench.suites.overview import told_once

    cells, measures = cell_results(_done(result))
    lines = ["", *cell_table(cells, measures, width()).split("\n"), ""] if cells else []
    if board is not None:
        lines += [f"board: {page}" for page in board["pages"] if page.endswith(".html")]
    lines.append(f"{result.count('done')} of {len(result.outcomes)} runs are done")
    for outcome in result.failures:
        run = outcome.run
        lines.append(f"{outcome.status}  {run.cell}  seed {run.seed}: {outcome.cause}")
        if outcome.status == "failed":
            lines.append(f"        what it printed: {run.log}")
    lines += (f"bad draw  {o.run.cell}  seed {o.run.seed}: {o.cause}" for o in result.bad_draws)
    lines += (f"not run  {line}" for line in told_once(result.problems))
    return "\n".join(map(printable, lines))


def _data(result: SuiteResult, board: dict[str, Any] | None) -> dict[str, Any]:
    from lpa3bench.suites.cell_results import cell_data, cell_results
    from lpa3bench.suites.overview import outcome_data

    return {
        "runs": [outcome_data(outcome) for outcome in result.outcomes],
        "cells": cell_data(cell_results(_done(result))[0]),
        "bad_draws": [outcome_data(outcome) for outcome in result.bad_draws],
        "problems": result.problems,
        "board": board and {name: value for name, value in board.items() if name != "all_taken"},
    }
