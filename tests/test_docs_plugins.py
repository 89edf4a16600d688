"""docs/plugins.md, from its first command to its last, in an environment of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from support.console import HIDDEN

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables of a virtual environment that sees the libraries of this one, and has commands of its own.

    What the page installs goes there and nowhere else, and nothing is fetched.
    """
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    parent = sysconfig.get_path("purelib")
    Path(site, "libraries.pth").write_text(f"import site; site.addsitedir({parent!r})\n")
    for name, module in (("lpa3bench", "lpa3bench"), ("pip", "pip")):
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\nexec "{python}" -m {module} "$@"\n')
        script.chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(HIDDEN)}
    return inherited | {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # means: do not isolate
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "CI": "1",
    }


def blocks() -> list[tuple[str, str]]:
    """Language and text of every fenced block."""
    return BLOCK.findall(PAGE.read_text())


@pytest.mark.slow
def test_every_command_runs(environment: dict[str, str], tmp_path: Path) -> None:
    """In order, as they stand; a block of Python becomes the file that its first line names."""
    outputs: dict[str, str] = {}
    for language, text in blocks():
        if language == "python":
            (tmp_path / text.splitlines()[0].removeprefix("# ")).write_text(text)
        for line in text.splitlines() if language == "sh" else ():
            done = subprocess.run(
                line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            outputs[line] = done.stdout
    assert sys.prefix not in environment["PATH"].split(os.pathsep)[0]
    listed = outputs["lpa3bench list augmenters"]
    assert re.search(r"^  SoftBlur +lpa3bench-soft-blur 0\.1\.0$", listed, re.MULTILINE)
    assert "FAILED" not in outputs["lpa3bench test-plugin SoftBlur"]
    assert len([*tmp_path.glob("runs/*/result.json")]) == 5


def test_the_tree_of_files_is_the_one_that_is_written() -> None:
    from lpa3bench.plugin.scaffold import Names, files

    (tree,) = [text for language, text in blocks() if language == "" and text.startswith("soft-blur/")]
    for path in files("augmenter", Names("SoftBlur")):
        assert path in tree or path.endswith("__init__.py"), path
