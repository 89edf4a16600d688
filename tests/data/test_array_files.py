"""Files of arrays that are not what they should be: one line, nothing allocated, no advice to trust them."""

from __future__ import annotations

import io
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lpa3bench.data.array_files import npz_keys, read_npy, read_npz, whole_numbers

MEGABYTE = 2**20


def npy(array: Any = None, header: str = "", after: bytes = b"") -> bytes:
    """An .npy file of an array, or with such a header."""
    stream = io.BytesIO()
    if array is not None:
        np.save(stream, array, allow_pickle=True)
        return stream.getvalue()
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + after


def claiming(shape: str, descr: str = "'|u1'") -> bytes:
    return npy(header=f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}", after=b"12345678")


def zipped(path: Path, content: bytes, *, method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.npy", content)
    return path


WRONG: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "EOF|magic|empty|no data"),
    "text": (lambda: b"no array at all", "magic string is not correct"),
    "objects": (lambda: npy(np.array([{}, 1], dtype=object)), "^it holds Python objects"),
    "a record with objects": (lambda: claiming("(1,)", "[('a', '|O')]"), "^it holds Python objects"),
    "a long header": (lambda: npy(header="{" + " " * 40_000 + "}"), "^Header info length"),
    "absurd shape": (
        lambda: claiming("(1000000, 1000000)"),
        r"\[1000000, 1000000\], which is 1,000,",
    ),
    "shape beyond int64": (lambda: claiming("(1" + "0" * 30 + ",)"), "and 8 follow"),
    "negative shape": (lambda: claiming("(-4,)"), r"\[-4\]"),
    "more than there is": (lambda: claiming("(9,)"), "which is 9 bytes, and 8 follow"),
    "nested header": (lambda: npy(header="(" * 3000), "."),
    "unfinished header": (lambda: npy(header="{'descr': '|u1', 'shape': ("), "."),
    "odd header": (lambda: npy(header="{'descr': '|u1', 'shape': 3, 'fortran_order': 0}"), "."),
    "no dtype": (lambda: claiming("(2,)", "'zz'"), "."),
    "a later format": (lambda: b"\x93NUMPY\x03\x00" + bytes(20), "version 3.0"),
    "torn": (lambda: npy(np.arange(1000))[:500], "which is 8,000 bytes, and 372 follow"),
}


@pytest.mark.parametrize("packed", [False, True], ids=["npy", "npz"])
@pytest.mark.parametrize("kind", WRONG)
def test_what_is_wrong_is_one_line(tmp_path: Path, kind: str, packed: bool) -> None:
    content, message = WRONG[kind]
    path = tmp_path / ("a.npz" if packed else "a.npy")
    if packed:
        zipped(path, content())
    else:
        path.write_bytes(content())
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=message) as caught:
            read_npz(path, "a") if packed else read_npy(path)
        assert tracemalloc.get_traced_memory()[1] < 20 * MEGABYTE
    finally:
        tracemalloc.stop()
    said = str(caught.value)
    assert said
    assert "\n" not in said
    assert len(said) < 400
    assert "pickle" not in said
    assert "trust" not in said


def test_a_zip_that_unpacks_to_very_much_is_not_unpacked(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.npz", b"")
    content = path.read_bytes()
    size = (2**32 - 2).to_bytes(4, "little")
    empty = (0).to_bytes(4, "little")
    at = content.index(b"PK\x01\x02") + 24  # the size in the table of contents
    assert content[at : at + 4] == empty
    path.write_bytes(content[:at] + size + content[at + 4 :])
    with pytest.raises(ValueError, match=r"a\.npy would unpack from \d+ to 4,294,967,294 bytes"):
        read_npz(path, "a")


def test_an_encrypted_zip_is_told(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.npz", npy(np.arange(3)))
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"^a\.npy is encrypted$"):
        read_npz(path, "a")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_flipped_bit_is_noticed(tmp_path: Path, method: int) -> None:
    path = zipped(tmp_path / "a.npz", npy(np.arange(500, dtype=np.uint8)), method=method)
    content = bytearray(path.read_bytes())
    content[300] ^= 4
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"CRC|invalid|incorrect"):
        read_npz(path, "a")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x05\x06" + bytes(18)])
def test_no_zip_and_an_empty_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"not a zip file|there is no a"):
        read_npz(path, "a")


@pytest.mark.parametrize("read", [read_npy, npz_keys])
def test_a_pipe_is_not_waited_for(tmp_path: Path, read: Callable[[Path], Any]) -> None:
    os.mkfifo(tmp_path / "a")
    for path in (tmp_path / "a", tmp_path, Path("/dev/null")):
        with pytest.raises(ValueError, match="it is no file"):
            read(path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "gone")


def test_what_is_right_is_read(tmp_path: Path) -> None:
    arrays = {"a": np.arange(6).reshape(2, 3).T, "b.c": np.array(3.5), "e": np.zeros((0, 4), np.uint8)}
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "x.npz", **arrays)
        assert npz_keys(tmp_path / "x.npz") == ["a", "b.c", "e"]
        for key, array in arrays.items():
            found = read_npz(tmp_path / "x.npz", key)
            assert found.dtype == array.dtype
            assert np.array_equal(found, array)
    with pytest.raises(ValueError, match="^there is no f$"):
        read_npz(tmp_path / "x.npz", "f")
    np.save(tmp_path / "x.npy", arrays["a"])
    assert np.array_equal(read_npy(tmp_path / "x.npy"), arrays["a"])
    np.savez_compressed(tmp_path / "x.npz", a=np.zeros(MEGABYTE, np.uint8))
    assert len(read_npz(tmp_path / "x.npz", "a")) == MEGABYTE, "small ones may be packed as well as they like"


@pytest.mark.parametrize("array", [np.array([1.0]), np.array([1j]), np.array(["1"]), np.array([True])])
def test_what_is_no_whole_number(array: Any) -> None:
    with pytest.raises(ValueError, match=rf"^x is {array.dtype} \[1\], not whole numbers$"):
        whole_numbers(array, "x")


def test_whole_numbers_fit_int64() -> None:
    assert whole_numbers(np.array([255], np.uint8), "x")[0] == 255
    with pytest.raises(ValueError, match="^x has 18446744073709551615, which is too large$"):
        whole_numbers(np.array([2**64 - 1], np.uint64), "x")
