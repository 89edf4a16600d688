"""A board made up for tests of its page: a few cells of every kind, or as many as a page must bear."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from lpa3bench.boards.board import (
    Board,
    Cell,
    Column,
    Comparison,
    Measure,
    Published,
    Reproduction,
    Row,
)
from lpa3bench.stats import AtBudget, EqualCost, MeanCurve, RankedPair, Ranks, ToTarget

MEASURES = {
    "last": Measure(key="last", name="last epoch", text="Test accuracy after the last epoch.", unit="%"),
    "val_selected": Measure(
        key="val_selected",
        name="selected on validation",
        text="Test accuracy of that epoch.",
        unit="%",
    ),
    "oracle_best": Measure(key="oracle_best", name="best on test", text="Best test accuracy.", unit="%"),
    "seconds_per_step": Measure(
        key="seconds_per_step",
        name="seconds per step",
        text="Seconds per step.",
        unit="s",
        higher_is_better=False,
        is_cost=True,
    ),
}
CONFIG = {f"Supervised.parameter_{number}": f"'value {number}'" for number in range(40)}


def record(seed: int, score: float, *, margin: str = "0.02") -> dict[str, Any]:
    """What a board keeps of a record, as `boards.building.detail` makes it."""
    return {
        "seed": seed,
        "metrics": {
            "last": score,
            "mean_last_10": None,
            "val_selected": score - 0.001,
            "oracle_best": score + 0.002,
        },
        "per_class": [score, score - 0.01, score + 0.01],
        "labels": {"kind": "Clean", "sha256": f"{seed:x}" * 64, "training_images": 901},
        "protocol": {"version": 1, "selection": "val", "holdout": 0, "limit": None, "changed": []},
        "cost": {
            "wall_seconds": {"train": 1.82 + seed, "evaluation": 0.069},
            "training_seconds": 1.82 + seed,
            "steps": {"train": 75},
            "forward_equivalents": 72080,
            "peak_memory_bytes": 923164672,
        },
        "config": {"run.task": "@tasks.Supervised()", **CONFIG, "positives/LPA3.margin": margin},
        "provenance": {
            "versions": {"python": "3.11.7", "torch": "2.14.1", "numpy": "2.4.6"},
            "platform": "Linux-6.18-x86_64",
            "command": ["lpa3bench", "run", "digits", "-p", f"run.seed={seed}"],
            "hardware": "a CPU",
            "finished": f"2026-11-25T21:0{seed % 10}:53+00:00",
        },
        "flags": [],
        "resumed": 0,
    }


def curve(final: float, epochs: int = 30, cost: float = 1.0) -> MeanCurve:
    """Accuracy that rises to its last value."""
    mean = tuple(final - (final - 0.1) * math.exp(-6 * (e + 1) / epochs) for e in range(epochs))
    return MeanCurve(
        epochs=tuple(range(1, epochs + 1)),
        passes=tuple(1440.0 * cost * (e + 1) for e in range(epochs)),
        seconds=tuple(0.4 * cost * (e + 1) for e in range(epochs)),
        mean=mean,
        std=tuple(0.01 * (1 - e / epochs) + 0.002 for e in range(epochs)),
    )


def costs() -> tuple[EqualCost, ...]:
    """Three times the passes, a little more time; two of three pairs came to the baseline's score."""
    reached = ToTarget(n=3, reached=2, method=2000.0, baseline=1000.0, ratio=2.0)
    early, late = (
        AtBudget(budget=budget, spent=1.0, method=method, baseline=0.91, n=3, difference=0.02 / 3, p=0.75)
        for budget, method in ((1440.0, 0.90), (4320.0, 0.92))
    )
    passes = EqualCost(
        axis="passes",
        method=4320.0,
        baseline=1440.0,
        at_baseline_cost=early,
        at_method_cost=late,
        to_target=reached,
    )
    return passes, replace(passes, axis="seconds", method=66.0, baseline=60.0)


def comparison(verdict: Any, difference: float, n: int = 5, differs_in: tuple[str, ...] = ()) -> Comparison:
    return Comparison(
        baseline="fixmatch",
        n=n,
        difference=difference,
        std=0.0031,
        low=difference - 0.004,
        high=difference + 0.004,
        p=2 * 0.5**n,
        p_holm=min(1.0, 6 * 0.5**n),
        smallest_p=2 * 0.5**n,
        verdict=verdict,
        test="sign-flip test over seeds",
        per_sample_p=0.00012,
        worst_class=3,
        worst_class_difference=-0.021,
        classes_harmed=2,
        classes=10,
        differs_in=differs_in,
        surroundings=("processes: 1 → 2",) if differs_in else (),
        costs=costs(),
    )


