"""Configs with a mistake in them: drawn mutations of gin texts and `-p` options, and what each touched."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

NUMBER = re.compile(r"(?<![\w.@%/])\d+(?:\.\d+)?(?:e-?\d+)?(?![\w.])")
NAME = re.compile(r"[A-Za-z_]\w*")
NUMBERS = (
    "0", "-1", "-0.0", "1.", "3", "0.5", "1e999", "-1e999", "1e308", "1e-400", str(10**400), "9" * 5000,
    str(2**63), str(2**62), "0x10", "0b11", "1_000", "007", "nan", "inf", "1j", "½", "٣", "True", "None",
    "'64'", "b'64'", "1 + 1", "8/255", "()", "[]", "{}", "...", "", "%none", "@Nothing()",
)  # fmt: skip
NAMES = (
    "run", "Supervised", "PES", "FixMatch", "LPA3", "RandAugment", "tasks", "augmenters", "lpa3", "view",
    "positives", "margin", "lr", "epochs", "batch_size", "settings", "setting", "suite", "include", "import",
    "sym50", "none", "__init__", "self", "é", "LPA3\u200b", "\u202eABC",
)  # fmt: skip
BYTES = (
    b"\x00", b"\xff", b"\xef\xbb\xbf", b"\x1b[2J", b"\xc2\x9b", b"\r", b"\n", b"\\\n", b"'", b'"', b"(", b"#",
    b"\t",
)  # fmt: skip
INCLUDES = (
    "/etc/passwd", "/etc/hostname", "../" * 12 + "etc/passwd", "/dev/zero", "/proc/self/environ",
    "mutant.gin", "base/absent.gin", "base", "", ".", "base/pes.gin", "base/mixup.gin", "quickstart.gin",
    "a" * 400, "b\\0.gin",
)  # fmt: skip
LINES = (
    "m = %m", "m = %n\nn = %m", "LPA3.margin = %absent", "Compose.parts = (@augmenters.Compose(),)",
    "run.positives = @augmenters.Compose()\nCompose.parts = [@augmenters.Compose()]", "import os",
    "run.epochs = " + "(" * 60 + "1" + ")" * 60, "run.epochs = " + "[" * 3000, "run.metrics = ()",
    "\n".join(["x0 = 1", *(f"x{i} = [%x{i - 1}, %x{i - 1}]" for i in range(1, 40)), "LPA3.margin = %x39"]),
    "\n".join(f"y{i} = %y{i + 1}" for i in range(400)) + "\nLPA3.margin = %y0", "run = 3", ".x = 1", "a/ = 3",
    "/run.epochs = 3", "run.settings = ('a', 'a')", "run.setting = 'absent'", "suite.cells = ['quickstart']",
    "run.epochs = 30",
)  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """A config that somebody might hand in."""

    kind: str
    content: bytes
    params: tuple[str, ...] = ()
    touched: str = ""
    """The lines that were changed, as they were and as they are."""

    def __str__(self) -> str:
        return f"{self.kind} {self.params or ''} {self.touched[:200]!r}"


def mutants(text: str, count: int, seed: int) -> list[Mutant]:
    """That many, the same ones for one seed; each kind in turn."""
    draws = random.Random(seed)
    return [KINDS[number % len(KINDS)](text, draws) for number in range(count)]


def _of_lines(kind: str, before: str, after: str) -> Mutant:
    """The mutant whose text is `after`."""
    old, new = before.splitlines(), after.splitlines()
    touched = [line for line in new if line not in old] + [line for line in old if line not in new]
    return Mutant(kind, after.encode(), touched="\n".join(touched))


def _bound_line(text: str, draws: random.Random) -> tuple[int, list[str]]:
    """One of the lines that bind something, and all lines."""
    lines = text.splitlines()
    return draws.choice(
        [i for i, line in enumerate(lines) if "=" in line and not line.startswith("#")]
    ), lines


def _with_bytes(text: str, draws: random.Random) -> Mutant:
    content = bytearray(text.encode())
    for _ in range(draws.randint(1, 3)):
        at = draws.randrange(len(content))
        match draws.randrange(3):
            case 0:
                content[at] ^= 1 << draws.randrange(8)
            case 1:
                del content[at : at + draws.randint(1, 8)]
            case _:
                content[at:at] = draws.choice(BYTES)
    shown = _of_lines("bytes", text, content.decode(errors="replace"))
    return replace(shown, content=bytes(content))


def _with_number(text: str, draws: random.Random) -> Mutant:
    place = draws.choice(
        [m for m in NUMBER.finditer(text) if "#" not in text[text.rfind("\n", 0, m.start()) : m.start()]]
    )
    return _of_lines("number", text, text[: place.start()] + draws.choice(NUMBERS) + text[place.end() :])


def _with_name(text: str, draws: random.Random) -> Mutant:
    at, lines = _bound_line(text, draws)
    place = draws.choice([*NAME.finditer(lines[at])])
    name = place[0]
    wrong = draws.choice((name[:-1], name + name[-1], name.swapcase(), *NAMES))
    lines[at] = lines[at][: place.start()] + wrong + lines[at][place.end() :]
    return _of_lines("name", text, "\n".join(lines) + "\n")


def _with_tokens(text: str, draws: random.Random) -> Mutant:
    at, lines = _bound_line(text, draws)
    words = re.findall(r"\w+|\W", lines[at])
    match draws.randrange(4):
        case 0:
            del words[draws.randrange(len(words))]
        case 1:
            words.insert(
                draws.randrange(len(words)), draws.choice(("=", ".", "/", "@", "%", "()", ",", "'", "-", " "))
            )
        case 2:
            draws.shuffle(words)
        case _:
            words = [*words, "\n", *words]
    lines[at] = "".join(words)
    return _of_lines("tokens", text, "\n".join(lines) + "\n")


def _with_brackets(text: str, draws: random.Random) -> Mutant:
    at, lines = _bound_line(text, draws)
    name, _, value = lines[at].partition("=")
    left, right = draws.choice(
        (("(", ",)"), ("[", "]"), ("{'a': ", "}"), ("{", ": 1}"), ("(", ")"), ("[[[[", "]]]]"))
    )
    depth = draws.choice((1, 1, 2, 30, 300))
    lines[at] = f"{name}= {left * depth}{value.strip()}{right * depth}"
    return _of_lines("brackets", text, "\n".join(lines) + "\n")


def _with_include(text: str, draws: random.Random) -> Mutant:
    line = f'include "{draws.choice(INCLUDES)}"'
    return _of_lines("include", text, draws.choice((f"{line}\n{text}", f"{text}{line}\n")))


def _with_line(text: str, draws: random.Random) -> Mutant:
    line = draws.choice(LINES)
    return _of_lines("line", text, draws.choice((f"{line}\n{text}", f"{text}{line}\n")))


def _with_param(text: str, draws: random.Random) -> Mutant:
    at, lines = _bound_line(text, draws)
    name, _, value = lines[at].partition("=")
    given = draws.choice(
        (
            f"{name}={draws.choice(NUMBERS)}",
            f"{draws.choice(NAMES)}.{draws.choice(NAMES)}={value}",
            f"{draws.choice(NAMES)}/{name}={value}",
            _with_brackets(lines[at] + "\n", draws).content.decode().strip(),
            _with_tokens(lines[at] + "\n", draws).content.decode().strip(),
            f'include "{draws.choice(INCLUDES)}"',
        )
    )
    return Mutant("-p", text.encode(), (given,), given)


Mutation = Callable[[str, random.Random], Mutant]
KINDS: tuple[Mutation, ...] = (
    _with_bytes, _with_number, _with_name, _with_tokens, _with_brackets, _with_include, _with_line,
    _with_param, _with_number,
)  # fmt: skip
