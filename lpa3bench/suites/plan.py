"""From a checked suite to its runs: which there are and where each is done. Trains and scores nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lpa3bench.config import Config
from lpa3bench.config.cell import name_of_cell
from lpa3bench.config.experiment import Experiment
from lpa3bench.data.splits import data_hash
from lpa3bench.errors import BenchError, ConfigError, RunFailed, blamed
from lpa3bench.plugin.registry import Registry
from lpa3bench.records.schema import Purpose, RunIdentity
from lpa3bench.records.searches import SEARCH_FOLDER
from lpa3bench.suites import LoadedCell, Search, Suite, SuiteCell, binding_texts
from lpa3bench.suites.suite_run import SuiteRun
from lpa3bench.training.job import cache_in, identify, label_content, run_name
from lpa3bench.training.run_directory import found_folder


@dataclass(frozen=True)
class SearchTrial:
    """One draw of a search, and the runs that score it."""

    number: int
    values: dict[str, Any]
    runs: tuple[SuiteRun, ...]


@dataclass(frozen=True)
class CellPlan:
    loaded: LoadedCell
    name: str
    """Of the cell, as records have it."""
    identity: str
    """The short hash of its runs; of a searched cell, of what it would be without the search."""
    runs: tuple[SuiteRun, ...] = ()
    """A seed each; none in a searched cell before the choice is made."""
    trials: tuple[SearchTrial, ...] = ()
    holdout: int = 0
    """Training images that its trials set apart; the runs that follow train on them."""
    problem: BenchError | None = None
    """Why its runs cannot be done: its data set is missing, say."""

    @property
    def is_unchosen(self) -> bool:
        """Whether its runs are known only when its trials are over."""
        return bool(self.trials) and not self.runs and self.problem is None

    @property
    def all_runs(self) -> tuple[SuiteRun, ...]:
        """Of its trials, then its own."""
        return (*(run for trial in self.trials for run in trial.runs), *self.runs)

    def __str__(self) -> str:
        return str(self.loaded.cell)


class Planner:
    """Makes the runs of a suite.

    Args:
        out: the folder that holds their directories.
        data: the data folder.
        options: what every run gets beside its cell and seed, such as `--device`.
    """

    def __init__(
        self, suite: Suite, registry: Registry, *, out: Path, data: Path, options: Sequence[str] = ()
    ) -> None:
        self.suite = suite
        self.registry = registry
        self.out = out
        self.data = data
        self.options = tuple(options)
        self._known_data: dict[str, tuple[str, bool]] = {}

    def plan(self, cells: Sequence[LoadedCell]) -> list[CellPlan]:
        """The runs of every cell; of one that is searched, those of its trials.

        Each data set is read once, because its hash is a part of what a run is.

        Raises:
            ConfigError: a search has nothing to choose by.
        """
        return [self._planned(loaded) for loaded in cells]

    def _planned(self, loaded: LoadedCell) -> CellPlan:
        experiment = loaded.config.experiment()
        name = name_of_cell(loaded.config)
        try:
            runs = self.runs(loaded.whole, loaded.config, self.suite.seeds)
            identity = runs[0].name.rpartition("-")[0].rpartition("-")[2]
            if self.suite.search is None or not loaded.ranges:
                return CellPlan(loaded, name, identity, runs)
            holdout = self._holdout(self.suite.search, loaded.config, experiment)
            trials = tuple(self._trials(self.suite.search, loaded, holdout))
            return CellPlan(loaded, name, identity, trials=trials, holdout=holdout)
        except ConfigError:
            raise
        except BenchError as error:  # the others go on
            return CellPlan(loaded, name, "", problem=error)

    def runs(
        self, whole: SuiteCell, config: Config, seeds: Sequence[int], purpose: Purpose = "result"
    ) -> tuple[SuiteRun, ...]:
        """A run of the cell, with all its bindings, for each seed; what is no result in a folder apart.

        Raises:
            DataError: the data set, or a file of labels, is missing or damaged.
        """
        aid = purpose != "result"
        out = self.out / SEARCH_FOLDER if aid else self.out
        words = ("--purpose", purpose) if aid else ()
        experiment = config.experiment()
        found_hash, _ = self._data(config, experiment)
        known: dict[bytes, RunIdentity] = {}
        found = []
        for seed in seeds:
            content = label_content(experiment, self.data, seed)
            if content not in known:  # the plugins' sources are read for it, which takes its time
                known[content] = identify(config, data_hash=found_hash, content=content)
            found.append(
                SuiteRun(
                    name=found_folder(out, run_name(name_of_cell(config), known[content], seed)).name,
                    cell=str(whole),
                    seed=seed,
                    epochs=experiment.epochs,
                    out=out,
                    arguments=(*whole.words, "--seed", str(seed), *self.options, *words, "--out", str(out)),
                    purpose=purpose,
                )
            )
        return tuple(found)

    def _data(self, config: Config, experiment: Experiment) -> tuple[str, bool]:
        """The data set's hash, and whether it has a validation split."""
        key = "\n".join(line for line in config.operative.splitlines() if "datasets." in line)
        if key not in self._known_data:
            with blamed(f"{type(experiment.dataset).__name__}.load"):
                splits = experiment.dataset.load(self.data, cache=cache_in(self.out))
            self._known_data[key] = data_hash(splits), "val" in splits
        return self._known_data[key]

    def _holdout(self, search: Search, config: Config, experiment: Experiment) -> int:
        """How many images the trials of a cell hold out; 0 where there is something else to choose by.

        Raises:
            ConfigError: there are no validation images.
        """
        _, has_val = self._data(config, experiment)
        if has_val or experiment.holdout:
            return 0
        if not search.holdout:
            raise ConfigError(
                f"{search.origin}: suite.search: {experiment.dataset.spec.name} has no validation split to "
                "choose by; say how many training images to hold out, as in {…, 'holdout': 500}"
            )
        return search.holdout

    def _trials(self, search: Search, loaded: LoadedCell, holdout: int) -> Iterator[SearchTrial]:
        """Every draw with its runs, which are no results."""
        held_out = (f"run.holdout = {holdout}",) if holdout else ()
        for number in range(search.trials):
            values = search.draw(str(loaded.cell), loaded.ranges, number)
            cell = loaded.with_values((*binding_texts(values), *held_out))
            config = cell.load(self.registry)
            yield SearchTrial(number, values, self.runs(cell, config, search.seeds, "aid"))


def is_pending(plans: Sequence[CellPlan]) -> bool:
    """Whether anything is left to do."""
    return any(p.is_unchosen or any(run.state != "done" for run in p.all_runs) for p in plans)


def matching_plans(
    plans: Sequence[CellPlan], only: Sequence[str], seeds: Sequence[int]
) -> Iterator[CellPlan]:
    """The plans that match one of the patterns: whole cells, or single runs of them by name, in capital or
    small letters, for a cell's `LPA3` is `lpa3` in the names of its runs.

    A search is done whole or not at all: a run that it has yet to choose and that could match is a problem.
    """
    for planned in plans:
        if _fits(str(planned), only):
            yield planned
        elif planned.runs:
            if runs := tuple(run for run in planned.runs if _fits(run.name, only)):
                yield replace(planned, runs=runs)
        elif any(_fits(f"{planned.name}-????????-s{seed}", only) for seed in seeds):
            unchosen = RunFailed(
                "its search is not over; do that first, without --only or with the cell's text"
            )
            yield planned if planned.problem else replace(planned, trials=(), problem=unchosen)


def _fits(text: str, only: Sequence[str]) -> bool:
    return any(fnmatchcase(text.lower(), pattern.lower()) for pattern in only)
