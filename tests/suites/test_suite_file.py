"""Suites: the grammar of their files, and which bindings a cell takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support import config_plugins
from support.config_plugins import WHOLE

from lpa3bench.config.bindings import Origin
from lpa3bench.errors import ConfigError, PluginError
from lpa3bench.plugin.registry import Entry, Registry
from lpa3bench.suites import Suite, SuiteCell, check_suite, is_suite, parse_cell, read_suite

REGISTRY = config_plugins.registry()
HERE = Origin("s.gin", 7)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes `s.gin` into the working folder, where configs and overlays for its cells lie."""
    monkeypatch.chdir(tmp_path)
    Path("a.gin").write_text(WHOLE)
    Path("jitter.gin").write_text("run.view = @ToyJitter()")
    Path("none.gin").write_text("run.positives = None")

    def write(*lines: str) -> Path:
        Path("s.gin").write_text("\n".join(lines))
        return Path("s.gin")

    return write


def errors(path: Path, registry: Registry = REGISTRY) -> list[str]:
    return [str(error) for error in check_suite(path, registry).errors]


# ---------------------------------------------------------------------------------------------------- cells
@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("a.gin", SuiteCell(("a.gin",))),
        ("a.gin  over.gin", SuiteCell(("a.gin", "over.gin"))),
        ("a.gin --setting low over.gin", SuiteCell(("a.gin", "over.gin"), "low")),
        ("a.gin --setting=low", SuiteCell(("a.gin",), "low")),
        ("a -p X.a=1 --param X.b=2 --param=X.c=3", SuiteCell(("a",), None, ("X.a=1", "X.b=2", "X.c=3"))),
        ("a -p 'X.a = 1'", SuiteCell(("a",), None, ("X.a = 1",))),
        ("""a -p "X.a='b c'" """, SuiteCell(("a",), None, ("X.a='b c'",))),
        ("'my file.gin'", SuiteCell(("my file.gin",))),
    ],
)
def test_a_cell_is_what_is_typed_after_run(text: str, cell: SuiteCell) -> None:
    assert parse_cell(text, HERE) == cell
    assert parse_cell(str(cell), HERE) == cell, "and is written in the same way"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'' names no file"),
        ("--setting low", "'--setting low' names no file"),
        ("a --seed 1", "a --seed 1: option --seed not recognized; a cell takes FILE..., --setting and -p"),
        ("a --setting", "a --setting: option --setting requires argument; "),
        ("a --set low", "a --set low: there is no option --set; a cell takes FILE..., --setting and -p"),
        ("a --setting low --setting high", "a cell has one setting"),
        ("a -p 'X.a=1", "a -p 'X.a=1: a quote is not closed"),
    ],
)
def test_what_is_no_cell(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=r"^s\.gin:7: ") as caught:
        parse_cell(text, HERE)
    assert says in str(caught.value)


def test_a_cell_of_a_foreign_file_is_refused_unread(tmp_path: Path) -> None:
    secret = tmp_path / "passwd"
    secret.write_text("hunter2")
    with pytest.raises(
        ConfigError, match="passwd is refused, because its name does not end in .gin"
    ) as caught:
        parse_cell(str(secret), HERE)
    assert "hunter2" not in str(caught.value)


def test_the_words_of_a_cell_are_a_command_line() -> None:
    cell = SuiteCell(("a", "b c"), "low", ("X.a=1", "X.b = 'x'"))
    assert cell.words == ("a", "b c", "--setting", "low", "-p", "X.a=1", "-p", "X.b = 'x'")
    assert str(cell) == """a 'b c' --setting low -p X.a=1 -p 'X.b = '"'"'x'"'"''"""


# ---------------------------------------------------------------------------------------------------- files
def test_a_whole_file(write: Write) -> None:
    path = write(
        "# A suite.",
        "suite.cells = [",
        '    "a.gin",',
        "    # with",
        '    "a.gin jitter.gin --setting high",',
        "]",
        "suite.seeds = (3, 1)",
        'suite.bindings = ["ToyTask.lr = 0.2"]',
        "suite.threads = 2",
    )
    suite = read_suite(path)
    assert suite == Suite(
        (SuiteCell(("a.gin",)), SuiteCell(("a.gin", "jitter.gin"), "high")), (3, 1), ("ToyTask.lr = 0.2",), 2
    )
    assert [cell.origin.line for cell in suite.cells] == [3, 5]
    assert [origin.line for origin in suite.origins] == [8]
    assert suite.size == "2 cells × 2 seeds"


