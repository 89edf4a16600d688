"""Bits as text: which test images a run predicted right."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any


def pack(correct: Sequence[bool]) -> dict[str, Any]:
    """Which test images were predicted right, as bits: {"n", "bits"} with base64 of zlib of the bytes."""
    padded = [*correct, *[False] * (-len(correct) % 8)]
    octets = bytes(
        sum(bit << (7 - k) for k, bit in enumerate(padded[i : i + 8])) for i in range(0, len(padded), 8)
    )
    return {"n": len(correct), "bits": base64.b64encode(zlib.compress(octets, 9)).decode()}


def unpack(packed: dict[str, Any]) -> list[bool]:
    """What `pack` was given."""
    octets = zlib.decompress(base64.b64decode(packed["bits"]))
    return [bool(octets[i // 8] >> (7 - i % 8) & 1) for i in range(packed["n"])]
