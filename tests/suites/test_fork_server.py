"""Runs that are copies of a process: they see, print, record and end as if they had been started by exec."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from support.processes import until

from lpa3bench.suites import fork_server, forked_run
from lpa3bench.suites.engine import EndedRun, Launch
from lpa3bench.suites.fork_server import Server, is_single_threaded
from lpa3bench.suites.forked_run import ForkedRun, ForkServer, modules_to_share
from lpa3bench.suites.local_engine import LocalEngine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a fork server")

ENVIRONMENT = {"OMP_NUM_THREADS": "1"}
CONFIG = """
run.task = @tasks.Supervised()
run.dataset = @datasets.Synthetic()
run.backbone = @backbones.SmallNet
run.view = @Mine()
run.positives = @augmenters.LPA3()
run.epochs = 2
Supervised.batch_size = 128
SmallNet.width = 4
LPA3.iterations = 1
"""
PLUGIN = """
import json, numpy, os, random, signal, sys, torch
from helper import FACTOR
from lpa3bench import hookimpl
from lpa3bench.api import Augmenter, View

main = sys.modules["__main__"]
mask = os.umask(0)
os.umask(mask)
print(json.dumps({
    "argv": sys.argv[1:], "orig_argv": sys.orig_argv, "path": sys.path, "cwd": os.getcwd(),
    "command": open("/proc/self/cmdline").read().rstrip("\\0").split("\\0"),
    "environment": dict(os.environ),
    "open": sorted(os.readlink(f"/proc/self/fd/{n}") for n in (0, 1, 2)),
    "leads": os.getsid(0) == os.getpgid(0) == os.getpid(),
    "signals": [str(signal.getsignal(n)) for n in (1, signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)],
    "main": [main.__name__, main.__spec__.name, main.__file__],
    "streams": [sys.stdout.encoding, sys.stderr.encoding, sys.stdout.line_buffering],
    "threads": [torch.get_num_threads(), len(os.listdir("/proc/self/task"))],
    "drawn": [torch.initial_seed(), numpy.random.rand(), random.random()],
    "mask": mask,
}), file=sys.stderr)

class Mine(Augmenter):
    def generate(self, x, ctx):
        return View(x * FACTOR, torch.arange(len(x)))

@hookimpl
def register_augmenters(register):
    register("Mine", Mine)