def test_a_list_may_be_a_tuple_and_the_rest_is_left_out(write: Write) -> None:
    suite = read_suite(write('suite.cells = ("a.gin",)', "suite.seeds = [0]"))
    assert (suite.seeds, suite.bindings, suite.threads) == ((0,), (), 1)
    assert suite.size == "1 cell × 1 seed"


CELLS, SEEDS = 'suite.cells = ["a.gin"]', "suite.seeds = (0,)"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ((SEEDS,), "s.gin:1: suite.cells is missing"),
        (
            ("run.epochs = 3", "Supervised.lr = 1.0"),
            "s.gin:1: no suite, for suite.cells is missing; `lpa3bench run s.gin` is for one run",
        ),
        ((CELLS,), "s.gin:1: suite.seeds is missing"),
        (("suite.cells = []", SEEDS), "s.gin:1: suite.cells must not be empty"),
        (("suite.cells = 'a.gin'", SEEDS), "s.gin:1: suite.cells must be a tuple of str (in quotes)"),
        (("suite.cells = [@a.gin]", SEEDS), "s.gin:1: suite.cells must be a tuple of str"),
        (("suite.cells = [%cell]", SEEDS), "s.gin:1: suite.cells must be written out, without macros"),
        ((CELLS, "suite.seeds = ()"), "s.gin:2: suite.seeds must not be empty"),
        ((CELLS, "suite.seeds = 3"), "s.gin:2: suite.seeds must be a tuple of int, not 3; write (3,)"),
        ((CELLS, "suite.seeds = (0, True)"), "s.gin:2: suite.seeds must be a tuple of int"),
        ((CELLS, "suite.seeds = (0, -1)"), "s.gin:2: suite.seeds must be >= 0, not -1"),
        ((CELLS, "suite.seeds = (0, 1, 0)"), "s.gin:2: suite.seeds: 0 stands there twice"),
        ((CELLS, SEEDS, "suite.threads = 0"), "s.gin:3: suite.threads must be >= 1, not 0"),
        ((CELLS, SEEDS, "suite.thread = 1"), "s.gin:3: suite has no parameter thread; did you mean threads?"),
        ((CELLS, SEEDS, "suite.seeds = (1,)"), "s.gin:3: suite.seeds is bound twice, first in line 2"),
        ((CELLS, SEEDS, "low/suite.seeds = (1,)"), "s.gin:3: low/suite.seeds: a suite has no settings"),
        ((CELLS, SEEDS, "run.epochs = 3"), "s.gin:3: run.epochs is not of a suite"),
        ((CELLS, SEEDS, "seeds = 3"), "s.gin:3: seeds is not of a suite"),
        ((CELLS, SEEDS, "include 'a.gin'"), "s.gin:3: include is refused: a suite file shows all"),
        ((CELLS, SEEDS, "import os"), "s.gin:3: import is refused"),
        ((CELLS, SEEDS, "suite.bindings = [1"), "s.gin:3: "),
        (("suite.cells = ['a.gin',", "", " 'a --seed 1']", SEEDS), "s.gin:3: a --seed 1: option --seed not"),
        (("suite.cells = [", "'a',", "'b',", "'  a']", SEEDS), "s.gin:4: a: the same cell is in line 2"),
        ((CELLS, SEEDS, "suite.bindings = ('X.a=1', 'X.a=1')"), "s.gin:3: suite.bindings: X.a=1 stands"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_in_one_line_with_its_place(
    write: Write, lines: tuple[str, ...], says: str
) -> None:
    path = write(*lines)
    with pytest.raises(ConfigError) as caught:
        read_suite(path)
    assert str(caught.value).startswith(says)
    assert [error for error in errors(path) if error.startswith(says)]


def test_cells_bound_twice_of_which_one_is_wrong(write: Write) -> None:
    """The places are those of the list that is taken."""
    path = write('suite.cells = ["a.gin", "b.gin"]', SEEDS, "suite.cells = [", "1]")
    assert [error.partition(": ")[0] for error in errors(path)] == ["s.gin:3", "s.gin:3", "s.gin:1"]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nowhere.gin:1: cannot be read: No such file"):
        read_suite(tmp_path / "nowhere.gin")


def test_what_is_a_suite(write: Write) -> None:
    assert is_suite(write("suite.thread = 1", "run.epochs = 1"))
    assert is_suite(write("suite.seeds = (1,)", "this is no gin"))
    assert not is_suite(write("this is no gin"))
    assert not is_suite(Path("a.gin"))
    assert not is_suite(Path("nowhere.gin"))


def test_the_example_of_the_documentation(write: Write) -> None:
    text = (Path(__file__).parents[2] / "docs" / "suites.md").read_text()
    suite = read_suite(write(text.partition("```gin\n")[2].partition("```")[0]))
    assert suite.size == "4 cells × 3 seeds"
    assert suite.cells[3].bindings == ('RandAugment.recipe = "generic"',)
    assert suite.bindings == ("run.epochs = 30", "LPA3.iterations = 1")


# ------------------------------------------------------------------------------------ which bindings it takes
def complete(cell: str, *bindings: str) -> tuple[str, ...]:
    suite = Suite(bindings=bindings)
    return suite.complete(parse_cell(cell, HERE), REGISTRY).bindings


@pytest.mark.parametrize(
    ("cell", "taken"),
    [
        ("a.gin", ("ToyAttack.margin = 0.1", "ToyTask.lr = 0.2")),
        ("a.gin none.gin", ("ToyTask.lr = 0.2",)),
        ("a.gin jitter.gin", ("ToyAttack.margin = 0.1", "ToyTask.lr = 0.2", "ToyJitter.strength = 1")),
        ("a.gin none.gin jitter.gin", ("ToyTask.lr = 0.2", "ToyJitter.strength = 1")),
    ],
)
def test_a_binding_is_passed_over_where_nothing_uses_it(
    write: Write, cell: str, taken: tuple[str, ...]
) -> None:
    offered = ("ToyAttack.margin = 0.1", "ToyTask.lr = 0.2", "ToyJitter.strength = 1")
    assert complete(cell, *offered) == taken
    for text in offered:  # a `-p` is an error just there
        alone = SuiteCell(parse_cell(cell, HERE).files, bindings=(text,))
        if text in taken:
            alone.load(REGISTRY)
        else:
            with pytest.raises(ConfigError, match="nothing uses it"):
                alone.load(REGISTRY)


def test_a_binding_scoped_by_an_augmenter_or_a_slot_goes_where_that_is(write: Write) -> None:
    scoped = ("toyjitter/ToyTask.lr = 0.2", "view/ToyJitter.strength = 1", "positives/ToyAttack.margin = 1")
    assert complete("a.gin", *scoped) == scoped[2:]
    assert complete("a.gin none.gin jitter.gin", *scoped) == scoped[:2]


def test_a_binding_may_be_what_makes_another_one_used(write: Write) -> None:
    assert complete("a.gin", "run.positives = None", "ToyAttack.margin = 0.1") == ("run.positives = None",)
    both = ("run.view = @ToyJitter()", "ToyJitter.strength = 1")
    assert complete("a.gin", *both) == both


def test_a_cells_own_bindings_win(write: Write) -> None:
    suite = Suite(bindings=("ToyTask.lr = 0.2", "ToyTask.weight = 3"))
    cell = suite.complete(parse_cell("a.gin -p ToyTask.lr=0.3", HERE), REGISTRY)
    assert cell.bindings == ("ToyTask.lr = 0.2", "ToyTask.weight = 3", "ToyTask.lr=0.3")
    values = {value.name: value.text for value in cell.load(REGISTRY).values}
    assert (values["ToyTask.lr"], values["ToyTask.weight"]) == ("0.3", "3.0")
    assert cell.origin is HERE


# ------------------------------------------------------------------------------------------------- checking
def test_a_suite_that_is_right(write: Write) -> None:
    cells = 'suite.cells = ["a.gin", "a.gin --setting high", "a.gin jitter.gin -p ToyJitter.strength=1"]'
    checked = check_suite(write(cells, SEEDS, "suite.bindings = [\"ToyJitter.recipe = 'large'\"]"), REGISTRY)
    assert checked.errors == ()
    assert checked.suite.size == "3 cells × 1 seed"


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("b.gin", "b.gin: there is no such file, nor a shipped one of that name"),
        ("a.gin --setting lo", "there is no setting lo; did you mean low?"),
        ("a.gin -p ToyTask.wieght=1", "-p 'ToyTask.wieght=1': ToyTask has no parameter wieght"),
        ("a.gin -p ToyJitter.strength=1", "nothing uses it: ToyJitter is not bound"),
        ("a.gin -p ToyTask.lr=-1", "-p 'ToyTask.lr=-1': ToyTask.lr must be > 0"),
        ("a.gin -p ToyNet.width=0", "ToyNet.width must be >= 1"),
        ("a.gin -p run.view=@ToyAttack()", "run.view: ToyAttack works in the auxiliary BatchNorm"),
        ("jitter.gin", "run.task is not bound"),
        ("s.gin", "s.gin:1: what has suite lines is a suite"),
        ("a.gin s.gin", "s.gin:1: what has suite lines is a suite"),
    ],
)
def test_every_cell_is_loaded_as_run_would(write: Write, cell: str, says: str) -> None:
    (error,) = errors(write("suite.cells = [", '    "a.gin",', f'    "{cell}",', "]", SEEDS))
    assert error.startswith(f"s.gin:3: {parse_cell(cell, HERE)}: ")
    assert says in error


