"""What a run's data are, in numbers for the record and in lines for whoever starts it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lpa3bench.types import SPLITS, DatasetSpec

MOST_CLASSES = 20
"""Classes that a line counts one by one."""
MOST_EXAMPLES = 3
"""Images or classes that a warning names."""


@dataclass(frozen=True, kw_only=True)
class DataSummary:
    """What a data set turned out to hold."""

    images: Mapping[str, Sequence[int]]
    """By split, the images of each class, in the order of the labels; those without a label are not in it."""
    duplicates: Mapping[str, int]
    """By pair of splits, as "test in train": images of the one that are, pixel by pixel, in the other."""
    examples: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    """By pair of splits, some of these images, by their names in both; where images have names."""
    found: Mapping[str, Mapping[str, int]]
    """What the data set says it found in its files (`Dataset.found`)."""

    def as_record(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "images": {split: [*counts] for split, counts in self.images.items()},
            "duplicates": dict(self.duplicates),
            **({"found": found} if (found := _counted(self.found)) else {}),
        }

    def lines(self, spec: DatasetSpec) -> Iterator[str]:
        """The summary; nothing of a data set that has nothing to say of its files."""
        if not self.found:
            return
        here = dict.fromkeys((*(split for split in SPLITS if split in self.images), *self.images))
        splits = [
            f"{split} {sum(of)} ({_by_class(of, spec)})" for split in here for of in [self.images[split]]
        ]
        yield f"{spec.name}: {', '.join(splits)}"
        for what, kinds in _counted(self.found).items():
            yield f"{spec.name}: {what}: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}"

    def warnings(self, spec: DatasetSpec) -> Iterator[str]:
        """A line for each pair of splits with images in common, one for classes no validation image is of."""
        for pair, count in self.duplicates.items():
            split, _, other = pair.partition(" in ")
            if count:
                of_other = "training" if other == "train" else other
                whole = sum(self.images[split])
                same = "; ".join(f"{name} is {twin}" for name, twin in self.examples.get(pair, ()))
                told = f" ({same}{'; …' if count > len(self.examples[pair]) else ''})" if same else ""
                yield (
                    f"{spec.name}: {count} of {whole} {split} images have the pixels of {of_other} images"
                    f"{told}"
                )
        counts = self.images.get("val", ())
        lacking = [name for name, count in zip(spec.shown_names, counts, strict=False) if not count]
        if lacking:
            more = ", …" if len(lacking) > MOST_EXAMPLES else ""
            yield (
                f"{spec.name}: no validation image is of class {', '.join(lacking[:MOST_EXAMPLES])}{more}; "
                "take more of them, as by run.holdout"
            )


def _counted(found: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """The most frequent kinds first, and nothing of what was found nowhere."""
    return {
        what: dict(sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0])))
        for what, kinds in found.items()
        if kinds
    }


def _by_class(counts: Sequence[int], spec: DatasetSpec) -> str:
    if len(counts) > MOST_CLASSES:
        return f"{min(counts)} to {max(counts)} of each of {len(counts)} classes"
    return ", ".join(f"{name} {count}" for name, count in zip(spec.shown_names, counts, strict=True))
