"""Every kind of wrong input ends in one line that says where, what, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import config_plugins
from support.config_plugins import WHOLE
from support.console import Cli

from lpa3bench.cli import main
from lpa3bench.config import load_config, loading
from lpa3bench.errors import ConfigError, PluginError
from lpa3bench.plugin.registry import Broken, Entry, Registry

LINES = len(WHOLE.splitlines())
"""Of the config that every case adds its lines to, so that theirs begin with LINES + 1."""
WHOLE_FILE = 0


@dataclass(frozen=True)
class Wrong:
    """A wrong input, and what its error has to say."""

    kind: str
    place: str
    says: tuple[str, ...]
    lines: str = ""
    """Added to a whole config."""
    overlay: str | None = None
    setting: str | None = None
    params: tuple[str, ...] = ()


def line(kind: str, lines: str, *says: str, at: int = 1) -> Wrong:
    """Lines in the config itself; the error is in their `at`-th."""
    return Wrong(kind, "a.gin:1" if at == WHOLE_FILE else f"a.gin:{LINES + at}", says, lines=lines)


def overlay(kind: str, text: str, *says: str, place: str = "b.gin:1") -> Wrong:
    return Wrong(kind, place, says, overlay=text)


def param(kind: str, text: str, *says: str) -> Wrong:
    return Wrong(kind, f"-p '{' '.join(text.split())}'", says, params=(text,))


WRONG = [
    # names
    line("unknown plugin", "ToyTusk.lr = 1.0", "no ToyTusk", "did you mean ToyTask"),
    line("unknown plugin of a kind", "tasks.ToyData.mean = 1", "did you mean datasets.ToyData?"),
    line("unknown plugin in a reference", "run.view = @augmenters.ToyJiter()", "did you mean ToyJitter"),
    line("unknown plugin inside a container", "ToyChain.parts = (@Toyjitter2(),)", "ToyJitter"),
    line("nothing that looks like it", "zzz.x = 1", "no zzz", "registered names are", "ToyTask"),
    line("unknown parameter", "ToyTask.wieght = 1.0", "no parameter wieght", "did you mean weight?"),
    line("unknown parameter of what is not bound", "ToyJitter.strenght = 1.0", "did you mean strength?"),
    line("unknown parameter of run", "run.epoch = 3", "run has no parameter epoch", "epochs"),
    line("unknown slot", "run.positive = @ToyAttack()", "did you mean positives?"),
    line("parameter that the data set decides", "ToyNet.num_classes = 3", "set from the data set"),
    line("undefined macro", "ToyTask.lr = %leraning_rate\nlearning_rate = 0.1", "did you mean learning_rate"),
    line("undefined macro where nothing is bound", "ToyJitter.strength = %rate", "%rate is not defined"),
    line("macro of another setting", "ToyTask.lr = %rate\nhigh/rate = 0.1", "%rate is not defined"),
    line("macro of itself", "one = %two\ntwo = %one\nToyTask.lr = %one", "refers to itself", at=2),
    # kinds and types
    line("wrong kind", "high/run.task = @augmenters.ToyAttack()", "run.task takes one of tasks", "ToyStrong"),
    line("wrong kind in a slot", "run.view = @tasks.ToyTask()", "one of augmenters", "one of tasks"),
    line("text for a plugin", 'run.view = "ToyJitter"', "refer to it as @ToyJitter"),
    line("factory for an object", "run.view = @augmenters.ToyJitter", "@augmenters.ToyJitter(), with ()"),
    line("object for a factory", "high/run.backbone = @backbones.ToyNet()", "without ()"),
    line("text for a number", 'ToyTask.lr = "0.1"', "ToyTask.lr must be a float, not '0.1'"),
    line("bool for an int", "ToyTask.batch_size = True", "must be an int, not True"),
    line("float for an int", "ToyTask.batch_size = 8.0", "must be an int, not 8.0"),
    line("int for a bool", "ToyTask.frozen = 1", "must be a bool (True or False), not 1"),
    line("None for a number", "ToyTask.lr = None", "must be a float, not None"),
    line("no such choice", 'ToyTask.optimizer = "sdg"', "one of 'adam', 'sgd'", "did you mean 'sgd'?"),
    line("number for a tuple", "ToyTask.milestones = 0.5", "must be a tuple of float", "(0.5,)"),
    line("wrong item", 'ToyTask.milestones = (0.5, "x")', "an item must be a float, not 'x'"),
    line("wrong length", "ToyData.mean = (0.5, 0.5)", "must be a tuple"),
    line("wrong dict", 'ToyTask.notes = {"a": "b"}', "an item must be a float"),
    line("infinite", "ToyTask.lr = 1e999", "must be finite"),
    line("wrong type of what is not bound", "ToyJitter.strength = 'x'", "must be a float"),
    line("wrong type in a macro", "rate = 'x'\nToyTask.lr = %rate", "ToyTask.lr must be a float"),
    # ranges
    line("out of range", "ToyTask.lr = -1.0", "ToyTask.lr must be > 0, not -1.0"),
    line("out of range in a slot", "positives/ToyAttack.margin = 0.0", "positives/ToyAttack.margin must be"),
    line("out of range in the factory", "ToyNet.width = 0", "ToyNet.width must be >= 1, not 0"),
    line("out of range for run", "high/run.epochs = 0\nlow/run.epochs = 0", "run.epochs must be >= 1", at=2),
    line(
        "refused as a whole", "ToyTask.milestones = (1, 2, 3, 4)", "ToyTask: more than three", at=WHOLE_FILE
    ),
    # syntax
    line("bare word", "ToyJitter.recipe = large", 'strings need quotes: ToyJitter.recipe = "large"'),
    line("true", "ToyTask.frozen = true", "true is written True"),
    line("arithmetic", "ToyTask.lr = 8/255", "unexpected '/255'", "without arithmetic"),
    line("unclosed bracket", "ToyTask.milestones = (0.5,\n", "not closed", at=2),
    line(
        "unclosed bracket before a line", "ToyTask.milestones = (0.5,\nToyTask.lr = 1", "must be closed", at=2
    ),
    line("unclosed quote", 'ToyTask.optimizer = "sgd', "quotes and brackets must be closed"),
    line("no value", "ToyTask.lr =", "a value is missing"),
    line("no sense", "This is prose.", "'This is prose.' is no binding"),
    line("list as a key", "ToyTask.notes = {[1]: 2}", "unhashable"),
    line("import", "import os", "import is refused"),
    line("from import", "from os import path", "import is refused"),
    # lines that contradict
    line("bound twice", "ToyTask.lr = 1.0\ntasks.ToyTask.lr = 2.0", "first in line 11", at=2),
    line(
        "bound twice by swapped scopes",
        "low/toyattack/ToyTask.lr = 1.0\ntoyattack/low/ToyTask.lr = 1.0",
        "bound twice",
        at=2,
    ),
    line("a tie", "low/ToyTask.lr = 1.0\ntoyattack/ToyTask.lr = 2.0", "low/toyattack/ToyTask.lr", at=2),
    line(
        "itself inside itself",
        "run.view = @ToyChain()\nToyChain.parts = (@ToyChain(),)",
        "ToyChain refers to itself",
        at=2,
    ),
    line(
        "augmenters for ever",
        "run.view = @ToyChain()\nToyChain.parts = (@ToyJitter(),)\ntoyjitter/ToyChain.parts = ()",
        "toyjitter",
        "for ever",
        at=WHOLE_FILE,
    ),
    # scopes
    line("misspelt setting", "loww/ToyTask.lr = 1.0", "loww is no setting", "did you mean low?"),
    line("misspelt augmenter", "toyatack/ToyTask.lr = 1.0", "toyattack"),
    line("misspelt slot", "positive/ToyAttack.margin = 1.0", "positives"),
    line("two settings at once", "low/high/ToyTask.lr = 1.0", "high and low are never chosen together"),
    line("slot before what is in none", "view/ToyTask.lr = 1.0", "ToyTask is in no slot"),
    line("slot before run", "view/run.epochs = 1", "run is in no slot"),
    line(
        "slot that depends on an augmenter",
        "toyattack/run.view = @ToyJitter()",
        "cannot depend on an augmenter",
    ),
    line("settings that depend on one", 'low/run.setting = "high"', "cannot depend on what is chosen"),
    line("reference under a setting's name", "run.view = @low/ToyJitter()", "low is the name of a setting"),
    line("reference under an augmenter's name", "run.view = @toyattack/ToyJitter()", "name of an augmenter"),
    # settings
    Wrong(
        "unknown setting",
        setting="lwo",
        place="a.gin:2",
        says=("no setting lwo", "did you mean low?"),
    ),
    overlay("unknown default setting", 'run.setting = "lwo"', "did you mean low?"),
    overlay("no setting chosen", "run.setting = None", "choose a setting", "low, high", place="a.gin:2"),
    overlay("settings that are one text", 'run.settings = ("low")', "('low',)"),
    overlay("setting that is no name", 'run.settings = ("50 %",)', "it is no name"),
    overlay("setting called as a slot", 'run.settings = ("low", "view")', "a slot"),
    overlay("setting called as an augmenter", 'run.settings = ("low", "toychain")', "an augmenter"),
    overlay("setting by macro", "run.setting = %m\nm = 'low'", "written out"),
    # what is missing
    line(
        "slot that the task lacks",
        "run.strong = @ToyJitter()",
        "ToyTask has no slot strong",
        "view, positives",
    ),
    overlay(
        "slot that the overlay's task lacks", "run.task = @ToyStrong()", "no slot positives", place="a.gin:7"
    ),
    line("augmenter that the slot refuses", "run.view = @ToyAttack()", "run.view", "auxiliary BatchNorm"),
    line(
        "parameter without a value", "run.view = @ToyChain()", "ToyChain needs parts", "bind ToyChain.parts"
    ),
    overlay(
        "overlay of which nothing is used",
        "ToyJitter.strength = 0.5",
        "nothing in this overlay is used: ToyJitter is not bound",
        "leave it out",
    ),
    overlay("task unbound", "run.task = None", "must be a Task, not None"),
    line("file to include", 'include "base/nothing.gin"', "no base/nothing.gin", "base/something.gin"),
    # -p
    param("-p of an unknown parameter", "ToyTask.wieght=1", "weight"),
    param("-p without quotes", "ToyJitter.recipe=large", "-p 'ToyJitter.recipe=\"large\"'"),
    param("-p with a path without quotes", "ToyData.root=a/b.npy", 'ToyData.root="a/b.npy"'),
    param("-p that nothing uses", "ToyJitter.strength=1", "ToyJitter is not bound"),
    param("-p in another slot", "view/ToyAttack.margin=1", "not bound in view"),
    param("-p for another setting", "high/ToyTask.lr=1", "high is not chosen"),
    param("-p for an augmenter that is not bound", "toyjitter/ToyTask.lr=1", "toyjitter is in no slot"),
    param("-p of an unused macro", "m=1", "nothing uses %m"),
    param("-p of a parameter without its owner", "lr=1", "did you mean ToyTask.lr?"),
    param("-p of the run without its owner", "epochs=1", "did you mean run.epochs?"),
    param("-p with two bindings", "ToyTask.lr=1.0\nToyTask.weight=1.0", "one binding"),
    param("-p with nothing", "", "one binding"),
    param("-p that imports", "import os", "one binding"),
    param("-p that includes", "include 'a.gin'", "one binding"),
    param("-p without a value", "ToyTask.lr", "is no binding"),
    param("-p out of range", "ToyTask.lr=-1", "must be > 0"),
    param("-p of a wrong type", "ToyTask.steps=1.5", "an int or None"),
    param("-p of the wrong kind", "run.labels=@ToyNet()", "labels"),
    param("-p of a slot the task lacks", "run.strong=@ToyJitter()", "no slot strong"),
    param("-p of an unknown setting", 'run.setting="lwo"', "low"),
]


def written(wrong: Wrong, folder: Path) -> list[Path]:
    """The case's files."""
    (folder / "base").mkdir()
    (folder / "base" / "something.gin").write_text("run.epochs = 1\n")
    (folder / "a.gin").write_text(f"{WHOLE}{wrong.lines}\n")
    if wrong.overlay is None:
        return [Path("a.gin")]
    (folder / "b.gin").write_text(f"{wrong.overlay}\n")
    return [Path("a.gin"), Path("b.gin")]


