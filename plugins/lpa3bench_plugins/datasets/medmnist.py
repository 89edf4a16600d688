"""The single-label 2-D sets of MedMNIST v2 (Yang et al., 2023).

Classes, counts, addresses and checksums come from the medmnist package. It is read, not imported: importing
it makes a folder in the user's home.
"""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from lpa3bench.api import Dataset, DatasetSpec, Presence, Split, WeakView
from lpa3bench.data.array_files import read_npz, whole_numbers
from lpa3bench_plugins.datasets.files import (
    check_md5,
    check_normalisation,
    damaged,
    fetching,
    missing_files,
    other_files,
    presence_of_files,
    whole,
)


@cache
def catalogue() -> dict[str, dict[str, Any]]:
    """medmnist's `INFO`: by lower-case name, what each set is.

    Raises:
        ModuleNotFoundError: medmnist is not installed, or does not keep `INFO` where it used to.
    """
    package = find_spec("medmnist")
    for folder in (package and package.submodule_search_locations) or ():
        for statement in ast.parse((Path(folder) / "info.py").read_text(encoding="utf-8")).body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "INFO":
                found: dict[str, dict[str, Any]] = ast.literal_eval(statement.value)
                return found
    raise ModuleNotFoundError("no table INFO in medmnist/info.py; is medmnist installed?", name="medmnist")


class MedMNIST(Dataset):
    """What the sets have in common; the class of a set is its name. Official train, val and test splits.

    The file is `<name>.npz` in the data folder, `<name>_64.npz` and so on for larger images. The published
    protocol has no weak view and normalises by (x − 0.5)/0.5.

    Args:
        size: side of the images. All of them are held in memory: the larger versions of the larger sets take
            gigabytes.
        as_rgb: make three equal channels of a grey one, as MedMNIST's published baselines do.
        mean: of images in [0, 1]; None: 0.5 for each channel.
        std: as `mean`.
    """

    paper = "https://doi.org/10.1038/s41597-022-01721-8"

    def __init__(
        self,
        *,
        size: Literal[28, 64, 128, 224] = 28,
        as_rgb: bool = True,
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
    ) -> None:
        if size not in (28, 64, 128, 224):
            raise ValueError(f"size: must be 28, 64, 128 or 224, not {size}")
        self.name = type(self).__name__
        self.info = catalogue()[self.name.lower()]
        self.train_images = int(self.info["n_samples"]["train"])
        self.size = size
        self.channels = 3 if as_rgb else int(self.info["n_channels"])
        self.mean = (0.5,) * self.channels if mean is None else tuple(mean)
        self.std = (0.5,) * self.channels if std is None else tuple(std)
        check_normalisation(self.mean, self.std, self.channels)
        self._suffix = "" if size == 28 else f"_{size}"
        self._asked_for = self.name if size == 28 else f"{self.name} -p {self.name}.size={size}"

    @property
    def spec(self) -> DatasetSpec:
        names = self.info["label"]
        return DatasetSpec(
            name=self.name,
            num_classes=len(names),
            class_names=tuple(names[str(label)] for label in range(len(names))),
            channels=self.channels,
            size=self.size,
            mean=self.mean,
            std=self.std,
            label_kind=self.info["task"],
            weak=WeakView(flip=False, pad=0, mode="constant"),
        )

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        path = self._path(root)
        if not path.is_file():
            raise missing_files(self._asked_for, path.name, root)
        try:
            return {split: self._split(path, split) for split in self.info["n_samples"]}
        except (OSError, ValueError) as error:
            raise damaged(self._asked_for, path, root, " ".join(str(error).split())) from error

    def present(self, root: Path) -> Presence:
        return presence_of_files(self._found(root), dict(self.info["n_samples"]))

    def verify(self, root: Path) -> dict[str, int]:
        """Check the MD5 of the file against the official one, and count."""
        check_md5(self._asked_for, self._path(root), root, self.info[f"MD5{self._suffix}"])
        return super().verify(root)

    def unofficial(self, root: Path) -> str | None:
        return other_files({self._path(root): self.info[f"MD5{self._suffix}"]})

    def download(self, root: Path) -> None:
        """By the call that the medmnist package makes, with its address and checksum."""
        from torchvision.datasets.utils import download_url

        with fetching(self.name, root):
            download_url(
                self.info[f"url{self._suffix}"],
                str(root),
                filename=self._path(root).name,
                md5=self.info[f"MD5{self._suffix}"],
            )

    def _found(self, root: Path) -> Iterator[Path]:
        path = whole(self._asked_for, self._path(root), root, at_least=1)
        if not zipfile.is_zipfile(path):  # its table of contents stands at the end
            raise damaged(self._asked_for, path, root, "it is no whole .npz file")
        yield path

    def _path(self, root: Path) -> Path:
        return root / f"{self.name.lower()}{self._suffix}.npz"

    def _split(self, path: Path, split: str) -> Split:
        """One split; ValueError where it is not what the catalogue says."""
        import torch

        count, channels = self.info["n_samples"][split], self.info["n_channels"]
        images = read_npz(path, f"{split}_images")
        labels = whole_numbers(read_npz(path, f"{split}_labels"), f"{split}_labels")
        shape = (count, self.size, self.size, *((3,) if channels == 3 else ()))
        if images.dtype != np.uint8 or images.shape != shape:
            raise ValueError(f"{split}_images is {images.dtype} {images.shape}, not uint8 {shape}")
        if labels.shape != (count, 1) or labels.min() < 0 or labels.max() >= len(self.info["label"]):
            raise ValueError(f"{split}_labels is not {count} classes")
        pixels = torch.from_numpy(images.reshape(count, self.size, self.size, channels)).permute(0, 3, 1, 2)
        pixels = pixels.expand(-1, self.channels, -1, -1).contiguous()
        return Split(pixels, torch.from_numpy(labels[:, 0].astype(np.int64)))


class PathMNIST(MedMNIST):
    """Nine kinds of tissue in colon pathology; colour."""


class DermaMNIST(MedMNIST):
    """Seven kinds of pigmented skin lesion under the dermatoscope; colour."""


class OCTMNIST(MedMNIST):
    """Four diagnoses in retinal optical coherence tomography; grey. Its test split has 1,000 images."""


class PneumoniaMNIST(MedMNIST):
    """Pneumonia or not, in chest X-rays of children; grey, two classes."""


class RetinaMNIST(MedMNIST):
    """Five grades of diabetic retinopathy in fundus photographs; colour, the classes are ordered."""


class BreastMNIST(MedMNIST):
    """Malignant or not, in breast ultrasound; grey, two classes."""


class BloodMNIST(MedMNIST):
    """Eight kinds of blood cell under the microscope; colour."""


class TissueMNIST(MedMNIST):
    """Eight kinds of kidney cortex cell under the microscope; grey."""


class OrganAMNIST(MedMNIST):
    """Eleven organs in axial CT slices; grey."""


class OrganCMNIST(MedMNIST):
    """Eleven organs in coronal CT slices; grey."""


class OrganSMNIST(MedMNIST):
    """Eleven organs in sagittal CT slices; grey."""


class ChestMNIST(MedMNIST):
    """Known by name, so that whoever asks for it is told why it is not here.

    Raises:
        ValueError: always.
    """

    def __init__(self) -> None:
        raise ValueError(
            "ChestMNIST is multi-label (14 findings, any of which an image may show), and every task here "
            "gives an image one class; choose another MedMNIST set"
        )
