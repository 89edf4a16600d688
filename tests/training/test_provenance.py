"""Where the numbers of a run come from."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch

from lpa3bench.plugin.registry import Entry
from lpa3bench.records.schema import Provenance
from lpa3bench.training import provenance as provenances

CPU = torch.device("cpu")


class Mine:
    pass


def test_it_has_the_form_that_records_ask_for() -> None:
    found = provenances.provenance(
        [Entry("tasks", "Mine", Mine, "toys 1.0")], device=CPU, precision="auto", world_size=2
    )
    made = msgspec.convert(found | {"finished": "2026-01-01T00:00:00+00:00"}, Provenance)
    assert made.plugins == {"Mine": "toys 1.0"}
    assert len(made.plugin_sources["Mine"]) == len(made.engine_source) == 16
    assert made.command == ("lpa3bench", *sys.argv[1:])
    assert {"python", "lpa3bench", "torch"} <= made.versions.keys()
    assert made.versions["torch"] == torch.__version__.partition("+")[0]
    assert (made.device, made.precision, made.world_size) == ("cpu", "float32", 2)
    assert made.cpu_capability == torch.backends.cpu.get_cpu_capability()
    assert made.cpu_model
    assert made.cpu_family
    assert (made.gpu_name, made.gpu_capability, made.plugin_files) == (None, None, {})


def test_the_commit_is_that_of_the_checkout() -> None:
    found = provenances.provenance([], device=CPU, precision="float32")["git_commit"]
    root = provenances.PACKAGE.parent
    if (root / ".git").exists():
        head = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True)
        assert found == head.stdout.strip()
    else:
        assert found is None


def test_what_others_import_is_there_with_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wavy_imports.py").write_text("import yaml, click, json\nclass Wavy: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "wavy_imports", raising=False)
    entry = Entry("augmenters", "Wavy", "wavy_imports:Wavy", "wavy 1.0")
    versions = provenances.provenance([entry], device=CPU, precision="auto")["versions"]
    assert versions["click"]
    assert "yaml" not in versions
    assert "json" not in versions
    if "PyYAML" in versions:  # what is imported has another name than what is installed
        assert versions["PyYAML"] != "not installed"


def test_every_source_of_the_engine_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "engine"
    shutil.copytree(provenances.PACKAGE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    digest = provenances.engine_source.__wrapped__
    before = digest()
    monkeypatch.setattr(provenances, "PACKAGE", copy)
    assert digest() == before
    for name in ("ops.py", "cli/run.py"):
        with (copy / name).open("a") as file:
            file.write("# changed\n")
        assert digest() != before
        before = digest()
