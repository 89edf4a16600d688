"""`run.layout`: what a layout of memory changes, what it leaves, and where it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from lpa3bench import config
from lpa3bench.api import Backbone, Dataset
from lpa3bench.cli.show import description
from lpa3bench.config.experiment import Experiment
from lpa3bench.plugin import registry
from lpa3bench.testing import TinySet, assert_same, environment, weights_of
from lpa3bench.testing.tiny import GreyTinySet
from lpa3bench.training import identity as identities
from lpa3bench.training.dry_run import RATE_GOES_BY
from lpa3bench.training.environment import Environment
from lpa3bench.training.job import Job, plan
from lpa3bench.training.loop import run
from lpa3bench.training.network import FORMATS
from lpa3bench.training.run_directory import RunDirectory
from lpa3bench.training.sinks import Sink
from lpa3bench.types import LAYOUTS, MemoryLayout
from lpa3bench_plugins.backbones.preactresnet import PreActResNet18
from lpa3bench_plugins.backbones.resnet import ResNet18
from lpa3bench_plugins.backbones.smallnet import SmallNet
from lpa3bench_plugins.backbones.wideresnet import WideResNet
from lpa3bench_plugins.tasks.supervised import Supervised

INDEX = torch.arange(8)
GIN = """
run.dataset = @datasets.Synthetic()
Synthetic.size = 8
Synthetic.channels = 1
Synthetic.train = 48
Synthetic.test = 16
Synthetic.num_classes = 4
run.backbone = @backbones.SmallNet
SmallNet.width = 4
run.epochs = 2
run.task = @tasks.Supervised()
Supervised.batch_size = 16
run.positives = @augmenters.LPA3()
LPA3.iterations = 2
"""


def built(backbone: type[Backbone], dataset: Dataset, layout: MemoryLayout) -> Environment:
    return environment(
        Experiment(task=Supervised(), dataset=dataset, backbone=backbone, epochs=1, layout=layout)
    )


# ------------------------------------------------------------------------------------ what it changes
@pytest.mark.parametrize("backbone", [SmallNet, WideResNet, PreActResNet18, ResNet18])
def test_it_moves_the_last_bits_of_passes_and_nothing_that_is_drawn(backbone: type[Backbone]) -> None:
    """In double precision all networks do the same in both: tests/plugins/backbones."""
    one, other = (built(backbone, TinySet(), layout) for layout in LAYOUTS)
    assert_same(weights_of(one.model("net")), weights_of(other.model("net")))
    x = one.weak(INDEX)
    assert torch.equal(x, other.weak(INDEX))
    assert torch.equal(one.model("net").normalise(x), other.model("net").normalise(x))
    with torch.no_grad():
        logits = [env.model("net").eval()(x).logits for env in (one, other)]
    assert not torch.equal(*logits), "then docs/config.md may say that it is bit-equal"
    torch.testing.assert_close(*logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dataset", [TinySet(), GreyTinySet()], ids=["colour", "grey"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_maps_and_weights_lie_so(layout: MemoryLayout, dataset: Dataset) -> None:
    env = built(SmallNet, dataset, layout)
    net = env.model("net")
    output = net.from_normalised(net.normalise(env.images(INDEX)))
    kernels = [p for p in net.parameters() if p.ndim == 4 and p.shape[1] > 1]
    maps = [feature for feature in output.features if feature.shape[-1] > 1]
    assert kernels
    assert maps
    for tensor in (*kernels, *maps):
        lies = {one: tensor.is_contiguous(memory_format=FORMATS[one]) for one in LAYOUTS}
        assert lies == {one: one == layout for one in LAYOUTS}


def test_no_images_are_laid_out_too() -> None:
    net = built(SmallNet, GreyTinySet(), "contiguous").model("net")
    assert net.normalise(torch.zeros(0, 1, 8, 8)).shape == (0, 1, 8, 8)


# ------------------------------------------------------------------------------- where it is written
def job(folder: Path, *bindings: str) -> Job:
    folder.mkdir(exist_ok=True)
    file = folder / "test.gin"
    file.write_text(GIN)
    loaded = config.load_config([file], bindings=bindings, registry=registry.load_registry())
    return Job(config=loaded, device="cpu", data=folder, out=folder / "runs")


class Killed(Exception):
    """Stands for kill -9."""


class KillAfterFirst(Sink):
    def epoch(self, row: Any) -> None:
        if row["epoch"] == 1:
            raise Killed


def test_a_record_and_an_identity_tell_the_layout_that_is_not_the_default(tmp_path: Path) -> None:
    named = "run.layout = '{}'"
    plain = run(job(tmp_path / "plain"))
    same = plan(job(tmp_path / "plain", named.format("channels_last")))
    other = run(job(tmp_path / "other", named.format("contiguous")))
    records = [json.loads((done.folder / "result.json").read_text()) for done in (plain, other)]
    assert plain.record
    assert other.record
    assert same.record(), "what is said and is the default finds the run"
    assert same.identity == plain.record.data.identity
    assert "run.layout" not in {*records[0]["config"], *records[0]["identity"]["config"]}
    told = {"run.layout": "'contiguous'"}
    assert plain.folder.name != other.folder.name
    assert records[1]["config"] == records[0]["config"] | told
    assert records[1]["identity"]["config"] == records[0]["identity"]["config"] | told
    assert records[1]["protocol"]["changed"] == ["run.layout"]
    assert records[0]["curve"][-1]["loss"] != records[1]["curve"][-1]["loss"]
    assert records[0]["curve"][-1]["loss"] == pytest.approx(records[1]["curve"][-1]["loss"], rel=1e-2)
    assert identities.differences(plain.record.data.identity, other.record.data.identity) == [
        "run.layout: the default → 'contiguous'"
    ]
    # ---- a run that is taken up again keeps it, to the bit
    stopped = job(tmp_path / "stopped", named.format("contiguous"))
    with pytest.raises(Killed):
        run(stopped, [KillAfterFirst()])
    states = [RunDirectory(done.folder).checkpoints.load() for done in (other, run(stopped))]
    assert_same(*({part: state[part] for part in ("env", "task")} for state in states if state))


@pytest.mark.parametrize(
    ("bindings", "value"), [((), "'channels_last'"), (("run.layout = 'contiguous'",), "'contiguous'")]
)
def test_show_tells_it(tmp_path: Path, bindings: tuple[str, ...], value: str) -> None:
    values = description(job(tmp_path, *bindings).config)["values"]
    assert [told["value"] for told in values if told["name"] == "run.layout"] == [value]


def test_others_are_refused_and_a_forecast_is_timed_for_each() -> None:
    assert get_args(MemoryLayout) == LAYOUTS == tuple(FORMATS)
    with pytest.raises(
        ValueError, match="^layout: must be channels_last or contiguous, not 'channels_first'"
    ):
        built(SmallNet, TinySet(), "channels_first")  # type: ignore[arg-type]
    assert "run.layout" in RATE_GOES_BY
