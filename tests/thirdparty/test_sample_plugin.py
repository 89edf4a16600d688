"""Somebody else's distribution, built and put on the path as an installer would, and run."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.console import Cli

from lpa3bench.cli import main
from lpa3bench.plugin.registry import load_registry

SAMPLE = Path(__file__).parent / "sample_plugin"
OVERLAY = SAMPLE / "pixel_noise.gin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like site-packages with the sample in it."""
    target = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(target), "-t", "wheel"]
    subprocess.run(command, cwd=SAMPLE, capture_output=True, check=True, timeout=120)
    (wheel,) = target.iterdir()
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_it_is_listed_with_its_distribution(cli: Cli, installed: Path) -> None:
    done = cli("list", "augmenters", "--json", env={"PYTHONPATH": str(installed)})
    found = json.loads(done.stdout)
    assert found["broken"] == []
    (listed,) = (plugin for plugin in found["plugins"] if plugin["name"] == "PixelNoise")
    description = listed.pop("description")
    assert description
    assert listed == {
        "kind": "augmenters",
        "name": "PixelNoise",
        "distribution": "lpa3bench-pixel-noise 1.2.3",
        "target": "pixel_noise.augmenter:PixelNoise",
    }
    versions = json.loads(cli("version", "--json", env={"PYTHONPATH": str(installed)}).stdout)
    assert versions["lpa3bench-pixel-noise"] == "1.2.3"


def test_listing_does_not_import_it(installed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(installed)
    monkeypatch.delitem(sys.modules, "pixel_noise.augmenter", raising=False)
    assert load_registry().get("PixelNoise") is not None
    assert "pixel_noise.augmenter" not in sys.modules


def test_it_runs_in_the_quickstart(installed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(installed)
    monkeypatch.chdir(tmp_path)
    words = ["run", "quickstart", str(OVERLAY), "-p", "run.epochs=1", "--limit", "200", "--json"]
    result = CliRunner().invoke(main, words, catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert record["status"] == "ok"
    assert record["provenance"]["plugins"]["PixelNoise"] == "lpa3bench-pixel-noise 1.2.3"
    assert "PixelNoise.sigma = 0.02" in (Path(record["folder"]) / "operative.gin").read_text()


def test_its_mistakes_are_config_errors_with_file_and_line(
    installed: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.syspath_prepend(installed)
    wrong = tmp_path / "wrong.gin"
    wrong.write_text("run.view = @augmenters.PixelNoise()\nPixelNoise.sigma = -1.0\n")
    result = CliRunner().invoke(main, ["run", "quickstart", str(wrong), "--dry-run"], catch_exceptions=False)
    assert result.exit_code == 3
    assert result.stderr.startswith(f"error: {wrong}:2: ")
    assert result.stderr.endswith("PixelNoise.sigma must be >= 0, not -1.0\n")
