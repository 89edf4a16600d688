"""Some hundred files of a run that were damaged, swapped or are of another form: whoever reads them says so
in a line, or has the numbers that the run wrote."""

from __future__ import annotations

import json
import random
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from support.damage import damaged, flipped, holder, paths

from lpa3bench import config
from lpa3bench.analysis.late_metrics import late_metrics, with_metrics
from lpa3bench.analysis.trained_run import open_run
from lpa3bench.errors import BenchError, DamagedWarning
from lpa3bench.export.finished_run import load_exported
from lpa3bench.export.weights import export
from lpa3bench.plugin import registry
from lpa3bench.publish.from_run_directory import read_run
from lpa3bench.records import read_record
from lpa3bench.runtime.state import load_state, save_state
from lpa3bench.testing import assert_same
from lpa3bench.training.best_epoch import load_best
from lpa3bench.training.failure_file import read_failure
from lpa3bench.training.job import Job, plan
from lpa3bench.training.loop import run
from lpa3bench.training.saved_forms import strange
from lpa3bench.training.sinks import Sink
from lpa3bench_plugins.metrics.ece import ECE

SEED = 8
TEXT = """
run.task = @tasks.Supervised()
run.dataset = @datasets.Synthetic()
run.backbone = @backbones.SmallNet
run.positives = @augmenters.LPA3()
run.epochs = 3
Supervised.batch_size = 16
Supervised.lr = 0.02
SmallNet.width = 4
Synthetic.size = 8
Synthetic.train = 16
Synthetic.val = 8
Synthetic.test = 16
Synthetic.num_classes = 4
LPA3.iterations = 1
LPA3.select = "dataset"
"""
STRANGE: tuple[Any, ...] = (
    None, -1, 0, 2**70, 1e308, float("nan"), "x", "", True, [], [[1]], {}, {"a": [1]}, {1: 2}, torch.zeros(3),
    torch.zeros(2, dtype=torch.complex64),
)  # fmt: skip
JSON = ("null", "-1", "1e999", "NaN", f"1{'0' * 400}", '"x"', "[]", "{}", "[" * 100_000, r'"\ud800"', "true")


class KillAfter(Sink):
    """Ends a run after an epoch's row is written and before its checkpoint is, as kill -9 may."""

    def __init__(self, epoch: int) -> None:
        self.at = epoch

    def epoch(self, row: Mapping[str, Any]) -> None:
        if row["epoch"] == self.at:
            raise KeyboardInterrupt


class Runs(NamedTuple):
    """Directories of one run, of seed 0, and of the same cell with another seed."""

    finished: Path
    begun: Path
    """With two checkpoints, of one and of two epochs."""
    other: Path
    """Finished, of another seed."""


def job(root: Path, seed: int = 0) -> Job:
    root.mkdir(exist_ok=True)
    (root / "a.gin").write_text(TEXT)
    loaded = config.load_config([root / "a.gin"], registry=registry.load_registry())
    return Job(config=loaded, seed=seed, device="cpu", data=root, out=root / "runs")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    root = tmp_path_factory.mktemp("made")
    with pytest.raises(KeyboardInterrupt):
        run(job(root / "begun"), [KillAfter(2)])
    (begun,) = (root / "begun" / "runs").glob("*-s0")
    return Runs(run(job(root / "one")).folder, begun, run(job(root / "other", 1)).folder)


class Case(NamedTuple):
    file: str
    how: str
    content: Callable[[Path, Path], bytes | None]
    """Of the file in a run's directory, and of that of the other run; None: it is gone."""

    @property
    def signed(self) -> bool:
        """Whether its digest is that of what it holds: then there is nothing to be seen, but of its form."""
        return self.how == "of another form" and self.file.endswith(".pt")

    def spoil(self, folder: Path, other: Path) -> None:
        path = folder / self.file
        if not (other / self.file).exists():  # the other run is finished, and has dropped its first
            other = folder
        content = self.content(path, other / self.file)
        path.unlink()
        if content is not None:
            path.write_bytes(content)


