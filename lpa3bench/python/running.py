"""A run from Python, as `lpa3bench run` makes it: the same folder, the same record, the same bits."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lpa3bench.config import load_config
from lpa3bench.config.plugin_objects import given_parameters, with_classes
from lpa3bench.errors import DataError, Stopped
from lpa3bench.plugin.edited_files import fresh_registry, refuse_edited
from lpa3bench.plugin.registry import Registry
from lpa3bench.records import Record
from lpa3bench.runtime.paths import data_root, resolve_config

if TYPE_CHECKING:
    from lpa3bench.export.finished_run import Exported
    from lpa3bench.training.predictions import StoredPredictions
    from lpa3bench.types import Weights


@dataclass(frozen=True, eq=False)
class Run:
    """A finished run."""

    record: Record
    folder: Path
    """Its run directory."""
    already_done: bool
    """Whether an earlier process had finished it, so that nothing was trained now."""
    _data: Path = field(repr=False)
    _registry: Registry = field(repr=False)

    @property
    def metrics(self) -> dict[str, float | None]:
        """The scores on the test split, by `<metric>.<rule>`, those of the selecting metric first."""
        return self.record.scores

    def model(self, weights: Weights = "last", *, device: str = "cpu") -> Exported:
        """The networks that it predicts by, in eval mode: of images [B, C, H, W] in [0, 1] the class
        probabilities [B, K].

        Args:
            weights: of the last epoch, or of the one with the best validation score.
            device: where it is to be.

        Raises:
            RunFailed: the checkpoint is gone, or nothing was selected on a validation split.
            DataError: an earlier version began the run, and its data set is gone.
        """
        from lpa3bench.analysis.trained_run import open_run
        from lpa3bench.analysis.without_images import tells_of_data
        from lpa3bench.export.weights import as_module

        data = None if tells_of_data(self.folder) else self._data
        opened = open_run(self.folder, data=data, device=device, weights=weights, registry=self._registry)
        return as_module(opened, weights)

    def predictions(self) -> StoredPredictions:
        """How it predicted the test split, and the validation split where there is one, as
        `.last["test"].probs`, a tensor [N, K], and `.labels`.

        Raises:
            DataError: `predictions.npz` is gone or damaged.
        """
        from lpa3bench.training.predictions import read_predictions
        from lpa3bench.training.run_directory import RunDirectory

        path = RunDirectory(self.folder).predictions
        found = read_predictions(path)
        if found is None:
            raise DataError("there are no predictions; fresh=True runs it again", path=path)
        return found

    def __repr__(self) -> str:
        (name, score), *_ = self.metrics.items()
        shown = "undefined" if score is None else f"{score:.4f}"
        return f"<{self.record}: {name} {shown}, in {self.folder}>"


def run(
    *files: str | Path,
    params: Mapping[str, Any] | None = None,
    setting: str | None = None,
    seed: int = 0,
    data: str | Path | None = None,
    out: str | Path = "runs",
    plugins: Sequence[str | Path | type] = (),
    device: str = "auto",
    limit: int | None = None,
    fresh: bool = False,
    progress: bool = True,
) -> Run:
    """Train one experiment and write its record, or take up what an earlier call left.

    A finished run is not run again, and an interrupted one goes on where it was. Ctrl-C (in a notebook, the
    stop button) ends it between two steps; the same call goes on. What the process had set, random
    generators, PyTorch's default type and number of threads, gin's bindings, has no say in it but the number
    of threads, and is as before when it returns.

    Args:
        files: gin files or names of shipped ones; later ones win.
        params: values by name, `{"LPA3.margin": 0.05}`, that win over all files; classes and objects of
            plugins too, `{"run.positives": MyAugmenter(k=3)}`, registered or not.
        setting: one of those that the config offers.
        seed: of everything drawn.
        data: the data folder; None: $LPA3BENCH_DATA, else the cache.
        out: where the run's folder is made.
        plugins: files as of `--plugin`, and classes. A file that was edited since is loaded anew.
        device: where to compute, as of `--device`; "auto" takes a GPU where there is one.
        limit: train on so many images only; the record is no result then.
        fresh: start over, whatever an earlier run of the same name left.
        progress: whether to say on stderr how far it is.

    Raises:
        BenchError: the config, the data or the run is wrong; the message is one line.
        KeyboardInterrupt: Ctrl-C.
    """
    from lpa3bench.runtime.process_state import kept_state
    from lpa3bench.training.job import Job
    from lpa3bench.training.loop import run as train
    from lpa3bench.training.progress_bar import progress as progress_sink

    paths = tuple(Path(plugin) for plugin in plugins if not isinstance(plugin, type))
    classes = [plugin for plugin in plugins if isinstance(plugin, type)]
    given = given_parameters(params or {}, with_classes(fresh_registry(paths), classes))
    sources = [resolve_config(str(file)) for file in files]
    with kept_state(), _interrupts():
        config = load_config(sources, setting=setting, bindings=given.bindings, registry=given.registry)
        refuse_edited(config.plugins)
        job = Job(
            config=config,
            seed=seed,
            device=device,
            data=data_root(None if data is None else Path(data)),
            out=Path(out),
            limit=limit,
            fresh=fresh,
        )
        done = train(job, [progress_sink()] if progress else [])
    assert done.record is not None
    return Run(done.record, done.folder, done.already_done, job.data, given.registry)


@contextmanager
def _interrupts() -> Iterator[None]:
    """Ctrl-C is what it is anywhere in Python, so that a loop over runs ends with it."""
    try:
        yield
    except Stopped as stopped:
        if stopped.exit_code != 128 + signal.SIGINT:
            raise
        raise KeyboardInterrupt(str(stopped)) from stopped
