"""A job: a config with all that the command line adds to it; and what it means on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lpa3bench.config import Config
from lpa3bench.config.cell import name_of_cell
from lpa3bench.config.experiment import Experiment
from lpa3bench.errors import ConfigError, RunFailed
from lpa3bench.records import Record
from lpa3bench.records.schema import Purpose, RunIdentity
from lpa3bench.runtime import device as devices
from lpa3bench.training import identity as identities
from lpa3bench.training.run_directory import RunDirectory, found_folder
from lpa3bench.training.training_data import TrainingData, prepare

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to run."""

    config: Config
    seed: int = 0
    device: str = "auto"
    data: Path
    """The data folder."""
    out: Path
    """Where the run's folder is made."""
    limit: int | None = None
    """Train on so many images only, and score on no more."""
    purpose: Purpose = "result"
    """What its record is for: a run that only serves a measurement is no result."""
    fresh: bool = False
    """Start over, whatever an earlier run left."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A job with its plugins built, its data loaded and its run directory named."""

    experiment: Experiment
    device: torch.device
    data: TrainingData
    identity: RunIdentity
    cell: str
    folder: RunDirectory

    def record(self) -> Record | None:
        """The record of the run, where it is finished.

        Raises:
            RunFailed: the record in its directory is damaged, or that of another run.
        """
        record = self.folder.record()
        if record is not None and record.identity != self.identity.short:
            raise RunFailed(
                f"{self.folder.result}: is the record of another run ({record}); start over with --fresh",
                kind="damaged",
            )
        return record


def plan(job: Job) -> Plan:
    """Build the experiment, load the data, and work out which run it is. Writes nothing.

    Raises:
        ConfigError: the config or the combination of plugins is wrong.
        DataError: the data set is missing or damaged.
        UsageError: the device is not there.
    """
    experiment = job.config.experiment()
    device = devices.choose_device(job.device)
    try:
        data = prepare(
            experiment,
            root=job.data,
            seed=job.seed,
            device=device,
            cache=cache_in(job.out),
            limit_to=job.limit,
        )
    except ConfigError as error:
        raise job.config.located(error) from error
    content = label_content(experiment, job.data, job.seed)
    identity = identify(job.config, data_hash=data.data_hash, content=content, limit=job.limit)
    cell = name_of_cell(job.config)
    return Plan(
        experiment=experiment,
        device=device,
        data=data,
        identity=identity,
        cell=cell,
        folder=RunDirectory(found_folder(job.out, run_name(cell, identity, job.seed))),
    )


def cache_in(out: Path) -> Path:
    """The folder beside the runs in `out` that data sets may keep files in."""
    return out / ".cache"


def label_content(experiment: Experiment, root: Path, seed: int) -> bytes:
    """What the labels of a run with this seed read from the disk."""
    return b"" if experiment.labels is None else experiment.labels.content(root, seed)


def identify(config: Config, *, data_hash: str, content: bytes, limit: int | None = None) -> RunIdentity:
    """What defines a run of the config, beside its seed, on a data set of that hash and with such labels."""
    return identities.identity(
        config=config.identity_config,
        plugins=config.plugins,
        data_hash=data_hash,
        label_content=content,
        limit=limit,
    )


def run_name(cell: str, identity: RunIdentity, seed: int) -> str:
    """What the folder of a run is called."""
    return f"{cell}-{identity.short}-s{seed}"
