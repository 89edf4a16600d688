"""Bits as text: which test images a run predicted right."""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Sequence

from lpa3bench.records.schema import PackedBits


def pack(correct: Sequence[bool]) -> PackedBits:
    """Which test images were predicted right: base64 of zlib of the bits, the first in the highest place."""
    padded = [*correct, *[False] * (-len(correct) % 8)]
    octets = bytes(
        sum(bit << (7 - k) for k, bit in enumerate(padded[i : i + 8])) for i in range(0, len(padded), 8)
    )
    return PackedBits(n=len(correct), bits=base64.b64encode(zlib.compress(octets, 9)).decode())


def unpack(packed: PackedBits) -> list[bool]:
    """What `pack` was given.

    Raises:
        ValueError: it is no such text, or holds another number of bits.
    """
    return [*map(bool, flags(packed))]


def flags(packed: PackedBits) -> bytes:
    """The same as a byte an image, 0 or 1.

    Raises:
        ValueError: as `unpack`.
    """
    digits = format(_integer(packed), f"0{packed.n}b")
    return digits.encode().translate(_FLAG_OF_DIGIT)


def count(packed: PackedBits) -> int:
    """How many images are right.

    Raises:
        ValueError: as `unpack`.
    """
    return _integer(packed).bit_count()


_FLAG_OF_DIGIT = bytes.maketrans(b"01", b"\x00\x01")


def _integer(packed: PackedBits) -> int:
    """The bits as one number, the first in the highest place."""
    size = -(-packed.n // 8)
    try:
        unzip = zlib.decompressobj()
        octets = unzip.decompress(base64.b64decode(packed.bits, validate=True), size + 1)
    except (binascii.Error, zlib.error) as error:
        raise ValueError(f"correct: its bits cannot be unpacked ({error})") from error
    if len(octets) != size or not unzip.eof:
        raise ValueError(f"correct: holds no {packed.n} bits")
    return int.from_bytes(octets) >> -packed.n % 8
