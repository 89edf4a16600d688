"""The shipped suites: each is right in every cell, and holds what the paper's table or figure holds."""

from __future__ import annotations

import re

import pytest
from support.shipped_configs import loaded

from lpa3bench.plugin import registry
from lpa3bench.runtime.paths import config_names, gin_root, resolve_config, suite_names
from lpa3bench.suites import Suite, SuiteCell, check_suite, is_suite, read_suite

NAMES = suite_names()
LPA3 = "augmenters/lpa3"
CONTROLS = ("augmenters/identity", "augmenters/lpa3_noise", "augmenters/randaugment_positives")
SHORT = ("supervised", "fixmatch", "pes")
OTHERS = ("dividemix", "mixup", "pcorrection", "mcorrection")


def suite(name: str) -> Suite:
    return read_suite(resolve_config(f"suites/{name}"))


def arms(cells: Suite, file: str) -> dict[tuple[str, str | None], tuple[str, ...]]:
    """The bindings of the cells of a config, by overlay and setting."""
    return {
        (" ".join(cell.files[1:]), cell.setting): cell.bindings
        for cell in cells.cells
        if cell.files[0] == file
    }


def test_there_are_some_and_none_is_a_config() -> None:
    shipped = (
        "cifar10_mini cifar10_mini_tuning digits digits_budget digits_controls digits_fast digits_later "
        "digits_noisy digits_rivals digits_sensitivity digits_short fashion_mini fig4 fig5 nuisances "
        "table1 table2 table3"
    )
    assert [f"suites/{name}" for name in shipped.split()] == NAMES
    assert not {*NAMES} & {*config_names()}
    assert all(is_suite(resolve_config(name)) for name in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_is_right_in_every_cell(name: str) -> None:
    assert check_suite(resolve_config(name), registry.load_registry()).errors == ()


@pytest.mark.parametrize("name", NAMES)
def test_each_opens_with_its_commands_its_cost_and_what_was_published(name: str) -> None:
    text = (gin_root() / f"{name}.gin").read_text()
    head = text[: text.index("\n\n")]
    assert all(line.startswith("#") for line in head.splitlines())
    assert f"#   lpa3bench check {name}\n" in head
    assert "\n# Published: " in head
    cost = re.search(r"^# Cost: (\d+) cells x (\d+) seeds", head, re.MULTILINE)
    assert cost is not None
    whole = read_suite(resolve_config(name))
    assert cost.groups() == (str(len(whole.cells)), str(len(whole.seeds)))


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_is_written_in_one_way(name: str) -> None:
    """Shipped names, overlays, the setting, then `-p`: so that a cell can be found by its text."""
    text = (gin_root() / f"{name}.gin").read_text()
    for cell in read_suite(resolve_config(name)).cells:
        assert f'    "{cell}",\n' in text
        assert all(file in config_names() for file in cell.files)


@pytest.mark.parametrize("name", ["table1", "table2", "table3", "fig4", "fig5"])
def test_what_the_paper_ran_three_times_runs_three_times(name: str) -> None:
    assert suite(name).seeds == (1, 2, 3)


def test_table_1() -> None:
    cells = suite("table1")
    for file, settings in (
        ("cifar10_fixmatch", ("labels40", "labels250", "labels4000")),
        ("cifar100_fixmatch", ("labels400", "labels2500", "labels10000")),
    ):
        assert [*arms(cells, file)] == [(over, setting) for setting in settings for over in ("", LPA3)]
    stl = {*arms(cells, "stl10_fixmatch")}
    assert stl == {(over, setting) for setting in ("stl10_paper", "stl10_code") for over in ("", LPA3)} | {
        (f"augmenters/infomin_{space}", "stl10_paper") for space in ("rgb", "ydbdr")
    }
    assert len(cells.cells) == 18


def test_table_2() -> None:
    cells = suite("table2")
    noise = ("sym50", "sym80", "sym90")
    for task in ("mixup", "pcorrection", "mcorrection", "dividemix", "pes"):
        overlays = ("", LPA3) if task in ("dividemix", "pes") else ("",)
        for dataset in ("cifar10", "cifar100"):
            wanted = dict.fromkeys(((over, rate) for rate in noise for over in overlays), ())
            assert arms(cells, f"{dataset}_{task}") == wanted
    assert len(cells.cells) == 2 * 3 * (3 + 2 + 2)


def test_table_3() -> None:
    cells = suite("table3")
    wanted = {
        (over, net) for net in ("resnet18", "resnet50") for over in ("", "augmenters/randaugment", LPA3)
    }
    for name in ("path", "derma", "oct", "blood", "tissue", "organa", "organc", "organs"):
        assert {*arms(cells, f"{name}mnist_supervised")} == wanted
    assert len(cells.cells) == 8 * len(wanted)


def test_figure_4_is_made_of_the_tables() -> None:
    """Runs are known by what they are, so that the same cell of two suites is run once."""
    tables = {cell for name in ("table1", "table2", "table3") for cell in suite(name).cells}
    cells = suite("fig4").cells
    assert len(cells) == 8
    assert {*cells} <= tables


def test_figure_5_varies_one_thing_at_a_time() -> None:
    cells = suite("fig5").cells
    assert len(cells) == 36
    for file, margin, ratio in (
        ("cifar100_fixmatch", 0.02, 0.9),
        ("cifar100_pes", 0.02, 1.0),
        ("organcmnist_supervised", 0.02, 0.5),
    ):
        baseline, published, *grid = [cell for cell in cells if cell.files[0] == file]
        assert baseline.files == (file,)
        assert published == SuiteCell((file, LPA3), baseline.setting)
        bound = dict[str, set[float]]({"LPA3.margin": {margin}, "LPA3.ratio": {ratio}})
        for cell in grid:
            assert (cell.files, cell.setting) == (published.files, baseline.setting)
            (text,) = cell.bindings
            name, _, value = text.partition("=")
            bound[name].add(float(value))
        assert bound == {
            "LPA3.margin": {0.0002, 0.002, 0.02, 0.1, 0.2, 1.0},
            "LPA3.ratio": {0.1, 0.3, 0.5, 0.7, 0.9, 1.0},
        }
        values = {value.name: value.text for value in published.load(registry.load_registry()).values}
        assert values["positives/LPA3.margin"] == repr(margin)
        assert values["positives/LPA3.ratio"] == repr(ratio)


def test_digits_have_figure_5_too() -> None:
    """The same grid, on a task of seconds; and two of its cells are those of suites/digits."""
    own = suite("digits_sensitivity")
    fig5 = [str(cell) for cell in suite("fig5").cells if cell.files[0] == "cifar100_fixmatch"]
    told = [cell.replace("cifar100", "digits").replace(" --setting labels400", "") for cell in fig5]
    assert [str(cell) for cell in own.cells] == told
    assert {*own.cells[:2]} <= {*suite("digits").cells}
    assert {*own.seeds} <= {*suite("digits").seeds}


WHOLE = {("", None), (LPA3, None), ("", "equal_cost")}
"""A task, LP-A3 in it, and the task alone for as many passes."""


def test_digits_have_lpa3_at_equal_cost_and_what_it_has_to_beat() -> None:
    cells = suite("digits")
    assert cells.seeds == tuple(range(100, 112))
    for task in SHORT:
        plain = {("", "labels40"), ("", "sym50")} if task == "supervised" else set()
        assert {*arms(cells, f"digits_{task}")} == WHOLE | plain


def test_digits_have_controls() -> None:
    cells, compared = suite("digits_controls"), suite("digits")
    assert cells.seeds == compared.seeds, "no arm with less care than another"
    for task in SHORT:
        found = {*arms(cells, f"digits_{task}")}
        wanted = {(over, None) for over in CONTROLS}
        assert wanted == found or (task == "supervised" and wanted < found)


def test_the_other_tasks_for_noisy_labels_have_everything() -> None:
    cells = suite("digits_noisy")
    assert cells.seeds == tuple(range(100, 103))
    for task in OTHERS:
        assert {*arms(cells, f"digits_{task}")} == WHOLE | {(over, None) for over in CONTROLS}


def test_later_methods_are_tried_with_lpa3_and_at_equal_cost() -> None:
    cells = suite("digits_later")
    assert cells.seeds == suite("digits_noisy").seeds
    for task in ("elr", "sop"):
        assert {*arms(cells, f"digits_{task}")} == WHOLE
    found = {over for over, _ in arms(cells, "digits_fixmatch") if over.startswith("policies/")}
    policies = {name for name in config_names() if name.startswith("policies/")}
    assert found == policies | {f"{over} {LPA3}" for over in policies}


IN_THE_SLOT = {
    "augmenters/lpa3",
    "augmenters/lpa3_fast",
    "augmenters/pgd",
    "augmenters/advprop",
    "augmenters/vat",
    "augmenters/randaugment_positives",
    "augmenters/augmix_positives",
    "augmenters/identity",
    "augmenters/lpa3_noise",
    "augmenters/pgd_noise",
    "augmenters/lpa3_random_direction",
    "augmenters/lpa3_pixels",
}
"""All that goes into LP-A3's slot on small grey images, and the controls."""


def of_setting(cells: Suite, file: str, setting: str | None) -> dict[str, tuple[str, ...]]:
    """The bindings of its cells in that setting, by overlay."""
    return {over: bound for (over, chosen), bound in arms(cells, file).items() if chosen == setting}


def test_rivals_meet_lpa3_in_its_slot_in_every_column() -> None:
    cells = suite("digits_rivals")
    assert cells.seeds == suite("digits").seeds
    columns = [
        ("digits_fixmatch", None, "equal_cost"),
        ("digits_supervised", "labels40", "labels40_equal_cost"),
        ("digits_pes", None, "equal_cost"),
        ("digits_pes", "sym80", "sym80_equal_cost"),
    ]
    for file, setting, equal_cost in columns:
        assert of_setting(cells, file, setting).keys() == IN_THE_SLOT | {""}
        assert of_setting(cells, file, equal_cost).keys() == {""}
    assert len(cells.cells) == len(columns) * (len(IN_THE_SLOT) + 2)


@pytest.mark.parametrize(("name", "lengths"), [("digits_budget", (2, 4, 8)), ("digits_short", (2, 4, 8))])
def test_schedules_of_other_lengths_have_the_arms_of_the_whole_one(
    name: str, lengths: tuple[int, ...]
) -> None:
    cells, whole = suite(name), suite("digits_rivals")
    assert cells.seeds == whole.seeds
    budget = {"", LPA3, *(f"augmenters/{over}" for over in ("randaugment_positives", "identity", "pgd"))}
    wanted = budget if name == "digits_budget" else IN_THE_SLOT | {""}
    for file in ("digits_fixmatch", "digits_pes"):
        found = of_setting(whole, file, None)
        for length in lengths:
            other = of_setting(cells, file, f"{name.removeprefix('digits_')}{length}")
            assert other == {over: found[over] for over in wanted}, "with the weight that it has there"


def test_cifar10_mini_is_not_tuned_on_what_it_reports() -> None:
    cells, tuning = suite("cifar10_mini"), suite("cifar10_mini_tuning")
    overlays = {"", LPA3, *(f"augmenters/{name}" for name in ("identity", "randaugment_positives", "pgd"))}
    for task in ("fixmatch", "pes"):
        assert {*arms(cells, f"cifar10_mini_{task}")} == {(over, None) for over in overlays} | {
            ("", "equal_cost")
        }
        assert {*arms(tuning, f"cifar10_mini_{task}")} == {("", None)}, "the baseline alone"
    assert tuning.search is not None
    assert not {*cells.seeds} & {*tuning.seeds, *tuning.search.seeds}
    assert len(cells.seeds) >= 5


def test_fashion_mini_has_lpa3_and_its_cost_in_plain_training() -> None:
    cells = suite("fashion_mini")
    assert cells.seeds == (0, 1, 2)
    for file in ("fashion_fixmatch", "fashion_pes"):
        assert {*arms(cells, file)} == WHOLE


@pytest.mark.parametrize("name", ["digits_controls", "digits_noisy", "digits_rivals", "digits_budget"])
def test_a_control_differs_from_lpa3_in_its_images_alone(name: str) -> None:
    """Whatever the files bind for LP-A3, as half a weight for twice the terms, holds for the controls too."""
    for cell in suite(name).cells:
        if cell.files[1:] not in [(over,) for over in (*CONTROLS, *IN_THE_SLOT)]:
            continue
        control = task_values(cell)
        assert control == task_values(SuiteCell((cell.files[0], LPA3), cell.setting))


@pytest.mark.parametrize("name", ["digits_pes", "cifar10_mini_fixmatch"])
def test_the_control_of_pgd_is_pgd_without_its_search(name: str) -> None:
    searched, control = (
        {
            v.name.rpartition("/")[2]: v.text
            for v in loaded(name, f"augmenters/{over}").values
            if "PGD" in v.name
        }
        for over in ("pgd", "pgd_noise")
    )
    assert control == {**searched, "PGD.iterations": "0"} != searched


def task_values(cell: SuiteCell) -> dict[str, str]:
    config = cell.load(registry.load_registry())
    task = config.names["task"]
    values = {value.name: value.text for value in config.values}
    return {name: text for name, text in values.items() if name.startswith((f"{task}.", "run.epochs"))}


def test_digits_has_every_augmenter_over_supervised() -> None:
    """But those that refuse small grey images, and the one that only takes the weak view away."""
    overlays = {name for name in config_names() if name.startswith("augmenters/")}
    refused = {"augmenters/none", "augmenters/raw", "augmenters/trivialaugment"} | {
        f"augmenters/infomin_{space}" for space in ("rgb", "ydbdr")
    }
    suites = [suite(f"digits{name}") for name in ("", "_controls", "_rivals", "_later")]
    tried = {over for cells in suites for over, _ in arms(cells, "digits_supervised")} - {""}
    assert tried == overlays - refused
