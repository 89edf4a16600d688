"""A run as a line for a shell that means the same in every folder and environment, and on any machine that
shares this disk."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path

from lpa3bench.runtime.paths import data_root

PATHS = ("--data", "--out", "--plugin")
"""Options of `lpa3bench run` that take one."""


def command_line(arguments: Sequence[str], environment: Mapping[str, str]) -> str:
    """The command of `lpa3bench run` with these arguments, with absolute paths.

    It starts in this process's folder, because a binding may hold a path too, with this Python and its path.

    Args:
        environment: what to add to the environment.
    """
    search = [
        str(Path(entry).absolute()) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry
    ]
    variables = {**environment, "PYTHONPATH": os.pathsep.join(search)}
    set_first = (f"{name}={shlex.quote(value)}" for name, value in variables.items())
    words = [sys.executable, "-m", "lpa3bench", "run", *_absolute(arguments)]
    return f"cd {shlex.quote(str(Path.cwd()))} && {' '.join(set_first)} {shlex.join(words)}"


def _absolute(arguments: Sequence[str]) -> list[str]:
    files = [*takewhile(lambda word: not word.startswith("-"), arguments)]
    found = [str(Path(name).absolute()) if Path(name).is_file() else name for name in files]
    before = ""
    for word in arguments[len(files) :]:
        found.append(str(Path(word).absolute()) if before in PATHS else word)
        before = word
    return found if "--data" in arguments else [*found, "--data", str(data_root().absolute())]
