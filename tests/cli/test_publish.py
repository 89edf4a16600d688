"""`lpa3bench publish` and `leaderboard publish`, end to end against a small server on loopback."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from support.processes import assert_none_left, needs_proc, processes_with, until
from support.wandb_runs import CELL, items, made_run, offline_records, predict
from support.wandb_server import ENTITY, KEY, PATIENCE, Server, assert_tells_nothing, only, point_to, serving

from lpa3bench.cli import main
from lpa3bench.records import read_record, write_record
from lpa3bench.records.schema import digest_of

pytestmark = pytest.mark.usefixtures("home")


def publish(*arguments: str | Path, timeout: str = PATIENCE) -> Result:
    return CliRunner().invoke(
        main, ["publish", *map(str, arguments), "--timeout", timeout], catch_exceptions=False
    )


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the curve as W&B has it."""
    return {f"train/{key}" if key == "loss" else key: value for key, value in row.items() if key != "seconds"}


def assert_whole(server: Server, folder: Path) -> None:
    """The server holds all that the run directory does, once."""
    path, run = only(server)
    record = json.loads((folder / "result.json").read_text())
    rows = [row for row in server.store.rows(path) if "images/positives" not in row]
    assert len(rows) == len(record["curve"])
    for row, expected in zip(rows, record["curve"], strict=True):
        assert shown(expected).items() <= row.items()
    assert run["complete"]
    assert run["summary"]["metrics/accuracy.last"] == record["metrics"]["accuracy"]["scores"]["last"]
    (artifact,) = [one for one in server.store.artifacts.values() if one["type"] == "record"]
    assert artifact["done"]
    assert json.loads(artifact["files"]["result.json"]) == record
    assert artifact["files"]["operative.gin"] == (folder / "operative.gin").read_text()
    assert artifact["manifest"]["contents"].keys() == artifact["files"].keys()
    pictures = [name for name in run["files"] if name.endswith(".png")]
    drawn = (folder / "images" / "positives.png").read_bytes()
    assert [run["files"][name].encode("latin-1") for name in pictures] == [drawn]
    assert [run["summary"]["images/positives"]["path"]] == pictures, "the newest row shows one that is there"


# ------------------------------------------------------------------------------------------ what is published
@pytest.mark.slow
def test_published_once_and_again(server: Server, tmp_path: Path) -> None:
    folder = made_run(tmp_path)
    (folder / "config.gin").write_text(f"# {tmp_path}/mine.gin\nImages.path = '{Path.home()}/x.npz'\n")
    first = publish(folder, "--json")
    assert first.exit_code == 0, first.output
    (told,) = json.loads(first.stdout)
    path, run = only(server)
    assert path == f"{ENTITY}/lpa3bench/{told['id']}"
    assert told["url"] == f"{server.url}/{ENTITY}/lpa3bench/runs/{told['id']}"
    assert (told["status"], told["rows"]) == ("published", 3)
    assert_whole(server, folder)
    assert run["config"]["positives/LPA3"]["margin"] == 0.02
    assert (run["job_type"], run["group"]) == ("train", folder.name.removesuffix("-s3"))
    assert run["name"] == f"{CELL} s3"
    assert {*run["tags"]} == {"Supervised", "Digits", "LPA3", "protocol-1"}
    assert '\n            - "1": passes' in run["files"]["config.yaml"], "passes are defined as an x-axis"
    assert run["summary"]["_wandb"] == {"runtime": 2}, "what training took"
    assert not {"requirements.txt", "wandb-metadata.json"} & {*run["files"]}, "of no interest to anybody"

    assert_tells_nothing(server, tmp_path)

    everything, asked = server.store.everything(), len(server.requests)
    again = publish(folder)
    assert again.exit_code == 0
    assert again.stdout == f"{folder}: published before as {told['url']}, nothing to do\n"
    assert len(server.requests) == asked, "nothing was sent"

    kept = server.store.everything(but_runtime=True)
    shutil.rmtree(folder / ".wandb")  # all that is remembered of it
    assert publish(folder).exit_code == 0
    assert len(server.requests) > asked
    assert server.store.everything(but_runtime=True) == kept
    assert server.store.everything() != everything, "the SDK's own clock alone tells that it was sent again"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        ({"patience": 9, "then": "die"}, 75, "has not answered"),
        ({"swallows": True}, 75, "has not answered"),
        ({"patience": 9, "then": "refuse"}, 1, "did not take"),
    ],
)
def test_a_server_that_fails_half_way_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any], code: int, said: str
) -> None:
    folder = made_run(tmp_path)
    with serving(**fault) as broken:
        point_to(broken, monkeypatch)
        failed = publish(folder, timeout=PATIENCE if code == 1 else "15")
        assert failed.exit_code == code, failed.output
        assert failed.stdout == ""
        (line,) = failed.stderr.splitlines()
        assert said in line
        assert_none_left(sdk_home(folder))
        run = only(broken)[1]
        assert run["history"] if "swallows" in fault else len(run["history"]) < 4, "it was half-way"
    with serving(port=broken.port, store=broken.store) as back:
        assert publish(folder).exit_code == 0
        assert_whole(back, folder)