def restated(rng: random.Random) -> Callable[[Path, Path], bytes]:
    """A state with something else in one place, and with its digest."""

    def content(path: Path, _: Path) -> bytes:
        state = load_state(path)
        chosen = rng.choice([*paths(state)])
        holder(state, chosen)[chosen[-1]] = rng.choice(STRANGE)
        save_state(path, state)
        return path.read_bytes()

    return content


def rewritten(rng: random.Random) -> Callable[[Path, Path], bytes]:
    """JSON with something else in one place."""

    def content(path: Path, _: Path) -> bytes:
        lines = path.read_text().splitlines() if path.suffix == ".jsonl" else [path.read_text()]
        which = rng.randrange(len(lines))
        data = json.loads(lines[which])
        chosen = rng.choice([*paths(data)])
        holder(data, chosen)[chosen[-1]] = "@"
        lines[which] = json.dumps(data).replace('"@"', rng.choice(JSON))
        return "\n".join(lines).encode() + b"\n"

    return content


def cases(rng: random.Random, *files: str, each: int) -> Iterator[Case]:
    for file in files:
        yield Case(file, "gone", lambda path, other: None)
        yield Case(file, "empty", lambda path, other: b"")
        yield Case(file, "of the other run", lambda path, other: other.read_bytes())
        for _ in range(each):
            one = random.Random(rng.random())
            yield Case(file, "flipped", lambda path, other, one=one: flipped(one, path.read_bytes()))  # type: ignore[misc]
            yield Case(file, "damaged", lambda path, other, one=one: damaged(one, path.read_bytes()))  # type: ignore[misc]
            if file.endswith(".pt"):
                yield Case(file, "of another form", restated(one))
            if file.endswith((".json", ".jsonl")):
                yield Case(file, "of another form", rewritten(one))


EPOCHS = 3
LAST, BEFORE = "checkpoint-00003.pt", "checkpoint-00002.pt"
FILES = (
    "result.json", "env.json", "metrics.jsonl", "predictions.npz", "labels.npz", "operative.gin",
    "config.gin", LAST, BEFORE, "best.pt",
)  # fmt: skip
OF_BEGUN = ("checkpoint-00002.pt", "checkpoint-00001.pt", "best.pt", "env.json", "metrics.jsonl")


