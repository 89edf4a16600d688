"""`lpa3bench run`, as a user meets it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support.console import Cli
from support.small_records import bits, small_record

from lpa3bench.cli import main
from lpa3bench.cli.run import record_summary
from lpa3bench.runtime.device import choose_device

CONFIG = """\
run.task = @tasks.Supervised()
run.dataset = @datasets.Synthetic()
run.backbone = @backbones.SmallNet
run.positives = @augmenters.LPA3()
run.epochs = 2
run.settings = ("slow", "fast")
run.setting = "slow"
fast/Supervised.lr = 0.01
Supervised.batch_size = 16
Synthetic.size = 8
Synthetic.train = 64
Synthetic.val = 16
Synthetic.test = 40
SmallNet.width = 4
LPA3.iterations = 1
"""
BROKEN = """
import torch
from lpa3bench import Augmenter, View, hookimpl

class Wavy(Augmenter):
    def generate(self, x, ctx):
        return View({returned}, torch.arange(len(x)))

@hookimpl
def register_augmenters(register):
    register("Wavy", {registered})
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that every command starts in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LPA3BENCH_DATA", str(tmp_path / "data"))
    (tmp_path / "test.gin").write_text(CONFIG)
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["run", *arguments, "--device", "cpu"], catch_exceptions=False)


def refused(code: int, *arguments: str) -> str:
    """The one line that a command fails with."""
    result = run(*arguments)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    (line,) = [line for line in result.stderr.splitlines() if line.startswith(("error:", "Error:"))]
    assert result.stderr.splitlines()[-1] == line
    return line


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def test_the_summary_is_on_stdout_and_the_progress_on_stderr(cli: Cli, folder: Path) -> None:
    done = cli("run", "test.gin", "--device", "cpu", "--seed", "3", cwd=folder)
    assert done.returncode == 0, done.stderr
    lines = {line[:14].strip(): line[15:] for line in done.stdout.splitlines()}
    (record_path,) = (folder / "runs").glob("*-s3/result.json")
    metrics = json.loads(record_path.read_text())["metrics"]
    assert done.stdout.splitlines()[0] == "synthetic-supervised-slow-lpa3  seed 3"
    rules = {"last": "last", "val-selected": "val_selected", "best-on-test": "oracle_best"}
    for name, rule in rules.items():
        assert f"{100 * metrics['accuracy']['scores'][rule]:.2f}%" in lines[name]
    assert "no number to report" in lines["best-on-test"]
    others = {"balanced accuracy": "balanced_accuracy", "macro AUC": "macro_auc", "calibration error": "ece"}
    for title, metric in others.items():
        assert f"{title} {100 * metrics[metric]['scores']['last']:.2f}%" in lines["also"]
    assert f"negative log-likelihood {metrics['nll']['scores']['last']:.4f} nats" in lines["also"]
    # 64 images, twice; 0.9 of each batch of 16 is 14 images, searched with one iteration
    assert lines["image passes"].startswith("592 forward, 240 backward to the weights, 112 to the image")
    assert Path(lines["record"]).resolve() == record_path.relative_to(folder).resolve()
    assert "epoch 2/2" in done.stderr
    assert "epoch 2/2" not in done.stdout
    assert "Traceback" not in done.stderr


def test_the_selecting_metric_is_the_one_that_is_shown_and_what_is_undefined_has_its_reason(
    folder: Path,
) -> None:
    bindings = ("Synthetic.val=0", "run.select='nll'", "run.metrics=(@ECE(), @NLL())", "ECE.bins=4")
    shown = run("test.gin", *(word for text in bindings for word in ("-p", text))).stdout
    lines = {line[:14].strip(): line[15:].strip() for line in shown.splitlines()}
    assert re.fullmatch(r"\d\.\d{4} nats  negative log-likelihood on the test set, last epoch", lines["last"])
    assert lines["val-selected"] == "–  there is no validation split (run.holdout = N makes one)"
    assert re.fullmatch(r"calibration error, 4 bins \d+\.\d\d%", lines["also"])


