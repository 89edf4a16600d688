"""Pictures of what a finished run's augmenters do, made once and kept in the run directory."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lpa3bench.errors import BenchError, DataError, error_line
from lpa3bench.publish.target import Deadline
from lpa3bench.runtime.files import write_atomically
from lpa3bench.runtime.supervised import run_python
from lpa3bench.training.run_directory import RunDirectory
from lpa3bench.types import SlotName

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

IMAGES_PER_SLOT = 8
LEAST_SIDE = 64
"""Smaller images are enlarged to at least so many pixels."""
CAPTION = "Description"
"""The key of a PNG's text that the caption stands under."""


def make_images(
    path: Path,
    *,
    data: Path | None,
    plugins: tuple[Path, ...] = (),
    deadline: Deadline,
    tell: Callable[[str], None],
) -> None:
    """Write `images/<slot>.png` for each slot of a finished run: images above, their views and the difference
    below, with a caption in the file.

    Pictures that are there are left as they are. The others are made in a process of its own. Where the data
    set or the plugin is missing, anything else goes wrong or the time is up, `tell` gets a line and there are
    none: a run is published without them.

    Args:
        path: the run directory.
        data, plugins: as of `--data` and `--plugin`.
        tell: takes the line.
    """
    if not _missing(path):
        return
    order = {"run": str(path), "data": data and str(data), "plugins": [str(plugin) for plugin in plugins]}
    try:
        done = run_python(
            ["-m", "lpa3bench.publish.run_images"],
            stdin=json.dumps(order),
            env={**os.environ},
            seconds=deadline.left,
        )
    except TimeoutError:
        tell(f"no images of augmentations: they were not made within {deadline.seconds:g} seconds")
        return
    if done.returncode:
        tell(f"no images of augmentations: {done.error_line}")


def main() -> None:
    """Draw what `{"run": …, "data": …, "plugins": […]}` on stdin asks for; the last line says what failed."""
    order = json.load(sys.stdin)
    try:
        _draw(
            Path(order["run"]),
            data=order["data"] and Path(order["data"]),
            plugins=tuple(map(Path, order["plugins"])),
        )
    except BenchError as error:
        sys.exit(error_line(error))
    except Exception as error:  # a plugin's, or of the library that draws
        sys.exit("error: " + " ".join(f"{type(error).__name__}: {error}".split())[:200])


def _missing(path: Path) -> dict[SlotName, Path]:
    """The pictures that a finished run could have and has not."""
    folder = RunDirectory(path)
    record = folder.finished()
    slots = record.slots if record else {}
    return {slot: file for slot, file in folder.pictures.items() if slot in slots and not file.exists()}


def _draw(path: Path, *, data: Path | None, plugins: tuple[Path, ...]) -> None:
    from PIL.PngImagePlugin import PngInfo

    from lpa3bench.analysis.sampled_views import sample
    from lpa3bench.analysis.trained_run import open_run
    from lpa3bench.runtime.paths import data_root

    trained = open_run(path, data=data_root(data), device="cpu", plugins=plugins)
    found = sample(trained, IMAGES_PER_SLOT)
    for slot, file in _missing(path).items():
        if slot in found and len(found[slot]):
            file.parent.mkdir(exist_ok=True)
            sheet, largest = _sheet(found[slot])
            told = PngInfo()
            told.add_text(CAPTION, _caption(trained.slots[slot], slot, largest))
            write_atomically(file, partial(sheet.save, format="PNG", pnginfo=told))


def _sheet(pairs: np.ndarray[Any, Any]) -> tuple[Image, int]:
    """One picture of uint8 [M, 2, H, W, C], and the largest difference: M columns, the image above, its view
    and the difference below, which is stretched to all greys for each image, with 0 in the middle."""
    import numpy as np
    from PIL import Image

    original, view = pairs[:, 0].astype(np.int16), pairs[:, 1].astype(np.int16)
    largest = np.abs(view - original).max((1, 2, 3), keepdims=True)
    difference = 128 + np.rint((view - original) * (127 / np.maximum(1, largest)))
    rows = np.stack((original, view, difference)).astype(np.uint8)  # [3, M, H, W, C]
    _, count, height, width, channels = rows.shape
    sheet = rows.transpose(0, 2, 1, 3, 4).reshape(3 * height, count * width, channels)
    times = max(1, -(-LEAST_SIDE // min(height, width)))
    sheet = np.kron(sheet, np.ones((times, times, 1), dtype=np.uint8))
    return Image.fromarray(sheet[..., 0] if channels == 1 else sheet), int(largest.max())


def _caption(augmenter: str, slot: SlotName, largest: int) -> str:
    return (
        f"{augmenter} ({slot}): test images, their views, and view − image, at most {largest}/255 and "
        "stretched for each image: grey is 0"
    )


def caption_of(picture: Path) -> str | None:
    """What a PNG says of itself; None where it says nothing, as others than ours do.

    Raises:
        DataError: it is no picture.
    """
    from PIL import Image

    try:
        with Image.open(picture) as opened:
            found = opened.info.get(CAPTION)
    except OSError as error:  # of no known form, too
        raise DataError(f"is no picture ({error})", path=picture) from error
    return found if isinstance(found, str) else None


if __name__ == "__main__":
    main()
