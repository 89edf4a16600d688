"""A page of docs/ whose commands are run as they stand, in an environment of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sysconfig
import venv
from pathlib import Path

from support.console import HIDDEN

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: str) -> list[tuple[str, str]]:
    """Language and text of every fenced block."""
    return BLOCK.findall((DOCS / page).read_text())


def own_environment(folder: Path) -> dict[str, str]:
    """Variables of a virtual environment that sees the libraries of this one, and has commands of its own.

    What a page installs goes there and nowhere else, and nothing is fetched.
    """
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


def run_page(page: str, environment: dict[str, str], folder: Path) -> dict[str, str]:
    """Run every command in order, as it stands; a block of Python or gin becomes the file that its first line
    names. Returns what each command printed."""
    outputs: dict[str, str] = {}
    for language, text in blocks(page):
        if language in ("python", "gin"):
            (folder / text.splitlines()[0].removeprefix("# ")).write_text(text)
        for line in text.splitlines() if language == "sh" else ():
            done = subprocess.run(
                line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
            )
            assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
            outputs[line] = done.stdout
    return outputs
