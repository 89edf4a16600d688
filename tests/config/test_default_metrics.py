"""What a run is scored by: the default, lists of one's own, and the one that selects."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
from support import config_plugins
from support.config_plugins import WHOLE, ToyData, ToyNet, ToyTask

from lpa3bench.api import Metric
from lpa3bench.config import Config, load_config
from lpa3bench.config.experiment import Experiment
from lpa3bench.errors import ConfigError, PluginError, RenamedWarning
from lpa3bench.plugin.registry import Registry
from lpa3bench_plugins.metrics.confusionmatrix import ConfusionMatrix
from lpa3bench_plugins.metrics.ece import ECE
from lpa3bench_plugins.metrics.nll import NLL

REGISTRY = config_plugins.registry()
DEFAULT = ["accuracy", "balanced_accuracy", "macro_auc", "nll", "ece"]
EXPERIMENT = Experiment(task=ToyTask(), dataset=ToyData(), backbone=ToyNet, epochs=1)


def loaded(folder: Path, lines: str = "", overlay: str | None = None, *params: str) -> Config:
    files = [folder / "a.gin"]
    files[0].write_text(WHOLE + lines)
    if overlay is not None:
        files.append(folder / "b.gin")
        files[1].write_text(overlay)
    return load_config(files, bindings=params, registry=REGISTRY)


def names(experiment: Experiment) -> list[str]:
    return [metric.name for metric in experiment.scored_by]


def test_without_a_word_a_run_is_scored_by_five(tmp_path: Path) -> None:
    config = loaded(tmp_path)
    assert names(config.experiment()) == DEFAULT
    assert names(EXPERIMENT) == DEFAULT, "one that is built in Python too"
    assert config.experiment().selecting.name == "accuracy"
    (bound,) = [value for value in config.values if value.name == "run.metrics"]
    assert bound.origin == "default"
    assert bound.text.startswith("(@metrics.Accuracy(), @metrics.BalancedAccuracy(), ")
    assert "metrics.ECE.bins = 15" in config.operative


@pytest.mark.parametrize(
    "texts",
    [
        ("run.metrics = [@metrics.Accuracy(), @metrics.ECE()]\nECE.bins = 10",),
        ("run.metrics = (@Accuracy(), @ECE())", "ECE.bins = 10"),
        ("", "run.metrics = [@metrics.Accuracy(), @metrics.ECE()]", "ECE.bins=10"),
    ],
)
def test_a_list_of_ones_own(tmp_path: Path, texts: tuple[str, ...]) -> None:
    config = loaded(tmp_path, *texts)
    assert names(config.experiment()) == ["accuracy", "ece_10"]
    again = tmp_path / "again.gin"
    again.write_text(config.operative)
    assert names(load_config([again], registry=REGISTRY).experiment()) == ["accuracy", "ece_10"]


def test_a_default_metric_can_be_configured(tmp_path: Path) -> None:
    experiment = loaded(tmp_path, "", None, "ECE.bins=10").experiment()
    assert names(experiment) == [*DEFAULT[:-1], "ece_10"]


def test_the_one_that_selects_is_shown_first(tmp_path: Path) -> None:
    experiment = loaded(tmp_path, 'run.select = "nll"\n').experiment()
    assert names(experiment) == ["nll", "accuracy", "balanced_accuracy", "macro_auc", "ece"]
    assert not experiment.selecting.higher_is_better


def test_what_a_run_is_scored_by_is_no_change_of_what_was_published(tmp_path: Path) -> None:
    overlay = "run.metrics = [@Accuracy(), @ECE()]\nECE.bins = 10\n"
    config = loaded(tmp_path, "", overlay, "ToyTask.lr=0.5")
    assert [change.name for change in config.changed] == ["ToyTask.lr"]
    scoring = {value.name for value in config.values if value.scoring}
    assert scoring == {"run.metrics", "ECE.bins"}
    assert [c.name for c in loaded(tmp_path, "", 'run.select = "nll"').changed] == ["run.select"]


def test_the_older_word_for_the_auc_is_read_and_said(tmp_path: Path) -> None:
    line = len(WHOLE.splitlines()) + 1
    with pytest.warns(RenamedWarning, match=f"a.gin:{line}: run.select = 'auc' is called 'macro_auc' now"):
        config = loaded(tmp_path, 'run.select = "auc"\n')
    assert config.experiment().selecting.name == "macro_auc"
    assert "run.select = 'macro_auc'" in config.operative
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded(tmp_path, 'run.select = "macro_auc"\n')


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (
            'run.select = "acuracy"',
            r"run.select must be the name of one of run.metrics \(accuracy, bal.*'acuracy'",
        ),
        (
            "run.metrics = [@NLL()]",
            r"run.select must be the name of one of run.metrics \(nll\), not 'accuracy'",
        ),
        ("run.metrics = []", r"\(none has a number\)"),
        ("run.metrics = [@Accuracy(), @a/Accuracy()]", "run.metrics accuracy stands there twice"),
        (
            "run.metrics = [@Accuracy(), @ToyTask()]",
            "run.metrics takes one of metrics .*ToyTask is one of tasks",
        ),
        ("run.metrics = @Accuracy()", r"tuple of Metric, not @metrics.Accuracy\(\); write \(@metrics.Acc"),
        ('run.metrics = ("accuracy",)', "refer to it as @accuracy"),
        ("run.metrics = [@Accuracy]", r"must be @metrics.Accuracy\(\), with \(\)"),
        ("positives/ECE.bins = 10", "ECE is in no slot"),
        ("ECE.bins = 0", "ECE.bins must be >= 1"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"a.gin:.*{said}"):
        loaded(tmp_path, lines + "\n").experiment()


def test_a_detail_cannot_select() -> None:
    metrics = (NLL(), ConfusionMatrix())
    assert replace(EXPERIMENT, metrics=metrics, select="nll").select == "nll"
    with pytest.raises(ValueError, match=r"^select: must be the name of one of run.metrics \(nll\)"):
        replace(EXPERIMENT, metrics=metrics, select="confusion_matrix")


def test_a_metric_needs_a_name_that_fits_a_column() -> None:
    class Nameless(Metric):
        def compute(self, probs: object, labels: object) -> float | None:
            return None

    with pytest.raises(ValueError, match=r"^metrics: Nameless.name must be of lower-case letters.* not None"):
        replace(EXPERIMENT, metrics=(Nameless(), NLL()), select="nll")
    spaced = ECE()
    spaced.name = "a/b"
    with pytest.raises(ValueError, match="not 'a/b'"):
        replace(EXPERIMENT, metrics=(spaced, NLL()), select="nll")


def test_where_the_default_is_not_registered_a_list_of_ones_own_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Registry(tuple(e for e in REGISTRY.entries if e.name != "MacroAUC"), ())
    path = tmp_path / "a.gin"
    path.write_text(WHOLE)
    with pytest.raises(PluginError, match="there is no metric MacroAUC"):
        load_config([path], registry=few)
    path.write_text(f"{WHOLE}run.metrics = [@Accuracy()]\n")
    assert names(load_config([path], registry=few).experiment()) == ["accuracy"]
    monkeypatch.setattr("lpa3bench.config.default_metrics.load_registry", lambda: few)
    with pytest.raises(PluginError, match="there is no metric MacroAUC"):
        Experiment(task=ToyTask(), dataset=ToyData(), backbone=ToyNet, epochs=1)