"""
STAYS = "import time\nprint('here', flush=True)\ntime.sleep(60)\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("forked")
    (made / "a.gin").write_text(CONFIG)
    (made / "mine.py").write_text(PLUGIN)
    (made / "helper.py").write_text("FACTOR = 0.5\n")
    (made / "stays.py").write_text(STAYS)
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ForkServer]:
    before = Path.cwd()
    os.chdir(folder)
    made = ForkServer(
        {**ENVIRONMENT, "PYTHONPATH": f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    )
    os.chdir(before)
    made.preload([name for name in modules_to_share() if name.startswith("lpa3bench_plugins.")])
    yield made
    made.close()


@pytest.fixture
def engine(server: ForkServer) -> LocalEngine:
    return LocalEngine(2, server=server)


def launch(folder: Path, *arguments: str, log: str = "log") -> Launch:
    path = f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    return Launch(arguments, {**ENVIRONMENT, "PYTHONPATH": path}, str(folder), str(folder / log))


def training(folder: Path, out: str, log: str) -> Launch:
    words = ("a.gin", "--plugin", "mine.py", "--device", "cpu", "--data", ".", "--seed", "3", "--out", out)
    return launch(folder, *words, log=log)


def ended(engine: LocalEngine) -> EndedRun:
    found: list[EndedRun] = []
    until(lambda: found.extend(engine.poll()) or found, 120)
    return found[0]


def started(engine: LocalEngine, name: str) -> ForkedRun:
    """The run, once its process is there and has imported its plugin."""
    run = engine._running[name]
    assert isinstance(run.process, ForkedRun)
    process = run.process
    until(lambda: process.poll() is None and process.pid, 120)
    until(lambda: "here" in Path(run.launch.log).read_text(), 60)
    return process


def told(log: Path) -> dict[str, Any]:
    """What the plugin has printed, without what names the log or the folder of runs."""
    (line,) = [line for line in log.read_text().splitlines() if line.startswith('{"argv"')]
    facts: dict[str, Any] = json.loads(line.replace(log.name, "LOG").replace(f'"{log.stem}"', '"OUT"'))
    for name in ("PYTEST_CURRENT_TEST", "TORCHINDUCTOR_CACHE_DIR"):  # torch sets it with the first optimiser
        facts["environment"].pop(name, None)
    return facts


def record(out: Path) -> dict[str, Any]:
    """Without what differs from one process to the next."""
    (file,) = out.glob("*/result.json")
    found: dict[str, Any] = json.loads(file.read_text())
    for name in ("training_seconds", "wall_seconds", "images_per_second", "peak_memory_bytes"):
        found["cost"].pop(name)
    found.pop("digest")
    found["provenance"].pop("finished")
    found["provenance"]["command"].remove(out.name)
    for row in found["curve"]:
        row.pop("seconds")
    return found


def is_gone(process: int) -> bool:
    try:
        return ") Z " in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return True


# --------------------------------------------------------------------------------- as if started by exec
def test_a_copy_does_all_that_a_process_of_its_own_does(folder: Path, engine: LocalEngine) -> None:
    engine.submit("forked", training(folder, "forked", "forked.log"))
    alone = LocalEngine(1)
    alone.submit("executed", training(folder, "executed", "executed.log"))
    assert ended(engine) == EndedRun("forked", 0, "")
    assert ended(alone) == EndedRun("executed", 0, "")
    seen, wanted = told(folder / "forked.log"), told(folder / "executed.log")
    assert all(one != other for one, other in zip(seen.pop("drawn"), wanted.pop("drawn"), strict=True))
    assert seen == wanted
    one, other = record(folder / "forked"), record(folder / "executed")
    assert one == other
    weights = [
        torch.load(next((folder / out).glob("*/checkpoint-*.pt")), weights_only=False)["env"]["models"]
        for out in ("forked", "executed")
    ]
    for name, tensors in weights[0].items():
        assert all(torch.equal(x, weights[1][name][key]) for key, x in tensors.items()), name
    first, *_ = (folder / "forked.log").read_text().splitlines()
    assert first.startswith("--- ")
    assert first.endswith(" --seed 3 --out forked")


def test_a_plugin_that_was_edited_is_read_anew(folder: Path, engine: LocalEngine) -> None:
    """Also what it imports from its folder: the record tells of what has run."""
    (folder / "helper.py").write_text("FACTOR = 0.25\n")
    engine.submit("edited", training(folder, "edited", "edited.log"))
    assert ended(engine).code == 0
    drawn = [told(folder / log)["drawn"] for log in ("forked.log", "edited.log")]
    assert all(one != other for one, other in zip(*drawn, strict=True)), "copies draw by chance the same"
    edited, before = record(folder / "edited"), record(folder / "forked")
    assert edited["provenance"]["plugin_sources"]["Mine"] != before["provenance"]["plugin_sources"]["Mine"]
    assert [row["loss"] for row in edited["curve"]] != [row["loss"] for row in before["curve"]]


@pytest.mark.parametrize(
    ("words", "code", "cause"),
    [
        (("--help",), 0, ""),
        (("nowhere.gin",), 3, "nowhere.gin: there is no such file, nor a shipped one"),
        (("a.gin", "--plugin", "gone.py"), 2, "--plugin gone.py: no such file"),
    ],
)
def test_exit_codes(folder: Path, engine: LocalEngine, words: tuple[str, ...], code: int, cause: str) -> None:
    engine.submit("a", launch(folder, *words))
    found = ended(engine)
    assert (found.code, found.cause.startswith(cause)) == (code, True)
    assert engine.has_room()


def test_a_run_that_is_killed_takes_no_other_with_it(folder: Path, engine: LocalEngine) -> None:
    for name in ("a", "b"):
        engine.submit(name, launch(folder, "a.gin", "--plugin", "stays.py", log=f"stays-{name}"))
    one, other = started(engine, "a"), started(engine, "b")
    assert one.pid is not None
    os.kill(one.pid, signal.SIGKILL)
    assert ended(engine) == EndedRun("a", -9, "killed by SIGKILL")
    assert other.poll() is None
    engine.stop(signal.SIGTERM)
    assert ended(engine) == EndedRun("b", -15, "killed by SIGTERM")


@pytest.mark.parametrize("can_log", [True, False])
def test_a_run_that_was_stopped_before_its_process_was_there_is_not_started(
    folder: Path, engine: LocalEngine, can_log: bool
) -> None:
    """Neither by the server nor, where it refuses, by itself."""
    server = engine._server
    assert server is not None
    until(lambda: server.look() or server._ready, 120)
    assert server._process is not None
    os.kill(server._process.pid, signal.SIGSTOP)  # so that it answers after the signal was sent
    log = "stopped" if can_log else "."
    engine.submit("a", launch(folder, "a.gin", "--plugin", "stays.py", log=log))
    engine.stop(signal.SIGTERM)
    os.kill(server._process.pid, signal.SIGCONT)
    assert ended(engine) == EndedRun("a", -15, "killed by SIGTERM")


# ------------------------------------------------------------------------------------- the server's death
def test_runs_end_with_their_server_and_another_one_is_started(folder: Path, engine: LocalEngine) -> None:
    engine.submit("a", launch(folder, "a.gin", "--plugin", "stays.py", log="orphan"))
    run = started(engine, "a")
    assert run.pid is not None
    server = engine._server
    assert server is not None
    assert server._process is not None
    first = server._process.pid
    os.kill(first, signal.SIGKILL)
    assert ended(engine) == EndedRun("a", -9, "killed by SIGKILL")
    until(lambda: is_gone(run.pid or 0))
    engine.submit("b", launch(folder, "--help"))
    assert server._process.pid != first
    engine.close()
    assert engine.poll() == []


def test_a_server_does_not_outlive_who_started_it(tmp_path: Path) -> None:
    code = (
        "import time; from lpa3bench.suites.forked_run import ForkServer\n"
        "print(ForkServer({})._process.pid, flush=True); time.sleep(60)\n"
    )
    master = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert master.stdout is not None
    server = int(master.stdout.readline())
    master.kill()
    master.wait()
    until(lambda: is_gone(server))


def test_an_order_that_a_dead_server_did_not_take_is_done_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was killed after the last look at it."""
    monkeypatch.setattr(forked_run, "SERVER", "lpa3bench.nowhere")
    server = ForkServer({})
    engine = LocalEngine(1, server=server)
    assert server._process is not None
    server._process.wait()
    server._ready = True
    engine.submit("a", Launch(("--version",), {}, str(Path.cwd()), str(tmp_path / "log")))
    assert isinstance(engine._running["a"].process, ForkedRun)
    engine.poll()
    assert not isinstance(engine._running["a"].process, ForkedRun)
    engine.close()


