"""LP-A3's views and those of rivals at the end of training: how many, how far, and what they cost the class.

    python benchmarks/kept_views.py RUNS... [--data DIR] [--keep]

RUNS are directories of finished runs, or folders of them, with an augmenter in slot `positives`. Each network
is shown its own training images without their weak view, in eval mode, as one batch whose places the
augmenter's memory knows, twice; the second views are measured. Distance is LP-A3's own, in the features of
that network; the fall is of the log-probability of the class that it gives the image. Means over the views of
a run, then over runs that differ in the seed alone. --keep writes results/kept_views.json.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Final

import torch

from lpa3bench.analysis.trained_run import Trained, open_run
from lpa3bench.attack.features import distance, unit
from lpa3bench.runtime.paths import data_root
from lpa3bench.training.run_directory import RunDirectory

SLOT: Final = "positives"
KEPT = Path(__file__).parent / "results" / "kept_views.json"


def measure(trained: Trained, seed: int) -> dict[str, float]:
    """Of one run."""
    index = torch.arange(len(trained.train.labels), device=trained.device)
    x = trained.train.images.plain(index)
    given, said = trained.train.labels, trained.predict(x).argmax(1)
    label = torch.where(trained.data.labels.labelled, given, said)  # FixMatch's guesses have no other
    view = trained.views_again(SLOT, x, label, seed=seed)
    before, after = trained.logits(x[view.rows]), trained.logits(view.x)
    top = before.logits.argmax(1, keepdim=True)
    scores = [output.logits.log_softmax(1).gather(1, top) for output in (before, after)]
    return {
        "selected": len(view.rows) / len(x),
        "distance": float(distance(after.features, unit(before.features)).mean()),
        "fall": float((scores[0] - scores[1]).mean()),
        "same_class": float((after.logits.argmax(1, keepdim=True) == top).float().mean()),
    }


def main() -> None:
    """Measure each run and print a line for each cell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUNS")
    parser.add_argument("--data", type=Path, metavar="DIR")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT.name}")
    options = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    for folder in sorted({path.parent for place in options.runs for path in place.glob("**/result.json")}):
        record = RunDirectory(folder).finished()
        if record is None or SLOT not in record.slots:
            continue
        trained = open_run(folder, data=data_root(options.data), device="cpu")
        found[folder.name.rpartition("-s")[0]].append(measure(trained, record.seed))
    if not found:
        parser.error(f"no finished run with an augmenter in slot {SLOT} there")
    cells: dict[str, Any] = {}
    for name, runs in found.items():
        numbers = {key: [run[key] for run in runs] for key in runs[0]}
        cells[name] = {
            "n": len(runs),
            **{key: [fmean(of), stdev(of) if len(of) > 1 else None] for key, of in numbers.items()},
        }
        told = ", ".join(f"{key} {fmean(of):.3f}" for key, of in numbers.items())
        print(f"{name} (n {len(runs)}): {told}")
    if options.keep:
        KEPT.write_text(json.dumps(cells, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
