"""What a built board holds: everything that its pages show, as plain values.

Accuracies are shares in [0, 1]; what is undefined or missing is None, never a number.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from lpa3bench.stats.curves import MeanCurve
from lpa3bench.stats.equalcost import EqualCost
from lpa3bench.stats.nested import SeedsAndImages
from lpa3bench.stats.ranking import Ranks


@dataclass(frozen=True, kw_only=True)
class Row:
    """A method: a task with its augmenters."""

    key: str
    """Short, unique, of letters, digits, "-", "_" and "."."""
    name: str
    group: str = ""
    """A heading for rows that belong together."""
    note: str = ""
    baseline: str | None = None
    """Key of the row that it is compared with, in each column; None: with none."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A setting in which methods are compared: data set, labels, backbone."""

    key: str
    name: str
    group: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Measure:
    """A number that runs are judged by; `metric`, `also` and the keys of `other_scores` name one."""

    key: str
    name: str
    """A few words, for a heading."""
    text: str
    """A sentence or two: what it is, and which epoch counts."""
    unit: str
    """"%" for a share in [0, 1] that is shown as a percentage; else the unit of the number as it is."""
    higher_is_better: bool = True
    counts: bool = False
    """Whether it is a share of the test images, k/N."""
    is_cost: bool = False
    """Whether it says what training took, and not how good it was."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A number that somebody claims."""

    mean: float
    std: float | None
    n: int | None
    source: str
    metric: str
    """Which of a record's scores it is to be set beside; "unknown" where the source does not tell, "none"
    where it is another quantity than any of them."""
    note: str = ""
    printed: str
    """As the source prints it, in per cent: `87.1`, `94.89 ± 0.12`."""

    @property
    def printed_mean(self) -> str:
        return self.printed.partition(" ± ")[0]

    @property
    def printed_std(self) -> str:
        """Empty where the source gives none."""
        return self.printed.partition(" ± ")[2]


@dataclass(frozen=True, kw_only=True)
class Reproduction:
    """Whether a measured mean agrees with a published one."""

    verdict: Literal["reproduced", "not reproduced", "not testable"]
    low: float | None
    high: float | None
    """The 95 % prediction interval that the runs give for a published mean, from both n."""
    why: str


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a board is to answer, stated in its `board.toml` before the runs that answer it."""

    text: str
    rows: tuple[str, ...]
    against: tuple[str, ...]
    """Rows that each of `rows` is compared with."""
    columns: tuple[str, ...]
    """Where it is asked."""
    primary: bool
    """Primary comparisons are corrected among themselves; what a board's other comparisons show is the
    smaller the more of them there are, and they cost the primary ones nothing."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A method against another row in one column, paired by seed."""

    baseline: str
    """Key of the row that it is compared with."""
    kind: Literal["baseline", "equal cost", "question"] = "baseline"
    """Why it is: that row is its baseline, or the task alone at the method's cost; or a question asks it."""
    primary: bool = True
    """Of which of the board's two families of comparisons it is."""
    passes_ratio: float | None = None
    """The method's passes by the other row's."""
    n: int
    """Pairs."""
    difference: float | None
    """Mean of the differences, method − baseline."""
    std: float | None
    """Sample standard deviation of the differences (ddof = 1)."""
    low: float | None
    high: float | None
    """Every mean difference that the test does not reject at 5 %, uncorrected: a 95 % confidence interval."""
    p: float | None
    """Two-sided p of the paired test over seeds, uncorrected."""
    p_holm: float | None
    """The same after Holm's correction over its family; None: left out of it, as it is not testable."""
    smallest_p: float
    """The smallest p that the pairs allow."""
    verdict: Literal["better", "worse", "no difference shown", "not testable"]
    test: str
    """The test's name."""
    why: str = ""
    """The verdict in a sentence."""
    per_sample_p: float | None = None
    """McNemar's test on the test images, pooled over the seeds' pairs; None without shared images."""
    seeds_and_images: SeedsAndImages | None = None
    """The difference of accuracies at the last epoch, over seeds and test images; None on boards of another
    measure."""
    worst_class: str | None = None
    worst_class_difference: float | None = None
    classes_harmed: int | None = None
    """Classes whose mean accuracy is lower than the baseline's."""
    classes: int | None = None
    differs_in: tuple[str, ...] = ()
    """Settings besides the augmenter in which they differ, `name: baseline → method`; (): augmenter only."""
    surroundings: tuple[str, ...] = ()
    """Hardware, processes, threads and versions that differ, likewise: seconds do not compare then."""
    costs: tuple[EqualCost, ...] = ()
    """The two at equal cost: in passes, and in seconds; (): no pairs."""


