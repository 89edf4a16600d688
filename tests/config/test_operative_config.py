"""A config written out as one file, what lies dormant in it, and what differs from the published one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import config_plugins
from support.config_plugins import WHOLE, ToyStrong, ToyTask
from support.toy_configs import REGISTRY, loaded, values

from lpa3bench.api import Metric
from lpa3bench.config import Config, load_config
from lpa3bench.plugin.registry import Registry


def operative_again(config: Config, folder: Path) -> Config:
    path = folder / "operative.gin"
    path.write_text(config.operative)
    return load_config([path], registry=REGISTRY)


NUMBERS = st.floats(0.001, 100) | st.integers(1, 100)
PARAMS = st.fixed_dictionaries(
    {},
    optional={
        "ToyTask.lr": NUMBERS,
        "ToyTask.weight": NUMBERS,
        "ToyTask.milestones": st.lists(NUMBERS, max_size=3),
        "ToyTask.notes": st.none()
        | st.dictionaries(st.text(st.characters(codec="ascii"), max_size=3), NUMBERS),
        "ToyTask.frozen": st.booleans(),
        "ToyData.root": st.none() | st.text(st.characters(codec="utf-8"), max_size=5),
        "ToyJitter.recipe": st.sampled_from(["small", "large"]),
        "view/ToyJitter.strength": NUMBERS,
        "ToyJitter.strength": NUMBERS,
        "positives/ToyAttack.margin": NUMBERS,
    },
)
SLOTS = st.sampled_from(
    [
        "run.view = @ToyJitter()",
        "run.view = @a/ToyJitter()",
        "run.view = @ToyChain()\nrun.positives = @ToyJitter()",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PARAMS, SLOTS, st.sampled_from(["low", "high"]))
def test_the_operative_config_is_complete(
    tmp_path: Path, params: dict[str, Any], slots: str, setting: str
) -> None:
    """Loading it gives the same text and objects of the same settings."""
    chain = "ToyChain.parts = (@ToyJitter(), @b/ToyAttack())"
    lines = "\n".join(f"{name} = {value!r}" for name, value in params.items())
    config = loaded(tmp_path, f"{lines}\n{chain}", slots, setting=setting)
    again = operative_again(config, tmp_path)
    assert again.operative == config.operative
    assert again.dormant == ()
    assert again.slots == config.slots
    assert inside(again.experiment()) == inside(config.experiment())
    assert config.operative == "".join(sorted(config.operative.splitlines(keepends=True)))


def inside(thing: Any) -> Any:
    """What an experiment's objects hold."""
    if type(thing).__module__ == config_plugins.__name__ or isinstance(thing, Metric):
        return type(thing).__name__, inside(vars(thing))
    if isinstance(thing, dict):
        return {name: inside(value) for name, value in thing.items() if name != "_constructed_with"}
    if isinstance(thing, list | tuple):
        return [inside(item) for item in thing]
    if hasattr(thing, "__dataclass_fields__"):
        return {
            name: inside(getattr(thing, name)) for name in thing.__dataclass_fields__ if name != "backbone"
        }
    return thing


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PARAMS, st.permutations(["ToyChain", "a/ToyChain", "a/b/ToyJitter"]))
def test_gin_itself_reads_a_config_without_settings_as_we_do(
    tmp_path: Path, params: dict[str, Any], views: list[str]
) -> None:
    """Scopes that references carry, macros and inheritance: what gin means by them is what we mean."""
    lines = [
        *(f"{name} = {value!r}" for name, value in params.items()),
        "a/ToyJitter.strength = 0.25\na/b/ToyJitter.recipe = 'large'",
        "count = 7\nb/ToyAttack.iterations = %count",
        "ToyChain.parts = (@ToyJitter(), @a/ToyJitter(), @b/ToyAttack())\na/ToyChain.parts = [@ToyJitter()]",
        f"run.view = @view/{views[0]}()" if views[0] == "ToyChain" else f"run.view = @{views[0]}()",
        "run.positives = @positives/ToyAttack()",
    ]
    plain = "".join(
        f"{line}\n".replace("low/", "")
        for line in WHOLE.splitlines()
        if "setting" not in line and "positives" not in line and "high/" not in line
    )
    path = tmp_path / "plain.gin"
    path.write_text(plain + "\n".join(lines))
    ours = load_config([path], registry=REGISTRY).experiment()

    from lpa3bench.config.experiment import Experiment

    gin.clear_config()
    with gin.config.interactive_mode():
        gin.external_configurable(Experiment, name="run", module="lpa3bench")
        for entry in REGISTRY.entries:
            gin.external_configurable(entry.load(), name=entry.name, module=entry.kind)
    gin.parse_config(path.read_text())
    theirs = gin.get_configurable("lpa3bench.run")()
    gin.clear_config()
    assert inside(ours) == inside(theirs)
    assert inside(ours)["positives"][1]["margin"] == params.get("positives/ToyAttack.margin", 0.02)