@pytest.mark.slow
def test_images_come_after_rows_that_were_published_without(server: Server, tmp_path: Path) -> None:
    folder = made_run(tmp_path)
    assert publish(folder, "--no-images").exit_code == 0
    path, run = only(server)
    assert ["test/per_class" in row for row in server.store.rows(path)] == [False, False, False, True]
    assert not [name for name in run["files"] if name.endswith(".png")]
    assert publish(folder).exit_code == 0
    rows = server.store.rows(path)
    assert [row.get("epoch") for row in rows[:3]] == [0, 1, 2]
    assert ["images/positives" in row for row in rows] == [False, False, False, False, True]
    assert ["test/per_class" in row for row in rows] == [False, False, False, True, False], "held already"
    (picture,) = [name for name in run["files"] if name.endswith(".png")]
    assert run["files"][picture].encode("latin-1") == (folder / "images" / "positives.png").read_bytes()


@pytest.mark.slow
def test_a_picture_that_was_lost_alone_is_sent_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rows had arrived: their number says nothing of files."""
    folder = made_run(tmp_path)
    with serving(loses=".png") as broken:
        point_to(broken, monkeypatch)
        failed = publish(folder)
        assert failed.exit_code == 75, failed.output
        (line,) = failed.stderr.splitlines()
        assert "did not take all of it" in line
        path, run = only(broken)
        assert [row.get("epoch") for row in broken.store.rows(path)][:3] == [0, 1, 2]
        assert not [name for name in run["files"] if name.endswith(".png")]
        assert not (folder / ".wandb" / "state.json").exists(), "nothing is taken for published"
        broken.loses = None
        assert publish(folder).exit_code == 0
        assert_whole(broken, folder)


@pytest.mark.slow
def test_a_run_published_before_it_was_over_is_continued(server: Server, tmp_path: Path) -> None:
    folder = made_run(tmp_path / "early", finished=False)
    assert publish(folder).exit_code == 0
    path, run = only(server)
    assert [row["epoch"] for row in server.store.rows(path)] == [0]
    assert run["summary"]["status"] == "unfinished"
    assert not server.store.artifacts
    whole = made_run(tmp_path)
    shutil.copytree(folder / ".wandb", whole / ".wandb", symlinks=True)
    assert publish(whole).exit_code == 0
    assert_whole(server, whole)
    assert run["summary"]["status"] == "ok"
    data = read_record(whole / "result.json").data
    data = msgspec.structs.replace(data, curve=({**data.curve[0], "loss": 2.0}, *data.curve[1:]))
    data = msgspec.structs.replace(data, digest=digest_of(data))
    write_record(whole / "result.json", data)
    failed = publish(whole)
    assert failed.exit_code == 1
    assert "was trained anew since W&B took its rows" in failed.stderr


def sdk_home(folder: Path) -> bytes:
    """In the environment of every process that publishes this run, and of no other."""
    return f"WANDB_DIR={(folder / '.wandb').resolve()}".encode()


def seen_while(variable: bytes, server: Server) -> list[int]:
    """Those that were there when the server had answered all that it was going to."""
    deadline = time.monotonic() + 30
    while len(server.requests) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    return processes_with(variable)


@pytest.mark.slow
@needs_proc
def test_a_server_that_hangs_has_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made_run(tmp_path)
    homes = sdk_home(folder)
    seen: list[int] = []
    with serving(patience=3, then="hang") as server:
        point_to(server, monkeypatch)
        looking = threading.Thread(target=lambda: seen.extend(seen_while(homes, server)), daemon=True)
        looking.start()
        failed = publish(folder, timeout="10")
        looking.join(60)
    assert failed.exit_code == 75
    (line,) = failed.stderr.splitlines()
    assert line.startswith("error: W&B has not answered within 10 seconds; nothing is lost")
    assert len(seen) >= 2, "the SDK's process and its service were at work"
    assert_none_left(homes)


@pytest.mark.slow
@needs_proc
def test_a_signal_ends_all_that_publishes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One to `publish` alone: nobody but it knows of the others."""
    folder = made_run(tmp_path)
    with serving(patience=4, then="hang") as server:
        point_to(server, monkeypatch)
        following = subprocess.Popen(
            [sys.executable, "-m", "lpa3bench", "publish", "--follow", "--no-images", str(folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: len(server.requests) == 4, 60)
        assert len(processes_with(sdk_home(folder))) >= 2, "the SDK's process and its service are at work"
        following.terminate()
        assert following.wait(20) == -signal.SIGTERM
        assert_none_left(sdk_home(folder))


def test_a_server_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    failed = publish(made_run(tmp_path))
    assert failed.exit_code == 75
    (line,) = failed.stderr.splitlines()
    assert line.startswith("error: http://127.0.0.1:9: cannot be reached")


def test_a_key_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(patience=1, then="refuse") as server:
        point_to(server, monkeypatch)
        failed = publish(made_run(tmp_path))
    assert failed.exit_code == 1, failed.output
    (line,) = failed.stderr.splitlines()
    assert "W&B refused it" in line
    assert "WANDB_API_KEY" in line
    assert KEY not in line


def test_without_a_key_it_is_written_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"PROJECT": "mine", "ENTITY": "us", "RUN_GROUP": "g", "TAGS": "a,b"}.items():
        monkeypatch.setenv(f"WANDB_{name}", text)
    folder = made_run(tmp_path)
    predict(folder)
    done = publish(folder, "--project", "another", "--json")
    assert done.exit_code == 0, done.output
    (line,) = done.stderr.splitlines()
    assert line == (
        "no W&B key, so nothing was uploaded; `wandb login` or WANDB_API_KEY, "
        f"then `lpa3bench publish {folder}`"
    )
    (told,) = json.loads(done.stdout)
    assert (told["status"], told["url"]) == ("offline", None)
    written = [*offline_records(Path(told["folder"]))]
    (run,) = [record.run for record in written if record.HasField("run")]
    assert (run.run_id, run.job_type, run.run_group) == (told["id"], "train", "g")
    assert (run.project, run.entity) == ("another", "us"), "the command line wins over the environment"
    assert [*run.tags] == ["Supervised", "Digits", "LPA3", "protocol-1", "a", "b"]
    assert items(run.config.update)["cell"]["name"] == CELL
    record = json.loads((folder / "result.json").read_text())
    rows = [items(record.history.item) for record in written if record.HasField("history")]
    media = rows.pop()
    assert media["images/positives"]["caption"] == "as it was drawn"
    assert (media["test/per_class"]["nrows"], media["test/confusion_matrix_table"]["nrows"]) == (2, 4)
    charts = [items(record.config.update) for record in written if record.HasField("config")]
    assert any("test/confusion_matrix" in str(chart) for chart in charts), "the table is drawn as a matrix"
    hidden = {record.metric.name for record in written if record.metric.options.hidden}
    assert hidden == {"epoch", "passes", "step"}, "they are axes, and no charts"
    for row, expected in zip(rows, record["curve"], strict=True):
        assert shown(expected).items() <= row.items()
        assert row["_runtime"] == pytest.approx(expected["seconds"], abs=1e-3), "the run's own"
    summary: dict[str, Any] = {}
    for part in written:
        summary |= items(part.summary.update)
    assert summary["metrics/accuracy.last"] == summary["test/accuracy"] == 0.9
    assert (summary["_runtime"], summary["_wandb"]) == (2.0, {"runtime": 2}), "nor the upload's"
    artifacts = [record.artifact for record in written if record.HasField("artifact")]
    (artifact,) = [one for one in artifacts if one.type != "run_table"]  # as the SDK keeps tables, too
    assert (artifact.type, artifact.name) == ("record", f"run-{told['id']}")
    assert {part.path for part in artifact.manifest.contents} >= {"result.json", "config.gin"}
    assert len([*(folder / ".wandb" / "wandb").glob("offline-run-*")]) == 1


def test_offline_on_demand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made_run(tmp_path)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "theirs"))
    (tmp_path / "theirs").mkdir()
    done = publish(folder)
    assert done.exit_code == 0, done.output
    assert done.stderr == "", "who asked for it needs no advice"
    (written,) = (tmp_path / "theirs" / "wandb").glob("offline-run-*")
    assert done.stdout == f"{folder}: written offline to {written}\n"
    assert publish(folder).stdout == done.stdout
    assert [*(tmp_path / "theirs" / "wandb").glob("offline-run-*")] == [written], "written once"


