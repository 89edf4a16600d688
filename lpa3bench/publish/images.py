"""Pictures of what a finished run's augmenters do, made once and kept in the run directory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lpa3bench.errors import BenchError
from lpa3bench.files import write_atomically
from lpa3bench.publish.runs import IMAGES
from lpa3bench.rundir import RunDirectory

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

COUNT = 8
"""Images shown of each slot."""
SIDE = 64
"""Smaller images are enlarged to at least so many pixels."""


def make_images(
    path: Path, *, data: Path | None, plugins: tuple[Path, ...] = (), tell: Callable[[str], None]
) -> None:
    """Write `images/<slot>.png` for each slot of a finished run: images above, their views below.

    Pictures that are there are left as they are. Without the data set, or the plugin, there are none; that is
    told, and no error.

    Args:
        path: the run directory.
        data, plugins: as of `--data` and `--plugin`.
        tell: takes the line.
    """
    folder = path / IMAGES
    if not RunDirectory(path).result.exists() or [*folder.glob("*.png")]:
        return
    from lpa3bench.paths import data_root
    from lpa3bench.probe.trained import open_run
    from lpa3bench.probe.views import sample

    try:
        found = sample(open_run(path, data=data_root(data), device="cpu", plugins=plugins), COUNT)
    except BenchError as error:
        tell(f"no images of augmentations: {error}")
        return
    for slot, pairs in found.items():
        if len(pairs):
            folder.mkdir(exist_ok=True)
            picture = _sheet(pairs)
            write_atomically(folder / f"{slot}.png", partial(picture.save, format="PNG"))


def _sheet(pairs: np.ndarray[Any, Any]) -> Image:
    """One picture of uint8 [M, 2, H, W, C]: M columns, the image above, its view below."""
    import numpy as np
    from PIL import Image

    count, rows, height, width, channels = pairs.shape
    sheet = pairs.transpose(1, 2, 0, 3, 4).reshape(rows * height, count * width, channels)
    times = max(1, -(-SIDE // min(height, width)))
    sheet = np.kron(sheet, np.ones((times, times, 1), dtype=np.uint8))
    return Image.fromarray(sheet[..., 0] if channels == 1 else sheet)
