"""Grids: cells times values, as they are typed and as a suite file has them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import config_plugins
from support.config_plugins import WHOLE

from lpa3bench.config.bindings import GinReference, Origin
from lpa3bench.errors import ConfigError, UsageError
from lpa3bench.suites import GridAxis, SuiteCell, check_suite, parse_axis, parse_seeds, read_suite
from lpa3bench.suites.grid import axes_of, expand

HERE = Origin("s.gin", 3)
CELL = SuiteCell(("quickstart",), None, ("run.epochs=1",))


def texts(*axes: str, cell: SuiteCell = CELL) -> list[str]:
    return [str(made) for made in expand([cell], [*map(parse_axis, axes)])]


# ------------------------------------------------------------------------------------------------ as typed
@pytest.mark.parametrize(
    ("axis", "bindings"),
    [
        ("run.view=none,RandAugment", ["run.view = None", "run.view = @augmenters.RandAugment()"]),
        ("run.backbone=ResNet18", ["run.backbone = @backbones.ResNet18"]),
        ("run.labels=none,Clean", ["run.labels = None", "run.labels = @labels.Clean()"]),
        ("run.task=PES", ["run.task = @tasks.PES()"]),
        ("run.view=@a/augmenters.Cutout()", ["run.view = @a/augmenters.Cutout()"]),
        ("run.epochs=1, 2", ["run.epochs = 1", "run.epochs = 2"]),
        ("LPA3.margin=0.01,1e-3", ["LPA3.margin = 0.01", "LPA3.margin = 1e-3"]),
        ("positives/LPA3.label=given", ["positives/LPA3.label = 'given'"]),
        ("RandAugment.recipe='generic'", ["RandAugment.recipe = 'generic'"]),
        (
            "Supervised.milestones=(0.3, 0.6),(0.5,)",
            ["Supervised.milestones = (0.3, 0.6)", "Supervised.milestones = (0.5,)"],
        ),
        ("A.b=None,True", ["A.b = None", "A.b = True"]),
    ],
)
def test_an_axis_as_it_is_typed(axis: str, bindings: list[str]) -> None:
    made = [cell.bindings for cell in expand([CELL], [parse_axis(axis)])]
    assert made == [("run.epochs=1", binding) for binding in bindings]


def test_settings_and_overlays_are_axes_too() -> None:
    assert texts("setting=sym50,sym80") == [
        "quickstart --setting sym50 -p run.epochs=1",
        "quickstart --setting sym80 -p run.epochs=1",
    ]
    assert texts("overlay=none,augmenters/lpa3") == [
        "quickstart -p run.epochs=1",
        "quickstart augmenters/lpa3 -p run.epochs=1",
    ]


def test_all_combinations_the_last_axis_fastest() -> None:
    made = texts("A.x=1,2", "setting=a,b")
    assert [(text[-2], text.split()[2]) for text in made] == [("1", "a"), ("1", "b"), ("2", "a"), ("2", "b")]
    assert texts() == ["quickstart -p run.epochs=1"]


@pytest.mark.parametrize("text", ["run.view", "run.view=", "=a", "run.view=a,,b", "a b=1", "run.view=a,"])
def test_what_is_no_axis(text: str) -> None:
    with pytest.raises(UsageError, match="is written NAME=VALUE,VALUE"):
        parse_axis(text)


def test_a_value_twice_and_too_many_cells() -> None:
    with pytest.raises(ConfigError, match="A.x=1,1: a value stands there twice"):
        texts("A.x=1,1")
    many = ",".join(map(str, range(200)))
    with pytest.raises(ConfigError, match=r"more than 10,000 cells"):
        texts(f"A.x={many}", f"A.y={many}")


@pytest.mark.parametrize(("text", "seeds"), [("0-2", (0, 1, 2)), ("3", (3,)), ("0, 5-6", (0, 5, 6))])
def test_seeds(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "a", "2-0", "1,1", "-1", "0-99999999"])
def test_what_are_no_seeds(text: str) -> None:
    with pytest.raises(UsageError, match="--seeds"):
        parse_seeds(text)


# ------------------------------------------------------------------------------------------- in a suite file
def test_axes_of_a_file() -> None:
    reference = GinReference((), "augmenters.Cutout", True)
    value = {"run.view": ["none", None, reference], "A.b": [0.1, None, "x", "1"], "setting": ("low",)}
    view = ("none", "none", "@augmenters.Cutout()")
    assert axes_of(value, HERE) == (
        GridAxis("run.view", view),
        GridAxis("A.b", ("0.1", "None", "x", "'1'")),
        GridAxis("setting", ("low",)),
    )


@pytest.mark.parametrize("value", [{"A.b": 1}, {"A.b": []}, {1: [1]}, {"no name": [1]}])
def test_what_is_no_grid(value: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"^s\.gin:3: suite\.grid: "):
        axes_of(value, HERE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("a.gin").write_text(WHOLE)
    return tmp_path


SEEDS = "suite.seeds = (0, 1)\n"
BASE = 'suite.base = "a.gin"\nsuite.grid = {"setting": ["low", "high"], "run.view": ["none", "ToyJitter"]}\n'


def test_base_and_grid_stand_beside_written_cells(folder: Path) -> None:
    (folder / "s.gin").write_text(f'suite.cells = ["a.gin -p run.epochs=9"]\n{BASE}{SEEDS}')
    suite = read_suite(Path("s.gin"))
    assert suite.size == "5 cells × 2 seeds"
    assert [str(cell) for cell in suite.cells] == [
        "a.gin -p run.epochs=9",
        "a.gin --setting low -p 'run.view = None'",
        "a.gin --setting low -p 'run.view = @augmenters.ToyJitter()'",
        "a.gin --setting high -p 'run.view = None'",
        "a.gin --setting high -p 'run.view = @augmenters.ToyJitter()'",
    ]
    checked = check_suite(Path("s.gin"), config_plugins.registry())
    assert (checked.errors, len(checked.cells)) == ((), 5)


def test_a_base_alone_and_several(folder: Path) -> None:
    (folder / "s.gin").write_text(f'suite.base = ["a.gin", "a.gin --setting high"]\n{SEEDS}')
    assert [str(cell) for cell in read_suite(Path("s.gin")).cells] == ["a.gin", "a.gin --setting high"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('suite.grid = {"A.b": [1]}\nsuite.cells = ["a.gin"]\n', "s.gin:1: suite.grid needs suite.base"),
        (
            'suite.base = "a.gin"\nsuite.grid = {"A.b": [1, 1]}\n',
            "s.gin:2: suite.grid: A.b=1,1: a value stands",
        ),
        ('suite.base = "a.gin"\nsuite.grid = ["A.b"]\n', "s.gin:2: suite.grid must be a dict"),
        ("suite.base = 3\n", "s.gin:1: suite.base must be"),
        ('suite.cells = ["a.gin"]\nsuite.base = "a.gin"\n', "s.gin:2: a.gin: the same cell is in line 1"),
    ],
)
def test_what_is_wrong_with_a_grid(folder: Path, text: str, says: str) -> None:
    (folder / "s.gin").write_text(text + SEEDS)
    with pytest.raises(ConfigError) as caught:
        read_suite(Path("s.gin"))
    assert str(caught.value).startswith(says)


def test_a_config_becomes_a_suite_by_its_seeds(folder: Path) -> None:
    suite = read_suite(Path("a.gin"), [parse_axis("run.view=none,ToyJitter")], (0, 1, 2))
    assert suite.size == "2 cells × 3 seeds"
    with pytest.raises(ConfigError, match="--seeds makes a suite of it"):
        read_suite(Path("a.gin"), [parse_axis("run.view=none")])


def test_axes_and_seeds_go_over_those_of_a_suite(folder: Path) -> None:
    (folder / "s.gin").write_text(f'suite.cells = ["a.gin"]\n{SEEDS}')
    suite = read_suite(Path("s.gin"), [parse_axis("run.epochs=1,2")], (7,))
    assert [str(cell) for cell in suite.cells] == ["a.gin -p 'run.epochs = 1'", "a.gin -p 'run.epochs = 2'"]
    assert suite.seeds == (7,)
    assert read_suite(Path("s.gin"), [], ()).seeds == (0, 1)
