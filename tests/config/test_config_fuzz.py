"""Hundreds of configs with a mistake: each is refused in one line, or shows in what the run is made of."""

from __future__ import annotations

import ast
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.config_mutations import Mutant, mutants

from lpa3bench.config import Config, load_config
from lpa3bench.config.bindings import MACRO, Binding, Origin, short
from lpa3bench.config.loading import parse
from lpa3bench.errors import BenchError, error_line
from lpa3bench.plugin.registry import load_registry
from lpa3bench.runtime.paths import gin_root

CONFIGS = {"quickstart": None, "digits_fixmatch": None, "cifar100_pes": "sym90"}
"""Shipped configs with a setting of theirs: plain, with a strong view, of includes and scopes."""
COUNT = 170
"""Mutants of each."""
CODES = {2, 3, 4, 5}
FOREIGN = "root:x:"
"""What /etc/passwd opens with."""


def texts(config: Config) -> dict[str, str]:
    """What the run is made of."""
    return {value.name: value.text for value in config.values}


def bound(text: str) -> dict[tuple[tuple[str, ...], str, str], Any]:
    """The bindings of a text that can be read."""
    found = [s for s in parse(text, lambda line: Origin("a.gin", line)) if isinstance(s, Binding)]
    return {(b.scopes, b.target, b.parameter): b.value for b in found}


def same(shown: str, value: Any) -> bool:
    """Whether the operative text is that value: 3 for 3.0, (1,) for [1], names without kinds."""
    written = re.sub(r"@(?:\w+[/.])*", "@", str(shown))
    if written == re.sub(r"@(?:\w+[/.])*", "@", repr(value) if isinstance(value, str) else str(value)):
        return True
    try:
        found = ast.literal_eval(written)
    except (ValueError, SyntaxError):
        return False
    return bool(found == value or (isinstance(value, list) and found == tuple(value)))


def silent(original: str, mutant: Mutant, config: Config, before: dict[str, str]) -> list[str]:
    """Parameters of whose mutation nothing is seen, and those that changed though nobody touched them."""
    text = re.sub("\r\n?", "\n", mutant.content.decode("utf-8-sig"))
    old, new = bound(original), bound("\n".join((text, *mutant.params)))
    after = texts(config)
    wrong = []
    owners = [before.get(name, "") for name in re.findall(r"[\w.]+", mutant.touched)]
    # Those bring in whatever they stand for, or take it away.
    if not re.search(r"[@%]|include|setting", mutant.touched) and "@" not in "".join(owners):
        changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
        words = {*re.findall(r"\w+", mutant.touched)}
        wrong += sorted(name for name in changed if name.rpartition(".")[2] not in words)
    idle = {line.name for line in config.dormant}
    repeated = Counter((short(target), parameter) for _, target, parameter in new)
    for (scopes, target, parameter), value in new.items():
        name = parameter if target == MACRO else f"{short(target)}.{parameter}"
        shown = [text for key, text in after.items() if key.rpartition("/")[2] == name]
        written = "/".join((*scopes, name))
        if old.get((scopes, target, parameter)) == value or written in idle or target == MACRO:
            continue
        if (
            "%" in str(value)
            or "Macro" in repr(value)
            or repeated[short(target), parameter] > 1
            or "setting" in name
        ):
            continue
        if not any(same(text, value) for text in shown):
            wrong.append(f"{written} = {value!r}, and shown is {shown}")
    return wrong


@pytest.mark.parametrize("name", CONFIGS)
def test_a_mutant_is_refused_in_one_line_or_shows(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    registry, setting = load_registry(), CONFIGS[name]
    original = (gin_root() / f"{name}.gin").read_text(encoding="utf-8")
    path = Path("mutant.gin")
    path.write_text(original, encoding="utf-8")
    before = texts(load_config([path], setting=setting, registry=registry))
    refused = 0
    for mutant in mutants(original, COUNT, seed=sum(name.encode())):
        path.write_bytes(mutant.content)
        try:
            config = load_config([path], setting=setting, bindings=mutant.params, registry=registry)
            config.try_out() if name == "quickstart" else config.experiment()
        except BenchError as error:
            line = error_line(error)
            assert error.exit_code in CODES, (str(mutant), line)
            assert "\n" not in str(error).strip(), (str(mutant), str(error))
            assert FOREIGN not in line, (str(mutant), line)
            assert len(line) < 2100, (str(mutant), line)
            refused += 1
        else:
            assert not silent(original, mutant, config, before), str(mutant)
    assert COUNT / 4 < refused < COUNT  # neither gate stands open or shut
