"""Many images at once: found in a folder or an array, and decoded by a pool of threads."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lpa3bench.data.array_files import npz_keys, read_npz
from lpa3bench.data.pixels import Decoded, Decoder, Picture, Pixels
from lpa3bench.errors import DataError, shortened
from lpa3bench.runtime.files import regular

NewImage = str | Path | Image.Image | Any
"""The path of a file, an image of Pillow, or an array [H, W] or [H, W, 3] of uint8 or uint16."""
EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Those that torchvision's ImageFolder reads."""
SYSTEMS = (
    *("@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", "@SynoResource"),
    *("__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found"),
)
"""Folders that a NAS, macOS, Windows or a file system puts among others: thumbnails, what was deleted."""
HIDDEN_FILE = "hidden"
CHUNK = 256
"""Images decoded at a time; so many are held beside the result."""
MOST_NAMED = 20
"""Images that cannot be read and are named; more are counted."""
LONGEST_REASON = 40


def skipped(name: str) -> str | None:
    """What kind of file or folder it is where it is passed over whatever it holds."""
    return HIDDEN_FILE if name.startswith(".") else name if name in SYSTEMS else None


def is_image(name: str) -> bool:
    return name.lower().endswith(EXTENSIONS)


def decode(
    pictures: Iterable[Picture], decoder: Decoder, kinds: Counter[str], *, of: str
) -> Iterator[Pixels]:
    """All images in order, some at a time: uint8 [n, C, size, size].

    Args:
        pictures: how to open them; an image that cannot be read stops none of the others from being tried.
        decoder: makes one image into pixels.
        kinds: grows by the kinds of each image that was read.
        of: whose images they are, to open an error with.

    Raises:
        DataError: some cannot be read; the message names the first of them, and says how many there are.
    """
    left, faults = iter(pictures), list[tuple[str, str]]()

    def attempt(picture: Picture) -> Decoded | tuple[str, str]:
        try:
            return decoder(picture)
        except Exception as error:  # bytes that are no image fail in any way
            return picture.name, " ".join(str(error).split()) or type(error).__name__

    with ThreadPoolExecutor() as pool:
        while some := [*islice(left, CHUNK)]:
            read: list[Pixels] = []
            for found in pool.map(attempt, some):
                if isinstance(found, Decoded):
                    read.append(found.pixels)
                    kinds.update(found.kinds)
                else:
                    faults.append(found)
            if not faults:
                yield np.stack(read)
    if faults:
        raise _unreadable(faults, of)


def _unreadable(faults: Sequence[tuple[str, str]], of: str) -> DataError:
    """faults: what each image is called, and why it cannot be read."""
    if len(faults) == 1:
        ((name, why),) = faults
        return DataError(f"{of}: {name} cannot be read ({why}); mend it or remove it")
    folder = _common_folder([name for name, _ in faults])
    shown = [
        f"{Path(name).relative_to(folder) if folder else name} ({_in_short(why, name)})"
        for name, why in faults[:MOST_NAMED]
    ]
    more = f", and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
    below = f" in {folder}" if folder else ""
    return DataError(
        f"{of}: {len(faults)} images{below} cannot be read; mend or remove them: {', '.join(shown)}{more}"
    )


def _common_folder(names: Sequence[str]) -> str:
    """That all lie in; "" where there is none."""
    try:
        return os.path.commonpath([Path(name).parent for name in names])
    except ValueError:  # some are absolute
        return ""


def _in_short(why: str, name: str) -> str:
    """A reason without the name of the file, quoted with its folder or without: it stands before it."""
    return shortened(re.sub(rf":? '[^']*{re.escape(name)}'", "", why).strip() or why, LONGEST_REASON)


def open_file(file: Path) -> Image.Image:
    """Raises OSError or ValueError where it cannot be read, or is no file."""
    regular(file)
    return Image.open(file)


def array_pictures(images: Any, name: str) -> list[Picture]:
    """The images of an array.

    Args:
        images: uint8 or uint16 [N, H, W], [N, H, W, 1] or [N, H, W, 3].
        name: of the array.

    Raises:
        ValueError: it is another array.
    """
    if images.ndim == 4 and images.shape[3] == 1:
        images = images[..., 0]
    if (
        images.dtype not in (np.uint8, np.uint16)
        or images.ndim not in (3, 4)
        or (images.ndim == 4 and images.shape[3] != 3)
    ):
        found = f"{images.dtype} {list(images.shape)}"
        raise ValueError(f"{name} is {found}, not uint8 or uint16 [N, H, W] or [N, H, W, 3]")
    if 0 in images.shape[1:]:
        raise ValueError(f"{name} is of shape {list(images.shape)}")
    return [Picture(f"{name}[{place}]", partial(_of_array, image)) for place, image in enumerate(images)]


def _of_array(pixels: Any) -> Any:
    return pixels if pixels.dtype == np.uint16 and pixels.ndim == 3 else Image.fromarray(pixels)


def as_picture(image: NewImage, called: str) -> Picture:
    """An image of any form.

    Args:
        called: what an error calls one that has no name.

    Raises:
        ValueError: it is none.
    """
    if isinstance(image, str | Path):
        return Picture(str(image), partial(open_file, Path(image)))
    if isinstance(image, Image.Image):
        return Picture(called, image.copy)  # whoever opens one closes it
    array = np.asarray(image)
    try:
        (picture,) = array_pictures(array[None], called)
    except ValueError:
        found = f"{array.dtype} {list(array.shape)}"
        wanted = "a path, an image of Pillow, or uint8 or uint16 [H, W] or [H, W, 3]"
        raise ValueError(f"{called} is {found}, not {wanted}") from None
    return picture._replace(name=called)


def find_pictures(path: Path) -> list[Picture]:
    """The images of a folder, of those below it too, by their paths below it and in that order; or of the
    arrays of an `.npz`, `images` or `<split>_images`, as `test_images[3]`; or the one of a file.

    Links to files are followed, those to folders are not. Hidden files and folders, and those of systems, are
    passed over, and so are files of other kinds than `EXTENSIONS`.

    Raises:
        DataError: there is no image, or it cannot be read.
    """
    if path.is_dir():
        found = [Picture(str(file.relative_to(path)), partial(open_file, file)) for file in _below(path)]
        if not found:
            raise DataError(f"there is no image in it ({' '.join(EXTENSIONS)})", path=path)
        return found
    if path.suffix == ".npz":
        return _of_archive(path)
    return [Picture(path.name, partial(open_file, path))]


def _below(path: Path) -> list[Path]:
    def refuse(error: OSError) -> None:
        raise DataError(f"{error.filename} cannot be read ({error.strerror})") from error

    files: list[Path] = []
    for folder, folders, names in os.walk(path, onerror=refuse):
        folders[:] = [name for name in folders if not skipped(name)]
        files += [Path(folder, name) for name in names if is_image(name) and not skipped(name)]
    return sorted(files)


def _of_archive(path: Path) -> list[Picture]:
    with unpacking(path):
        keys = [key for key in npz_keys(path) if key == "images" or key.endswith("_images")]
        found = [picture for key in keys for picture in array_pictures(read_npz(path, key), key)]
    if not found:
        raise DataError("holds no images; its keys must be images, or <split>_images", path=path)
    return found


@contextmanager
def unpacking(path: Path) -> Iterator[None]:
    """What is wrong with a file of arrays becomes one line."""
    try:
        yield
    except (OSError, ValueError) as error:
        raise DataError(f"is no .npz file of images ({error})", path=path) from error
