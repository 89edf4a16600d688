"""Images that two splits have in common."""

from __future__ import annotations

import torch

from lpa3bench.data.duplicates import count_duplicates, image_digests, name_duplicates


def test_images_of_the_same_pixels_have_the_same_digest() -> None:
    images = torch.arange(48, dtype=torch.uint8).view(4, 3, 2, 2)
    one, other = (
        image_digests(images),
        image_digests(images.flip(0).contiguous(memory_format=torch.channels_last)),
    )
    assert one == other[::-1]
    assert len({*one}) == 4
    assert image_digests(images[:0]) == []


def test_each_pair_of_splits_is_counted() -> None:
    digests = {"test": [b"a", b"a", b"c"], "train": [b"a", b"b", b"b"], "val": [b"c", b"b"]}
    assert count_duplicates(digests) == {"val in train": 1, "test in train": 2, "test in val": 1}
    assert count_duplicates({"train": [b"a"], "test": [b"b"]}) == {"test in train": 0}


def test_the_first_of_each_pair_are_named() -> None:
    digests = {"test": [b"a", b"a", b"b"], "train": [b"a", b"b", b"b"], "val": [b"b"]}
    names = {"train": ("0", "1", "2"), "test": ("t0", "t1", "t2")}
    assert name_duplicates(digests, names, most=2) == {"test in train": [("t0", "0"), ("t1", "0")]}
    assert name_duplicates(digests, names, most=9)["test in train"][-1] == ("t2", "1")
    assert name_duplicates(digests, {}, most=9) == {}
