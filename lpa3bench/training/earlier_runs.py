"""Earlier runs of a cell and seed: which one a job takes up, and in what the others differ."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from lpa3bench.errors import RunFailed
from lpa3bench.training.identity import differences, in_one_line
from lpa3bench.training.job import Job, Plan, plan
from lpa3bench.training.run_directory import RunDirectory


def explain(job: Job) -> list[str]:
    """What `run` would do with the job, and how every run of the same cell and seed differs from it.

    Raises:
        RunFailed: the record of the job's own run is damaged, or all its checkpoints are.
    """
    planned = plan(job)
    folder = planned.folder
    if (record := planned.record()) is not None:
        held = "" if record.serves(job.purpose) else f" as {record.no_result}, and refused as a {job.purpose}"
        lines = [f"{folder.path}: finished{held}, so not run again (--fresh runs it again)"]
    elif newest := folder.checkpoints.newest():
        lines = [f"{folder.path}: begun, goes on from {newest[0].name}"]
    else:
        lines = [f"{folder.path}: not there yet, starts from the beginning"]
    for other in _beside(job, planned):
        lines += [f"{other.path}: another run", *(f"  {d}" for d in _changed(job, planned, other))]
    return lines


def left_behind(job: Job, planned: Plan) -> str | None:
    """The newest run of the same cell and seed that was interrupted and is not taken up, and why not."""
    found = [(path.stat().st_mtime, other) for other in _beside(job, planned) for path in _interrupted(other)]
    if not found:
        return None
    newest = max(found, key=lambda pair: pair[0])[1]
    what = in_one_line(_changed(job, planned, newest))
    return f"{newest.path} was interrupted and does not go on: it is another run ({what})"


def _interrupted(run: RunDirectory) -> list[Path]:
    """The newest checkpoint of a run that is neither finished nor under way."""
    return [] if run.is_finished() or run.in_use() else run.checkpoints.paths()[-1:]


def _beside(job: Job, planned: Plan) -> Iterator[RunDirectory]:
    """The other runs of the cell and seed."""
    # Eight digits of identity, so that no cell is taken whose name goes on where this one's ends.
    for path in sorted(job.out.glob(f"{planned.cell}-{'[0-9a-f]' * 8}-s{job.seed}")):
        other = RunDirectory(path)
        if path != planned.folder.path and other.env.exists():
            yield other


def _changed(job: Job, planned: Plan, other: RunDirectory) -> list[str]:
    try:
        before = other.beginning().identity
    except RunFailed as error:  # somebody else's trouble
        return [str(error)]
    # Those of earlier engines hold defaults too.
    before = msgspec.structs.replace(before, config=job.config.identity_config_of(before.config))
    return differences(before, planned.identity, job.config.default_text)
