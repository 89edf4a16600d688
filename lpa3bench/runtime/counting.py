"""Counts in sentences."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """`1 run`, `2 runs`, `1,797 images`: for nouns that take an s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
