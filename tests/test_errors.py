"""Errors as they are shown: one line, no control signs, nothing that runs on."""

from __future__ import annotations

import errno
import json
from pathlib import Path

import pytest

from lpa3bench.errors import (
    CONTROL_SIGNS,
    PluginError,
    RunFailed,
    blamed,
    error_line,
    escaped_in_json,
    plain,
    printable,
    refusals_told,
    shortened,
)

WILD = "a\x1b[31mb\x9bc\u202ed\u2066e\x7ff\u2028g\ufeffh\ud800i"


def test_text_without_control_signs_keeps_its_lines() -> None:
    assert plain(f"{WILD}\n\tnext") == "a?[31mb?c?d?e?f?g?h?i\n\tnext"
    assert plain("± é 漢字 😀 → “x”") == "± é 漢字 😀 → “x”"


def test_one_line() -> None:
    assert printable("a\r\nb\tc\x0bd\u2028e") == "a b c d e"
    assert not CONTROL_SIGNS.search(printable(WILD))


def test_json_says_the_same_with_every_sign_escaped() -> None:
    text = json.dumps({WILD: [WILD]}, ensure_ascii=False, indent=1)
    escaped = escaped_in_json(text)
    assert not CONTROL_SIGNS.search(escaped)
    assert json.loads(escaped) == json.loads(text)
    assert escaped_in_json(escaped) == escaped


def test_both_ends_of_a_long_quote_are_left() -> None:
    assert shortened("short") == "short"
    cut = shortened("a" * 500 + "z" * 500)
    assert len(cut) == 80
    assert cut.startswith("aaa")
    assert cut.endswith("zzz")


def test_an_error_is_one_line_in_which_nothing_runs_on() -> None:
    line = error_line(RunFailed(f"no/{'x' * 5000}: gone\n{'word ' * 5000}end"))
    assert line.startswith("error: no/xxx")
    assert ": gone word word" in line
    assert line.endswith("word end")
    assert len(line) < 2100
    assert "\n" not in line


@pytest.mark.parametrize(
    ("number", "cure"),
    [
        (errno.ENAMETOOLONG, "shorter path"),
        (errno.EROFS, "can be written to"),
        (errno.ENOSPC, "free some space"),
    ],
)
def test_what_the_system_refuses_is_one_line_and_no_fault_of_a_plugin(number: int, cure: str) -> None:
    refusal = OSError(number, "the system's words", "a/file")
    with (
        pytest.raises(RunFailed, match=f"a/file: cannot be used .the system's words.; .*{cure}"),
        refusals_told(),
    ):
        raise refusal
    with pytest.raises(RunFailed, match=f"Mine.load: a/file.*{cure}"), blamed("Mine.load"):
        raise refusal
    with pytest.raises(PluginError), blamed("Mine.load"):
        raise OSError(errno.ENOENT, "its own file is missing", "a/file")
    with pytest.raises(OSError, match="timed out"), refusals_told():
        raise TimeoutError("timed out")


def test_links_in_a_circle_are_one_line(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    told = f"{loop}: cannot be used .*; links there lead in a circle"
    with pytest.raises(RunFailed, match=told), refusals_told():
        loop.read_text()
    with pytest.raises(RunFailed, match=told), refusals_told():
        raise RuntimeError(f"Symlink loop from {str(loop)!r}")  # Path.resolve's until Python 3.13
    with pytest.raises(RuntimeError, match="another"), refusals_told():
        raise RuntimeError("another")
