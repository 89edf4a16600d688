"""`suite.search`: its grammar, what is drawn, and which cells are searched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import config_plugins
from support.config_plugins import WHOLE

from lpa3bench.config.bindings import Origin
from lpa3bench.errors import ConfigError
from lpa3bench.plugin import registry as registries
from lpa3bench.suites import Search, SearchRange, binding_texts, check_suite, parse_cell, read_suite

REGISTRY = config_plugins.registry()
CELLS = 'suite.cells = ["a.gin", "a.gin none.gin", "a.gin -p ToyAttack.margin=0.1"]'
SEEDS = "suite.seeds = (0, 1)"
MARGIN = '"ToyAttack.margin": ("log", 0.01, 1.0)'
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes `s.gin`, with a search of these contents, into the working folder."""
    monkeypatch.chdir(tmp_path)
    Path("a.gin").write_text(WHOLE)
    Path("none.gin").write_text("run.positives = None")

    def write(contents: str, *lines: str) -> Path:
        Path("s.gin").write_text("\n".join((CELLS, SEEDS, f"suite.search = {{{contents}}}", *lines)))
        return Path("s.gin")

    return write


def errors(path: Path) -> list[str]:
    return [str(error) for error in check_suite(path, REGISTRY).errors]


def test_what_a_file_says(write: Write) -> None:
    search = read_suite(write(f'"trials": 8, "ranges": {{{MARGIN}}}, "seeds": (7, 8), "holdout": 50')).search
    assert search == Search(8, (("ToyAttack.margin", SearchRange("log", (0.01, 1.0))),), (7, 8), 50, "last")
    assert search.size == "8 trials × 2 seeds, by the validation score of the last epoch"
    assert search.origin.line == 3


def test_with_a_validation_split_of_its_own_the_best_epoch_counts(write: Write) -> None:
    """As it does for the runs that follow; a split that was held out is gone there, and the last counts."""
    search = read_suite(write(f'"trials": 8, "ranges": {{{MARGIN}}}, "seeds": (7,)')).search
    assert search is not None
    assert (search.holdout, search.epoch) == (0, "best")
    chosen = read_suite(write(f'"trials": 8, "ranges": {{{MARGIN}}}, "seeds": (7,), "epoch": "last"')).search
    assert chosen is not None
    assert chosen.epoch == "last"