def test_a_default_that_gin_cannot_write_stays_a_default(tmp_path: Path) -> None:
    class ToyTask3(ToyTask):
        def __init__(self, *, limit: float = float("inf")) -> None:
            super().__init__()
            self.limit = limit

    entries = [replace(e, target=ToyTask3) if e.name == "ToyTask" else e for e in REGISTRY.entries]
    (tmp_path / "a.gin").write_text(WHOLE)
    config = load_config([tmp_path / "a.gin"], registry=Registry(tuple(entries), ()))
    assert values(config)["ToyTask.limit"] == "inf"
    assert "limit" not in config.operative
    assert vars(config.experiment().task)["limit"] == float("inf")


def test_what_is_dormant_and_why(tmp_path: Path) -> None:
    lines = (
        "toyjitter/ToyTask.lr = 0.1\nToyJitter.strength = 0.1\nview/ToyAttack.margin = 0.1\nunused = 1\n"
        "ToyAttack.margin = 0.2\npositives/ToyAttack.margin = 0.3\nToyTask.lr = 0.4\n"
    )
    found = {dormant.name: dormant.reason for dormant in loaded(tmp_path, lines).dormant}
    assert found == {
        "high/ToyNoise.rate": "high is not chosen",
        "toyjitter/ToyTask.lr": "toyjitter is in no slot",
        "ToyJitter.strength": "ToyJitter is not bound",
        "view/ToyAttack.margin": "ToyAttack is not bound in view",
        "unused": "nothing uses %unused",
    }
    assert loaded(tmp_path, lines).dormant[0].origin == f"{tmp_path}/a.gin:{len(WHOLE.splitlines())}"


def test_an_overlay_may_wait_for_another_setting_or_be_overridden(tmp_path: Path) -> None:
    """One of which nothing is used is an error (test_config_errors.py); these are none."""
    assert loaded(tmp_path, "", "high/ToyTask.lr = 0.1\nToyJitter.strength = 0.1").changed == ()
    assert loaded(tmp_path, "", "ToyTask.lr = 0.1\nToyJitter.strength = 0.1", params=("ToyTask.lr=0.2",))


def test_what_differs_from_the_published_setting(tmp_path: Path) -> None:
    published = "low/ToyTask.weight = 75\nToyAttack.margin = 0.02\nToyJitter.strength = 0.3"
    same = "run.positives = @ToyJitter()\nrun.view = None"
    assert loaded(tmp_path, published, same).changed == ()
    assert loaded(tmp_path, published, setting="high").changed == ()
    assert loaded(tmp_path, published, "ToyTask.weight = 75.0").changed == ()
    config = loaded(
        tmp_path,
        published,
        "run.positives = @ToyJitter()\nToyJitter.strength = 0.5",
        params=("ToyTask.weight=1",),
    )
    assert [(c.name, c.published, c.text, c.origin.rpartition("/")[2]) for c in config.changed] == [
        ("ToyTask.weight", "75.0", "1.0", "-p"),
        ("positives/ToyJitter.strength", "0.3", "0.5", "b.gin:2"),
    ]
    chained = loaded(tmp_path, published, "run.view = @ToyChain()\nToyChain.parts = (@ToyJitter(),)")
    assert [(c.name, c.published) for c in chained.changed] == [("view/ToyChain.parts", None)]


def test_the_source_is_all_that_was_read(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "common.gin").write_text("# shared\nToyTask.lr = 0.3\n")
    config = loaded(
        tmp_path,
        '# mine\ninclude "base/common.gin"\n',
        "run.view = None",
        setting="low",
        params=("ToyTask.lr=1",),
    )
    headings = ["base/common.gin", "a.gin", "b.gin", "--setting", "-p"]
    parts = [config.source.index(f"{heading}\n") for heading in headings]
    assert parts == sorted(parts)
    for text in ("# shared\nToyTask.lr = 0.3\n", "# mine\n", "run.setting = 'low'\n", "\nToyTask.lr=1\n"):
        assert text in config.source


def test_the_plugins_of_an_experiment(tmp_path: Path) -> None:
    plugins = loaded(tmp_path, "ToyJitter.strength = 1.0").plugins
    names = {
        kind: {entry.name for entry in plugins if (entry.kind == "metrics") == kind} for kind in (False, True)
    }
    assert names[False] == {"ToyTask", "ToyData", "ToyNet", "ToyNoise", "ToyAttack"}
    assert names[True] == {"Accuracy", "BalancedAccuracy", "MacroAUC", "NLL", "ECE"}
    overlay = "run.positives = None\nrun.task = @ToyStrong()\nrun.strong = @ToyJitter()"
    config = loaded(tmp_path, "", f"{overlay}\nrun.metrics = [@Accuracy()]")
    assert {entry.name for entry in config.plugins} == {
        "Accuracy",
        "ToyStrong",
        "ToyData",
        "ToyNet",
        "ToyNoise",
        "ToyJitter",
    }
    assert type(config.experiment().task) is ToyStrong
