"""`lpa3bench leaderboard publish`, against a small server that speaks W&B's protocol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.wandb_runs import made_board
from support.wandb_server import PATIENCE, Server, assert_tells_nothing, only, point_to, serving

from lpa3bench.cli import main
from lpa3bench.cli.leaderboardpublish import command as publish_board
from lpa3bench.publish.from_board import PUBLISHED_FILES

pytestmark = pytest.mark.usefixtures("home")


@pytest.mark.slow
def test_the_table_of_a_board_that_was_lost_alone_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = made_board(tmp_path / "digits")
    with serving(loses=".table.json") as broken:
        point_to(broken, monkeypatch)
        failed = CliRunner().invoke(main, ["leaderboard", "publish", str(board), "--timeout", PATIENCE])
        assert failed.exit_code == 75, failed.output
        assert not [name for name in only(broken)[1]["files"] if name.endswith(".table.json")]
        broken.loses = None
        done = CliRunner().invoke(publish_board, [str(board), "--timeout", PATIENCE])
        assert done.exit_code == 0, done.output
        run = only(broken)[1]
        shown = {name for name in run["files"] if name.endswith(".table.json")}
        assert {run["summary"][f"board/{key}"]["path"] for key in ("cells", "matrix")} == shown


@pytest.mark.slow
def test_a_board_is_a_table_and_an_artifact(server: Server, tmp_path: Path) -> None:
    board = made_board(tmp_path / "digits")
    done = CliRunner().invoke(publish_board, [str(board), "--timeout", PATIENCE], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    run = only(server)[1]
    assert run["job_type"] == "leaderboard"
    cells, matrix = [
        json.loads(run["files"][run["summary"][f"board/{key}"]["path"]]) for key in ("cells", "matrix")
    ]
    assert [row[cells["columns"].index("mean")] for row in cells["data"]] == [0.5, 0.8, None]
    assert matrix["columns"] == ["method", "Digits"]
    assert matrix["data"][1] == ["LP-A3", "80.00 ± 0.00 (n 8) ▲".encode().decode("latin-1")]
    page = run["files"][run["summary"]["board/page"]["path"]]
    assert page.encode("latin-1") == (board / "index.html").read_bytes(), "as it is"
    (artifact,) = [a for a in server.store.artifacts.values() if a["type"] == "leaderboard"]
    assert artifact["done"]
    assert_tells_nothing(server, tmp_path)
    assert {*artifact["files"]} == {*PUBLISHED_FILES}
    everything = server.store.everything()
    again = CliRunner().invoke(publish_board, [str(board), "--json"], catch_exceptions=False)
    assert json.loads(again.stdout)["status"] == "unchanged"
    assert {path.name for path in board.iterdir()} == {*PUBLISHED_FILES}
    assert server.store.everything() == everything
