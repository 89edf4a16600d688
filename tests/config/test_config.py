"""What a config adds up to: values, origins, precedence, settings, slots, and the objects that are built."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.config_plugins import WHOLE, ToyAttack, ToyChain, ToyJitter, ToyNet, ToyNoise, ToyTask
from support.toy_configs import REGISTRY, loaded, values

from lpa3bench.api import WeakView
from lpa3bench.config import Config, load_config
from lpa3bench.errors import ConfigError
from lpa3bench.plugin.registry import Registry


def origins(config: Config, folder: Path) -> dict[str, str]:
    """Without the folder's name."""
    return {value.name: value.origin.removeprefix(f"{folder}/") for value in config.values}


# ---------------------------------------------------------------------------------------------- what is built
def test_the_objects_hold_what_the_lines_say(tmp_path: Path) -> None:
    lines = "ToyTask.lr = 0.5\nToyTask.milestones = [0.1]\nToyNet.width = 5\n"
    lines += "run.weak = @WeakView()\nWeakView.pad = 2"
    experiment = loaded(tmp_path, lines).experiment()
    task, labels, positives = experiment.task, experiment.labels, experiment.positives
    assert type(task) is ToyTask
    assert (task.lr, task.milestones, task.batch_size) == (0.5, (0.1,), 8)
    assert type(labels) is ToyNoise
    assert labels.rate == 0.2
    assert type(positives) is ToyAttack
    assert experiment.weak == WeakView(pad=2)
    assert (experiment.view, experiment.epochs, experiment.setting) == (None, 3, "low")
    network = experiment.backbone(num_classes=4, in_channels=1)
    assert type(network) is ToyNet
    assert (network.stem[0].out_channels, network.head.out_features) == (5, 4)


