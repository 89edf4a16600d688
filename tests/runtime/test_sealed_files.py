"""Arrays come back as they were written, or not at all."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lpa3bench.errors import DataError
from lpa3bench.runtime.sealed_files import open_whole, read_arrays, seal, write_arrays

ARRAYS = {"a/b": np.arange(300, dtype=np.float32).reshape(3, 100), "c": np.array([True, False])}


def test_what_is_written_is_read_and_others_can_read_it_too(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    write_arrays(path, ARRAYS)
    with np.load(path) as file:
        theirs = {name: file[name] for name in file.files}
    for found in (read_arrays(path), theirs):
        assert found.keys() == ARRAYS.keys()
        assert all(np.array_equal(found[name], ARRAYS[name]) for name in ARRAYS)
    assert [file.name for file in tmp_path.iterdir()] == ["x.npz"]


def test_every_bit_counts(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    write_arrays(path, ARRAYS)
    content = path.read_bytes()
    for place in range(0, len(content), 3):
        made = bytearray(content)
        made[place] ^= 1 << place % 8
        path.write_bytes(made)
        with pytest.raises(DataError, match=r"x\.npz: damaged"):
            read_arrays(path)


def test_one_without_a_digest_goes_by_its_check_sums(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, a=np.arange(100))
    assert read_arrays(path)["a"].tolist() == [*range(100)]
    content = bytearray(path.read_bytes())
    content[content.index(np.arange(100).tobytes()) + 40] ^= 2
    path.write_bytes(content)
    with pytest.raises(DataError, match="damaged"):
        read_arrays(path)


def member(content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", content)
    return made.getvalue()


def head(shape: str, kind: str = "<f8") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize("sealed", [True, False])
@pytest.mark.parametrize(
    "content",
    [
        head("(10,)"), head("(1000000000000,)") + b"\0" * 80, head("(-1,)"),
        head("(2, 2)", "|O") + b"\x80\x04N.",
        head("([1],)"), head("(" * 90), b"", b"no array", head("(1,)", "?!") + b"\0" * 8,
    ],
)  # fmt: skip
def test_what_is_no_array_is_damaged(tmp_path: Path, content: bytes, sealed: bool) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(member(content))
    if sealed:
        seal(path)
    with pytest.raises(DataError, match=r"x\.npz: damaged \(\w+\)$") as caught:
        read_arrays(path)
    assert "pickle" not in str(caught.value)


@pytest.mark.parametrize("sealed", [True, False])
def test_what_unpacks_to_too_much_fills_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sealed: bool
) -> None:
    monkeypatch.setattr("lpa3bench.runtime.sealed_files.MOST_UNPACKED", 2**20)
    path = tmp_path / "x.npz"
    np.savez_compressed(path, a=np.zeros(2**22, np.uint8))
    if sealed:
        seal(path)
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"damaged \(it unpacks to too much\)"):
            read_arrays(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2**21


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    with path.open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(DataError, match="it is larger than 16 GiB"), open_whole(path):
        pass


def test_only_a_whole_archive_can_be_sealed(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(b"no archive")
    with pytest.raises(ValueError, match="is no archive"):
        seal(path)
    write_arrays(path, ARRAYS)
    with pytest.raises(ValueError, match="is no archive"):
        seal(path)
