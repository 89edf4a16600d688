"""`lpa3bench version`."""

from __future__ import annotations

import json
import platform
from importlib import metadata

import pytest
from click.testing import CliRunner

import lpa3bench
from lpa3bench.cli import main


def test_json_names_what_a_bug_report_needs() -> None:
    found = json.loads(CliRunner().invoke(main, ["version", "--json"]).stdout)
    assert found["lpa3bench"] == lpa3bench.__version__
    assert found["Python"] == platform.python_version()
    assert found["torch"] == metadata.version("torch")
    assert {"torchvision", "numpy", "gin-config", "scikit-learn", "medmnist"} <= found.keys()
    assert "pytest" not in found, "extras are not requirements"


def test_text_has_a_line_for_each() -> None:
    lines = CliRunner().invoke(main, ["version"]).stdout.splitlines()
    assert lines[0].split() == ["lpa3bench", lpa3bench.__version__]
    assert ["torch", metadata.version("torch")] in [line.split() for line in lines]


def test_a_library_that_is_absent_is_said_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "requires", lambda name: ["no-such-library>=1", "pytest; extra == 'test'"])
    lines = CliRunner().invoke(main, ["version"]).stdout.splitlines()
    assert lines[-1].split(maxsplit=1) == ["no-such-library", "not installed"]
