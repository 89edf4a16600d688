"""One image of any kind made into bytes of one size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lpa3bench.data.pixels import (
    FRAMES,
    GREY_IMAGE,
    TOO_DARK,
    TRANSPARENT,
    TURNED,
    Decoded,
    Decoder,
    Picture,
    sixteen_bits,
)


def decode(path: Path, size: int = 8, channels: int = 3, **more: Any) -> Decoded:
    return Decoder(size=size, channels=channels, **more)(Picture("a", lambda: Image.open(path)))


def saved(path: Path, image: Image.Image | np.ndarray, **more: Any) -> Path:
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **more)
    return path


# ----------------------------------------------------------------------------------------------- the size
@pytest.mark.parametrize("size", [(40, 20), (20, 40), (31, 20)])
def test_the_middle_is_resized(tmp_path: Path, size: tuple[int, int]) -> None:
    """As torchvision: shorter side to the size, then the middle; up to rounding."""
    from torchvision.transforms import functional as theirs

    column, row = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    smooth = np.stack((5 * column, 5 * row, 100 + 2 * column - row), 2).astype(np.uint8)
    path = tmp_path / "a.png"
    Image.fromarray(smooth).save(path)
    ours = decode(path, 10).pixels
    expected = theirs.center_crop(theirs.resize(Image.open(path), 10), 10)
    assert ours.shape == (3, 10, 10)
    difference = ours.transpose(1, 2, 0).astype(int) - np.asarray(expected).astype(int)
    assert np.abs(difference).max() <= 8


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_of_image(tmp_path: Path, mode: str, channels: int) -> None:
    image = Image.new("RGB", (9, 7), (255, 255, 255)).convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    image.save(path)
    pixels = decode(path, 5, channels).pixels
    assert pixels.dtype == np.uint8
    assert pixels.shape == (channels, 5, 5)
    assert (pixels == 255).all()


@pytest.mark.parametrize(("size", "inner"), [((40, 20), (5, 10)), ((20, 40), (10, 5)), ((900, 1), (1, 10))])
def test_the_whole_image_is_kept_and_black_put_beside_it(
    tmp_path: Path, size: tuple[int, int], inner: tuple[int, int]
) -> None:
    path = saved(tmp_path / "a.png", Image.new("RGB", size, (255, 200, 100)))
    pixels = decode(path, 10, fit="pad").pixels
    height, width = inner
    top, left = (10 - height) // 2, (10 - width) // 2
    expected = np.zeros((3, 10, 10), np.uint8)
    expected[:, top : top + height, left : left + width] = np.array([255, 200, 100])[:, None, None]
    assert np.array_equal(pixels, expected)


def test_a_stretched_image_is_whole_and_out_of_proportion(tmp_path: Path) -> None:
    halves = np.zeros((10, 40, 3), np.uint8)
    halves[:, 20:] = 255
    path = saved(tmp_path / "a.png", halves)
    stretched = decode(path, 10, fit="stretch").pixels
    assert (stretched[:, :, :4] == 0).all()
    assert (stretched[:, :, 6:] == 255).all()


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_an_image_of_the_size_is_left_as_it_is(tmp_path: Path, fit: Any) -> None:
    values = np.arange(192, dtype=np.uint8).reshape(8, 8, 3)
    path = saved(tmp_path / "a.png", values)
    assert np.array_equal(decode(path, fit=fit).pixels.transpose(1, 2, 0), values)


# ------------------------------------------------------------------------------------------ sixteen bits
STEPS = np.array([0, 128, 129, 4095, 32767, 32896, 65406, 65407, 65535] + [0] * 7, np.uint16).reshape(4, 4)


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("white", [65535, 4095, 255])
def test_sixteen_bits_are_scaled_as_it_is_said(tmp_path: Path, ending: str, white: int) -> None:
    found = decode(saved(tmp_path / f"a.{ending}", STEPS), 4, 1, white_level=white)
    exact = np.minimum(STEPS.astype(float), white) * 255 / white
    assert np.abs(found.pixels[0] - exact).max() <= 0.5
    assert found.kinds == (GREY_IMAGE, sixteen_bits(white))
    assert sixteen_bits(white) == f"of 16 bits ({white} is white)"


def test_sixteen_bits_that_hold_twelve_are_dark(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", STEPS % 4095)
    assert TOO_DARK in decode(path, 4).kinds
    assert TOO_DARK not in decode(path, 4, white_level=4095).kinds
    assert TOO_DARK not in decode(saved(path, STEPS), 4).kinds


def test_colour_of_sixteen_bits(tmp_path: Path) -> None:
    """Pillow writes none: red, green and blue of 16 bits each, after the PNG specification."""
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + struct.pack(">12H", *[65535, 32896, 4095] * 4) for _ in range(4))
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )
    found = decode(path, 4)
    assert found.pixels[:, 0, 0].tolist() == [255, 128, 15]
    assert found.kinds == (sixteen_bits(65535),)
    with pytest.raises(ValueError, match=r"the high bytes are read; Images\.white_level must be 65535"):
        decode(path, 4, white_level=4095)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.full((4, 4), 70_000, np.int32), "its pixels go from 70000 to 70000; convert it to 8 or 16 bits"),
        (np.full((4, 4), -1, np.int32), "its pixels go from -1 to -1"),
        (np.full((4, 4), 0.5, np.float32), r"its pixels are not bytes \(mode F\); convert it to 8 or 16"),
    ],
)
def test_other_numbers_are_refused(tmp_path: Path, values: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decode(saved(tmp_path / "a.tif", values))


# -------------------------------------------------------------------------------------------------- kinds
def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def test_kinds(tmp_path: Path) -> None:
    colour = Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3))
    grey, clear = colour.convert("L"), colour.convert("RGBA")
    made = {
        "plain": (saved(tmp_path / "plain.png", colour), ()),
        "upright": (saved(tmp_path / "upright.jpg", colour, exif=turned(1)), ()),
        "turned": (saved(tmp_path / "turned.jpg", colour, exif=turned(6)), (TURNED,)),
        "turned png": (saved(tmp_path / "turned.png", colour, exif=turned(3)), (TURNED,)),
        "nonsense": (saved(tmp_path / "nonsense.jpg", colour, exif=turned(77)), ()),
        "torn note": (saved(tmp_path / "torn.jpg", colour, exif=b"Exif\0\0MM\0*\0\0"), ()),
        "grey": (saved(tmp_path / "grey.jpg", grey), (GREY_IMAGE,)),
        "clear": (saved(tmp_path / "clear.png", clear), (TRANSPARENT,)),
        "clear grey": (saved(tmp_path / "la.png", grey.convert("LA")), (GREY_IMAGE, TRANSPARENT)),
        "palette": (saved(tmp_path / "p.png", colour.convert("P"), transparency=3), (TRANSPARENT,)),
        "frames": (
            saved(tmp_path / "frames.tif", colour, save_all=True, append_images=[colour.rotate(90)]),
            (FRAMES,),
        ),
        "film": (
            saved(tmp_path / "film.webp", colour, save_all=True, append_images=[colour.rotate(90)]),
            (FRAMES,),
        ),
    }
    assert {name: decode(path).kinds for name, (path, _) in made.items()} == {
        name: kinds for name, (_, kinds) in made.items()
    }
    assert np.array_equal(decode(made["frames"][0]).pixels.transpose(1, 2, 0), np.asarray(colour))
    by_pillow = saved(tmp_path / "turned.tif", colour.crop((0, 0, 8, 4)), exif=turned(6))
    assert decode(by_pillow).kinds == ()
    assert np.array_equal(decode(by_pillow, 4).pixels[0], np.asarray(colour)[:4, 2:6, 0].T[:, ::-1])
    assert np.array_equal(decode(made["turned png"][0]).pixels.transpose(1, 2, 0), np.asarray(colour))
