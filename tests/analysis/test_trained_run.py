"""A run that is opened again predicts what it predicted, and measuring it changes nothing."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.small_trained import DIVIDEMIX, SUPERVISED, train

from lpa3bench.analysis.sampled_views import TRUE_LABEL
from lpa3bench.analysis.trained_run import Trained, open_run
from lpa3bench.errors import BenchError, ConfigError, DataError, RunFailed, UsageError
from lpa3bench.testing import assert_same
from lpa3bench.training.identity import NUMERICS_VERSION


def opened(folder: Path, **options: Any) -> Trained:
    return open_run(folder, data=folder, device="cpu", **options)


def everything(trained: Trained) -> dict[str, Any]:
    """All state that measuring could touch; passes are counted on, and that is meant."""
    env = {name: state for name, state in trained.env.state_dict().items() if name != "passes"}
    return copy.deepcopy(
        {
            "networks": [net.state_dict() for net in trained.networks],
            "env": env,
            "task": trained.task.state_dict(),
            "guard": trained._guard._views.state_dict(),
            "random": torch.get_rng_state(),
        }
    )


def test_it_predicts_what_the_record_says(fixmatch: Trained, fixmatch_folder: Path) -> None:
    index = torch.arange(len(fixmatch.test.labels))
    probs = fixmatch.predict(fixmatch.test.images.plain(index))
    stored = np.load(fixmatch_folder / "predictions.npz")
    assert np.array_equal(probs.numpy(), stored["test/probs"])
    assert np.array_equal(fixmatch.test.labels.numpy(), stored["test/labels"])
    assert np.array_equal((probs.argmax(1) == fixmatch.test.labels).numpy(), stored["test/correct"])
    assert np.ptp(stored["test/probs"], axis=0).max() > 0.01, "the predictions depend on the image"


def test_the_network_is_the_one_that_predicts(fixmatch: Trained) -> None:
    """FixMatch predicts by a moving average, which no task need tell the engine of."""
    assert fixmatch.networks == (fixmatch.task.ema.model,)  # type: ignore[attr-defined]
    assert fixmatch.net is not fixmatch.env.models["net"]
    x = fixmatch.test.images.plain(torch.arange(5))
    torch.testing.assert_close(fixmatch.logits(x).logits.softmax(1), fixmatch.predict(x))
    assert not fixmatch.net.training
    assert not fixmatch.env.models["net"].training


def test_what_was_known_of_the_run_is_there(fixmatch: Trained) -> None:
    assert fixmatch.slots == {"strong": "RandAugment", "positives": "LPA3"}
    assert (fixmatch.seed, fixmatch.epochs_done, fixmatch.spec.num_classes) == (3, 2, 4)
    assert fixmatch.changed == ()
    assert len(fixmatch.train.labels) == len(fixmatch.train.images) == 64
    x = fixmatch.train.images.plain(torch.arange(64))
    assert 0 <= x.min() < x.max() <= 1


def test_views_again_are_what_the_augmenter_remembers_of_the_run(tmp_path: Path) -> None:
    text = "run.positives = @augmenters.LPA3Fast()\nLPA3Fast.ratio = 0.25\nLPA3Fast.start = 0.0\n"
    trained = opened(train(tmp_path, SUPERVISED + text))
    before, labels = everything(trained), trained.train.labels
    x = trained.train.images.plain(torch.arange(len(labels)))
    view = trained.views_again("positives", x, labels)
    assert len(view.rows) == len(x) // 4, "as many as in a batch of training"
    assert_same(everything(trained), before)
    trained._guard.setup(trained.env, None)  # which forgets the run
    other = trained.views_again("positives", x, labels)
    assert not torch.equal(other.rows, view.rows) or not torch.equal(other.x, view.x)


def test_measuring_changes_nothing(fixmatch: Trained) -> None:
    before = everything(fixmatch)
    counted = fixmatch.env.passes.counts.get("positives/search", [0])[0]
    x, labels = fixmatch.test.images.plain(torch.arange(12)), fixmatch.test.labels[:12]
    for augmenter in ("strong", "positives", fixmatch.augmenter("RandAugment", n=3)):
        view = fixmatch.views(augmenter, x, labels)  # type: ignore[arg-type]
        assert view.rows.tolist() == [*range(12)], "no selection: the images are not the training set's"
        assert not torch.equal(view.x, x)
    searched = fixmatch.env.passes.counts["positives/search"][0] - counted
    assert searched == 12 * (1 + 2 * 2), "one pass for the reference, two an iteration"
    fixmatch.predict(x)
    fixmatch.logits(x)
    assert_same(everything(fixmatch), before)


def test_what_augmenters_learn_while_measured_is_forgotten(tmp_path: Path) -> None:
    """InfoMinStyle takes steps of its own optimiser whenever it is asked for views."""
    text = "run.positives = @augmenters.InfoMinStyle()\nSynthetic.channels = 3\n"
    trained = opened(train(tmp_path, SUPERVISED + text))
    before = everything(trained)
    x, labels = trained.test.images.plain(torch.arange(8)), trained.test.labels[:8]
    first = trained.views("positives", x, labels).x
    assert_same(everything(trained), before)
    assert torch.equal(trained.views("positives", x, labels).x, first)


def test_views_depend_on_the_seed_and_on_nothing_else(fixmatch: Trained) -> None:
    x, labels = fixmatch.test.images.plain(torch.arange(6)), fixmatch.test.labels[:6]
    for slot in fixmatch.slots:
        first = fixmatch.views(slot, x, labels, seed=1).x
        other = fixmatch.views(slot, x, labels, seed=2).x
        assert torch.equal(fixmatch.views(slot, x, labels, seed=1).x, first)
        assert not torch.equal(other, first)


def test_the_true_label_counts_only_where_it_is_bound(fixmatch: Trained, fixmatch_folder: Path) -> None:
    given = opened(fixmatch_folder, bindings=(*TRUE_LABEL, "PES.lambda_u = 1.0"))  # the second has no say
    x, labels = fixmatch.test.images.plain(torch.arange(8)), fixmatch.test.labels[:8]
    wrong = (labels + 1) % 4

    def views(trained: Trained, told: torch.Tensor) -> torch.Tensor:
        return trained.views("positives", x, told).x

    assert torch.equal(views(fixmatch, labels), views(fixmatch, wrong))
    assert not torch.equal(views(given, labels), views(given, wrong))
    assert given.changed == (), "what is measured with does not count as a change of the run"


def test_memories_are_those_of_the_checkpoint(fixmatch: Trained, fixmatch_folder: Path) -> None:
    saved = torch.load(fixmatch_folder / "checkpoint-00002.pt", weights_only=True)["env"]["views"]
    held = fixmatch._guard._views.state_dict()
    assert_same(held["augmenters"], saved["augmenters"])
    assert saved["augmenters"]["positives/net"]["bank"]


def test_best_and_earlier_weights(fixmatch_folder: Path, tmp_path: Path) -> None:
    record = json.loads((fixmatch_folder / "result.json").read_text())
    val = [row["val/accuracy"] for row in record["curve"]]
    best = opened(fixmatch_folder, weights="best")
    assert best.epochs_done == val.index(max(val)) + 1
    probs = best.predict(best.test.images.plain(torch.arange(40)))
    stored = np.load(fixmatch_folder / "predictions.npz")
    assert np.array_equal(probs.numpy(), stored["test_selected/probs"])
    accuracy = float((probs.argmax(1) == best.test.labels).double().mean())
    assert accuracy == record["curve"][best.epochs_done - 1]["test/accuracy"]

    interrupted = tmp_path / "interrupted"
    shutil.copytree(fixmatch_folder, interrupted)
    (interrupted / "result.json").unlink()
    (interrupted / "checkpoint-00002.pt").unlink()
    early = opened(interrupted)
    assert early.epochs_done == 1
    probs = early.predict(early.test.images.plain(torch.arange(40)))
    accuracy = float((probs.argmax(1) == early.test.labels).double().mean())
    assert accuracy == record["curve"][0]["test/accuracy"]


def test_all_networks_that_predict_are_found(tmp_path: Path) -> None:
    trained = opened(train(tmp_path, DIVIDEMIX))
    assert trained.networks == tuple(trained.env.models.values())
    assert len(trained.networks) == 2


def test_a_run_on_few_images_is_opened_on_the_same(tmp_path: Path) -> None:
    folder = train(tmp_path, SUPERVISED, limit=32)
    trained = opened(folder)
    assert len(trained.train.labels) == 32
    assert trained.slots == {}
    x, labels = trained.test.images.plain(torch.arange(4)), trained.test.labels[:4]
    with pytest.raises(UsageError, match="slot positives holds no augmenter; slots bound: none"):
        trained.views("positives", x, labels)
    with pytest.raises(ConfigError, match="LPA3: works in the auxiliary BatchNorm, and the run has none"):
        trained.augmenter("LPA3")
    plain = trained.augmenter("LPA3", domain="main", label="given", margin=0.5)
    assert trained.views(plain, x, labels).x.shape == x.shape
    (folder / "best.pt").write_bytes(b"torn")
    with pytest.raises(RunFailed, match=r"best\.pt: damaged .*; run it again with --fresh$") as caught:
        opened(folder, weights="best")
    assert caught.value.kind == "damaged"
    (folder / "best.pt").unlink()
    with pytest.raises(RunFailed, match=r"no best\.pt: .*or the file is gone"):
        opened(folder, weights="best")


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("RandAugmnt", {}, "there is no augmenter 'RandAugmnt'; augmenters are "),
        ("FixMatch", {}, "there is no augmenter 'FixMatch'"),
        ("RandAugment", {"recipe": "mine"}, "RandAugment: recipe: must be one of"),
        ("RandAugment", {"strength": 3}, "RandAugment: .*unexpected keyword argument"),
        ("RandAugment", {"recipe": "generic"}, "RandAugment: translations by 30 pixels and more empty"),
    ],
)
def test_wrong_augmenters(fixmatch: Trained, name: str, parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(BenchError, match=said) as caught:
        fixmatch.augmenter(name, **parameters)
    assert "\n" not in str(caught.value)


def spoil(folder: Path, what: str) -> None:
    if what == "env.json":
        (folder / "env.json").unlink()
    elif what == "operative.gin":
        (folder / "operative.gin").unlink()
    elif what == "data":
        text = (folder / "operative.gin").read_text()
        assert "Synthetic.train = 64" in text
        (folder / "operative.gin").write_text(text.replace("Synthetic.train = 64", "Synthetic.train = 48"))
    elif what == "width":
        text = (folder / "operative.gin").read_text()
        assert "SmallNet.width = 4" in text
        (folder / "operative.gin").write_text(text.replace("SmallNet.width = 4", "SmallNet.width = 5"))
    else:
        for path in folder.glob("checkpoint-*.pt"):
            path.unlink()


@pytest.mark.parametrize(
    ("what", "error", "said"),
    [
        ("env.json", RunFailed, "is no run directory: there is no env.json"),
        ("operative.gin", RunFailed, "is no run directory: there is no operative.gin"),
        ("data", DataError, "holds another Synthetic than"),
        ("width", RunFailed, "its state does not fit what its config builds now"),
        ("checkpoint", RunFailed, "no checkpoint; run it again with --fresh"),
    ],
)
def test_what_cannot_be_opened_says_why(
    fixmatch_folder: Path, tmp_path: Path, what: str, error: type[BenchError], said: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(fixmatch_folder, folder)
    spoil(folder, what)
    with pytest.raises(error, match=said) as caught:
        opened(folder)
    assert "\n" not in str(caught.value)


def test_a_run_of_other_numbers_opens_and_says_so(
    fixmatch_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lpa3bench.training.identity.NUMERICS_VERSION", 7)
    (line,) = opened(fixmatch_folder).changed
    assert line == f"the engine's numerics version: {NUMERICS_VERSION} → 7"
