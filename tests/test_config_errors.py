"""Every kind of wrong input ends in one line that says where, what, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import config_plugins
import pytest
from config_plugins import WHOLE
from console import Cli
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lpa3bench import config
from lpa3bench.config import load
from lpa3bench.errors import ConfigError, PluginError
from lpa3bench.registry import Broken, Entry, Registry

LINES = len(WHOLE.splitlines())
"""Of the config that every case adds its lines to, so that theirs begin with LINES + 1."""


@dataclass(frozen=True)
class Wrong:
    """A wrong input, and what its error has to say."""

    kind: str
    lines: str = ""
    """Added to a whole config."""
    params: tuple[str, ...] = ()
    setting: str | None = None
    overlay: str | None = None
    place: str = f"a.gin:{LINES + 1}"
    says: tuple[str, ...] = ()


WRONG = [
    # names
    Wrong("unknown plugin", "ToyTusk.lr = 1.0", says=("no ToyTusk", "did you mean ToyTask")),
    Wrong("unknown plugin of a kind", "tasks.ToyData.mean = 1", says=("did you mean datasets.ToyData?",)),
    Wrong("unknown plugin in a reference", "run.view = @augmenters.ToyJiter()", says=("did you mean ToyJitter",)),
    Wrong("unknown plugin inside a container", "ToyChain.parts = (@Toyjitter2(),)", says=("ToyJitter",)),
    Wrong("nothing that looks like it", "zzz.x = 1", says=("no zzz", "registered names are", "ToyTask")),
    Wrong("unknown parameter", "ToyTask.wieght = 1.0", says=("no parameter wieght", "did you mean weight?")),
    Wrong("unknown parameter of what is not bound", "ToyJitter.strenght = 1.0", says=("did you mean strength?",)),
    Wrong("unknown parameter of run", "run.epoch = 3", says=("run has no parameter epoch", "epochs")),
    Wrong("unknown slot", "run.positive = @ToyAttack()", says=("did you mean positives?",)),
    Wrong("parameter that the data set decides", "ToyNet.num_classes = 3", says=("set from the data set",)),
    Wrong("undefined macro", "ToyTask.lr = %leraning_rate\nlearning_rate = 0.1", says=("did you mean learning_rate",)),
    Wrong("macro of itself", "one = %two\ntwo = %one\nToyTask.lr = %one", place=f"a.gin:{LINES + 2}", says=("refers to itself",)),
    # kinds and types
    Wrong("wrong kind", "high/run.task = @augmenters.ToyAttack()", says=("run.task takes one of tasks", "ToyStrong")),
    Wrong("wrong kind in a slot", "run.view = @tasks.ToyTask()", says=("one of augmenters", "one of tasks")),
    Wrong("text for a plugin", 'run.view = "ToyJitter"', says=("refer to it as @ToyJitter",)),
    Wrong("factory for an object", "run.view = @augmenters.ToyJitter", says=("@augmenters.ToyJitter(), with ()",)),
    Wrong("object for a factory", "high/run.backbone = @backbones.ToyNet()", says=("without ()",)),
    Wrong("text for a number", 'ToyTask.lr = "0.1"', says=("ToyTask.lr must be a float, not '0.1'",)),
    Wrong("bool for an int", "ToyTask.batch_size = True", says=("must be an int, not True",)),
    Wrong("float for an int", "ToyTask.batch_size = 8.0", says=("must be an int, not 8.0",)),
    Wrong("int for a bool", "ToyTask.frozen = 1", says=("must be a bool (True or False), not 1",)),
    Wrong("None for a number", "ToyTask.lr = None", says=("must be a float, not None",)),
    Wrong("no such choice", 'ToyTask.optimizer = "sdg"', says=("one of 'adam', 'sgd'", "did you mean 'sgd'?")),
    Wrong("number for a tuple", "ToyTask.milestones = 0.5", says=("must be a tuple of float", "(0.5,)")),
    Wrong("wrong item", 'ToyTask.milestones = (0.5, "x")', says=("an item must be a float, not 'x'",)),
    Wrong("wrong length", "ToyData.mean = (0.5, 0.5)", says=("must be a tuple",)),
    Wrong("wrong dict", 'ToyTask.notes = {"a": "b"}', says=("an item must be a float",)),
    Wrong("infinite", "ToyTask.lr = 1e999", says=("must be finite",)),
    Wrong("wrong type of what is not bound", "ToyJitter.strength = 'x'", says=("must be a float",)),
    Wrong("wrong type in a macro", "rate = 'x'\nToyTask.lr = %rate", says=("ToyTask.lr must be a float",)),
    # ranges
    Wrong("out of range", "ToyTask.lr = -1.0", says=("ToyTask.lr must be > 0, not -1.0",)),
    Wrong("out of range in a slot", "positives/ToyAttack.margin = 0.0", says=("positives/ToyAttack.margin must be",)),
    Wrong("out of range in the factory", "ToyNet.width = 0", says=("ToyNet.width must be >= 1, not 0",)),
    Wrong("out of range for run", "high/run.epochs = 0\nlow/run.epochs = 0", place=f"a.gin:{LINES + 2}", says=("run.epochs must be >= 1",)),
    Wrong("refused as a whole", "ToyTask.milestones = (1, 2, 3, 4)", place="a.gin:1", says=("ToyTask: more than three",)),
    # syntax
    Wrong("bare word", "ToyJitter.recipe = large", says=('strings need quotes: ToyJitter.recipe = "large"',)),
    Wrong("true", "ToyTask.frozen = true", says=("true is written True",)),
    Wrong("arithmetic", "ToyTask.lr = 8/255", says=("unexpected '/255'", "without arithmetic")),
    Wrong("unclosed bracket", "ToyTask.milestones = (0.5,\n", place=f"a.gin:{LINES + 2}", says=("not closed",)),
    Wrong("unclosed bracket before a line", "ToyTask.milestones = (0.5,\nToyTask.lr = 1", place=f"a.gin:{LINES + 2}", says=("must be closed",)),
    Wrong("unclosed quote", 'ToyTask.optimizer = "sgd', says=("Unable to parse value",)),
    Wrong("no value", "ToyTask.lr =", says=("Unable to parse value",)),
    Wrong("no sense", "This is prose.", says=("Couldn't parse statement",)),
    Wrong("list as a key", "ToyTask.notes = {[1]: 2}", says=("unhashable",)),
    Wrong("import", "import os", says=("import is refused",)),
    Wrong("from import", "from os import path", says=("import is refused",)),
    # lines that contradict
    Wrong("bound twice", "ToyTask.lr = 1.0\ntasks.ToyTask.lr = 2.0", place=f"a.gin:{LINES + 2}", says=(f"first in line {LINES + 1}",)),
    Wrong("bound twice by swapped scopes", "low/toyattack/ToyTask.lr = 1.0\ntoyattack/low/ToyTask.lr = 1.0", place=f"a.gin:{LINES + 2}", says=("bound twice",)),
    Wrong("a tie", "low/ToyTask.lr = 1.0\ntoyattack/ToyTask.lr = 2.0", place=f"a.gin:{LINES + 2}", says=("low/toyattack/ToyTask.lr",)),
    Wrong("itself inside itself", "run.view = @ToyChain()\nToyChain.parts = (@ToyChain(),)", place=f"a.gin:{LINES + 2}", says=("ToyChain refers to itself",)),
    Wrong("augmenters for ever", "run.view = @ToyChain()\nToyChain.parts = (@ToyJitter(),)\ntoyjitter/ToyChain.parts = ()", place="a.gin:1", says=("toyjitter", "for ever")),
    # scopes
    Wrong("misspelt setting", "loww/ToyTask.lr = 1.0", says=("loww is no setting", "did you mean low?")),
    Wrong("misspelt augmenter", "toyatack/ToyTask.lr = 1.0", says=("toyattack",)),
    Wrong("misspelt slot", "positive/ToyAttack.margin = 1.0", says=("positives",)),
    Wrong("two settings at once", "low/high/ToyTask.lr = 1.0", says=("high and low are never chosen together",)),
    Wrong("slot before what is in none", "view/ToyTask.lr = 1.0", says=("ToyTask is in no slot",)),
    Wrong("slot before run", "view/run.epochs = 1", says=("run is in no slot",)),
    Wrong("slot that depends on an augmenter", "toyattack/run.view = @ToyJitter()", says=("cannot depend on an augmenter",)),
    Wrong("settings that depend on one", 'low/run.setting = "high"', says=("cannot depend on what is chosen",)),
    Wrong("reference under a setting's name", "run.view = @low/ToyJitter()", says=("low is the name of a setting",)),
    Wrong("reference under an augmenter's name", "run.view = @toyattack/ToyJitter()", says=("name of an augmenter",)),
    # settings
    Wrong("unknown setting", setting="lwo", place="a.gin:2", says=("no setting lwo", "did you mean low?")),
    Wrong("unknown default setting", overlay='run.setting = "lwo"', place="b.gin:1", says=("did you mean low?",)),
    Wrong("no setting chosen", overlay="run.setting = None", place="a.gin:2", says=("choose a setting", "low, high")),
    Wrong("settings that are one text", overlay='run.settings = ("low")', place="b.gin:1", says=("('low',)",)),
    Wrong("setting that is no name", overlay='run.settings = ("50 %",)', place="b.gin:1", says=("it is no name",)),
    Wrong("setting called as a slot", overlay='run.settings = ("low", "view")', place="b.gin:1", says=("a slot",)),
    Wrong("setting called as an augmenter", overlay='run.settings = ("low", "toychain")', place="b.gin:1", says=("an augmenter",)),
    Wrong("setting by macro", overlay="run.setting = %m\nm = 'low'", place="b.gin:1", says=("written out",)),
    # what is missing
    Wrong("slot that the task lacks", "run.strong = @ToyJitter()", says=("ToyTask has no slot strong", "view, positives")),
    Wrong("slot that the overlay's task lacks", overlay="run.task = @ToyStrong()", place="a.gin:7", says=("no slot positives",)),
    Wrong("augmenter that the slot refuses", "run.view = @ToyAttack()", says=("run.view", "auxiliary BatchNorm")),
    Wrong("parameter without a value", "run.view = @ToyChain()", says=("ToyChain needs parts", "bind ToyChain.parts")),
    Wrong("task unbound", overlay="run.task = None", place="b.gin:1", says=("must be a Task, not None",)),
    Wrong("file to include", 'include "base/nothing.gin"', says=("no base/nothing.gin", "base/something.gin")),
    # -p
    Wrong("-p of an unknown parameter", params=("ToyTask.wieght=1",), place="-p 'ToyTask.wieght=1'", says=("weight",)),
    Wrong("-p without quotes", params=("ToyJitter.recipe=large",), place="-p 'ToyJitter.recipe=large'", says=("-p 'ToyJitter.recipe=\"large\"'",)),
    Wrong("-p with a path without quotes", params=("ToyData.root=a/b.npy",), place="-p 'ToyData.root=a/b.npy'", says=('ToyData.root="a/b.npy"',)),
    Wrong("-p that nothing uses", params=("ToyJitter.strength=1",), place="-p 'ToyJitter.strength=1'", says=("ToyJitter is not bound",)),
    Wrong("-p in another slot", params=("view/ToyAttack.margin=1",), place="-p 'view/ToyAttack.margin=1'", says=("not bound in view",)),
    Wrong("-p for another setting", params=("high/ToyTask.lr=1",), place="-p 'high/ToyTask.lr=1'", says=("high is not chosen",)),
    Wrong("-p for an augmenter that is not bound", params=("toyjitter/ToyTask.lr=1",), place="-p 'toyjitter/ToyTask.lr=1'", says=("toyjitter is in no slot",)),
    Wrong("-p of an unused macro", params=("m=1",), place="-p 'm=1'", says=("nothing uses %m",)),
    Wrong("-p with two bindings", params=("ToyTask.lr=1.0\nToyTask.weight=1.0",), place="-p 'ToyTask.lr=1.0 ToyTask.weight=1.0'", says=("one binding",)),
    Wrong("-p with nothing", params=("",), place="-p ''", says=("one binding",)),
    Wrong("-p that imports", params=("import os",), place="-p 'import os'", says=("one binding",)),
    Wrong("-p that includes", params=("include 'a.gin'",), place="-p 'include 'a.gin''", says=("one binding",)),
    Wrong("-p without a value", params=("ToyTask.lr",), place="-p 'ToyTask.lr'", says=("expected",)),
    Wrong("-p out of range", params=("ToyTask.lr=-1",), place="-p 'ToyTask.lr=-1'", says=("must be > 0",)),
    Wrong("-p of a wrong type", params=("ToyTask.steps=1.5",), place="-p 'ToyTask.steps=1.5'", says=("an int or None",)),
    Wrong("-p of the wrong kind", params=("run.labels=@ToyNet()",), place="-p 'run.labels=@ToyNet()'", says=("labels",)),
    Wrong("-p of a slot the task lacks", params=("run.strong=@ToyJitter()",), place="-p 'run.strong=@ToyJitter()'", says=("no slot strong",)),
    Wrong("-p of an unknown setting", params=('run.setting="lwo"',), place="-p 'run.setting=\"lwo\"'", says=("low",)),
]  # fmt: skip


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
    files = written(Wrong("nothing"), tmp_path)
    for setting in (None, "low", "high"):
        load(files, setting=setting, registry=config_plugins.registry()).try_out()


def test_there_are_many_kinds_and_each_is_tested_once() -> None:
    assert len({wrong.kind for wrong in WRONG}) == len(WRONG) >= 80


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.kind)
def test_wrong_input(wrong: Wrong, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    files = written(wrong, tmp_path)
    with pytest.raises(ConfigError) as caught:
        load(
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
def test_the_command_prints_that_line_and_exits_with_3(kind: str, tmp_path: Path, cli: Cli) -> None:
    (wrong,) = [wrong for wrong in WRONG if wrong.kind == kind]
    files = written(wrong, tmp_path)
    options = [
        *(["--setting", wrong.setting] if wrong.setting else []),
        *(x for p in wrong.params for x in ("-p", p)),
    ]
    plugins = ["--plugin", config_plugins.__file__]
    done = cli("run", *files, *options, *plugins, "--dry-run", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (3, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {wrong.place}: ")
    for part in wrong.says:
        assert part in line


# ---------------------------------------------------------------------------------- files that are not text
def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load([path], registry=config_plugins.registry())
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
        load([path], bindings=(text,), registry=config_plugins.registry())
    except ConfigError as error:
        assert "\n" not in str(error)  # noqa: PT017


# -------------------------------------------------------------------------------------------- broken plugins
def with_broken_jitter() -> Registry:
    good = [entry for entry in config_plugins.registry().entries if entry.name != "ToyJitter"]
    return Registry((*good, Entry("augmenters", "ToyJitter", "no_such_module:ToyJitter", "jitters 2.0")), ())


def test_a_plugin_that_cannot_be_imported_matters_only_where_it_is_bound(tmp_path: Path) -> None:
    path = tmp_path / "a.gin"
    path.write_text(WHOLE + "high/run.view = @ToyJitter()\n")
    assert load([path], setting="low", registry=with_broken_jitter()).slots == {"positives": "ToyAttack"}
    with pytest.raises(PluginError, match=r"ToyJitter \(jitters 2\.0\).*no_such_module"):
        load([path], setting="high", registry=with_broken_jitter())


def test_a_name_that_a_broken_module_may_have_brought(tmp_path: Path) -> None:
    registry = Registry(config_plugins.registry().entries, (Broken("jitters 2.0", "SyntaxError: bad"),))
    path = tmp_path / "a.gin"
    path.write_text(WHOLE + "run.view = @Wobble()\n")
    with pytest.raises(PluginError, match=r"a\.gin:\d+: there is no Wobble, but .*jitters 2\.0: SyntaxError"):
        load([path], registry=registry)
    path.write_text(WHOLE + "run.view = @ToyJiter()\n")  # plainly a misspelt name
    with pytest.raises(ConfigError, match="did you mean ToyJitter"):
        load([path], registry=registry)


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
    loaded = load([path], bindings=["ToyNet.width=0"], registry=config_plugins.registry())
    for _ in range(2):
        with pytest.raises(ConfigError, match="width must be"):
            loaded.try_out()
    assert config.gin.config_str() == ""
