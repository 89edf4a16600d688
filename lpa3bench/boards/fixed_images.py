"""On which test images a board's numbers were taken: what they hold for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from lpa3bench.boards.board import Cell
from lpa3bench.boards.placing import Place
from lpa3bench.records import Record
from lpa3bench.stats.nested import FEWEST_SEEDS


def fixed_images(found: Mapping[Place, Sequence[Record]], cells: Sequence[Cell]) -> Iterator[str]:
    """Sentences on the test sets of all records; none of a board without any."""
    sets: dict[str, set[tuple[str, int]]] = defaultdict(set)
    for runs in found.values():
        for record in runs:
            sets[record.cell.dataset].add((record.data_hash, record.data.correct.n))
    if not sets:
        return
    told = "; ".join(f"{name}, {_sizes(of)}" for name, of in sorted(sets.items()))
    fixed = "one fixed test set" if all(len(of) == 1 for of in sets.values()) else "fixed test sets"
    yield (
        f"All runs of a cell are scored on {fixed}: {told}. Seeds vary labels, weights and order and never "
        "these images, so every test and every interval over seeds holds for them and says nothing of others."
    )
    if any(cell.comparison and cell.comparison.seeds_and_images for cell in cells):
        yield (
            f"A cell's page has from {FEWEST_SEEDS} pairs on a second interval of the difference, by a "
            "bootstrap over seeds and test images: it is wider, and allows for other images of the kind."
        )


def _sizes(of: set[tuple[str, int]]) -> str:
    sizes = " or ".join(f"{n:,}" for n in sorted({n for _, n in of}))
    return f"{sizes} images" if len(of) == 1 else f"{len(of)} test sets of {sizes} images"
