"""Says why an earlier run is taken up or not."""

from __future__ import annotations

import json

from lpa3bench.training.identity import differences
from lpa3bench.training.job import Job, plan
from lpa3bench.training.run_directory import RunDirectory


def explain(job: Job) -> list[str]:
    """What `run` would do with the job, and how every run of the same cell and seed differs from it.

    Raises:
        RunFailed: its record is damaged, as `run` would find.
    """
    planned = plan(job)
    folder = planned.folder
    if folder.record() is not None:
        lines = [f"{folder.path}: finished, so not run again (--fresh runs it again)"]
    elif paths := folder.checkpoints.paths():
        lines = [f"{folder.path}: begun, goes on from {paths[-1].name}"]
    else:
        lines = [f"{folder.path}: not there yet, starts from the beginning"]
    # Eight digits of identity, so that no cell is taken whose name goes on where this one's ends.
    for other in sorted(job.out.glob(f"{planned.cell}-{'[0-9a-f]' * 8}-s{job.seed}")):
        known = RunDirectory(other)
        if other != folder.path and known.env.exists():
            before = json.loads(known.env.read_text())["identity"]
            lines += [f"{other}: another run", *(f"  {d}" for d in differences(before, planned.identity))]
    return lines