def test_what_a_server_that_is_not_ready_was_asked_for_ends_by_a_signal(tmp_path: Path) -> None:
    engine = LocalEngine(1, server=ForkServer({}))
    try:
        engine.submit("a", Launch(("--help",), {}, str(Path.cwd()), str(tmp_path / "log")))
        engine.stop(signal.SIGTERM)
        assert engine.poll() == [EndedRun("a", -15, "killed by SIGTERM")]
    finally:
        engine.close()


def test_a_server_that_cannot_start_leaves_runs_to_exec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forked_run, "SERVER", "lpa3bench.nowhere")
    engine = LocalEngine(1, server=ForkServer({}))
    engine.submit("a", Launch(("--help",), {}, str(Path.cwd()), str(tmp_path / "log")))
    assert ended(engine) == EndedRun("a", 0, "")
    assert not isinstance(engine._server, ForkServer) or engine._server._process is None
    (tmp_path / "dir").mkdir()
    log = tmp_path / "dir"
    engine.submit("b", Launch(("--help",), {}, str(Path.cwd()), str(log)))
    assert ended(engine).cause == f"it cannot be started with the log {log} (Is a directory)"
    assert engine.has_room()
    engine.close()


def test_what_a_server_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its libraries have read the environment, and its modules are found from its folder."""
    monkeypatch.setattr(forked_run, "SERVER", "lpa3bench.nowhere")
    server = ForkServer(ENVIRONMENT)
    here = str(Path.cwd())
    assert server.takes(Launch((), ENVIRONMENT, here, "log"), {})
    assert not server.takes(Launch((), {"OMP_NUM_THREADS": "2"}, here, "log"), {})
    assert not server.takes(Launch((), ENVIRONMENT, here, "log"), {"LPA3BENCH_TEST": "1"})
    assert not server.takes(Launch((), ENVIRONMENT, str(tmp_path), "log"), {})
    server.close()
    assert not server.takes(Launch((), ENVIRONMENT, here, "log"), {})


# ------------------------------------------------------------------------------------- when there is no copy
@pytest.fixture
def idle(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Server:
    """A server in this process, of which a copy could be made: it looks at one source, and forks nothing."""
    monkeypatch.setattr(gc, "freeze", lambda: None)
    monkeypatch.setattr(fork_server, "is_single_threaded", lambda: True)
    (tmp_path / "source.py").write_text("")
    monkeypatch.setattr(fork_server, "_sources", lambda: [str(tmp_path / "source.py")])
    server = Server(os.open(tmp_path / "answers", os.O_WRONLY | os.O_CREAT))
    server.preload(["lpa3bench.no_such_module"])
    assert server._can_copy()
    return server


def edit(folder: Path) -> None:
    (folder / "source.py").write_text("edited")


def remove(folder: Path) -> None:
    (folder / "source.py").unlink()


@pytest.mark.parametrize("change", [edit, remove])
def test_no_copy_is_made_of_an_older_engine(
    idle: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("forked"))
    change(tmp_path)
    assert idle._start(7, ["--help"], str(tmp_path / "log")) is None
    assert (tmp_path / "answers").read_text() == '["refused", 7]\n'
    assert not (tmp_path / "log").exists()


def test_a_source_that_was_edited_before_more_was_imported_is_older_all_the_same(
    idle: Server, tmp_path: Path
) -> None:
    edit(tmp_path)
    idle.preload(["lpa3bench.no_such_module"])
    assert not idle._can_copy()


def test_a_source_that_is_edited_while_it_is_imported_is_older(
    idle: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fork_server, "_source_files", lambda: [str(tmp_path / "source.py")])
    monkeypatch.setattr(fork_server.importlib, "import_module", lambda name: edit(tmp_path))
    server = Server(idle._answers)
    server.preload(["lpa3bench.no_such_module"])
    assert not server._can_copy()


def test_threads_are_seen() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert not is_single_threaded()
    finally:
        done.set()
        thread.join()
    code = "from lpa3bench.suites.fork_server import is_single_threaded as one; raise SystemExit(not one())"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
