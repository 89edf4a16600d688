"""A user's own images, without a plugin: a folder of class folders, or an npz."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import PIL

from lpa3bench.api import Dataset, DatasetSpec, Presence, Split, WeakView
from lpa3bench.errors import DataError
from lpa3bench_plugins.datasets.files import check_normalisation
from lpa3bench_plugins.datasets.sources import find_source, glance

if TYPE_CHECKING:
    import torch

FORMAT = "1"
"""Changes when other bytes are made of the same images, so that what lies in a cache is made anew."""
MIDDLE = 0.5
"""Mean and deviation until they are measured."""
AT_LEAST = 2
"""Classes until they are counted."""


class _Measured(NamedTuple):
    """What is known of the images once they are loaded."""

    num_classes: int
    class_names: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]


class Images(Dataset):
    """Images in `train/<class>/…`, `test/<class>/…` and, if you like, `val/<class>/…`.

    That is the layout of torchvision's ImageFolder, with its kinds of files (jpg jpeg png ppm bmp pgm tif
    tiff webp) and its order: classes and images by their names. Or an `.npz` with MedMNIST's keys
    (`train_images`, `train_labels`, `val_…`, `test_…`).

    Links are followed, but no folder is read twice. Hidden files are passed over, and so are folders that a
    system puts among the images, as `@eaDir` with its thumbnails. A run says so where it passes over files of
    other kinds, or what looks like another split, and where images of val or test are training images.

    Of each image the largest square in the middle is resized to `size`. Transparency is dropped, and a
    camera's note on how to turn the picture (EXIF) is not heeded. All images are decoded before training, so
    that one that cannot be read stops the run at once. The bytes are kept in `.cache` beside the runs, and
    made anew when a file's name, size or time has changed. Nothing is written to the folder of the images.

    Before the images are loaded, mean and deviation are 0.5, and where there are none, there are two classes:
    enough to check a config or to try it dry.

    The weak view flips and moves by up to an eighth of the side, filled by reflection.

    Args:
        path: the folder or the .npz file. Relative to the folder that the command is started in.
        size: side of the images in pixels.
        channels: 3 for colour, 1 for grey; images of the other kind are converted.
        mean: of images in [0, 1]; None: measured on the training images.
        std: as `mean`.
    """

    def __init__(
        self,
        *,
        path: str,
        size: int,
        channels: Literal[1, 3] = 3,
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
    ) -> None:
        if not path:
            raise ValueError("path: must name a folder or an .npz file")
        if size < 1:
            raise ValueError(f"size: must be >= 1, not {size}")
        if channels not in (1, 3):
            raise ValueError(f"channels: must be 1 or 3, not {channels}")
        self.path = path
        self.size = size
        self.channels = channels
        self.mean = None if mean is None else tuple(mean)
        self.std = None if std is None else tuple(std)
        check_normalisation(
            self._middle if mean is None else mean, self._middle if std is None else std, channels
        )
        self._measured: _Measured | None = None
        self._warnings: tuple[str, ...] = ()

    @property
    def spec(self) -> DatasetSpec:
        """The classes, mean and deviation are provisional before `load`."""
        known = self._measured or self._provisional()
        return DatasetSpec(
            name="Images",
            num_classes=known.num_classes,
            class_names=known.class_names,
            channels=self.channels,
            size=self.size,
            mean=self.mean or known.mean,
            std=self.std or known.std,
            weak=WeakView(flip=True, pad=self.size // 8, mode="reflect"),
        )

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        """The data folder `root` is not looked at: the images lie where `path` says."""
        import torch

        from lpa3bench_plugins.datasets.decoding import decode, in_cache, in_memory

        source = find_source(self._path)
        counts = [len(labels) for labels in source.labels.values()]
        shape, train = (sum(counts), self.channels, self.size, self.size), counts[0]

        def chunks() -> Iterator[Any]:
            for split in source.labels:
                yield from decode(source.pictures(split), self.size, self.channels)

        if cache is None:
            decoded = in_memory(chunks(), shape, train)
        else:
            key = _digest(FORMAT, PIL.__version__, *source.stamp)
            name = _digest(str(self._path.absolute()), str(self.size), str(self.channels))[:16]
            decoded = in_cache(cache, f"images-{name}", key, chunks, shape, train)
        self._measured = _Measured(source.num_classes, source.class_names, decoded.mean, decoded.std)
        parts = dict(zip(source.labels, torch.split(decoded.images, counts), strict=True))
        self._warnings = source.passed_over + tuple(_trained_on(parts))
        return {
            split: Split(parts[split], torch.tensor(labels), source.ids(split))
            for split, labels in source.labels.items()
        }

    def warnings(self, root: Path) -> tuple[str, ...]:
        """What was passed over, and how many images of other splits are training images."""
        return self._warnings

    def present(self, root: Path) -> Presence:
        try:
            labels = find_source(self._path).labels
        except DataError as error:
            return Presence(problem=str(error))
        return Presence(splits={split: len(of_split) for split, of_split in labels.items()})

    def download(self, root: Path) -> None:
        """There is nowhere to fetch it from; says what is wrong with it instead."""
        self.load(root)

    def _provisional(self) -> _Measured:
        found, names = glance(self._path)
        num_classes = max(found, AT_LEAST)
        return _Measured(num_classes, names if len(names) == num_classes else (), self._middle, self._middle)

    @property
    def _path(self) -> Path:
        return Path(self.path).expanduser()

    @property
    def _middle(self) -> tuple[float, ...]:
        return (MIDDLE,) * self.channels


def _trained_on(splits: dict[str, torch.Tensor]) -> Iterator[str]:
    """A line for each split beside "train" with images that are training images too.

    Args:
        splits: uint8 [N, C, S, S] each.
    """
    seen = {split: [_content(image) for image in images] for split, images in splits.items()}
    trained = set(seen.pop("train"))
    for split, images in seen.items():
        if shared := sum(image in trained for image in images):
            yield f"{shared} of {len(images)} {split} images have the pixels of training images"


def _content(image: torch.Tensor) -> bytes:
    return hashlib.blake2b(image.numpy().tobytes(), digest_size=16).digest()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()
