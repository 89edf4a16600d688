"""A user's own images, without a plugin: a folder of class folders, or an npz."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import PIL

from lpa3bench.api import Dataset, DatasetSpec, Presence, Split, WeakView
from lpa3bench.data.pixels import TOO_DARK, WHITE, Decoder, Fit
from lpa3bench.errors import DataError
from lpa3bench_plugins.datasets.class_folders import Folder, class_names
from lpa3bench_plugins.datasets.files import check_normalisation
from lpa3bench_plugins.datasets.npz_archive import Archive, count_classes
from lpa3bench_plugins.datasets.sources import Source

FORMAT = "2"
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
    system puts among the images, as `@eaDir` with its thumbnails. A run starts with a summary: images of each
    class, what was passed over, how many images are grey, have transparency (which is dropped), several
    frames (the first is read), 16 bits, or a camera's note on how to turn them (EXIF, which is not heeded).

    An image of another size is resized; `fit` says how. Of 16-bit images 0 stays black and `white_level`
    becomes 255, in steps of the same size, rounded. Of colour images of 16 bits in files, Pillow reads the
    high bytes, which is the same for a `white_level` of 65535, and others are refused.

    All images are decoded before training, so that those that cannot be read stop the run at once, all of
    them named. The bytes are kept in `.cache` beside the runs, and made anew when a file's name, size or time
    has changed. Nothing is written to the folder of the images.

    Before the images are loaded, mean and deviation are 0.5, and where there are none, there are two classes:
    enough to check a config or to try it dry.

    The weak view flips and moves by up to an eighth of the side, filled by reflection.

    Args:
        path: the folder or the .npz file. Relative to the folder that the command is started in.
        size: side of the images in pixels.
        channels: 3 for colour, 1 for grey; images of the other kind are converted.
        fit: "crop" takes the largest square in the middle; "pad" the whole image, with black beside it;
            "stretch" the whole image, its sides no longer in proportion.
        white_level: the value of 16-bit images that becomes white, as 4095 where they hold 12 bits; higher
            ones are white too. Images of 8 bits stay as they are.
        mean: of images in [0, 1]; None: measured on the training images.
        std: as `mean`.
    """

    added = ("fit", "white_level")

    def __init__(
        self,
        *,
        path: str,
        size: int,
        channels: Literal[1, 3] = 3,
        fit: Fit = "crop",
        white_level: int = WHITE,
        mean: tuple[float, ...] | None = None,
        std: tuple[float, ...] | None = None,
    ) -> None:
        if not path:
            raise ValueError("path: must name a folder or an .npz file")
        if size < 1:
            raise ValueError(f"size: must be >= 1, not {size}")
        if channels not in (1, 3):
            raise ValueError(f"channels: must be 1 or 3, not {channels}")
        if fit not in ("crop", "pad", "stretch"):
            raise ValueError(f"fit: must be 'crop', 'pad' or 'stretch', not {fit!r}")
        if not 1 <= white_level <= WHITE:
            raise ValueError(f"white_level: must be in [1, {WHITE}], not {white_level}")
        self.path = path
        self.size = size
        self.channels = channels
        self.fit: Fit = fit
        self.white_level = white_level
        self.mean = None if mean is None else tuple(mean)
        self.std = None if std is None else tuple(std)
        check_normalisation(
            self._middle if mean is None else mean, self._middle if std is None else std, channels
        )
        self._measured: _Measured | None = None
        self._told: tuple[str, ...] = ()
        self._found: dict[str, dict[str, int]] = {}

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

        from lpa3bench.data.pictures import decode
        from lpa3bench_plugins.datasets.decoding import in_cache, in_memory

        source = find_source(self._path)
        counts = [len(labels) for labels in source.labels.values()]
        shape, train = (sum(counts), self.channels, self.size, self.size), counts[0]

        def chunks(kinds: Counter[str]) -> Iterator[Any]:
            pictures = (picture for split in source.labels for picture in source.pictures(split))
            return decode(pictures, self.decoder, kinds, of="Images")

        if cache is None:
            decoded = in_memory(chunks, shape, train)
        else:
            key = _digest(FORMAT, PIL.__version__, *source.stamp)
            name = _digest(str(self._path.absolute()), repr(self.decoder))[:16]
            decoded = in_cache(cache, f"images-{name}", key, chunks, shape, train)
        self._measured = _Measured(source.num_classes, source.class_names, decoded.mean, decoded.std)
        self._found = {"passed over": dict(source.passed_over), "kinds": decoded.kinds}
        self._told = (*source.told, *self._darkness(decoded.kinds))
        parts = dict(zip(source.labels, torch.split(decoded.images, counts), strict=True))
        return {
            split: Split(parts[split], torch.tensor(labels), source.ids(split))
            for split, labels in source.labels.items()
        }

    @property
    def decoder(self) -> Decoder:
        """What makes an image into one of this data set's."""
        return Decoder(size=self.size, channels=self.channels, fit=self.fit, white_level=self.white_level)

    def warnings(self, root: Path) -> tuple[str, ...]:
        """What was passed over and may have been meant, and images that come out black."""
        return self._told

    def found(self, root: Path) -> Mapping[str, Mapping[str, int]]:
        """What was passed over, and how many images are of a kind that is worth a word."""
        return self._found

    def present(self, root: Path) -> Presence:
        try:
            labels = find_source(self._path).labels
        except DataError as error:
            return Presence(problem=str(error))
        return Presence(splits={split: len(of_split) for split, of_split in labels.items()})

    def download(self, root: Path) -> None:
        """There is nowhere to fetch it from; says what is wrong with it instead."""
        self.load(root)

    def _darkness(self, kinds: Mapping[str, int]) -> Iterator[str]:
        if dark := kinds.get(TOO_DARK):
            yield (
                f"{dark} images of 16 bits are nearly black: none of their values reaches a sixteenth of "
                f"Images.white_level = {self.white_level}; bind the highest they can have (4095: 12 bits)"
            )

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


def find_source(path: Path) -> Source:
    """The source at `path`.

    Raises:
        DataError: it is not there, or is not what it should be.
    """
    if path.is_dir():
        return Folder(path)
    if path.suffix == ".npz" and path.is_file():
        return Archive(path)
    raise DataError(
        f"Images.path: there is no folder or .npz file {path.absolute()}; bind your own, "
        "as by -p 'Images.path=\"my_folder\"'"
    )


def glance(path: Path) -> tuple[int, tuple[str, ...]]:
    """The number of classes, and their names where they have any, as far as they can be told at a glance; 0
    where they cannot."""
    try:
        if path.is_dir():
            names = class_names(path)
            return len(names), names
        return count_classes(path), ()
    except DataError:  # what is wrong is said when the data set is loaded
        return 0, ()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()