def test_each_experiment_is_built_anew(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    one, other = config.experiment(), config.experiment()
    assert one.task is not other.task
    assert one.positives is not other.positives


def test_a_number_has_one_form_however_it_was_written(tmp_path: Path) -> None:
    one = loaded(tmp_path, "ToyTask.lr = 1\nToyTask.milestones = [1]")
    other = loaded(tmp_path, "ToyTask.lr = 1.0\nToyTask.milestones = (1.0,)")
    assert one.operative == other.operative
    assert type(vars(one.experiment().task)["lr"]) is float


def test_configs_side_by_side_do_not_mix(tmp_path: Path) -> None:
    """The backbone is built last, when gin has long held another config."""
    widths = [3, 5, 8]
    configs = [loaded(tmp_path, f"ToyNet.width = {width}") for width in widths]
    experiments = [config.experiment() for config in configs]
    built = [e.backbone(num_classes=2, in_channels=1).stem[0].out_channels for e in experiments]  # type: ignore[attr-defined,index]
    assert built == widths


def test_threads_do_not_mix(tmp_path: Path) -> None:
    configs = [loaded(tmp_path, f"ToyTask.steps = {n}\nToyNet.width = {n + 1}") for n in range(4)]

    def build(n: int) -> tuple[int, int, int]:
        experiment = configs[n % 4].experiment()
        network: Any = experiment.backbone(num_classes=2, in_channels=1)
        return n % 4, experiment.task.steps, network.stem[0].out_channels - 1  # type: ignore[attr-defined]

    with ThreadPoolExecutor(8) as pool:
        results = [*pool.map(build, range(40))]
    assert results == [(n % 4,) * 3 for n in range(40)]


def test_another_class_of_the_same_name_takes_its_place(tmp_path: Path) -> None:
    """As when a plugin file is loaded a second time."""

    class ToyTask2(ToyTask):
        pass

    before = loaded(tmp_path).experiment()
    entries = [replace(e, target=ToyTask2) if e.name == "ToyTask" else e for e in REGISTRY.entries]
    after = load_config([tmp_path / "a.gin"], registry=Registry(tuple(entries), ())).experiment()
    assert (type(before.task), type(after.task)) == (ToyTask, ToyTask2)


def test_the_network_to_count_takes_no_memory(tmp_path: Path) -> None:
    network = loaded(tmp_path).try_out()
    assert {p.device.type for p in network.parameters()} == {"meta"}
    assert sum(p.numel() for p in network.parameters()) == 3 * 7 * 9 + 2 * 7 + 10 * 8


def test_loading_wrong_or_right_asks_for_no_gpu_and_no_torch_before_plugins_are_needed() -> None:
    code = "import sys, lpa3bench.config, lpa3bench.config.checking; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# ------------------------------------------------------------------------------------------------- precedence
def test_later_files_win_and_params_win_over_all(tmp_path: Path) -> None:
    config = loaded(
        tmp_path,
        "ToyTask.lr = 0.1\nToyTask.weight = 1\nToyTask.steps = 1\nlow/ToyTask.batch_size = 2",
        "ToyTask.weight = 2\nToyTask.steps = 2\nToyTask.batch_size = 3",
        "ToyTask.steps = 3",
        params=("ToyTask.batch_size=4", "ToyTask.batch_size=5"),
    )
    found, places = values(config), origins(config, tmp_path)
    own = len(WHOLE.splitlines())
    assert (found["ToyTask.lr"], places["ToyTask.lr"]) == ("0.1", f"a.gin:{own + 1}")
    assert (found["ToyTask.weight"], places["ToyTask.weight"]) == ("2.0", "b.gin:1")
    assert (found["ToyTask.steps"], places["ToyTask.steps"]) == ("3", "c.gin:1")
    assert (found["ToyTask.batch_size"], places["ToyTask.batch_size"]) == ("5", "-p")
    assert (found["ToyTask.frozen"], places["ToyTask.frozen"]) == ("True", "default")


def test_a_param_beats_the_deepest_scope_of_a_file(tmp_path: Path) -> None:
    lines = "low/toyattack/ToyTask.weight = 1\npositives/ToyAttack.margin = 0.5\n"
    lines += "low/positives/ToyAttack.margin = 0.6"
    config = loaded(tmp_path, lines, params=("ToyTask.weight=2", "ToyAttack.margin=0.7"))
    assert values(config)["ToyTask.weight"] == "2.0"
    assert values(config)["positives/ToyAttack.margin"] == "0.7"


def test_a_param_can_be_for_one_slot_or_setting(tmp_path: Path) -> None:
    lines = "run.view = @ToyJitter()\nrun.positives = @ToyJitter()"
    params = ("view/ToyJitter.strength=0.1", "low/ToyTask.lr=0.3")
    config = loaded(tmp_path, "", lines, params=params)
    assert values(config)["view/ToyJitter.strength"] == "0.1"
    assert values(config)["positives/ToyJitter.strength"] == "0.5"
    assert values(config)["ToyTask.lr"] == "0.3"


def test_an_overridden_param_is_no_mistake(tmp_path: Path) -> None:
    config = loaded(tmp_path, params=("positives/ToyAttack.margin=0.1", "ToyAttack.margin=0.2"))
    assert values(config)["positives/ToyAttack.margin"] == "0.2"


def test_strings_lists_and_plugins_by_param(tmp_path: Path) -> None:
    params = (
        'ToyTask.optimizer="sgd"',
        "ToyTask.milestones=(0.1, 0.2)",
        "run.view=@ToyJitter()",
        "run.positives=None",
    )
    config = loaded(tmp_path, params=params)
    assert values(config)["ToyTask.optimizer"] == "'sgd'"
    assert values(config)["ToyTask.milestones"] == "(0.1, 0.2)"
    assert config.slots == {"view": "ToyJitter"}


# --------------------------------------------------------------------------------------------------- settings
def test_settings_by_scope(tmp_path: Path) -> None:
    lines = (
        "low/ToyTask.weight = 75\nhigh/ToyTask.weight = 100\n"
        "low/toyattack/ToyTask.weight = 37.5\ntoyjitter/high/ToyTask.weight = 9"
    )
    no_augmenter = "run.positives = None"
    jitter = "run.positives = None\nrun.view = @ToyJitter()"
    expected = {
        ("low", ""): "37.5",
        ("low", no_augmenter): "75.0",
        ("high", ""): "100.0",
        ("high", no_augmenter): "100.0",
        ("high", jitter): "9.0",
        ("low", jitter): "75.0",
    }
    for (setting, overlay), weight in expected.items():
        config = loaded(tmp_path, lines, overlay, setting=setting)
        assert values(config)["ToyTask.weight"] == weight
        assert vars(config.experiment().task)["weight"] == float(weight)
        assert (config.setting, config.settings) == (setting, ("low", "high"))


def test_the_setting_by_default_by_option_and_by_param(tmp_path: Path) -> None:
    assert loaded(tmp_path).setting == "low"
    chosen = loaded(tmp_path, setting="high")
    assert (chosen.setting, origins(chosen, tmp_path)["run.setting"]) == ("high", "--setting")
    assert values(chosen)["ToyNoise.rate"] == "0.8"
    assert loaded(tmp_path, setting="low", params=('run.setting="high"',)).setting == "high"


def test_a_setting_may_choose_what_a_slot_holds(tmp_path: Path) -> None:
    lines = "high/run.positives = @ToyJitter()\nhigh/toyjitter/ToyTask.lr = 0.3\ntoyattack/ToyTask.lr = 0.4"
    low, high = (loaded(tmp_path, lines, setting=s) for s in ("low", "high"))
    assert (low.slots, values(low)["ToyTask.lr"]) == ({"positives": "ToyAttack"}, "0.4")
    assert (high.slots, values(high)["ToyTask.lr"]) == ({"positives": "ToyJitter"}, "0.3")


def test_the_operative_config_offers_the_chosen_setting_alone(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert "run.settings = ('low',)\n" in config.operative
    (tmp_path / "operative.gin").write_text(config.operative)
    with pytest.raises(ConfigError, match="no setting high"):
        load_config([tmp_path / "operative.gin"], setting="high", registry=REGISTRY)


def test_an_augmenter_inside_another_chooses_its_scope_too(tmp_path: Path) -> None:
    lines = (
        "run.view = @ToyChain()\nToyChain.parts = ()\n"
        "toychain/ToyChain.parts = (@ToyJitter(), @b/ToyJitter())\ntoyjitter/ToyTask.lr = 0.7\n"
        "ToyJitter.strength = 0.1\nview/ToyJitter.strength = 0.8\nb/ToyJitter.strength = 0.9"
    )
    config = loaded(tmp_path, lines)
    chain = config.experiment().view
    assert isinstance(chain, ToyChain)
    assert [part.strength for part in chain.parts if isinstance(part, ToyJitter)] == [0.8, 0.9]
    assert values(config)["ToyTask.lr"] == "0.7"
    assert config.slots == {"view": "ToyChain", "positives": "ToyAttack"}


# ------------------------------------------------------------------------------------ slots, macros, includes
def test_a_slot_configures_its_augmenter_apart_from_another_of_the_class(tmp_path: Path) -> None:
    lines = (
        "run.view = @ToyJitter()\nToyJitter.strength = 0.3\nToyJitter.recipe = 'small'\n"
        "positives/ToyJitter.recipe = 'large'"
    )
    experiment = loaded(tmp_path, lines, "run.positives = @augmenters.ToyJitter()").experiment()
    view, positives = experiment.view, experiment.positives
    assert isinstance(view, ToyJitter)
    assert isinstance(positives, ToyJitter)
    assert (view.recipe, view.strength) == ("small", 0.3)
    assert (positives.recipe, positives.strength) == ("large", 0.3)


def test_a_reference_with_a_scope_of_its_own_keeps_gins_meaning(tmp_path: Path) -> None:
    """It stands in that scope instead of the slot's."""
    lines = "run.view = @mild/ToyJitter()\nmild/ToyJitter.strength = 0.1\nview/ToyJitter.strength = 0.9"
    config = loaded(tmp_path, lines)
    assert values(config)["mild/ToyJitter.strength"] == "0.1"
    assert [(d.name, d.reason) for d in config.dormant if "view/" in d.name] == [
        ("view/ToyJitter.strength", "ToyJitter is not bound in view")
    ]


def test_macros(tmp_path: Path) -> None:
    lines = (
        "rate = 0.4\nlow/width = 6\nhigh/width = 9\nToyTask.lr = %rate\n"
        "ToyTask.milestones = (%rate, %a/rate)\na/rate = %rate\nToyNet.width = %width"
    )
    config = loaded(tmp_path, lines)
    assert values(config)["ToyTask.lr"] == "0.4"
    assert values(config)["ToyTask.milestones"] == "(0.4, 0.4)"
    assert values(config)["ToyNet.width"] == "6"
    own = len(WHOLE.splitlines())
    assert origins(config, tmp_path)["ToyTask.lr"] == f"a.gin:{own + 1}"  # where its value stands
    assert origins(config, tmp_path)["ToyTask.milestones"] == f"a.gin:{own + 5}"
    assert "%" not in config.operative
    again = loaded(tmp_path, lines, params=("rate=0.1",))
    assert (values(again)["ToyTask.lr"], origins(again, tmp_path)["ToyTask.lr"]) == ("0.1", "-p")


def test_blocks_and_values_over_several_lines(tmp_path: Path) -> None:
    config = loaded(
        tmp_path, "ToyTask:\n  lr = 0.25\n  milestones = (\n    0.1,\n    0.2,\n  )\nToyNet.width = 2\n"
    )
    assert values(config)["ToyTask.milestones"] == "(0.1, 0.2)"
    assert origins(config, tmp_path)["ToyNet.width"] == f"a.gin:{len(WHOLE.splitlines()) + 7}"


def test_includes_are_relative_to_the_gin_root_wherever_the_command_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "more" / "deep").mkdir(parents=True)
    (tmp_path / "base" / "common.gin").write_text(
        'include "base/net.gin"\nToyTask.lr = 0.3\nlow/ToyTask.weight = 3'
    )
    (tmp_path / "base" / "net.gin").write_text("ToyNet.width = 3\nToyTask.lr = 0.1")
    path = tmp_path / "more" / "deep" / "a.gin"
    path.write_text(WHOLE + 'include "base/common.gin"\nToyTask.weight = 4')
    monkeypatch.chdir(tmp_path / "more")
    config = load_config([Path("deep/a.gin")], registry=REGISTRY)
    assert values(config)["ToyTask.lr"] == "0.3"
    assert (
        values(config)["ToyTask.weight"] == "4.0"
    )  # a file wins over what it includes, wherever the line is
    assert values(config)["ToyNet.width"] == "3"
    assert config.changed == ()
    places = {value.name: value.origin for value in config.values}
    assert places["ToyTask.weight"] == f"deep/a.gin:{len(WHOLE.splitlines()) + 2}"
    assert places["ToyNet.width"] == f"{tmp_path}/base/net.gin:1"
    monkeypatch.chdir(tmp_path)
    assert "base/net.gin:1" in {value.origin for value in load_config([path], registry=REGISTRY).values}


def test_what_an_overlay_includes_again_does_not_undo_the_config(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "common.gin").write_text("ToyTask.lr = 0.3")
    config = loaded(tmp_path, 'include "base/common.gin"\nToyTask.lr = 0.5', 'include "base/common.gin"')
    assert values(config)["ToyTask.lr"] == "0.5"