def test_a_locale_without_unicode_is_no_trouble(cli: Cli, folder: Path) -> None:
    (folder / "test.gin").write_text(f"# 94.89 ± 0.12\n{CONFIG}", encoding="utf-8")
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = cli("run", "test.gin", "--device", "cpu", cwd=folder, env=plain)
    assert done.returncode == 0, done.stderr
    (written,) = folder.glob("runs/*/config.gin")
    assert "# 94.89 ± 0.12" in written.read_text(encoding="utf-8")


def test_a_finished_run_is_not_run_again(folder: Path) -> None:
    first, again = run("test.gin"), run("test.gin")
    assert (first.exit_code, again.exit_code) == (0, 0)
    assert again.stderr == "this run is finished; --fresh runs it again\n"
    assert again.stdout == first.stdout, "it is told all the same"
    (result,) = folder.glob("runs/*/result.json")
    before = result.stat().st_mtime_ns
    assert "finished" not in run("test.gin", "--fresh").stderr
    assert result.stat().st_mtime_ns > before
    assert len([*folder.glob("runs/*")]) == 1
    assert run("test.gin", "--seed", "1", "--out", "elsewhere").exit_code == 0
    assert len([*folder.glob("elsewhere/*-s1/result.json")]) == 1


def test_json_is_the_record(folder: Path) -> None:
    result = run("test.gin", "--json")
    printed = json.loads(result.stdout)
    written = json.loads((Path(printed.pop("folder")) / "result.json").read_text())
    assert printed == written
    assert written["provenance"]["device"] == "cpu"
    again = json.loads(run("test.gin", "--json").stdout)
    again.pop("folder")
    assert again == written


def test_a_limited_run_is_flagged_and_another_run(folder: Path) -> None:
    shown = run("test.gin", "--limit", "32").stdout
    flag = "not a result: only 32 training images (--limit)"
    assert f"note           {flag}" in shown
    run("test.gin")
    records = [json.loads(path.read_text()) for path in folder.glob("runs/*/result.json")]
    assert sorted(flag in record["flags"] for record in records) == [False, True]


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_dry_run_writes_nothing(folder: Path, options: list[str]) -> None:
    before = files(folder)
    result = run("test.gin", "--dry-run", "--out", "elsewhere", "-p", "run.dataset = @CIFAR10()", *options)
    assert result.exit_code == 0, result.output
    assert files(folder) == before
    if options:
        found: dict[str, Any] = json.loads(result.stdout)
        assert (found["batch_size"], found["full_batch_size"]) == (8, 16)
        assert len(found["phases"]) == 1
    else:
        rows = result.stdout.splitlines()
        assert rows[0].split() == ["phase", "seconds", "passes", "loss"]
        assert rows[1].split()[0] == "train"
        assert "nothing was written" in rows[-1]


def test_explain_says_what_would_happen_and_does_not_do_it(folder: Path) -> None:
    fresh = run("test.gin", "--explain")
    assert fresh.exit_code == 0
    assert "not there yet, starts from the beginning" in fresh.stdout
    assert not (folder / "runs").exists()
    run("test.gin", "--setting", "fast")
    run("test.gin")
    assert "finished, so not run again" in run("test.gin", "--explain").stdout
    (result,) = folder.glob("runs/*slow*/result.json")
    result.unlink()
    assert "begun, goes on from checkpoint-00002.pt" in run("test.gin", "--explain").stdout
    lines = run("test.gin", "--explain", "-p", "LPA3.margin=0.03").stdout.splitlines()
    assert lines[1].endswith(": another run")
    assert lines[2:] == ["  positives/LPA3.margin: 0.02, the default → 0.03"]
    other_cell = run("test.gin", "--explain", "-p", "run.positives = None").stdout.splitlines()
    assert len(other_cell) == 1, "a cell whose name goes on is another cell"


