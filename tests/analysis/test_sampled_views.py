"""Views of test images: which images, which augmenters, and what the network makes of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.analysis import sampled_views as views
from lpa3bench.analysis.trained_run import Trained, open_run
from lpa3bench.api import Augmenter, Context, View
from lpa3bench.errors import BenchError, ConfigError, DataError, UsageError
from lpa3bench.nn.bank import divergence_lpa3


@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 40))
def test_every_class_has_its_turn(labels: list[int], count: int) -> None:
    chosen = views.choose_images(torch.tensor(labels), count).tolist()
    assert len(chosen) == len({*chosen}) == min(count, len(labels))
    of_class = [labels[place] for place in chosen]
    for label in {*labels}:
        places = [place for place in chosen if labels[place] == label]
        assert places == [p for p, own in enumerate(labels) if own == label][: len(places)], "the first ones"
    held = [of_class.count(label) for label in {*labels}]
    available = [labels.count(label) for label in {*labels}]
    short = [n for n, there in zip(held, available, strict=True) if n < there]
    assert all(n >= max(held) - 1 for n in short), "none comes twice before all that can have come once"


def test_only_what_is_among_them_is_chosen() -> None:
    labels = torch.tensor([0, 0, 1, 1, 0])
    among = torch.tensor([False, True, False, True, True])
    assert views.choose_images(labels, 9, among).tolist() == [1, 3, 4]


def test_originals_are_predicted_right(fixmatch: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    index = views.choose_right(fixmatch, 5)
    labels = fixmatch.test.labels[index]
    assert fixmatch.predict(fixmatch.test.images.plain(index)).argmax(1).tolist() == labels.tolist()
    assert index.tolist() == [*dict.fromkeys(index.tolist())]
    monkeypatch.setattr(Trained, "right", lambda _, x, labels: torch.zeros(len(x), dtype=torch.bool))
    with pytest.raises(DataError, match="predicts no test image right; train it longer"):
        views.choose_right(fixmatch, 5)


def test_a_selection_is_by_what_changed_since_the_epoch_before(fixmatch: Trained) -> None:
    """Half of the images, those whose predictions changed the most; the memory of the run stays as it was."""
    index = torch.arange(8)
    x, labels = fixmatch.test.images.plain(index), fixmatch.test.labels[index]
    before = fixmatch.folder.checkpoints.paths()
    earlier = open_run(
        fixmatch.folder.path, data=fixmatch.folder.path.parents[1], device="cpu", checkpoint=before[0]
    )
    assert earlier.epochs_done == fixmatch.epochs_done - 1
    kept = fixmatch.views("positives", x, labels).x
    chosen = fixmatch.views_after(earlier, "positives", x, labels).rows.tolist()
    assert torch.equal(fixmatch.views("positives", x, labels).x, kept)
    again = fixmatch.views_after(earlier, "positives", x, labels).rows.tolist()
    assert 0 < len(chosen) < len(x)
    assert chosen == again

    def seen(run: Trained) -> torch.Tensor:
        with run.env.evaluating(run.net):
            return run.env.logits(run.net, x, domain="aux").logits.softmax(1)

    moved = divergence_lpa3(seen(fixmatch), seen(earlier))
    assert chosen == moved.topk(len(chosen)).indices.sort().values.tolist()


def test_names_of_augmenters(fixmatch: Trained) -> None:
    assert views.named(fixmatch, "strong") == "strong"
    made = views.named(fixmatch, "Cutout")
    assert type(made).__name__ == "Cutout"
    made = views.named(fixmatch, "LPA3(margin=0.5, label='given')")
    assert made.options.margin == 0.5  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("view", UsageError, "the run has no augmenter in slot view; slots bound: strong, positives"),
        ("Nothing", UsageError, "there is no augmenter 'Nothing'"),
        ("LPA3(0.5)", UsageError, "is no augmenter; write a slot, a name, or"),
        ("LPA3(margin=open('x'))", UsageError, "is no augmenter"),
        ("LPA3(margin=", UsageError, "is no augmenter"),
        ("os.system", UsageError, "is no augmenter"),
        ("LPA3(margin=-1)", ConfigError, "LPA3: margin"),
    ],
)
def test_wrong_names(fixmatch: Trained, text: str, error: type[BenchError], said: str) -> None:
    with pytest.raises(error, match=said):
        views.named(fixmatch, text)


def test_an_augmenter_is_described_by_parameters_and_recipe(fixmatch: Trained) -> None:
    text = "RandAugment(n=1, cutout=0)"
    said = views.described(fixmatch, text, views.named(fixmatch, text))  # type: ignore[arg-type]
    assert said.startswith(
        "recipe='fixmatch', n=1, cutout=0, domain='main'; fixmatch: 1 of 14 operators per image"
    )
    assert "\n" not in said
    of_slot = views.described(fixmatch, "strong", fixmatch.config.experiment().slots()["strong"])
    assert of_slot == (
        "recipe='fixmatch', domain='main'; fixmatch: 2 of 14 operators per image, drawn with replacement, "
        "then cutout, half the shorter side, colour (127, 127, 127)"
    )
    identity = views.named(fixmatch, "Identity")
    assert views.described(fixmatch, "Identity", identity) == "domain='main'"  # type: ignore[arg-type]


def test_what_is_shown_by_default(fixmatch: Trained) -> None:
    assert views.default_augmenters(fixmatch) == ["positives", "strong"], "RandAugment is in a slot"


def test_rows_hold_what_the_network_says_of_the_views(fixmatch: Trained) -> None:
    pytest.importorskip("torchcam", reason="heat maps need torchcam, of the extra [figures]")
    from lpa3bench.analysis.scorecam import score_cam

    index = views.choose_images(fixmatch.test.labels, 5)
    x, labels = fixmatch.test.images.plain(index), fixmatch.test.labels[index]
    original, lpa3, cutout = views.judge(fixmatch, index, ["positives", "Cutout"], layer=2)
    assert [row.name for row in (original, lpa3, cutout)] == ["original", "LPA3", "Cutout"]
    assert original.about == ""
    assert all(row.selected.all() for row in (original, lpa3, cutout)), "nothing tells, so nothing is marked"
    assert lpa3.about.startswith("margin=0.1, iterations=2, ")
    assert cutout.about == "box='centred', fill='mean'"
    probs = fixmatch.predict(x)
    assert original.predicted.tolist() == probs.argmax(1).tolist()
    assert original.confidence.tolist() == [float(p[label]) for p, label in zip(probs, labels, strict=True)]
    assert np.array_equal(original.images, x.permute(0, 2, 3, 1).numpy())
    assert np.array_equal(original.heat, score_cam(fixmatch.net, x, labels, layer=2).numpy())
    view = fixmatch.views("positives", x, labels).x
    assert np.array_equal(lpa3.images, view.permute(0, 2, 3, 1).numpy())
    assert lpa3.predicted.tolist() == fixmatch.predict(view).argmax(1).tolist()
    assert not np.array_equal(cutout.images, original.images)


class Picky(Augmenter):
    """Takes every second image."""

    def generate(self, x: torch.Tensor, ctx: Context) -> View:
        rows = torch.arange(0, len(x), 2)
        return View(1 - x[rows], rows)


def test_images_without_a_view_are_left_open(fixmatch: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torchcam", reason="heat maps need torchcam, of the extra [figures]")
    monkeypatch.setattr(views, "named", lambda *_: Picky())
    index = torch.arange(4)
    original, picky = views.judge(fixmatch, index, ["Picky"])
    assert np.isnan(picky.confidence).tolist() == [False, True, False, True]
    assert (picky.predicted == -1).tolist() == [False, True, False, True]
    assert np.isnan(picky.heat[1]).all()
    assert np.isnan(picky.images[3]).all()
    np.testing.assert_allclose(picky.images[2], 1 - original.images[2])


def test_a_sample_for_every_slot(fixmatch: Trained) -> None:
    found = views.sample(fixmatch, 6)
    index = views.choose_images(fixmatch.test.labels, 6)
    x = fixmatch.test.images.plain(index)
    assert {*found} == {"strong", "positives"}
    for slot, pairs in found.items():
        assert (pairs.shape, pairs.dtype) == ((6, 2, 8, 8, 3), np.uint8)
        assert np.array_equal(pairs[:, 0], (x * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy())
        assert not np.array_equal(pairs[:, 1], pairs[:, 0]), slot
    assert all(np.array_equal(pairs, found[slot]) for slot, pairs in views.sample(fixmatch, 6).items())