def cell(row: str, column: str, scores: tuple[float, ...], **parts: Any) -> Cell:
    """A cell with these runs."""
    n = len(scores)
    mean = sum(scores) / n
    std = math.sqrt(sum((s - mean) ** 2 for s in scores) / (n - 1)) if n > 1 else None
    return replace(
        Cell(
            row=row,
            column=column,
            n=n,
            mean=mean,
            std=std,
            low=mean - 0.004 if n > 4 else None,
            high=mean + 0.004 if n > 4 else None,
            seeds=tuple(range(n)),
            scores=scores,
            other_scores={
                "val_selected": mean - 0.001,
                "oracle_best": mean + 0.002,
                "seconds_per_step": 0.0243,
            },
            seconds=54.6,
            passes=72080.0,
            curve=curve(mean, cost=1.0 + len(row) % 4),
            records=tuple(f"{row}-{column}-s{seed}.json" for seed in range(n)),
            identity="2325c6d4",
        ),
        **parts,
    )


def board() -> Board:
    """Four methods, three settings: better, worse, untestable, missing, claimed, flagged."""
    claim = Published(
        mean=0.9251, std=0.0121, n=3, source="A Paper, Table 1", metric="last", printed="92.51 ± 1.21"
    )
    five = (0.93, 0.94, 0.95, 0.935, 0.945)
    cells = (
        cell(
            "fixmatch",
            "c40",
            five,
            published=claim,
            reproduction=Reproduction(
                verdict="reproduced", low=0.89, high=0.96, why="the measured mean lies inside the interval"
            ),
        ),
        cell("fixmatch", "c250", (0.951, 0.952, 0.953, 0.954, 0.955)),
        Cell(row="fixmatch", column="stl"),
        cell(
            "fixmatch-lpa3",
            "c40",
            (0.961, 0.962, 0.963, 0.964, 0.965),
            comparisons=(comparison("better", 0.023),),
            published=replace(claim, mean=0.9239, metric="oracle_best", printed="92.39 ± 1.21"),
            reproduction=Reproduction(verdict="not reproduced", low=0.90, high=0.95, why="it lies outside"),
        ),
        cell(
            "fixmatch-lpa3",
            "c250",
            (0.94, 0.941, 0.942, 0.943, 0.944),
            trials=20,
            comparisons=(comparison("worse", -0.011, differs_in=("PES.lambda_u: 75.0 → 37.5",)),),
        ),
        Cell(
            row="fixmatch-lpa3", column="stl", published=replace(claim, mean=0.9263, printed="92.63 ± 1.21")
        ),
        cell(
            "randaugment",
            "c40",
            (0.931, 0.942, 0.933),
            comparisons=(comparison("not testable", 0.004, 3),),
            flags=("2 of 3 runs had another version of torch",),
        ),
        cell(
            "randaugment",
            "c250",
            (0.951, 0.9525, 0.9535, 0.9545, 0.955),
            comparisons=(comparison("no difference shown", 0.0003),),
        ),
        Cell(row="randaugment", column="stl"),
        Cell(
            row="infomin",
            column="stl",
            published=replace(
                claim, mean=0.86, std=None, n=None, metric="none", note="another read-out", printed="86.0"
            ),
        ),
    )
    return Board(
        key="made_up",
        title="Made-up board",
        text="What the page's tests look at.\n\nNothing here was trained.",
        metric="last",
        metric_text=MEASURES["last"].text,
        protocol=1,
        rows=(
            Row(key="fixmatch", name="FixMatch", group="Semi-supervised"),
            Row(key="fixmatch-lpa3", name="FixMatch + LP-A3", group="Semi-supervised", baseline="fixmatch"),
            Row(
                key="randaugment",
                name="RandAugment",
                group="Other",
                note="recipe: torchvision",
                baseline="fixmatch",
            ),
            Row(key="infomin", name="InfoMin", group="Other"),
        ),
        columns=(
            Column(key="c40", name="40 labels", group="CIFAR-10", note="WRN-28-2"),
            Column(key="c250", name="250 labels", group="CIFAR-10"),
            Column(key="stl", name="1000 labels", group="STL-10"),
        ),
        cells=cells,
        ranking=Ranks(
            columns=("c40", "c250"),
            rows=("fixmatch", "fixmatch-lpa3", "randaugment"),
            mean_ranks=(2.5, 2.0, 1.5),
            pairs=tuple(
                RankedPair(
                    a=a, b=b, difference=0.01, p=0.5, p_holm=1.0, smallest_p=0.5, n=2, verdict="not testable"
                )
                for a, b in (
                    ("fixmatch", "fixmatch-lpa3"),
                    ("fixmatch", "randaugment"),
                    ("fixmatch-lpa3", "randaugment"),
                )
            ),
            test="Wilcoxon signed-rank test over columns",
            note="Two columns allow no p below 0.5.",
        ),
        notes=(
            "± is the sample standard deviation (ddof = 1) over seeds.",
            "Of 2 claims 0.1 are missed by chance.",
        ),
        commands=("lpa3bench leaderboard build leaderboards/made_up",),
        records={
            file: record(seed, score)
            for c in cells
            for file, seed, score in zip(c.records, c.seeds, c.scores, strict=True)
        },
        measures=MEASURES,
        also=("oracle_best",),
    )