def test_all_cells_that_are_wrong_are_named(write: Write) -> None:
    path = write('suite.cells = ["a.gin -p x=1", "a.gin"]', "suite.seeds = 1", "run.epochs = 1")
    assert [error.partition(": ")[0] for error in errors(path)] == ["s.gin:2", "s.gin:3", "s.gin:1"]


@pytest.mark.parametrize(
    "other",
    ["./a.gin", "a.gin --setting low", "a.gin -p ToyTask.lr=0.1", "a.gin -p 'run.view = None'"],
)
def test_the_same_experiment_written_in_two_ways_is_the_same_cell(write: Write, other: str) -> None:
    (error,) = errors(write(f'suite.cells = ["a.gin",\n"{other}"]', SEEDS))
    assert error == f"s.gin:2: {parse_cell(other, HERE)}: the same experiment as in line 1: a.gin"


def test_a_binding_may_make_two_cells_one(write: Write) -> None:
    path = write(
        'suite.cells = ["a.gin", "a.gin none.gin"]', SEEDS, 'suite.bindings = ["run.positives = None"]'
    )
    assert errors(path) == ["s.gin:1: a.gin none.gin: the same experiment as in line 1: a.gin"]


@pytest.mark.parametrize(
    ("binding", "says"),
    [
        ("ToyTask.wieght = 1", "ToyTask has no parameter wieght; did you mean weight?"),
        ("ToyTask.lr = 'x'", "ToyTask.lr must be a float"),
        ("ToyTusk.lr = 1", "there is no ToyTusk; did you mean ToyTask"),
        ("run.epoch = 1", "run has no parameter epoch"),
        ("ToyTask.lr", "is no binding; one is written Name.parameter = value"),
        ("suite.threads = 1", "what has suite lines is a suite"),
    ],
)  # fmt: skip
def test_a_binding_that_is_wrong_by_itself_is_named_once(write: Write, binding: str, says: str) -> None:
    path = write(
        'suite.cells = ["a.gin", "a.gin none.gin"]', SEEDS, "suite.bindings = [", f'    "{binding}",', "]"
    )
    (error,) = errors(path)
    assert error.startswith(f"s.gin:4: -p '{binding}': ")
    assert says in error


def test_a_binding_that_no_cell_uses(write: Write) -> None:
    path = write(CELLS, SEEDS, 'suite.bindings = ["ToyTask.lr = 0.2",', '"ToyJitter.strength = 1"]')
    assert errors(path) == ["s.gin:4: ToyJitter.strength = 1: no cell uses it"]


def test_a_broken_plugin_stays_one(write: Write) -> None:
    """Its exit code is another than a config's."""
    entry = Entry("augmenters", "Wobble", "no_such_module:Wobble", "wobble 1.0")
    registry = Registry((*REGISTRY.entries, entry), ())
    (error,) = check_suite(write('suite.cells = ["a.gin -p run.view=@Wobble()"]', SEEDS), registry).errors
    assert isinstance(error, PluginError)
    assert str(error).startswith("s.gin:1: a.gin -p 'run.view=@Wobble()': ")