def test_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    folder = made_run(tmp_path)
    done = publish(folder)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "nothing is published: WANDB_MODE=disabled\n"
    assert not (folder / ".wandb").exists()


def test_what_makes_no_sense(tmp_path: Path) -> None:
    folder = made_run(tmp_path)
    (tmp_path / "empty").mkdir()
    failed = publish(tmp_path / "empty")
    assert failed.exit_code == 1
    assert failed.stderr.endswith("empty: is no run directory: there is no env.json\n")
    above = publish(folder.parent)
    assert above.exit_code == 1
    assert above.stderr.endswith(f", which is in folders below; name these: {folder.parent}/*\n")
    assert publish(folder, folder, "--follow").exit_code == 2


def test_one_of_many_that_fails_stops_no_other(tmp_path: Path) -> None:
    """As `runs/*` is: with a folder of searches in it, too."""
    runs = tmp_path / "runs"
    damaged, whole = made_run(runs / "a"), made_run(runs / "b")
    (damaged / "result.json").write_text("{")
    (runs / "search").mkdir()
    done = publish(runs / "search", damaged, whole, "--offline", "--json")
    assert done.exit_code == 4, done.output
    first, second = json.loads(done.stdout)
    assert (first["run"], first["status"]) == (str(damaged), "failed")
    assert (second["run"], second["status"]) == (str(whole), "offline")
    passed, failed, count = done.stderr.splitlines()
    assert passed == f"{runs / 'search'}: is no run directory, passed over"
    assert failed.startswith(f"error: {damaged}: ")
    assert count == "1 of 2 were not published"


