"""Ray: what is refused at once, and how many runs there is room for. tests/e2e kills real workers."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from console import Cli

from lpa3bench.engines.ray import Needs, connect, room
from lpa3bench.errors import UsageError

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@pytest.mark.parametrize(
    ("needs", "count"),
    [
        (Needs(1, 0), 10),
        (Needs(4, 0), 2),
        (Needs(1, 1), 3),
        (Needs(4, 1), 2),
        (Needs(9, 0), 0),
        (Needs(2, 2), 1),
    ],
)
def test_how_many_runs_the_machines_take_at_once(needs: Needs, count: int) -> None:
    machines: list[dict[str, float]] = [{"CPU": 8.0, "GPU": 2.0, "memory": 1e9}, {"CPU": 2.0, "GPU": 1.0}, {}]
    assert room(machines, needs) == count


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"Ray is not installed; pip install 'lpa3bench\[ray\]'"):
        connect(None, workers=None, threads=1, device="cpu")


@needs_ray
@pytest.mark.slow
def test_what_no_machine_has_room_for_is_refused_at_once(cli: Cli, tmp_path: Path) -> None:
    """Ray itself would wait for ever."""
    (tmp_path / "s.gin").write_text(
        'suite.cells = ["quickstart"]\nsuite.seeds = (0,)\nsuite.threads = 4096\n'
    )
    done = cli("suite", "s.gin", "--engine", "ray", "--no-forecast", "--device", "cpu", cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1] == (
        "error: --engine ray: no machine has 4096 CPUs for a run; it would wait for ever"
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
        connect(address, workers=None, threads=1, device="cpu")
    assert says in str(caught.value)
