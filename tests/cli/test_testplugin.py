"""`lpa3bench test-plugin`: what it says of good plugins and bad ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from lpa3bench.cli import main
from lpa3bench.plugin.registry import Entry
from lpa3bench.testing.laws import Finding
from lpa3bench.testing.verdict import PluginVerdict

BAD = Path(__file__).parents[1] / "thirdparty" / "bad_plugins"

FILE = """
import torch
from lpa3bench import Augmenter, View, hookimpl

class Dim(Augmenter):
    def __init__(self, *, low: float = 0.5) -> None:
        if not 0 <= low <= 1:
            raise ValueError(f"low: must be in [0, 1], not {low}")
        self.low = low

    def generate(self, x, ctx):
        return View(x * ctx.draws.uniform((len(x), 1, 1, 1), self.low, 1.0, like=x), torch.arange(len(x)))

class Needy(Dim):
    def __init__(self, *, count: int) -> None:
        super().__init__()

@hookimpl
def register_augmenters(register):
    register("Dim", Dim)
"""


def verdict(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["test-plugin", *map(str, arguments)])


def outcomes(result: Result) -> dict[str, set[str]]:
    """Law → the outcomes of its trials."""
    found: dict[str, set[str]] = {}
    for law in json.loads(result.stdout)[0]["laws"]:
        found.setdefault(law["law"], set()).add(law["outcome"])
    return found


@pytest.fixture
def dim(tmp_path: Path) -> Path:
    path = tmp_path / "dim.py"
    path.write_text(FILE)
    return path


def test_a_good_file(dim: Path) -> None:
    result = verdict(dim)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == f"Dim, augmenter of {dim}"
    assert "  passed          resume" in lines
    assert lines[-1].startswith("  ok: ")
    assert len(lines) < 20, "a line for each law"


def test_a_registered_name() -> None:
    result = verdict("LPA3")
    assert result.exit_code == 0, result.output
    assert "  not applicable  slot view: slot view needs a view of every image" in result.stdout


@pytest.mark.parametrize(
    ("file", "law", "reason"),
    [
        ("touches_parameters", "parameters untouched", "changes backbone.stem.0.weight"),
        ("global_random", "no global RNG", "draws from torch's global random generator"),
        ("wrong_shapes", "shapes", "returned images [16, 3, 6, 6]"),
    ],
)
def test_each_bad_plugin_gets_a_verdict_of_its_own(file: str, law: str, reason: str) -> None:
    result = verdict(BAD / f"{file}.py")
    assert result.exit_code == 5
    failed = [line for line in result.stdout.splitlines() if line.startswith("  FAILED")]
    assert len(failed) == 1, failed
    assert failed[0].split(maxsplit=1)[1].startswith(law)
    assert reason in failed[0]
    assert result.stdout.splitlines()[-1].startswith("  BROKEN: 1 FAILED, ")


def test_json(dim: Path) -> None:
    found = json.loads(verdict(dim, "--json").stdout)
    assert [(v["name"], v["kind"], v["distribution"], v["ok"]) for v in found] == [
        ("Dim", "augmenters", str(dim), True)
    ]
    assert {law["where"] for law in found[0]["laws"]} == {"slot view", "slot strong", "slot positives"}
    assert outcomes(verdict(BAD / "wrong_shapes.py", "--json"))["shapes"] == {"FAILED"}


def test_where_a_law_fails_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPA3BENCH_TRACEBACK", "1")
    result = verdict(BAD / "global_random.py")
    assert result.exit_code == 5
    assert "Traceback (most recent call last)" in result.output
    assert "draws from torch's global random generator" in result.output.splitlines()[-1]
    monkeypatch.delenv("LPA3BENCH_TRACEBACK")
    assert "Traceback" not in verdict(BAD / "global_random.py").output


# ---------------------------------------------------------------------------------------------- parameters
def test_parameters_are_given_by_p(dim: Path) -> None:
    still = verdict(dim, "-p", "Dim.low=1", "--json")
    assert outcomes(still)["seeds matter"] == {"not applicable"}, "every image times one"
    assert outcomes(verdict(dim, "-p", "augmenters.Dim.low=0.2", "--json"))["seeds matter"] == {"passed"}


@pytest.mark.parametrize(
    ("binding", "told"),
    [
        ("Dim.low=2.0", "Dim.low: must be in [0, 1], not 2.0"),
        ("Dim.low='x'", "Dim.low must be a float, not 'x'"),
        ("Dim.low=x", "'x' is no literal; strings need quotes"),
        ("Dim.lo=0.1", "Dim has no parameter lo; did you mean low?"),
        ("Dimm.low=0.1", "Dimm is not tested; tested is Dim"),
        ("low", "is written NAME.parameter=value"),
    ],
)
def test_a_wrong_parameter_is_a_usage_error(dim: Path, binding: str, told: str) -> None:
    result = verdict(dim, "-p", binding)
    assert result.exit_code == 2
    assert told in result.stderr
    assert result.stdout == ""


def test_what_a_plugin_needs_to_be_told() -> None:
    result = verdict("FromFile")
    assert result.exit_code == 2
    assert result.stderr == "error: FromFile needs path; give -p FromFile.path=…\n"
    result = verdict("FewLabels")
    assert result.exit_code == 2
    assert result.stderr == "error: FewLabels.count: give it or per_class, not neither\n"
    assert verdict("FewLabels", "-p", "FewLabels.count=20").exit_code == 0


MANY = FILE.replace(
    'register("Dim", Dim)',
    'register("Dim", Dim)\n    register("Needy", Needy)\n    register("Needier", Needier)',
).replace("@hookimpl", "class Needier(Needy):\n    pass\n\n@hookimpl")


def test_what_any_plugin_of_a_file_needs_is_named_at_once(tmp_path: Path) -> None:
    (tmp_path / "many.py").write_text(MANY)
    result = verdict(tmp_path / "many.py")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Needy needs count; give -p Needy.count=…; Needier needs count; give" in result.stderr
    assert "the others are tested by name, with --plugin FILE" in result.stderr


@pytest.mark.parametrize("given", [(), ("-p", "Compose.augmenters=('Cutout',)")])
def test_what_no_literal_can_say_is_tested_by_a_config(given: tuple[str, ...]) -> None:
    result = verdict("Compose", *given)
    assert result.exit_code == 2
    assert "augmenters" in result.stderr
    assert "a tuple of Augmenter, which -p cannot give" in result.stderr
    assert "lpa3bench run FILE --dry-run" in result.stderr
    assert "=…" not in result.stderr


@pytest.mark.parametrize(
    ("name", "binding", "told"),
    [
        ("SmallNet", "width=-1", "SmallNet.width: must be "),
        ("TorchvisionNet", "arch='vit_b_16'", "TorchvisionNet.arch: "),
    ],
)
def test_a_value_that_a_backbone_refuses_is_a_usage_error(name: str, binding: str, told: str) -> None:
    result = verdict(name, "-p", f"{name}.{binding}")
    assert result.exit_code == 2
    assert told in result.stderr


@pytest.mark.parametrize("target", ["lambda: Dim()", "Dim()"])
def test_what_is_no_class_is_one_line(target: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(FILE.replace('register("Dim", Dim)', f'register("Dim", {target})'))
    result = verdict(tmp_path / "mine.py")
    assert result.exit_code == 5
    assert result.stderr.startswith("error: Dim (")
    assert "is not a class" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_plugin_that_exits_is_broken(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        FILE.replace("        return View", "        raise SystemExit(0)\n        return View")
    )
    result = verdict(tmp_path / "mine.py")
    assert result.exit_code == 5
    assert "BROKEN" in result.stdout


def test_one_of_which_nothing_can_be_tested_is_exit_5(tmp_path: Path) -> None:
    refuses = (
        "    def unsupported(self, spec, slot):\n        return 'it wants 224 pixels'\n\n    def generate"
    )
    (tmp_path / "mine.py").write_text(FILE.replace("    def generate", refuses))
    result = verdict(tmp_path / "mine.py")
    assert result.exit_code == 5
    assert result.stdout.splitlines()[-1] == "  NOT TESTED: it wants 224 pixels"
    (found,) = json.loads(verdict(tmp_path / "mine.py", "--json").stdout)
    assert found["ok"] is False


# ------------------------------------------------------------------------------------------ what is missing
def test_data_that_are_missing_are_exit_4(tmp_path: Path) -> None:
    result = verdict("CIFAR10", "--data", tmp_path)
    assert result.exit_code == 4
    assert "lpa3bench data get CIFAR10" in result.stdout
    assert "DATA MISSING" in result.stdout


def test_an_unknown_name_is_a_usage_error() -> None:
    result = verdict("RandAugmnt")
    assert result.exit_code == 2
    assert "there is no plugin RandAugmnt; did you mean RandAugment" in result.stderr


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    result = verdict(tmp_path / "absent.py")
    assert result.exit_code == 2
    assert result.stderr == f"error: {tmp_path / 'absent.py'}: no such file\n"


def test_a_file_that_cannot_be_imported_is_exit_5(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import no_such_library")
    result = verdict(tmp_path / "mine.py")
    assert result.exit_code == 5
    assert "no_such_library" in result.stderr


@pytest.mark.parametrize(
    ("source", "law", "told"),
    [
        (FILE.replace("self.low, 1.0", "0.0, 3.0"), "range", "returned images outside [0, 1]"),
        (FILE.replace("View(x *", "View(x.mul_(2).clamp_(0, 1) *"), "input untouched", "work on a copy"),
        (
            FILE.replace("        return View", "        1 / 0\n        return View"),
            "batches",
            "ZeroDivision",
        ),
        (FILE.replace("(Augmenter)", ""), "initialise", "is no lpa3bench.Augmenter"),
        (FILE.replace("self.low = low", "pass"), "batches", "has no attribute 'low'"),
    ],
    ids=["range", "in place", "raises", "not an augmenter", "forgets"],
)
def test_other_faults(source: str, law: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(source)
    result = verdict(tmp_path / "mine.py")
    assert result.exit_code == 5
    (line,) = [line for line in result.stdout.splitlines() if line.startswith(f"  FAILED          {law}")]
    assert told in line


def offered(monkeypatch: pytest.MonkeyPatch, line: str) -> list[Any]:
    """What bash gets for the last word."""
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
    monkeypatch.setenv("_LPA3BENCH_COMPLETE", "bash_complete")
    return CliRunner().invoke(main, prog_name="lpa3bench").stdout.splitlines()


def test_completion(monkeypatch: pytest.MonkeyPatch) -> None:
    assert offered(monkeypatch, "lpa3bench test-plugin RandA") == ["file,RandA", "plain,RandAugment"]
    assert offered(monkeypatch, "lpa3bench new aug") == ["plain,augmenter"]


def test_what_is_the_same_in_each_slot_is_told_once_and_counted_once() -> None:
    slots = ("slot view", "slot strong")
    findings = [Finding(slot, "resume", "FAILED", f"Dim in {slot} failed", "mend it") for slot in slots]
    findings += [Finding(slot, "shapes", "passed") for slot in slots]
    lines = PluginVerdict(Entry("augmenters", "Dim", "dim:Dim", "dim 1.0"), tuple(findings)).lines()
    assert lines[1] == "  FAILED          resume  Dim failed; mend it"
    assert lines[-1] == "  BROKEN: 1 FAILED, 1 passed"