def large(rows: int = 13, columns: int = 7, n: int = 10, epochs: int = 200) -> Board:
    """As large a board as a page must bear."""
    settings = tuple(
        Column(key=f"c{c}", name=f"{10 * (c + 1)} % symmetric", group="CIFAR-10" if c < 4 else "CIFAR-100")
        for c in range(columns)
    )
    names = (
        "Cross-entropy",
        "Mixup",
        "P-correction",
        "M-correction",
        "DivideMix",
        "DivideMix + LP-A3",
        "PES",
        "PES + LP-A3",
        "PES + RandAugment",
        "FixMatch",
        "FixMatch + LP-A3",
        "Supervised",
        "Supervised + LP-A3",
    )
    methods = tuple(
        Row(
            key=f"r{r}",
            name=names[r % len(names)],
            group=("Noise-robust training", "Semi-supervised", "Supervised")[r // 5 % 3],
            baseline="r0" if r else None,
        )
        for r in range(rows)
    )
    cells = []
    for r in range(rows):
        for c in range(columns):
            scores = tuple(0.7 + 0.011 * r + 0.02 * math.sin(c + r) + 0.001 * seed for seed in range(n))
            made = cell(
                f"r{r}",
                f"c{c}",
                scores,
                curve=curve(sum(scores) / n, epochs, 1 + r / 3),
                published=Published(
                    mean=scores[0] - 0.004,
                    std=0.003,
                    n=3,
                    source="A Paper",
                    metric="last",
                    printed=f"{100 * scores[0] - 0.4:.2f} ± 0.30",
                ),
                reproduction=Reproduction(verdict="reproduced", low=0.5, high=0.99, why="inside"),
            )
            if r:
                verdict = ("better", "worse", "no difference shown", "not testable")[(r + c) % 4]
                made = replace(made, comparisons=(replace(comparison(verdict, 0.01, n), baseline="r0"),))
            cells.append(made)
    pairs = tuple(
        RankedPair(
            a=f"r{a}",
            b=f"r{b}",
            difference=-0.01,
            p=0.016,
            p_holm=0.001 if b - a > 3 else 0.8,
            smallest_p=0.016,
            n=7,
            verdict="better" if b - a > 3 else "no difference shown",
        )
        for a in range(rows)
        for b in range(a + 1, rows)
    )
    return replace(
        board(),
        title="Noisy labels, thirteen methods",
        rows=methods,
        columns=settings,
        cells=tuple(cells),
        ranking=Ranks(
            columns=tuple(f"c{c}" for c in range(columns)),
            rows=tuple(f"r{r}" for r in range(rows)),
            mean_ranks=tuple(float(rows - r) for r in range(rows)),
            pairs=pairs,
            test="Wilcoxon signed-rank test over columns",
            note="",
        ),
        records={
            file: record(seed, score)
            for c in cells
            for file, seed, score in zip(c.records, c.seeds, c.scores, strict=True)
        },
    )


def wide_board(more: int, name: str = "FixMatch") -> Board:
    """The board with so many columns more, all as its first; `name` is that of its first row."""
    made = board()
    columns = tuple(Column(key=f"x{at}", name=f"DivideMix, {at} % noise") for at in range(more))
    first = [cell for cell in made.cells if cell.column == "c40"]
    return replace(
        made,
        rows=(replace(made.rows[0], name=name), *made.rows[1:]),
        columns=(*made.columns, *columns),
        cells=(*made.cells, *(replace(cell, column=column.key) for column in columns for cell in first)),
    )