# -------------------------------------------------------------------- other code, other names, other configs
DIMMED = """
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import torch
from shade import FACTOR
from lpa3bench import Augmenter, View, hookimpl

class Dimmed(Augmenter):
    renamed = {"darkness": "depth"}

    def __init__(self, *, depth: float = 1.0) -> None:
        self.depth = depth

    def generate(self, x, ctx):
        return View(x * FACTOR / self.depth, torch.arange(len(x)))

@hookimpl
def register_augmenters(register):
    register("Dimmed", Dimmed)
"""
WITH = ("--plugin", "dimmed.py", "-p", "run.view = @Dimmed()")
Edited = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def dimmed(folder: Path, cli: Cli) -> Edited:
    """Runs the plugin file with a helper that says so, in a process of its own."""
    (folder / "dimmed.py").write_text(DIMMED)

    def call(helper: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        (folder / "shade.py").write_text(helper)
        return cli("run", "test.gin", *WITH, "--device", "cpu", *arguments, cwd=folder)

    return call


def test_a_helper_beside_a_plugin_file_that_was_edited_makes_another_run(
    folder: Path, dimmed: Edited
) -> None:
    assert dimmed("FACTOR = 0.9").returncode == 0
    assert "this run is finished" in dimmed("# as before\nFACTOR = 0.9").stderr
    (result,) = folder.glob("runs/*/result.json")
    result.unlink()
    edited = dimmed("FACTOR = 0.1")
    assert edited.returncode == 0
    assert f"note: {result.parent.relative_to(folder)} was interrupted and does not go on: it is another run "
    assert "(the code of Dimmed has changed)" in edited.stderr
    assert len([*folder.glob("runs/*")]) == 2
    assert "interrupted" not in dimmed("FACTOR = 0.9").stderr


def test_a_run_keeps_the_plugin_file_that_it_was_made_with(folder: Path, dimmed: Edited, cli: Cli) -> None:
    dimmed("FACTOR = 0.9")
    (env,) = folder.glob("runs/*/env.json")
    kept = json.loads(env.read_text())["provenance"]["plugin_files"]["Dimmed"]
    operative = env.with_name("operative.gin").relative_to(folder)
    copy = operative.parent / kept
    again = cli("run", operative, "--device", "cpu", cwd=folder)
    note, finished = again.stderr.splitlines()
    assert note == f"note: Dimmed is taken from the run's copy, {copy}"
    assert finished.startswith("this run is finished")


def test_an_old_name_is_warned_of_in_one_line(folder: Path, dimmed: Edited) -> None:
    new = dimmed("FACTOR = 0.9", "-p", "Dimmed.depth = 2.0", "--json")
    (folder / "old.gin").write_text("Dimmed.darkness = 3.0\nview/Dimmed.darkness = 2.0\n")
    old = dimmed("FACTOR = 0.9", "--json", "old.gin")
    assert old.stderr.splitlines() == [
        "warning: old.gin:1: Dimmed.darkness is called Dimmed.depth now",
        "this run is finished; --fresh runs it again",
    ]
    assert json.loads(old.stdout) == json.loads(new.stdout)


def test_a_run_that_was_changed_behind_its_back_does_not_go_on(folder: Path) -> None:
    run("test.gin")
    (result,) = folder.glob("runs/*/result.json")
    result.unlink()
    env = result.with_name("env.json")
    began = json.loads(env.read_text())
    began["identity"]["config"]["positives/LPA3.iterations"] = "7"
    env.write_text(json.dumps(began))
    assert "damaged (its digest is not that of what it holds); start over" in refused(1, "test.gin")
    env.write_text(json.dumps(began | {"digest": ""}), "utf-8")  # as an earlier engine left it
    line = refused(1, "test.gin")
    assert line.endswith(
        "was begun as another run (positives/LPA3.iterations: 7 → 1); start over with --fresh"
    )
    assert run("test.gin", "--fresh").exit_code == 0


# ---------------------------------------------------------------------------------- what goes wrong, and how
def test_missing_data_name_the_folder_and_the_command(folder: Path) -> None:
    line = refused(4, "test.gin", "-p", "run.dataset = @CIFAR10()")
    assert str(folder / "data") in line
    assert "lpa3bench data get CIFAR10" in line
    other = refused(4, "test.gin", "-p", "run.dataset = @CIFAR10()", "--data", str(folder / "other"))
    assert str(folder / "other") in other
    assert not (folder / "runs").exists()


def test_a_device_that_is_not_there(folder: Path) -> None:
    result = CliRunner().invoke(main, ["run", "test.gin", "--device", "tpu"])
    assert result.exit_code == 2
    assert "'tpu' is not one of 'auto', 'cpu', 'cuda'" in result.stderr
    if choose_device("auto").type == "cpu":
        result = CliRunner().invoke(main, ["run", "test.gin", "--device", "cuda"])
        assert result.exit_code == 2
        assert result.stderr == ("error: --device cuda: PyTorch sees no GPU here; use --device cpu or auto\n")


def test_a_misspelt_setting_names_the_others() -> None:
    line = refused(3, "test.gin", "--setting", "fsat")
    assert "there is no setting fsat" in line
    assert "fast" in line


@pytest.mark.parametrize(
    ("binding", "said"),
    [
        ("Supervised.lr = -1", "Supervised.lr must be > 0 and finite, not -1"),
        ("Supervised.rate = 1", "rate"),
        ("run.holdout = 8", "has a validation split of its own"),
        ("run.view = @LPA3()", "run.view: LPA3"),
        ("WeakView.pad = 99", "WeakView on Synthetic: pad: must be < 8"),
    ],
)
def test_a_config_that_makes_no_sense(folder: Path, binding: str, said: str) -> None:
    extra = ["-p", "run.weak = @WeakView()"] if "WeakView" in binding else []
    assert said in refused(3, "test.gin", "-p", binding, *extra)
    assert not (folder / "runs").exists()


def test_a_plugin_that_cannot_be_imported(folder: Path) -> None:
    (folder / "wavy.py").write_text("import no_such_library\n")
    reason = "wavy.py: ModuleNotFoundError: No module named 'no_such_library'"
    assert reason in refused(5, "test.gin", "--plugin", "wavy.py", "-p", "run.positives = @Xxxxx()")
    near = refused(3, "test.gin", "--plugin", "wavy.py", "-p", "run.positives = @Wavy()")
    assert "did you mean WeakView?" in near
    assert reason in near, "what looks like a slip may be a name that the broken module has"
    assert run("test.gin", "--plugin", "wavy.py").exit_code == 0, "only where the command needs it"


def test_a_registered_class_that_is_not_there(folder: Path) -> None:
    (folder / "wavy.py").write_text(BROKEN.format(returned="x", registered="'no_such_module:Wavy'"))
    line = refused(5, "test.gin", "--plugin", "wavy.py", "-p", "run.positives = @Wavy()")
    assert "wavy.py" in line
    assert "no_such_module" in line


def test_a_plugin_that_fails_in_the_middle_is_named(folder: Path) -> None:
    (folder / "wavy.py").write_text(BROKEN.format(returned="x[:, :1]", registered="Wavy"))
    line = refused(5, "test.gin", "--plugin", "wavy.py", "-p", "run.positives = @Wavy()")
    assert line.startswith("error: step 0: Wavy in slot positives returned images [16, 1, 8, 8]")


def test_a_loss_that_is_no_number_names_the_step(folder: Path) -> None:
    none = ["-p", "run.positives = None"]
    line = refused(1, "test.gin", "-p", "Supervised.lr = 1e30", *none)
    assert re.fullmatch(r"error: step \d+: the loss is NaN or infinite \(phase train\).*", line)
    with_lpa3 = refused(1, "test.gin", "-p", "Supervised.lr = 1e30")
    assert re.match(r"error: step \d+: LPA3 in slot positives returned .* NaN .*diverged", with_lpa3)
    assert not [*folder.glob("runs/*/result.json")]


def test_a_place_that_cannot_be_written_to(folder: Path) -> None:
    (folder / "taken").write_text("")
    assert "choose another --out" in refused(1, "test.gin", "--out", "taken")


@pytest.mark.parametrize(
    "option", [("--limit", "0"), ("--seed", "-1"), ("--seed", str(2**63)), ("--epochs", "3")]
)
def test_options_that_make_no_sense(option: tuple[str, str]) -> None:
    assert run("test.gin", *option).exit_code == 2


def test_download_fetches_only_what_is_not_there(folder: Path) -> None:
    result = run("test.gin", "--download")
    assert result.exit_code == 0
    assert "fetching" not in result.stderr


def test_a_short_run_is_not_greeted_with_what_is_undefined_for_it() -> None:
    """Means over the last ten epochs are what no run of two epochs has."""
    told = record_summary(small_record(bits(5), earlier=[0.5]))
    assert "note" not in told
    assert "null" not in told
    assert "the run has only" not in told
