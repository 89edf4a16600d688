"""What may happen to a file: on a bad disk, in a torn copy, or in the hands of a stranger."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any


def damaged(rng: random.Random, content: bytes) -> bytes:
    """A flipped bit, or some bytes that are gone, doubled or others."""
    made = bytearray(content)
    place, length = rng.randrange(len(made)), rng.randrange(1, 60)
    match rng.randrange(5):
        case 0:
            made[place] ^= 1 << rng.randrange(8)
        case 1:
            del made[place:]
        case 2:
            del made[place : place + length]
        case 3:
            made[place:place] = made[place : place + length]
        case 4:
            made[place : place + length] = bytes(rng.randrange(256) for _ in range(length))
    return bytes(made)


def flipped(rng: random.Random, content: bytes) -> bytes:
    """A single bit."""
    made = bytearray(content)
    made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


def paths(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """To everything within a value of lists and dicts."""
    items = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from paths(value, (*path, key))


def holder(part: Any, path: tuple[Any, ...]) -> Any:
    """The list or dict that what lies at the path lies in."""
    for key in path[:-1]:
        part = part[key]
    return part
