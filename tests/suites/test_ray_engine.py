"""Ray: what is refused at once, where runs are placed, and what is given up. tests/e2e kills real workers."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.console import Cli

from lpa3bench.errors import UsageError
from lpa3bench.suites import ray_engine
from lpa3bench.suites.engine import EndedRun, Launch
from lpa3bench.suites.ray_engine import RayEngine, RunResources, capacity_of, connect_ray, first_sentence

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@pytest.mark.parametrize(
    ("needs", "count"),
    [
        (RunResources(1, 0), 10),
        (RunResources(4, 0), 2),
        (RunResources(1, 1), 3),
        (RunResources(4, 1), 2),
        (RunResources(9, 0), 0),
        (RunResources(2, 2), 1),
    ],
)
def test_how_many_runs_the_machines_take_at_once(needs: RunResources, count: int) -> None:
    machines: list[dict[str, float]] = [{"CPU": 8.0, "GPU": 2.0, "memory": 1e9}, {"CPU": 2.0, "GPU": 1.0}, {}]
    assert capacity_of(machines, needs) == count


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"Ray is not installed; pip install 'lpa3bench\[ray\]'"):
        connect_ray(None, workers=None, threads=1, device="cpu")


@needs_ray
@pytest.mark.slow
def test_what_no_machine_has_room_for_is_refused_at_once(cli: Cli, tmp_path: Path) -> None:
    """Ray itself would wait for ever."""
    (tmp_path / "s.gin").write_text(
        'suite.cells = ["quickstart"]\nsuite.seeds = (0,)\nsuite.threads = 4096\n'
    )
    done = cli("suite", "s.gin", "--engine", "ray", "--workers", "1", "--device", "cpu", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stdout == "", "refused before steps are timed for a plan"
    assert done.stderr.splitlines()[-1] == (
        "error: --engine ray: no machine has 4,096 CPUs for a run; it would wait for ever"
    )
    assert not [*tmp_path.glob("runs/*-s0")]


@needs_ray
@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("127.0.0.1:1", "cannot be used at 127.0.0.1:1: Connection refused"),
        ("nowhere", "cannot be used at nowhere: an address is `auto` or HOST:PORT"),
        ("127.0.0.1:port", "an address is `auto` or HOST:PORT"),
    ],
)
def test_a_cluster_that_is_not_there(address: str, says: str) -> None:
    """Ray itself would knock for minutes."""
    with pytest.raises(UsageError) as caught:
        connect_ray(address, workers=None, threads=1, device="cpu")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (
            "The raylet died. Check raylet.out for more information.",
            "The raylet died",
        ),
        ("\n  Failed to start. \nSee gcs.out", "Failed to start"),
        ("Check", "Check"),
        ("", ""),
    ],
)
def test_nobody_is_sent_to_look_into_files_that_are_gone(said: str, line: str) -> None:
    assert first_sentence(ValueError(said)) == (f"ValueError: {line}" if line else "ValueError")


@needs_ray
def test_a_ray_that_lost_its_own_processes_holds_up_no_suite_that_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It never says that a task is cancelled."""
    import ray

    monkeypatch.setattr(ray_engine, "STOP_SECONDS", 0.1)
    monkeypatch.setattr(ray_engine, "CANCEL_SECONDS", 0.1)
    monkeypatch.setattr(ray, "wait", lambda refs, **_: ([], refs))
    monkeypatch.setattr(ray, "cancel", lambda ref, **_: None)
    engine = RayEngine(RunResources(1, 0), capacity=1, workers=None, stop=ExitStack())
    monkeypatch.setattr(engine, "_task", SimpleNamespace(remote=lambda launch: "ref"))
    engine.submit("a", launch(tmp_path, "a", ""))
    engine.stop(signal.SIGTERM)
    assert engine.poll() == []
    assert ended(engine, 1) == [EndedRun("a", -signal.SIGKILL, "it did not stop")]
    engine.close()


# ------------------------------------------------------------------------------------- a cluster of two nodes
PLACED = """
import os, time
from pathlib import Path

(Path(os.environ["SEEN"]) / str(os.getpid())).write_text(os.environ["CUDA_VISIBLE_DEVICES"])
until = time.monotonic() + 60
while len(os.listdir(os.environ["SEEN"])) < 3 and time.monotonic() < until:
    time.sleep(0.05)
os._exit(0)
"""
KILLS = "import os, signal; os.kill(os.getppid(), signal.SIGKILL); os._exit(1)"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a running cluster: two nodes on this machine, which say that they have one GPU and two."""
    from ray.cluster_utils import Cluster

    small = {"object_store_memory": 100 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 4, "num_gpus": 1, **small})
    cluster.add_node(num_cpus=4, num_gpus=2, **small)
    cluster.wait_for_nodes()
    yield cluster.address
    cluster.shutdown()


def launch(folder: Path, name: str, instead: str) -> Launch:
    """A process that does this instead of a run, which would take its time to be imported."""
    (folder / "sitecustomize.py").write_text(instead)
    environment = {"PYTHONPATH": str(folder), "SEEN": str(folder / "seen")}
    return Launch(("--help",), environment, str(folder), str(folder / ".logs" / f"{name}.log"))


def ended(engine: RayEngine, count: int) -> list[EndedRun]:
    found: list[EndedRun] = []
    deadline = time.monotonic() + 120
    while len(found) < count:
        assert time.monotonic() < deadline, found
        found += engine.poll()
        time.sleep(0.05)
    return found


@needs_ray
@pytest.mark.slow
def test_runs_are_placed_on_all_machines_and_share_no_gpu(address: str, tmp_path: Path) -> None:
    (tmp_path / "seen").mkdir()
    engine = connect_ray(address, workers=None, threads=1, device="auto")
    try:
        assert engine.capacity == 3
        for name in "abc":
            engine.submit(name, launch(tmp_path, name, PLACED))
        found = ended(engine, 3)
    finally:
        engine.close()
    assert sorted(found, key=lambda one: one.name) == [EndedRun(name, 0, "") for name in "abc"]
    seen = sorted(path.read_text() for path in (tmp_path / "seen").iterdir())
    assert seen == ["0", "0", "1"], "at the same time: the first GPU of each machine, and the second of one"


@needs_ray
@pytest.mark.slow
def test_a_run_whose_worker_dies_again_and_again_is_given_up(address: str, tmp_path: Path) -> None:
    """It says nothing of the run's values, and another time may go well."""
    engine = connect_ray(address, workers=2, threads=1, device="cpu")
    try:
        assert engine.capacity == 2
        (tmp_path / ".logs" / "b.log").mkdir(parents=True)
        engine.submit("a", launch(tmp_path, "a", KILLS))
        engine.submit("b", launch(tmp_path, "b", KILLS))
        assert not engine.has_room()
        by_name = {one.name: one for one in ended(engine, 2)}
    finally:
        engine.close()
    assert by_name["a"].code == 75
    assert by_name["a"].cause == (
        "Ray gave up: WorkerCrashedError: The worker died unexpectedly while executing this task; "
        "the same command goes on"
    )
    assert (tmp_path / ".logs" / "a.log").read_text().count("\n--- ") == 3, "tried three times more"
    assert by_name["b"].code == 1
    assert by_name["b"].cause.startswith("it cannot be started with the log ")
