"""What verbs that take records ask of the predictions that lie beside them in run directories."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lpa3bench.errors import DataError, PluginError, UsageError
from lpa3bench.plugin.copies import copies_that_name
from lpa3bench.plugin.registry import Registry

if TYPE_CHECKING:
    from lpa3bench.api import Metric
    from lpa3bench.records import Record


class StoredMetrics:
    """Metrics by their names, and what stored predictions say of them.

    Imports no torch before a run directory with predictions asks for a metric.

    Args:
        say: takes notes, a line each.
    """

    def __init__(self, registry: Registry, say: Callable[[str], object] = str) -> None:
        self._registry, self._say = registry, say
        self.metric = cache(self._metric)

    def _metric(self, name: str) -> Metric | None:
        """The metric of that name, or that is registered so; None: there is none."""
        entries = self._registry.kind("metrics")
        likely = name.replace("_", "").lower()
        for entry in sorted(entries, key=lambda entry: entry.name.lower() != likely):
            try:
                metric: Metric = entry.load()()
            except (PluginError, TypeError):  # broken, or of parameters that have no default
                continue
            if name in (entry.name, metric.name):
                return metric
        return None

    def add(
        self, paths: Sequence[Path], measures: Iterable[str], known: Mapping[Path, Record] | None = None
    ) -> list[Path]:
        """Compute what finished runs lack of these measures, and write it into their records.

        Only where predictions lie beside the record; a note says for how many. A record that cannot
        be read, or that its predictions contradict, is left to whoever takes it.

        Args:
            known: those that were read, by path; the others are.

        Returns:
            Which records have more than they had.

        Raises:
            UsageError: a plugin is missing that was copied with one of the runs.
        """
        from lpa3bench.boards.measures import is_cost, metric_of
        from lpa3bench.records.later_scores import scored_later

        wanted = dict.fromkeys(metric_of(key) for key in measures if not is_cost(key))
        names = {name: None for name in wanted if scored_later(name) is None}
        whole = {path for path, record in (known or {}).items() if names.keys() <= record.metrics.keys()}
        done = [
            path
            for path in paths
            if path not in whole and _predictions(path) and self._add(path, [*names], paths)
        ]
        if done:
            word = "record" if len(done) == 1 else "records"
            told = f"{', '.join(names)} computed from stored predictions"
            self._say(f"{len(done)} {word}: {told}")
        return done

    def _add(self, path: Path, names: Sequence[str], paths: Sequence[Path]) -> bool:
        from lpa3bench.records import read_record, write_record

        try:
            record = read_record(path)
            lacking = [name for name in names if name not in record.metrics]
            metrics = [metric for name in lacking if (metric := self.metric(name)) and not metric.detail_only]
            if lacking and not metrics:
                refuse_where_copied(lacking[0], [other.parent for other in paths])
            if not metrics:
                return False
            from lpa3bench.analysis.late_metrics import with_metrics

            write_record(path, with_metrics(record, metrics))
        except DataError:
            return False
        return True

    def doubt(self, record: Record) -> str | None:
        """What a record says that the predictions beside it contradict, in a few words; None: nothing."""
        path = _predictions(record.path)
        if path is None:
            return None
        from lpa3bench.analysis.late_metrics import contradicted
        from lpa3bench.training.predictions import read_predictions

        try:
            stored = read_predictions(path)
        except DataError as error:
            return str(error)
        if stored is None:
            return None
        metrics = [metric for name in record.metrics if (metric := self.metric(name))]
        wrong = contradicted(record.data, stored, metrics)
        return wrong and f"its predictions contradict it: {wrong}"


def refuse_where_copied(metric: str, folders: Iterable[Path]) -> None:
    """Raises UsageError where one of these run directories has a copy of the file that brings the metric."""
    for folder in dict.fromkeys(folders):
        for copy in copies_that_name(metric, folder):
            raise UsageError(f"there is no metric {metric} here; its copy is {copy}; give it with --plugin")


def _predictions(record: Path) -> Path | None:
    """The predictions beside the record of a run directory."""
    from lpa3bench.training.run_directory import RunDirectory

    folder = RunDirectory(record.parent)
    return folder.predictions if record == folder.result and folder.predictions.is_file() else None
