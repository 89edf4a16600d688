"""Several processes that train one run: they end where one alone does, and they end together.

Two real processes, started by torchrun, train every case of tests/support/shared_runs.py; here it is judged.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from support.shared_runs import CASES
from torch import Tensor, nn

from lpa3bench.api import Augmenter, Context, View
from lpa3bench.errors import ConfigError
from lpa3bench.nn.batchnorm import add_auxiliary
from lpa3bench.nn.syncbatchnorm import SyncBatchNorm, synchronise_batchnorm
from lpa3bench.runtime.distributed import ALONE, Span, Torchrun, joined, place
from lpa3bench.runtime.seeding import Draws
from lpa3bench.testing import TinyNet, TinyTask
from lpa3bench_plugins.tasks.fixmatch import FixMatch

TOLERANCE = 1e-9
TESTS = Path(__file__).parents[1]
ENVIRONMENT = {
    "RANK": "3",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "4",
    "LOCAL_WORLD_SIZE": "2",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "1",
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two processes found."""
    out = tmp_path_factory.mktemp("shared") / "found.json"
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "--max-restarts", "0", "--module", "support.shared_runs", str(out)],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    every: list[dict[str, Any]] = json.loads(out.read_text())
    assert len(every) == 2
    return every


@pytest.mark.parametrize("case", CASES)
def test_training_together_ends_where_training_alone_does(found: list[dict[str, Any]], case: str) -> None:
    """Parameters, running statistics, memories, optimisers, averages, orders, draws and predictions."""
    for one in found:
        result = one["cases"][case]
        assert result["moved"] > 1e-3, "nothing was trained"
        assert {"/models/net/backbone.head.weight", "predictions"} <= result["differences"].keys()
        assert max(result["differences"].values()) <= TOLERANCE


@pytest.mark.parametrize("case", CASES)
def test_logs_and_counted_passes_are_those_of_the_whole_batch(found: list[dict[str, Any]], case: str) -> None:
    first = found[0]["cases"][case]
    alone, together = first["logs"]
    assert "loss" in alone
    assert together == pytest.approx(alone, abs=1e-7)  # shares of right predictions are in float32
    assert together == found[1]["cases"][case]["logs"][1]
    alone, together = first["passes"]
    assert alone["task"]["backward_weights"] > 0
    assert together == alone
    assert found[1]["cases"][case]["passes"][1] == {}


def test_the_cases_have_what_is_hard(found: list[dict[str, Any]]) -> None:
    """Batches that do not divide, a process without a row, and one selected image for two processes."""
    here, there = (one["cases"] for one in found)
    assert here["supervised, odd batches"]["rows"][1][0] != there["supervised, odd batches"]["rows"][1][0]
    assert 0 in here["supervised, batchnorm, no row"]["rows"][1]
    selected = here["supervised, lpa3, one of a batch"]["logs"][1]["positives/selected"]
    assert selected == pytest.approx(1 / 16)
    assert 0 < here["supervised, lpa3, threshold"]["logs"][1]["positives/selected"] < 1
    assert 0 < here["fixmatch"]["logs"][1]["confident"] < 1
    whole = [size for case in here.values() for size in case["rows"][0]]
    shared = zip(
        *([n for case in one.values() for n in case["rows"][1]] for one in (here, there)), strict=True
    )
    assert [sum(parts) for parts in shared] == whole


def test_exchanges(found: list[dict[str, Any]]) -> None:
    here, there = (one["exchanges"] for one in found)
    assert (here["span"], there["span"]) == ([0, 1, 3], [1, 3, 3])
    assert here["gathered"] == there["gathered"] == [0, 10, 11]
    assert here["averaged"] == there["averaged"] == [[1.5, 1.5], [15]]
    assert (here["weighted"] + there["weighted"]) / 2 == pytest.approx((0 + 10 + 11) / 3)
    assert (here["weighted without a row"] + there["weighted without a row"]) / 2 == pytest.approx(10.5)
    assert here["highest"] == there["highest"] == 2
    assert here["from the first"] == there["from the first"] == 40
    assert here["cut"] + there["cut"] == [*range(7)]