def test_what_only_served_a_measurement_is_passed_over(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    aid, begun, whole = made_run(runs / "a"), made_run(runs / "b", finished=False), made_run(runs / "c")
    record = read_record(aid / "result.json")
    write_record(record.path, msgspec.structs.replace(record.data, purpose="aid"))
    began = json.loads((begun / "env.json").read_text())
    (begun / "env.json").write_text(json.dumps(began | {"purpose": "aid"}))
    done = publish(aid, begun, whole, "--offline", "--json")
    assert [one["run"] for one in json.loads(done.stdout)] == [str(whole)]
    told = "a run that only served a measurement, passed over"
    assert done.stderr.splitlines()[:2] == [f"{aid}: {told}", f"{begun}: {told}"]
    alone = publish(aid, "--offline")
    assert (alone.exit_code, alone.stdout) == (4, "")
    assert alone.stderr == f"error: {aid}: is no result: a run that only served a measurement\n"


def test_a_run_without_its_data_set_has_no_images(tmp_path: Path) -> None:
    folder = made_run(tmp_path)
    (folder / "images" / "positives.png").unlink()
    done = publish(folder, "--offline")
    assert done.exit_code == 0, done.output
    (line,) = done.stderr.splitlines()
    assert line.startswith("no images of augmentations: error: ")