def test_the_config_that_the_cases_spoil_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = written(Wrong("nothing", "", ()), tmp_path)
    for setting in (None, "low", "high"):
        load_config(files, setting=setting, registry=config_plugins.registry()).try_out()


def test_there_are_many_kinds_and_each_is_tested_once() -> None:
    assert len({wrong.kind for wrong in WRONG}) == len(WRONG) >= 80


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.kind)
def test_wrong_input(wrong: Wrong, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = written(wrong, tmp_path)
    with pytest.raises(ConfigError) as caught:
        load_config(
            files, setting=wrong.setting, bindings=wrong.params, registry=config_plugins.registry()
        ).try_out()
    message = str(caught.value)
    assert message.startswith(f"{wrong.place}: ")
    assert "\n" not in message
    assert "0x" not in message  # no object's address
    for part in wrong.says:
        assert part in message


THROUGH_THE_COMMAND = [
    "unknown parameter", "misspelt setting", "unknown setting", "out of range", "-p that nothing uses",
    "-p without quotes",
]  # fmt: skip


@pytest.mark.parametrize("kind", THROUGH_THE_COMMAND)
def test_the_command_prints_that_line_and_exits_with_3(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (wrong,) = [wrong for wrong in WRONG if wrong.kind == kind]
    files = written(wrong, tmp_path)
    options = [
        *(["--setting", wrong.setting] if wrong.setting else []),
        *(x for p in wrong.params for x in ("-p", p)),
    ]
    plugins = ["--plugin", config_plugins.__file__]
    done = CliRunner().invoke(main, ["run", *map(str, files), *options, *plugins, "--dry-run"])
    assert (done.exit_code, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {wrong.place}: ")
    for part in wrong.says:
        assert part in line


# ---------------------------------------------------------------------------------- files that are not text
def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config([path], registry=config_plugins.registry())
    return str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    binary = tmp_path / "binary.gin"
    binary.write_bytes(b"\xff\xfe\x00")
    assert refused(binary) == f"{binary}:1: cannot be read: it is not UTF-8 text"
    assert refused(tmp_path) == f"{tmp_path}:1: cannot be read: Is a directory"
    assert refused(tmp_path / "absent.gin").startswith(
        f"{tmp_path}/absent.gin:1: cannot be read: No such file"
    )


def test_an_overlay_by_itself_is_told_apart(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay.gin"
    overlay.write_text("run.view = @augmenters.ToyJitter()\n")
    assert refused(overlay).startswith(f"{overlay}:1: run.task is not bound: an overlay goes after a whole")


def test_a_circle_of_includes(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "b.gin").write_text('\ninclude "a.gin"\n')
    path = tmp_path / "a.gin"
    path.write_text('include "base/b.gin"\n')
    assert refused(path).endswith("base/b.gin:2: a.gin includes itself")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.text(st.characters(codec="utf-8", exclude_characters="\r"), max_size=40)
    | st.text("Xy.=@%/()[]{}'\",:1# \n\t\\-")
)
def test_no_text_whatever_gets_anything_but_a_config_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.gin"
    path.write_text(WHOLE + text)
    try:
        load_config([path], bindings=(text,), registry=config_plugins.registry())
    except ConfigError as error:
        assert "\n" not in str(error)


# -------------------------------------------------------------------------------------------- broken plugins
def with_broken_jitter() -> Registry:
    good = [entry for entry in config_plugins.registry().entries if entry.name != "ToyJitter"]
    return Registry((*good, Entry("augmenters", "ToyJitter", "no_such_module:ToyJitter", "jitters 2.0")), ())


def test_a_plugin_that_cannot_be_imported_matters_only_where_it_is_bound(tmp_path: Path) -> None:
    path = tmp_path / "a.gin"
    path.write_text(WHOLE + "high/run.view = @ToyJitter()\n")
    assert load_config([path], setting="low", registry=with_broken_jitter()).slots == {
        "positives": "ToyAttack"
    }
    with pytest.raises(PluginError, match=r"ToyJitter \(jitters 2\.0\).*no_such_module"):
        load_config([path], setting="high", registry=with_broken_jitter())


def test_a_name_that_a_broken_module_may_have_brought(tmp_path: Path) -> None:
    registry = Registry(config_plugins.registry().entries, (Broken("jitters 2.0", "SyntaxError: bad"),))
    path = tmp_path / "a.gin"
    path.write_text(WHOLE + "run.view = @Wobble()\n")
    with pytest.raises(PluginError, match=r"a\.gin:\d+: there is no Wobble, but .*jitters 2\.0: SyntaxError"):
        load_config([path], registry=registry)
    path.write_text(WHOLE + "run.view = @ToyJiter()\n")  # plainly a misspelt name
    with pytest.raises(ConfigError, match="did you mean ToyJitter"):
        load_config([path], registry=registry)


def test_wrong_names_are_found_without_importing_torch(tmp_path: Path, cli: Cli) -> None:
    path = tmp_path / "a.gin"
    path.write_text("run.task = @tasks.Supervised()\nrun.epoch = 3\n")
    done = cli("check", path, env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert done.returncode == 3
    assert f"error: {path}:2: run has no parameter epoch" in done.stderr
    assert "lpa3bench.config" in done.stderr  # imports are told
    assert "torch" not in done.stderr


def test_nothing_is_left_in_gin(tmp_path: Path) -> None:
    path = tmp_path / "a.gin"
    path.write_text(WHOLE)
    loaded = load_config([path], bindings=["ToyNet.width=0"], registry=config_plugins.registry())
    for _ in range(2):
        with pytest.raises(ConfigError, match="width must be"):
            loaded.try_out()
    assert loading.gin.config_str() == ""
