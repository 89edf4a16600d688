"""Fig. 4, and how records become panels and arms."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.small_records import NLL, bits, small_record, within

from lpa3bench.errors import DataError
from lpa3bench.records import Record
from lpa3bench.report.figures.curve_figure import (
    AXIS_LABELS,
    POINTS,
    axis_positions,
    draw_curves,
    drawn_range,
    epochs_drawn,
    line_styles,
)
from lpa3bench.report.figures.series import Arm, Panel, compared, matching, panels, with_arms
from lpa3bench.stats.curves import mean_curve

LPA3 = {"positives": "LPA3"}


def runs(seeds: int = 2, **options: object) -> list[Record]:
    return [small_record(bits(8), seed=seed, **options) for seed in range(seeds)]  # type: ignore[arg-type]


def on(records: list[Record], backbone: str) -> list[Record]:
    """The same with another network."""
    return [within(r, "cell", backbone=backbone) for r in records]


def test_where_an_epoch_stands() -> None:
    records = [
        small_record(bits(8), seed=0, earlier=[0.2], passes=2e6, seconds=4.0),
        small_record(bits(6), seed=1, earlier=[0.4], passes=4e6, seconds=8.0),
    ]
    found = mean_curve(records, "accuracy")
    assert found is not None
    assert axis_positions(found, "passes") == pytest.approx([1.5, 3.0]), "millions, the mean of both runs"
    assert axis_positions(found, "seconds") == pytest.approx([3, 6])
    assert axis_positions(found, "epochs") == [1, 2]


def test_a_panel_for_each_environment_and_the_baseline_first() -> None:
    records = [
        *runs(task="PES", slots=LPA3),
        *runs(task="PES"),
        *runs(dataset="CIFAR10", setting="sym50"),
        *runs(data="e", identity="1" * 8),
        *runs(limit=10),
        *on(runs(task="PES"), "WideNet"),
    ]
    found = [(panel.title, [arm.name for arm in panel.arms]) for panel in panels(records)]
    assert sorted(found) == [
        ("CIFAR10 · Supervised · sym50", ["weak view only"]),
        ("Digits · PES · SmallNet", ["weak view only", "LP-A3"]),
        ("Digits · PES · WideNet", ["weak view only"]),
        ("Digits · Supervised", ["weak view only"]),
        ("Digits · Supervised · 10 images", ["weak view only"]),
    ]


def test_labels_with_other_parameters_are_another_environment() -> None:
    def noisy(rate: str) -> list[Record]:
        return [
            within(r, "cell", labels="SymmetricNoise") for r in runs(config={"SymmetricNoise.rate": rate})
        ]

    found = panels([*noisy("0.5"), *noisy("0.9")])
    assert [panel.title for panel in found] == [
        "Digits · Supervised · SymmetricNoise, rate 0.5",
        "Digits · Supervised · SymmetricNoise, rate 0.9",
    ]


def test_an_arm_is_named_by_what_tells_it_apart() -> None:
    fixed = {"strong": "RandAugment"}
    records = [
        *runs(slots=fixed, setting="labels40"),
        *runs(slots=fixed, setting="equal_cost", earlier=[0.5], identity="1" * 8),
        *runs(slots=fixed | LPA3, identity="2" * 8),
        *runs(slots=fixed | {"view": "Cutout"}, identity="3" * 8),
    ]
    (panel,) = panels(records)
    assert [(arm.name, [r.seed for r in arm.records]) for arm in panel.arms] == [
        ("weak view only", [0, 1]),
        ("weak view only, equal cost", [0, 1]),
        ("Cutout (view)", [0, 1]),
        ("LP-A3", [0, 1]),
    ]
    assert [arm.role for arm in panel.arms] == ["baseline", "equal cost", "method", "method"]
    assert panel.title == "Digits · Supervised", "the settings differ"


def test_the_scope_that_a_file_gave_an_augmenter_does_not_count() -> None:
    def lpa3(scope: str, iterations: str, identity: str) -> list[Record]:
        config = {"run.positives": f"@{scope}/augmenters.LPA3()", f"{scope}/LPA3.iterations": iterations}
        return runs(slots=LPA3, config=config | {f"{scope}/LPA3.margin": "0.1"}, identity=identity)

    (panel,) = panels([*lpa3("noise", "0", "1" * 8), *lpa3("positives", "5", "2" * 8)])
    assert [arm.name for arm in panel.arms] == ["LP-A3, iterations 0", "LP-A3, iterations 5"]


def test_what_differs_in_its_identity_alone_is_told_apart_by_it() -> None:
    records = [*runs(), *runs(identity="f" * 8)]
    (panel,) = panels(records)
    identities = {record.identity for record in records}
    assert [arm.name for arm in panel.arms] == [
        f"weak view only, {identity}" for identity in sorted(identities)
    ]


def test_one_seed_twice_is_refused() -> None:
    with pytest.raises(DataError, match="seed 0 stands there twice: .*made/up|seed 0 stands there twice"):
        panels([*runs(), *runs()])


def test_choosing_runs_by_name() -> None:
    records = [*runs(), *runs(task="PES")]
    assert [r.cell.task for r in matching(records, "digits-pes*")] == ["PES", "PES"]
    assert matching(records, None) == records
    with pytest.raises(DataError, match="no finished run there whose name matches x"):
        matching(records, "x")


def test_choosing_methods_by_name() -> None:
    found = panels(
        [*runs(), *runs(slots=LPA3, identity="1" * 8), *runs(task="PES", slots={"view": "Cutout"})]
    )
    assert with_arms(found, []) == found
    (panel,) = with_arms(found, ["weak*", "LP-A3"])
    assert [arm.name for arm in panel.arms] == ["weak view only", "LP-A3"]
    with pytest.raises(
        DataError, match=r"no method is called x; there are Cutout \(view\); LP-A3; weak view only"
    ):
        with_arms(found, ["x"])


def test_the_figure_holds_every_arm_escaped_and_is_the_same_again(tmp_path: Path) -> None:
    records = [
        *runs(earlier=[0.1, 0.3]),
        *runs(earlier=[0.2, 0.4], slots={"view": "A<b>&"}, name="hostile", identity="1" * 8),
    ]
    svg, png = draw_curves(panels(records), tuple(AXIS_LABELS), tmp_path / "a")
    text = svg.read_text(encoding="utf-8")
    assert ">weak view only<" in text
    assert ">A&lt;b&gt;&amp; (view)<" in text
    assert text.count(">n = 2<") == 3
    assert "Digits · Supervised" in text
    assert all(label in text for label in AXIS_LABELS.values())
    again = draw_curves(panels(records[::-1]), tuple(AXIS_LABELS), tmp_path / "b")
    assert [path.read_bytes() for path in again] == [svg.read_bytes(), png.read_bytes()], "in any order"


def test_a_loss_is_drawn_as_it_is(tmp_path: Path) -> None:
    svg, _ = draw_curves(
        panels(runs(metric="nll", kind=NLL, earlier=[3.0], last=2.0)), ("epochs",), tmp_path / "a"
    )
    text = svg.read_text(encoding="utf-8")
    assert "test negative log-likelihood, nats" in text
    assert "Test negative log-likelihood by epochs" in text
    assert any(2 <= float(tick) <= 3 for tick in re.findall(r">([0-9.]+)<", text)), "no percentages"


def test_long_names_are_wrapped_and_widen_no_figure(tmp_path: Path) -> None:
    def width(values: int) -> str:
        config = {f"Supervised.value_{number}": "1" for number in range(values)}
        records = [*runs(seeds=1, identity="1" * 8), *runs(seeds=1, config=config)]
        text = draw_curves(panels(records), ("epochs",), tmp_path / str(values))[0].read_text(
            encoding="utf-8"
        )
        assert f"value_{values - 1} 1" in text
        return text.partition('width="')[2].partition('"')[0]

    assert width(4) == width(12)


def test_two_baselines_and_the_methods_differ_in_colour_and_in_line() -> None:
    fixed = {"strong": "RandAugment"}
    found = panels(
        [
            *runs(slots=fixed),
            *runs(slots=fixed, setting="equal_cost", identity="1" * 8),
            *runs(slots=fixed | LPA3, identity="2" * 8),
            *runs(slots=fixed | {"view": "Cutout"}, identity="3" * 8),
        ]
    )
    plain, equal, *methods = line_styles([*found, Panel("again", found[0].arms[::-1])]).values()
    assert plain.colour != equal.colour
    assert plain.dash != equal.dash
    assert len({style.colour for style in (plain, equal, *methods)}) == 4


def test_the_axis_shows_where_methods_differ() -> None:
    steep = ([10.0, 50.0, 90.0, 91.0], [9.0, 9.0, 1.0, 1.0])
    early = ([30.0, 95.0, 94.0, 93.0], [9.0, 0.5, 0.5, 0.5])
    low, high = drawn_range([steep, early], best=max)
    assert 89 < low < 90, "the worst of the second half, and the band at the end"
    assert 95 < high < 96, "the best of all"
    low, high = drawn_range([steep, early], best=None)
    assert 94 < high < 95, "of differences there is no best one"
    low, high = drawn_range([([5.0, 5.0], [0.0, 0.0])], best=min)
    assert low < 5 < high


def test_long_trainings_are_drawn_by_some_of_their_epochs() -> None:
    assert [*epochs_drawn(3)] == [0, 1, 2]
    few = [*epochs_drawn(1000)]
    assert (len(few), few[0], few[-1]) == (POINTS, 0, 999)


def test_how_many_seeds_there_are_is_said_where_methods_differ_in_it(tmp_path: Path) -> None:
    found = panels([*runs(3), *runs(3, task="PES"), *runs(1, slots=LPA3, identity="1" * 8)])
    text = draw_curves(found, ("passes",), tmp_path / "a")[0].read_text(encoding="utf-8")
    assert ">n = 3<" in text
    assert ">LP-A3 1<" in text
    assert "n is their number" in text


def test_differences_are_drawn_from_the_baseline(tmp_path: Path) -> None:
    records = [*runs(earlier=[0.3]), *runs(earlier=[0.1], slots=LPA3, identity="1" * 8)]
    svg, _ = draw_curves(panels(records), ("passes",), tmp_path / "a", difference=True)
    text = svg.read_text(encoding="utf-8")
    assert ">difference of test accuracy, points<" in text
    assert "less that of the baseline of the same seed, weak view only" in text
    strangers = [*runs(), small_record(bits(8), seed=9, slots=LPA3, identity="1" * 8)]
    with pytest.raises(DataError, match="LP-A3: no difference from weak view only is defined"):
        draw_curves(panels(strangers), ("passes",), tmp_path / "b", difference=True)


def test_a_method_alone_is_left_out_beside_others() -> None:
    one, two = Panel("one", (Arm("a", ()),)), Panel("two", (Arm("a", ()), Arm("b", ())))
    assert compared([one, two]) == [two]
    assert compared([one]) == [one]