@pytest.mark.parametrize(
    ("contents", "says"),
    [
        ("", "suite.search needs 'trials', and it must not be empty or 0"),
        ('"trials": 2, "seeds": (7,)', "suite.search needs 'ranges'"),
        (f'"trials": 2, "ranges": {{{MARGIN}}}', "suite.search needs 'seeds'"),
        (f'"trials": 0, "ranges": {{{MARGIN}}}, "seeds": (7,)', "suite.search needs 'trials'"),
        (f'"trials": -1, "ranges": {{{MARGIN}}}, "seeds": (7,)', "suite.search: 'trials' must be >= 1"),
        (f'"trials": {10**12}, "ranges": {{{MARGIN}}}, "seeds": (7,)', "'trials' must be <= 10000, not"),
        ('"trials": 2, "ranges": {"X.a": ("uniform", -1e308, 1e308)}, "seeds": (7,)', "X.a is too wide"),
        ('"trials": 2, "ranges": {"X.a": ("log", 1e-300, 1e300)}, "seeds": (7,)', "X.a is too wide"),
        (f'"trials": 2.5, "ranges": {{{MARGIN}}}, "seeds": (7,)', "suite.search: 'trials' must be an int"),
        (f'"trial": 2, "ranges": {{{MARGIN}}}, "seeds": (7,)', "suite.search has no 'trial'; did you mean"),
        (f'"trials": 2, "ranges": {{{MARGIN}}}, "seeds": (7, 7)', "suite.search: 'seeds' must be >= 0, each"),
        (f'"trials": 2, "ranges": {{{MARGIN}}}, "seeds": (1,)', "suite.search: seed 1 is one of suite.seeds"),
        (f'"trials": 2, "ranges": {{{MARGIN}}}, "seeds": (7,), "holdout": -1', "'holdout' must be >= 0"),
        (f'"trials": 2, "ranges": {{{MARGIN}}}, "seeds": (7,), "epoch": "first"', "'epoch' must be one of"),
        ('"trials": 2, "ranges": {"X.a": ("logg", 1, 2)}, "seeds": (7,)', "range of X.a opens with one of"),
        ('"trials": 2, "ranges": {"X.a": ()}, "seeds": (7,)', "the range of X.a opens with one of 'uniform'"),
        ('"trials": 2, "ranges": {"X.a": (1, 3)}, "seeds": (7,)', "the range of X.a opens with one of"),
        ('"trials": 2, "ranges": {"X.a": ("log", 0, 2)}, "seeds": (7,)', "range of X.a must have low > 0"),
        ('"trials": 2, "ranges": {"X.a": ("log", 2, 1)}, "seeds": (7,)', "must be ('log', low, high) with"),
        ('"trials": 2, "ranges": {"X.a": ("uniform", 1)}, "seeds": (7,)', "must be ('uniform', low, high)"),
        ('"trials": 2, "ranges": {"X.a": ("integer", 1, 2.5)}, "seeds": (7,)', "must have whole numbers"),
        ('"trials": 2, "ranges": {"X.a": ("choice", 1)}, "seeds": (7,)', "needs at least two values"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_one_line_with_its_place(write: Write, contents: str, says: str) -> None:
    path = write(contents)
    with pytest.raises(ConfigError) as caught:
        read_suite(path)
    assert str(caught.value).startswith("s.gin:3: ")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert str(caught.value) in errors(path)


def test_the_example_of_the_documentation(write: Write) -> None:
    text = (Path(__file__).parents[2] / "docs" / "suites.md").read_text()
    Path("s.gin").write_text(text.partition("## Search")[2].partition("```gin\n")[2].partition("```")[0])
    checked = check_suite(Path("s.gin"), registries.load_registry())
    assert checked.errors == ()
    tuned = ("PES.lambda_u", "LPA3.margin", "LPA3.iterations")
    assert [loaded.ranges for loaded in checked.cells] == [tuned[:1], tuned]
    assert checked.suite.search is not None
    assert checked.suite.search.size == "8 trials × 2 seeds, by the validation score of the last epoch"


# -------------------------------------------------------------------------------------------------- drawing
@given(st.floats(0, 1, exclude_max=True))
def test_a_draw_lies_within_its_range(fraction: float) -> None:
    assert 2.0 <= SearchRange("uniform", (2, 3)).draw(fraction) <= 3.0
    assert 0.002 <= SearchRange("log", (0.002, 0.2)).draw(fraction) <= 0.2
    assert SearchRange("integer", (1, 3)).draw(fraction) in (1, 2, 3)
    assert SearchRange("choice", ("a", None, 2.5)).draw(fraction) in ("a", None, 2.5)
    for kind in ("log", "uniform"):  # ends of more digits than are kept
        assert 0.0012345 <= SearchRange(kind, (0.0012345, 0.0012346)).draw(fraction) <= 0.0012346


def test_a_range_is_covered_evenly() -> None:
    """Each decade of "log" by as many draws, each number of "integer", each choice."""
    fractions = [(place + 0.5) / 300 for place in range(300)]
    log = [SearchRange("log", (0.001, 1)).draw(fraction) for fraction in fractions]
    assert [sum(low <= x < 10 * low for x in log) for low in (0.001, 0.01, 0.1)] == [100, 100, 100]
    integers = [SearchRange("integer", (1, 3)).draw(fraction) for fraction in fractions]
    assert [integers.count(number) for number in (1, 2, 3)] == [100, 100, 100]
    choices = [SearchRange("choice", ("x", "y", "z")).draw(fraction) for fraction in fractions]
    assert [choices.count(name) for name in "xyz"] == [100, 100, 100]
    uniform = [SearchRange("uniform", (0, 3)).draw(fraction) for fraction in fractions]
    assert [sum(low <= x < low + 1 for x in uniform) for low in (0, 1, 2)] == [100, 100, 100]


def test_a_draw_depends_on_its_cell_parameter_and_number_alone() -> None:
    """So that another range, cell or trial moves none of the others, and a search that was killed goes on."""
    margin, width = SearchRange("log", (0.01, 1.0)), SearchRange("integer", (1, 1000))
    small = Search(4, (("X.margin", margin),), (7,))
    large = Search(9, (("X.width", width), ("X.margin", margin)), (7, 8))
    draws = [small.draw("a cell", ["X.margin"], trial)["X.margin"] for trial in range(4)]
    assert [large.draw("a cell", ["X.width", "X.margin"], t)["X.margin"] for t in range(4)] == draws
    assert len({*draws}) == 4
    assert [small.draw("another", ["X.margin"], trial)["X.margin"] for trial in range(4)] != draws
    # A fixed number, so that an upgrade that drew others would be noticed.
    assert draws == [0.01859, 0.2185, 0.01791, 0.2606]


def test_values_as_options() -> None:
    values = {"X.a": 0.5, "X.b": "it's", "X.c": None, "positives/X.d": (1, 2)}
    assert binding_texts(values) == ("X.a = 0.5", 'X.b = "it\'s"', "X.c = None", "positives/X.d = (1, 2)")


# ----------------------------------------------------------------------------------------- which are searched
def test_a_cell_is_searched_where_something_in_it_uses_a_range(write: Write) -> None:
    path = write(
        f'"trials": 2, "ranges": {{{MARGIN}, "ToyAttack.iterations": ("integer", 1, 9)}}, "seeds": (7,)'
    )
    checked = check_suite(path, REGISTRY)
    assert checked.errors == ()
    both = ("ToyAttack.margin", "ToyAttack.iterations")
    assert [loaded.ranges for loaded in checked.cells] == [both, (), both[1:]], "its own -p is kept"


def test_drawn_values_go_between_the_suites_bindings_and_the_cells_own(write: Write) -> None:
    path = write(
        f'"trials": 2, "ranges": {{{MARGIN}}}, "seeds": (7,)',
        'suite.bindings = ["ToyAttack.margin = 0.5", "ToyTask.lr = 0.2"]',
    )
    suite = read_suite(path)
    loaded = check_suite(path, REGISTRY).cells[0]
    cell = loaded.with_values(["ToyAttack.margin = 0.3"])
    assert cell.bindings == ("ToyAttack.margin = 0.5", "ToyTask.lr = 0.2", "ToyAttack.margin = 0.3")
    values = {value.name: value.text for value in cell.load(REGISTRY).values}
    assert (values["positives/ToyAttack.margin"], values["ToyTask.lr"]) == ("0.3", "0.2")
    assert suite.ranges(parse_cell("a.gin -p ToyAttack.margin=1", Origin("s.gin", 1)), REGISTRY) == ()


@pytest.mark.parametrize(
    ("ranges", "says"),
    [
        ('"ToyAttack.margn": ("log", 1, 2)', "-p 'ToyAttack.margn = 1': ToyAttack has no parameter margn"),
        ('"ToyAttack.margin": ("choice", "a", "b")', "ToyAttack.margin must be a float"),
        ('"ToyJitter.strength": ("log", 1, 2)', "ToyJitter.strength: no cell uses it"),
        ('"ToyAttack.margin": ("uniform", -1, 2)', "margin must be > 0"),
        ('"ToyAttack.iterations": ("integer", 1, 101)', "must be <= 100"),
    ],
)
def test_a_range_that_cannot_be_is_found_before_anything_runs(write: Write, ranges: str, says: str) -> None:
    found = errors(write(f'"trials": 2, "ranges": {{{ranges}}}, "seeds": (7,)'))
    assert found
    assert all(error.startswith("s.gin:") and says in error for error in found)
