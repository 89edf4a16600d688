"""What cards are made of: folds, nuisances, intervals, probes, the judge's eyes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.analysis.card import card_measures as cardmeasures
from lpa3bench.analysis.card import probes as cardprobes
from lpa3bench.analysis.card.card_measures import bootstrap, mean, proportion, ratio, spread, wilson
from lpa3bench.analysis.card.folds import CardFold
from lpa3bench.analysis.card.judge import JudgeNet, look, recognised
from lpa3bench.analysis.card.probes import bits, read_probe
from lpa3bench.data.splits import data_hash
from lpa3bench.testing.backbones import try_backbone
from lpa3bench.testing.tiny import SPEC, TinySet
from lpa3bench.training.image_passes import Passes
from lpa3bench.training.network import Classifier

TOLD = {"key": "k", "group": "g", "title": "t", "definition": "d"}


# ------------------------------------------------------------------------------------------------- intervals
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_is_scipys(drawn: tuple[int, int]) -> None:
    binomtest = pytest.importorskip("scipy.stats").binomtest
    hits, n = drawn
    theirs = binomtest(hits, n).proportion_ci(0.95, "wilson")
    assert wilson(hits, n) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


def test_means_and_ratios_have_intervals_around_them() -> None:
    values = torch.arange(100.0)
    one = mean(values, unit="u", **TOLD)
    half = 1.96 * float(values.std(correction=0)) / 10
    assert (one.value, one.n) == (49.5, 100)
    assert one.low == pytest.approx(49.5 - half, abs=0.7)
    assert one.high == pytest.approx(49.5 + half, abs=0.7)
    assert one.quantiles is not None
    assert one.quantiles["0.5"] == 49.5
    twice = ratio(2 * values + 2, values + 1, paired=True, **TOLD)
    assert (twice.value, twice.low, twice.high) == (2, 2, 2)
    apart = ratio(2 * values + 2, values + 1, paired=False, **TOLD)
    assert apart.low is not None
    assert apart.high is not None
    assert apart.low < 1.9 < 2.1 < apart.high
    assert ratio(values, 0 * values, paired=True, **TOLD).value is None
    assert proportion(torch.zeros(0, dtype=torch.bool), **TOLD).value is None
    assert spread([1.0, 2.0, 6.0], n=5, unit="u", **TOLD).plain() == TOLD | {
        "value": 3.0, "low": 1.0, "high": 6.0, "interval": "range over 3 seeds", "n": 5, "unit": "u",
        "quantiles": None,
    }  # fmt: skip


def test_the_bootstrap_draws_the_same_whatever_it_holds_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.arange(50.0, dtype=torch.float64)
    found = []
    for chunk in (10**9, 7 * 50, 1):
        monkeypatch.setattr(cardmeasures, "_CHUNK", chunk)
        found.append(
            [bootstrap([values, values**2], lambda m: m[1] / m[0], paired=paired) for paired in (True, False)]
        )
    assert found[0] == found[1] == found[2]
    assert found[0][0] != found[0][1]


# ------------------------------------------------------------------------------------------- data of the card
def test_folds_share_no_image_and_lose_none(tmp_path: Path) -> None:
    tiny = TinySet()
    whole = tiny.load(tmp_path)
    parts = {part: CardFold(dataset=tiny, part=part, seed=4).load(tmp_path) for part in ("attacked", "judge")}
    rows = [{row.numpy().tobytes() for row in parts[part]["train"].images} for part in parts]
    assert [len(r) for r in rows] == [24, 24]
    assert not rows[0] & rows[1]
    assert rows[0] | rows[1] == {row.numpy().tobytes() for row in whole["train"].images}
    assert all(data_hash({"": part["test"]}) == data_hash({"": whole["test"]}) for part in parts.values())
    other = CardFold(dataset=tiny, part="judge", seed=5).load(tmp_path)["train"]
    assert data_hash({"": other}) != data_hash({"": parts["judge"]["train"]})


def test_test_images_can_be_parted_too(tmp_path: Path) -> None:
    tiny = TinySet()
    judge = CardFold(dataset=tiny, part="judge", of="test").load(tmp_path)
    attacked = CardFold(dataset=tiny, part="attacked", of="test").load(tmp_path)
    whole = tiny.load(tmp_path)
    assert data_hash({"": attacked["train"]}) == data_hash({"": whole["train"]})
    assert data_hash({"": attacked["test"]}) == data_hash({"": judge["test"]})
    taught, asked = ({row.numpy().tobytes() for row in judge[name].images} for name in ("train", "test"))
    assert not taught & asked
    assert taught | asked == {row.numpy().tobytes() for row in whole["test"].images}
    wrongs: tuple[dict[str, Any], ...] = ({"part": "both"}, {"part": "judge", "of": "val"})
    for wrong in wrongs:
        with pytest.raises(ValueError, match=r"^(part|of): must be"):
            CardFold(dataset=tiny, **wrong)


# ----------------------------------------------------------------------------------------- probes and judge
def test_probes_find_what_is_there_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cardprobes, "STEPS", 40)
    monkeypatch.setattr(cardprobes, "SEEDS", 2)
    shown, hidden = torch.arange(480) % 4, torch.randint(0, 4, (480,))
    images = 0.1 * torch.rand(480, 1, 8, 8) + (shown / 4).view(-1, 1, 1, 1)
    both = {"shown": shown, "hidden": hidden}
    taught, asked = (
        {name: t[places] for name, t in both.items()} for places in (slice(320), slice(320, None))
    )
    found, again = (
        {name: read_probe(images[:320], taught[name], images[320:], asked[name], 4, seed=1) for name in both}
        for _ in range(2)
    )
    assert len(found["shown"]) == 2
    for one in found["shown"]:
        assert one.accuracy == 1
        assert 1.7 < bits(one.nats) <= bits(one.entropy) == pytest.approx(2)
    for one in found["hidden"]:
        assert bits(one.nats) < 0.05
        assert one.accuracy < 0.4
    assert found == again


def test_the_judges_network_keeps_the_laws_of_backbones() -> None:
    assert [f for f in try_backbone(JudgeNet) if f.outcome == "FAILED"] == []


def test_what_is_seen_of_a_view() -> None:
    net = Classifier("net", JudgeNet(num_classes=3, in_channels=3, width=4), SPEC, Passes())
    x = torch.rand(9, 3, 8, 8)
    same = look(net, x, x)
    assert recognised(net, x, x).all()
    assert float(same.distance.abs().max()) == 0
    label = torch.arange(9) % 3
    assert float(same.drop(label, label).abs().max()) == 0
    other = look(net, x, x.flip(0))
    assert recognised(net, x, x.flip(0)).tolist() == [place == 4 for place in range(9)]
    expected = other.before.exp().gather(1, label.view(-1, 1)) - other.after.exp().gather(
        1, label.view(-1, 1)
    )
    torch.testing.assert_close(other.confidence_drop(label, label), expected.squeeze(1))
    assert float(other.distance[0]) > 0
    assert net.training  # as it was
    grey = look(net, x, torch.full_like(x, 0.5))
    assert not recognised(net, x, torch.full_like(x, 0.5)).all()
    assert math.isfinite(float(grey.distance.sum()))