@dataclass(frozen=True, kw_only=True)
class Replications:
    """Runs of seeds that the board has, from other hardware or another torch, beside the board's own."""

    n: int
    """Runs."""
    mean: float
    """Mean of the differences, replication − the board's."""
    largest: float
    """The largest difference, without its sign."""
    surroundings: tuple[str, ...]
    """In what they differ from the board's, `name: the board's → theirs`."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One method in one column."""

    row: str
    column: str
    n: int = 0
    """Runs; 0: nothing is measured."""
    mean: float | None = None
    std: float | None = None
    """Sample standard deviation (ddof = 1); None for fewer than two runs."""
    low: float | None = None
    high: float | None = None
    """95 % confidence interval of the mean (Student's t); None for fewer runs than it is given for."""
    seeds: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()
    """In the order of the seeds."""
    other_scores: dict[str, float | None] = field(default_factory=dict)
    """Means of the other metrics over the runs; None where one of them lacks it."""
    other_stds: dict[str, float | None] = field(default_factory=dict)
    """Their sample standard deviations (ddof = 1); None for fewer than two runs."""
    seconds: float | None = None
    """Mean wall-clock seconds of training."""
    passes: float | None = None
    """Mean forward equivalents."""
    trials: int | None = None
    """Random draws that its settings were chosen from; None: they were not searched for."""
    published: Published | None = None
    reproduction: Reproduction | None = None
    comparisons: tuple[Comparison, ...] = ()
    """With its baseline first, then at equal cost, then as questions ask."""
    curve: MeanCurve | None = None
    """Accuracy after each epoch, on boards of areas under the ROC curve the area; None: some run lacks it."""
    records: tuple[str, ...] = ()
    """File names below `results/`."""
    replications: Replications | None = None
    """How runs of the same seeds in other surroundings agree; they are never counted in n."""
    flags: tuple[str, ...] = ()
    relative: float | None = None
    """Mean over the baseline's in this column, on boards of cost, where ratios say more than differences."""
    identity: str | None = None
    """The runs' eight digits; all have the same, runs of different experiments are never pooled."""
    facets: dict[str, str] = field(default_factory=dict)
    """Its `task`, its `dataset` and what stands in each slot (`slots.view`), "none" where nothing does; what
    is neither measured nor demanded by `board.toml` is left out."""
    command: str = ""
    """What runs it, without a seed; empty where neither its records nor the shipped gin files tell."""
    conditions: tuple[str, ...] = ()
    """Of an empty cell: what a run must be to stand there, each in a few words."""
    cost_text: str = ""
    """Of an empty cell: what the config file says that a run costs."""

    @property
    def comparison(self) -> Comparison | None:
        """With its baseline."""
        return next((one for one in self.comparisons if one.kind == "baseline"), None)

    @property
    def at_equal_cost(self) -> Comparison | None:
        """With the task alone, trained for the method's cost."""
        return next((one for one in self.comparisons if one.kind == "equal cost"), None)

    def against(self, row: str) -> Comparison | None:
        """With that row."""
        return next((one for one in self.comparisons if one.baseline == row), None)


@dataclass(frozen=True, kw_only=True)
class Board:
    """A built board."""

    key: str
    """The folder's name."""
    title: str
    text: str
    """A paragraph or more for the reader, plain text."""
    metric: str
    """Which of a record's scores its cells show."""
    metric_text: str
    """In words, with the selection rule."""
    protocol: int
    rows: tuple[Row, ...]
    columns: tuple[Column, ...]
    cells: tuple[Cell, ...]
    """Every pair of a row and a column that is planned, by row, then by column."""
    ranking: Ranks | None
    """Methods ranked over the columns in which all of them are measured; rows and columns by key."""
    notes: tuple[str, ...]
    """What a reader must know to believe the numbers: ddof, tests, chance misses, coverage."""
    commands: tuple[str, ...]
    """What rebuilds it."""
    records: dict[str, Any]
    """By file name, what a cell's page shows of each: see `building.detail`."""
    results: str = "results"
    """Where the records lie, from the board's folder: its own, or another board's whose records it shows."""
    measures: dict[str, Measure] = field(default_factory=dict)
    """By key: what `metric`, `also` and the keys of `other_scores` mean."""
    also: tuple[str, ...] = ()
    """Measures that are shown in tables of their own, without comparisons."""
    questions: tuple[Question, ...] = ()
    equal_cost: str | None = None
    """Key of the row of the task alone, trained for what a method costs; None: there is none."""

    def cell(self, row: str, column: str) -> Cell | None:
        """The cell; None where none is planned."""
        return next((c for c in self.cells if (c.row, c.column) == (row, column)), None)

    @property
    def measured(self) -> int:
        """Cells with a number."""
        return sum(cell.mean is not None for cell in self.cells)
