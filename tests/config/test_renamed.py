"""Configs that use a name which a parameter had once."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from support import config_plugins
from support.config_plugins import WHOLE, ToyAttack

from lpa3bench.config import Config, check_files, load, used
from lpa3bench.errors import ConfigError, RenamedWarning
from lpa3bench.plugin.registry import Entry, Registry


class Renamed(ToyAttack):
    renamed = {"epsilon": "eps", "eps": "margin"}  # noqa: RUF012


_OTHERS = [entry for entry in config_plugins.registry().entries if entry.name != "ToyAttack"]
REGISTRY = Registry((*_OTHERS, Entry("augmenters", "ToyAttack", Renamed, "toys 2.0")), ())


def loaded(folder: Path, *lines: str, params: tuple[str, ...] = ()) -> tuple[Config, list[str]]:
    """The config, and what it warned of."""
    (folder / "a.gin").write_text(WHOLE + "\n".join(lines))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        config = load([folder / "a.gin"], bindings=params, registry=REGISTRY)
    assert {one.category for one in caught} <= {RenamedWarning}
    return config, [str(one.message) for one in caught]


@pytest.mark.parametrize("name", ["eps", "epsilon"])
def test_an_old_name_is_read_as_the_new_one(tmp_path: Path, name: str) -> None:
    config, told = loaded(tmp_path, f"ToyAttack.{name} = 0.5")
    now, quiet = loaded(tmp_path, "ToyAttack.margin = 0.5")
    assert config.operative == now.operative
    assert config.identity_config == now.identity_config
    assert config.experiment().positives.margin == 0.5  # type: ignore[union-attr]
    line = len(WHOLE.splitlines()) + 1
    assert told == [f"{tmp_path}/a.gin:{line}: ToyAttack.{name} is called ToyAttack.margin now"]
    assert quiet == []


def test_one_line_for_each_name_is_enough(tmp_path: Path) -> None:
    lines = ("low/ToyAttack.eps = 0.5", "high/ToyAttack.eps = 0.6", "positives/ToyAttack.epsilon = 0.7")
    config, told = loaded(tmp_path, *lines, params=("ToyAttack.eps = 0.8",))
    assert config.experiment().positives.margin == 0.8  # type: ignore[union-attr]
    assert [text.partition(": ")[2].partition(" is")[0] for text in told] == [
        "ToyAttack.eps",
        "ToyAttack.epsilon",
    ]


@pytest.mark.filterwarnings("ignore::lpa3bench.errors.RenamedWarning")
def test_old_and_new_are_one_parameter(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ToyAttack.margin is bound twice"):
        loaded(tmp_path, "ToyAttack.eps = 0.5", "ToyAttack.margin = 0.5")
    loaded(tmp_path, "ToyAttack.eps = 0.5")
    (tmp_path / "b.gin").write_text("ToyAttack.margin = 0.9")
    config = load(
        [tmp_path / "a.gin", tmp_path / "b.gin"], bindings=("ToyAttack.epsilon=1",), registry=REGISTRY
    )
    assert config.experiment().positives.margin == 1.0  # type: ignore[union-attr]


@pytest.mark.filterwarnings("ignore::lpa3bench.errors.RenamedWarning")
def test_what_is_wrong_is_told_by_the_new_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ToyAttack.margin must be a float, not 'x'"):
        loaded(tmp_path, "ToyAttack.eps = 'x'")
    (tmp_path / "a.gin").write_text(WHOLE)
    texts = ("ToyAttack.eps = 0.5", "ToyJitter.strength = 0.5")
    assert used(texts, [tmp_path / "a.gin"], registry=REGISTRY) == texts[:1]


def test_a_name_that_is_no_old_one_is_still_wrong(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ToyAttack has no parameter epsilons"):
        loaded(tmp_path, "ToyAttack.epsilons = 0.5")


@pytest.mark.filterwarnings("ignore::lpa3bench.errors.RenamedWarning")
def test_a_file_with_an_old_name_is_right(tmp_path: Path) -> None:
    loaded(tmp_path, "ToyAttack.eps = 0.5")
    (checked,) = check_files([tmp_path / "a.gin"], REGISTRY)
    assert checked.errors == ()
