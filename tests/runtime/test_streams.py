"""What is printed: without control signs, and never lost without a word."""

from __future__ import annotations

import errno
import io
import subprocess
import sys
from pathlib import Path

import click
import pytest

from lpa3bench.runtime.streams import GuardedStream, OutputLost, guarded_streams, unguarded

SOURCES = Path(__file__).parents[2] / "lpa3bench"
VERB = (
    "import click, sys, lpa3bench.cli as shell\n"
    "command = click.Command('run', callback=lambda: click.echo('the result'))\n"
    "shell.Cli.get_command = lambda self, ctx, name: command\n"
    "shell.main(sys.argv[1:])"
)


class Full(io.StringIO):
    """A stream that takes nothing."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, "No space left on device")


def test_signs_that_a_terminal_obeys_are_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with guarded_streams():
        sys.stdout.write("red \x1b[31m, C1 \x9b31m, bell \a, back \b, \u202eturned\u202c, half \ud800\n")
        click.echo("title \x1b]0;owned\x07", err=True)
        click.echo("tab\tand line, ± é 漢")
        unguarded(sys.stderr).write("\x1b[1A")  # a bar of our own
    assert out.getvalue() == ("red ?[31m, C1 ?31m, bell ?, back ?, ?turned?, half ?\ntab\tand line, ± é 漢\n")
    assert err.getvalue() == "title ?]0;owned?\n\x1b[1A"
    assert (sys.stdout, sys.stderr) == (out, err)


def test_after_a_bug_its_traceback_is_guarded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with pytest.raises(ZeroDivisionError), guarded_streams():
        raise ZeroDivisionError
    assert isinstance(sys.stderr, GuardedStream)


@pytest.mark.parametrize("stream", [Full(errno.ENOSPC), None])
def test_output_that_is_lost_raises_and_errors_that_are_lost_do_not(stream: io.StringIO | None) -> None:
    with pytest.raises(OutputLost, match="standard output cannot be written"):
        GuardedStream(stream, heard=True).write("result")
    GuardedStream(stream, heard=False).write("error: nobody hears it")
    GuardedStream(stream, heard=True).write("")


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize(
    ("arguments", "redirection", "code", "said"),
    [
        ("run", "> /dev/full", 1, "No space left on device"),
        ("--help", "> /dev/full", 1, "No space left on device"),
        ("run", ">&-", 1, "it is closed"),
        ("run", "2>&-", 0, ""),
    ],
)
def test_each_redirection_ends_in_one_line_and_a_code(
    arguments: str, redirection: str, code: int, said: str
) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -c "$1" {arguments} {redirection}', sys.executable, VERB],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == code, done.stderr
    lines = [f"error: standard output cannot be written ({said}); what stood there is lost"] if said else []
    assert done.stderr.splitlines() == lines


def test_what_a_verb_prints_to_a_descriptor_is_guarded() -> None:
    verb = VERB.replace("the result", "bell \\a")
    done = subprocess.run([sys.executable, "-c", verb, "run"], capture_output=True, text=True, timeout=120)
    assert (done.stdout, done.returncode) == ("bell ?\n", 0), done.stderr


def test_a_file_that_is_opened_never_takes_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom lpa3bench.runtime.streams import guarded_streams\n"
        "with guarded_streams(): print(open(sys.argv[1], 'w').fileno(), file=open(sys.argv[2], 'w'))"
    )
    said = tmp_path / "said"
    subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" "$2" "$3" <&- >&- 2>&-', sys.executable, code, said, said],
        check=True,
        timeout=120,
    )
    assert int(said.read_text()) > 2


def test_nothing_goes_round_the_guard() -> None:
    """Modules that write to a stream of the process by themselves: bars, and programs that we start."""
    own = {
        str(path.relative_to(SOURCES))
        for path in SOURCES.rglob("*.py")
        if "sys.__std" in (text := path.read_text()) or "stdout.buffer" in text or ".unguarded" in text
    }
    assert own == {"runtime/streams.py"}
