"""Which values of a config define a run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from support import config_plugins
from support.config_plugins import WHOLE, ToyAttack

from lpa3bench.config import Config, load_config
from lpa3bench.config.defaults import default_text, identity_config
from lpa3bench.config.names import Catalogue
from lpa3bench.plugin.registry import Entry, Registry

OWN = {
    "run.task": "@tasks.ToyTask()",
    "run.dataset": "@datasets.ToyData()",
    "run.backbone": "@backbones.ToyNet",
    "run.labels": "@labels.ToyNoise()",
    "run.positives": "@positives/augmenters.ToyAttack()",
    "run.epochs": "3",
    "ToyNoise.rate": "0.2",
}
"""What `WHOLE` binds."""


def registry(*more: Entry) -> Registry:
    """The toys; those of `more` in place of one of their name."""
    names = {entry.name for entry in more}
    return Registry((*(e for e in config_plugins.registry().entries if e.name not in names), *more), ())


def loaded(folder: Path, *bindings: str, plugins: Registry | None = None, **options: Any) -> Config:
    (folder / "a.gin").write_text(WHOLE)
    return load_config([folder / "a.gin"], bindings=bindings, registry=plugins or registry(), **options)


def entry(kind: str, cls: type) -> Entry:
    return Entry(kind, cls.__name__, cls, "toys 1.0")


def test_what_is_bound_otherwise_than_by_default(tmp_path: Path) -> None:
    assert loaded(tmp_path).identity_config == dict(sorted(OWN.items()))
    high = loaded(tmp_path, setting="high").identity_config
    assert high == dict(sorted(OWN.items())) | {"ToyNoise.rate": "0.8"}, "the setting's name has no say"


@pytest.mark.parametrize(
    "binding",
    ["ToyTask.lr = 0.1", "ToyTask.weight = 25", "ToyTask.steps = None", "ToyTask.milestones = [0.5, 0.75]",
     "run.holdout = 0", "run.precision = 'auto'", "run.view = None", "positives/ToyAttack.margin = 0.02"],
)  # fmt: skip
def test_a_default_that_is_written_out_is_the_default(tmp_path: Path, binding: str) -> None:
    assert loaded(tmp_path, binding).identity_config == loaded(tmp_path).identity_config


@pytest.mark.parametrize(
    ("binding", "name", "text"),
    [
        ("ToyTask.lr = 1", "ToyTask.lr", "1.0"),
        ("ToyTask.steps = 3", "ToyTask.steps", "3"),
        ("ToyAttack.margin = 0.03", "positives/ToyAttack.margin", "0.03"),
        ("run.precision = 'float32'", "run.precision", "'float32'"),
    ],
)
def test_another_value_is_in_it(tmp_path: Path, binding: str, name: str, text: str) -> None:
    expected = loaded(tmp_path).identity_config | {name: text}
    assert loaded(tmp_path, binding).identity_config == dict(sorted(expected.items()))


def test_a_new_parameter_with_a_default_changes_nothing(tmp_path: Path) -> None:
    class Grown(ToyAttack):
        def __init__(self, *, margin: float = 0.02, iterations: int = 5, clip: float = 1) -> None:
            super().__init__(margin=margin, iterations=iterations)

    Grown.__name__ = "ToyAttack"
    later = registry(entry("augmenters", Grown))
    before = loaded(tmp_path).identity_config
    assert loaded(tmp_path, plugins=later).identity_config == before
    assert loaded(tmp_path, "ToyAttack.clip = 1.0", plugins=later).identity_config == before
    assert "positives/ToyAttack.clip" in loaded(tmp_path, "ToyAttack.clip = 2", plugins=later).identity_config


def test_records_leave_a_parameter_that_is_younger_out_at_its_default(tmp_path: Path) -> None:
    class Grown(ToyAttack):
        added = ("clip",)

        def __init__(
            self,
            *,
            margin: float = 0.02,
            step_size: float | None = None,
            iterations: int = 5,
            clip: float = 1,
        ) -> None:
            super().__init__(margin=margin, iterations=iterations)

    Grown.__name__ = "ToyAttack"
    later = registry(entry("augmenters", Grown))
    before = loaded(tmp_path).recorded
    assert before["positives/ToyAttack.iterations"] == "5", "defaults are recorded"
    assert loaded(tmp_path, plugins=later).recorded == before
    grown = loaded(tmp_path, "ToyAttack.clip = 2", plugins=later).recorded
    assert grown == before | {"positives/ToyAttack.clip": "2.0"}


def test_a_default_that_gin_cannot_write_is_one_all_the_same(tmp_path: Path) -> None:
    class ToyChain(ToyAttack):
        def __init__(self, *, bound: float = math.inf, by: Any = print) -> None:
            super().__init__()

    later = registry(entry("augmenters", ToyChain))
    values = {"ToyChain.bound": "inf", "ToyChain.by": "<built-in function print>"}
    assert identity_config(values, Catalogue(later)) == {}
    bound = {"ToyChain.bound": "1.0", "ToyChain.by": "@augmenters.ToyJitter"}
    assert identity_config(bound, Catalogue(later)) == bound


def test_what_only_measures_is_left_out() -> None:
    class Kappa:
        def __init__(self, *, weights: str = "none") -> None: ...

    values = {"run.metrics": "(@metrics.Kappa(),)", "Kappa.weights": "'linear'", "run.epochs": "3"}
    found = identity_config(values, Catalogue(registry(entry("metrics", Kappa))))
    assert found == {"run.epochs": "3"}


def test_a_record_is_enough(tmp_path: Path) -> None:
    """All values with their names, which is what a record holds of its config."""
    config = loaded(tmp_path, "ToyTask.lr = 0.5")
    values = {value.name: value.text for value in config.values if not value.name.startswith("run.setting")}
    catalogue = Catalogue(registry())
    assert identity_config(values, catalogue) == config.identity_config
    assert identity_config(config.identity_config, catalogue) == config.identity_config


def test_what_nobody_knows_is_kept() -> None:
    values = {"Gone.rate": "0.5", "ToyTask.gone": "1", "a/Gone.rate": "0.1"}
    assert identity_config(values, Catalogue(registry())) == dict(sorted(values.items()))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("positives/ToyAttack.margin", "0.02, the default"),
        ("run.precision", "'auto', the default"),
        ("ToyNoise.rate", "not bound"),
        ("Gone.rate", "not bound"),
    ],
)
def test_what_is_not_in_it_can_be_told(name: str, told: str) -> None:
    assert default_text(name, Catalogue(registry())) == told


# ------------------------------------------------------------------------------------------------- new names
class Renamed(ToyAttack):
    renamed = {"epsilon": "eps", "eps": "margin"}  # noqa: RUF012


Renamed.__name__ = "ToyAttack"
RENAMED = registry(entry("augmenters", Renamed))


@pytest.mark.parametrize("name", ["margin", "eps", "epsilon"])
def test_a_parameter_goes_by_its_first_name(name: str) -> None:
    found = identity_config({f"positives/ToyAttack.{name}": "0.03"}, Catalogue(RENAMED))
    assert found == {"positives/ToyAttack.epsilon": "0.03"}
    assert identity_config({f"positives/ToyAttack.{name}": "0.02"}, Catalogue(RENAMED)) == {}