def test_what_is_drawn_does_not_depend_on_the_number_of_processes(found: list[dict[str, Any]]) -> None:
    here, there = (one["exchanges"] for one in found)
    draws = Draws(3)
    expected = {
        "uniform": draws.uniform((3, 2)),
        "normal": draws.normal((3,), like=torch.zeros(1, dtype=torch.float64)),
        "integers": draws.integers((3, 1), 0, 100),
        "multinomial": draws.multinomial(torch.ones(3, 9), 3),
    }
    assert {name: here[name] + there[name] for name in expected} == {
        name: value.tolist() for name, value in expected.items()
    }
    assert len(here["uniform"]) == 1
    assert (
        here["of all"] == there["of all"] == [draws.permutation(5).tolist(), draws.beta(1, 1), draws.child()]
    )


def test_all_end_where_one_has_a_reason(found: list[dict[str, Any]]) -> None:
    for one in found:
        assert one["endings"] == ["Shared 4: one has no data", "143: SIGTERM received: here"]


# ------------------------------------------------------------------------------------------- in one process
def test_torchruns_environment_is_read() -> None:
    assert place(ENVIRONMENT) == (3, 1, 4, False)
    assert place(ENVIRONMENT | {"LOCAL_WORLD_SIZE": "4"}) == (3, 1, 4, True)
    assert place(ENVIRONMENT | {"WORLD_SIZE": "1"}) is None
    assert [
        place({k: v for k, v in ENVIRONMENT.items() if k != name}) for name in ("RANK", "MASTER_PORT")
    ] == [
        None,
        None,
    ]


def test_without_torchrun_there_is_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    x = torch.arange(3.0)
    with joined("cpu") as processes:
        assert processes is ALONE
        assert processes.gather(x) is processes.weighted(x, 3) is x
        assert processes.span(3) == (0, 3, 3)
        assert processes.own(3) == slice(0, 3)
    assert "GLOO_SOCKET_IFNAME" not in os.environ


def test_a_span_finds_its_own_among_the_places_of_all() -> None:
    places = torch.tensor([0, 2, 3, 7])
    assert Span(2, 5, 8).own(places).tolist() == [0, 1]
    assert Span(0, 8, 8).own(places) is places
    assert (Span(2, 5, 12).share, Span(0, 0, 0).share) == (0.25, 1.0)


def test_what_does_not_say_that_it_can_is_refused() -> None:
    class Mine(Augmenter):
        def generate(self, x: torch.Tensor, ctx: Context) -> View:
            raise AssertionError("never called")

    assert "not known" in str(Mine().unshared())
    assert "not known" in str(TinyTask().unshared())
    assert FixMatch().unshared() is None
    assert "bn_chunks" in str(FixMatch(bn_chunks=4).unshared())


def test_batchnorm_is_shared_with_its_auxiliary_one_and_keeps_its_keys() -> None:
    net = TinyNet(num_classes=3, in_channels=3)
    keys = net.state_dict().keys()
    synchronise_batchnorm(net, ALONE)
    assert not any(isinstance(layer, SyncBatchNorm) for layer in net.modules())
    synchronise_batchnorm(net, Torchrun(0, 2))
    assert net.state_dict().keys() == keys
    add_auxiliary(net)
    layers = [layer for layer in net.modules() if isinstance(layer, nn.BatchNorm2d)]
    assert len(layers) == 4
    assert all(isinstance(layer, SyncBatchNorm) for layer in layers)


def test_a_single_value_in_all_processes_is_normalised_with_running_statistics() -> None:
    class OtherHasNone(Torchrun):
        def stack(self, x: Tensor) -> Tensor:
            return torch.stack((x, torch.zeros_like(x)))

    net = nn.Sequential(nn.BatchNorm2d(3))
    synchronise_batchnorm(net, OtherHasNone(0, 2))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    x = torch.rand(2, 3, 1, 1)
    torch.testing.assert_close(net(x[:1]), x[:1] / (1 + net[0].eps) ** 0.5)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    assert abs(float(net(x).detach().mean())) < 1e-6, "two have a variance"
    assert net[0].running_var.isfinite().all()


def test_a_batchnorm_of_its_own_class_is_refused() -> None:
    class Acting(nn.BatchNorm2d):
        pass

    with pytest.raises(ConfigError, match="Acting"):
        synchronise_batchnorm(nn.Sequential(Acting(3)), Torchrun(0, 2))
