"""`lpa3bench leaderboard publish`, against a small server that speaks W&B's protocol."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.wandb_server import PATIENCE, Server, assert_tells_nothing, only, point_to, serving

from lpa3bench.cli import main
from lpa3bench.cli.leaderboardpublish import command as publish_board

pytestmark = pytest.mark.usefixtures("home")


def made_board(board: Path) -> Path:
    board.mkdir()
    (board / "board.csv").write_text("row,mean\nLPA3,0.91\nnone,\n")
    for name in ("README.md", "board.json", "index.html"):
        (board / name).write_text(f"of {name}")
    return board


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
        (shown,) = [name for name in only(broken)[1]["files"] if name.endswith(".table.json")]
        assert only(broken)[1]["summary"]["board"]["path"] == shown


@pytest.mark.slow
def test_a_board_is_a_table_and_an_artifact(server: Server, tmp_path: Path) -> None:
    board = made_board(tmp_path / "digits")
    done = CliRunner().invoke(publish_board, [str(board), "--timeout", PATIENCE], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    run = only(server)[1]
    assert run["job_type"] == "leaderboard"
    (shown,) = [text for name, text in run["files"].items() if name.endswith(".table.json")]
    assert json.loads(shown)["data"] == [["LPA3", 0.91], ["none", None]]
    assert json.loads(shown)["columns"] == ["row", "mean"]
    (artifact,) = [a for a in server.store.artifacts.values() if a["type"] == "leaderboard"]
    assert artifact["done"]
    assert_tells_nothing(server, tmp_path)
    assert {*artifact["files"]} == {"README.md", "board.csv", "board.json", "index.html"}
    everything = server.store.everything()
    again = CliRunner().invoke(publish_board, [str(board), "--json"], catch_exceptions=False)
    assert json.loads(again.stdout)["status"] == "unchanged"
    assert {path.name for path in board.iterdir()} == {"README.md", "board.csv", "board.json", "index.html"}
    assert server.store.everything() == everything