def or_line(read: Callable[[], Any]) -> Any:
    """What was read; None where a line was said instead."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DamagedWarning)
            return read()
    except BenchError as error:
        assert str(error)
        assert "\n" not in str(error)
        assert len(str(error)) < 1000
        return None


Readers = dict[str, Callable[[], Any]]


def quick_readers(folder: Path) -> Readers:
    """What there is to read of a finished run without building its network."""
    planned = plan(job(folder.parents[1]))
    owner: Any = {"identity": planned.identity, "seed": 0}

    def published() -> Any:
        content = read_run(folder)
        if content.artifact is None:
            return None  # it is not finished, for all that it knows
        texts = content.artifact.texts.items()
        told = {name: text for name, text in texts if name != "config.gin"}  # it is no number's source
        return [content.config, content.rows, content.summary, told]

    def late() -> Any:
        record = planned.folder.finished()
        return record and [late_metrics(folder, [ECE()]), with_metrics(record, [ECE()])]

    def checkpoint() -> Any:
        state = planned.folder.checkpoints.load()
        assert state is not None
        if len(state["ledger"]["curve"]) < EPOCHS or strange(state, **owner):
            return None  # the one before; nor does anybody take a stranger's
        return state

    return {
        "run": planned.record,
        "publish": published,
        "late": late,
        "checkpoint": checkpoint,
        "best": lambda: load_best(folder / "best.pt", **owner),
    }


def slow_readers(folder: Path) -> Readers:
    """Those that predict."""
    home = folder.parents[1]
    x = torch.linspace(0, 1, 4 * 3 * 64).view(4, 3, 8, 8)

    def predicted(weights: Any) -> Any:
        trained = open_run(folder, data=home, device="cpu", weights=weights)
        return [*trained.changed] or trained.predict(x)

    def exported() -> Any:
        done = export(folder, out=folder / "out", data=home, device="cpu")
        return [*done.changed] or load_exported(folder / "out")(x)

    return {"last": lambda: predicted("last"), "best": lambda: predicted("best"), "export": exported}


def check(runs: Runs, readers: Readers, cases: Iterator[Case]) -> dict[str, int]:
    """Damage a file, read all, put it back; how often each reader said a line instead."""
    whole = {name: read() for name, read in readers.items()}
    said: dict[str, int] = dict.fromkeys(readers, 0)
    for case in cases:
        path = runs.finished / case.file
        before = path.read_bytes()
        case.spoil(runs.finished, runs.other)
        for name, read in readers.items():
            found = or_line(read)
            said[name] += found is None
            if found is not None and not case.signed and not told_of_change(found, case):
                assert same(found, whole[name]), f"{name} of a run whose {case.file} is {case.how}"
        path.write_bytes(before)
    for name, read in readers.items():
        assert same(read(), whole[name]), name
    return said


def same(one: Any, other: Any) -> bool:
    try:
        assert_same(getattr(one, "data", one), getattr(other, "data", other))
    except AssertionError:
        return False
    return True


def told_of_change(found: Any, case: Case) -> bool:
    """Lines that say in what the run is no longer what it was, as `open_run` and `export` hand on."""
    return case.file == "operative.gin" and isinstance(found, list) and all(isinstance(v, str) for v in found)


def test_a_finished_run_is_read_as_it_was_or_not_at_all(runs: Runs) -> None:
    said = check(runs, quick_readers(runs.finished), cases(random.Random(SEED), *FILES, each=4))
    assert min(said.values()) > 5, "each reader refuses some"


def test_what_predicts_predicts_as_the_run_did_or_not_at_all(runs: Runs) -> None:
    chosen = [*cases(random.Random(SEED + 1), *FILES, each=3)][::6]
    said = check(runs, slow_readers(runs.finished), iter(chosen))
    assert min(said.values()) > 1, "each reader refuses some"


def test_an_interrupted_run_ends_as_undisturbed_or_not_at_all(runs: Runs, tmp_path: Path) -> None:
    whole = read_record(runs.finished / "result.json").data
    last = load_state(runs.finished / LAST)
    made = job(tmp_path)
    ended = 0
    for case in [*cases(random.Random(SEED + 2), *OF_BEGUN, each=2)]:
        folder = tmp_path / "runs" / runs.begun.name
        shutil.copytree(runs.begun, folder)
        case.spoil(folder, runs.other)
        done = or_line(lambda: run(made).record)
        if done is not None and not case.signed:
            ended += 1
            for part in ("metrics", "correct", "per_class", "labels", "identity", "seed"):
                assert getattr(done.data, part) == getattr(whole, part), (case.file, case.how, part)
            state = load_state(folder / LAST)
            assert all(same(state[part], last[part]) for part in ("env", "task")), (case.file, case.how)
            rows = (folder / "metrics.jsonl").read_bytes()
            assert rows == (runs.finished / "metrics.jsonl").read_bytes()
        shutil.rmtree(folder)
    assert ended > 10


def test_a_failure_file_is_read_or_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "failure.json"
    whole = {
        "schema_version": 1, "kind": "diverged", "message": "step 3: NaN", "exit_code": 1, "epochs_done": 2,
        "step": 3, "when": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    path.write_text(json.dumps(whole))
    assert read_failure(path) is not None
    rng = random.Random(SEED)
    for _ in range(50):
        path.write_text(json.dumps(whole))
        path.write_bytes(rewritten(rng)(path, path))
        found = read_failure(path)
        assert found is None or (isinstance(found.message, str) and found.epochs_done in range(10**10))
