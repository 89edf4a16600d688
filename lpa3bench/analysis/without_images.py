"""A run opened without its images: what its directory tells of them is enough to predict new ones."""

from __future__ import annotations

from pathlib import Path

import torch

from lpa3bench.api import DatasetSpec, LabelSet, TrainLabels
from lpa3bench.config.experiment import Experiment
from lpa3bench.data.data_summary import DataSummary
from lpa3bench.data.image_store import ImageStore
from lpa3bench.errors import DataError, RunFailed
from lpa3bench.runtime.paths import data_root
from lpa3bench.runtime.sealed_files import read_arrays
from lpa3bench.training.run_directory import Beginning, RunDirectory
from lpa3bench.training.training_data import TrainingData


def tells_of_data(path: Path) -> bool:
    """Whether a run directory says what its data set is, so that it can be opened without it.

    Raises:
        RunFailed: it is no run directory, or is damaged.
    """
    return RunDirectory(path).beginning().spec is not None


def data_wanted(path: Path, named: Path | None) -> Path | None:
    """The data folder that a run directory is opened with; None: it tells enough, and no folder was named.

    Raises:
        RunFailed: as `tells_of_data`.
    """
    return None if named is None and tells_of_data(path) else data_root(named)


class _NoImages(ImageStore):
    """Stands for so many training images that nobody looks at."""

    def __init__(self, count: int, experiment: Experiment, spec: DatasetSpec, device: torch.device) -> None:
        size = experiment.dataset.decoder.size
        images = torch.zeros((1, spec.channels, size, size), dtype=torch.uint8)
        super().__init__(images, spec.weak, device, resize=experiment.resize)
        self._count = count


def without_images(
    folder: RunDirectory, began: Beginning, experiment: Experiment, device: torch.device
) -> TrainingData:
    """What a run was trained on, as far as its directory tells.

    Raises:
        RunFailed: it was begun by an engine that did not write down what the data set is.
        DataError: its labels are gone or damaged.
    """
    if began.spec is None:
        raise RunFailed(f"{folder.path}: does not say what its data set is, as runs do now; give --data")
    try:
        held = {name: torch.from_numpy(array) for name, array in read_arrays(folder.labels).items()}
        given, labelled, index = held["given"], held["labelled"], held["index"]
        labels = TrainLabels(given[index].to(device), labelled[index].to(device))
    except (OSError, KeyError, IndexError, TypeError) as error:
        raise DataError(f"damaged or gone ({type(error).__name__})", path=folder.labels) from error
    return TrainingData(
        spec=began.spec,
        store=_NoImages(len(index), experiment, began.spec, device),
        labels=labels,
        label_set=LabelSet(given, labelled, {}),
        index=index,
        scored={},
        data_hash=began.identity.data,
        label_hash="",
        summary=DataSummary(images={}, duplicates={}, found={}),
    )
