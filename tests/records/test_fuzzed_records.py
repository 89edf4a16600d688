"""Some hundred records that were damaged, edited or made up by a stranger: each is refused with a line or
says what it said before, and none stops a listing, a merge or a board."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from click.testing import CliRunner, Result
from support.damage import damaged, holder, paths
from support.small_boards import board_folder
from support.small_records import bits, small_record, write

from lpa3bench.cli import main
from lpa3bench.errors import DataError
from lpa3bench.records import Record, read_record
from lpa3bench.records.record_files import record_text, signed
from lpa3bench.records.schema import RecordData, digest_of

SEED = 12
DAMAGED, EDITED, MADE_UP = 200, 200, 200
RECORDS = [
    small_record(bits(7), seed=2, slots={"positives": "LPA3"}, earlier=[0.2, 0.8], identity="0000000b"),
    small_record(
        bits(6), seed=3, config={"Supervised.lr": "0.1", "LPA3.margin": "0.02"}, identity="0000000a"
    ),
]
OLD = Path(__file__).parent / "data" / "digits-supervised-clean-75e86011-s106.json"
GOOD = small_record(bits(5), seed=0, identity="0000000a")
TOKENS = (
    "1e999", "-1e999", "NaN", "Infinity", f"1{'0' * 400}", f"-1{'0' * 400}", f"1{'0' * 9999}", "1e308", "-0",
    "0.1e1", "2.5", "-1", "0", "9223372036854775807", "true", "null", "[]", "{}", "[[1]]", '{"a": [1]}',
    "[" * 600 + "]" * 600, "[" * 100_000,
    '{"a":' * 300 + "1" + "}" * 300, r'"\ud800"', r'"\u0000"', r'"\u001b[2J"',
    '""', '"0.5"', '"{[1]: 2}"', '"[[[[1]]]]"', f'"{"-" * 9000}1"', f'"{"1+" * 4000}1"', '"1e999"',
    f'"1{"0" * 5000}"', r'"\u0027\\ud800\u0027"', '"\'' + r"\\" * 60 + '"', '"nan"', f'"{"x" * 20_000}"',
    r'"a\nb | <script>"', '"../../etc"', '"=1+1"', '"2026-13-45T99:99"', '"/home/somebody/x"',
)  # fmt: skip
"""What may stand anywhere in JSON, or nearly so."""


class Fuzzed(NamedTuple):
    text: bytes
    whose: RecordData | None
    """What it still has to say, if it is believed; None: whatever it likes, as its digest is its own."""


def edited(rng: random.Random, text: bytes) -> bytes:
    """As somebody with an editor does it: another value, a field too few or too many."""
    data = json.loads(text)
    path = rng.choice([*paths(data)])
    inner = holder(data, path)
    match rng.randrange(6) if isinstance(inner, dict) else 5:
        case 0:
            del inner[path[-1]]
        case 1:
            inner[f"{path[-1]}x"] = inner.pop(path[-1])
        case _:
            inner[path[-1]] = "@"
    return json.dumps(data).replace('"@"', rng.choice(TOKENS)).encode()


def fuzzed() -> list[Fuzzed]:
    rng = random.Random(SEED)
    texts = [*(record_text(record.data).encode() for record in RECORDS), OLD.read_bytes()]
    datas = [*(record.data for record in RECORDS), read_record(OLD).data]
    made = []
    for _ in range(DAMAGED):
        which = rng.randrange(len(texts))
        made.append(Fuzzed(damaged(rng, texts[which]), datas[which]))
    for _ in range(EDITED):
        which = rng.randrange(len(texts))
        made.append(Fuzzed(edited(rng, texts[which]), datas[which]))
    for seed in range(1000, 1000 + MADE_UP):
        which = rng.randrange(len(RECORDS))
        made.append(Fuzzed(signed_anew(edited(rng, texts[which]), seed), None))
    return made


def signed_anew(text: bytes, seed: int) -> bytes:
    """With the digest of what it holds, where that can be told, and a seed of its own."""
    try:
        data = signed(msgspec.structs.replace(msgspec.json.decode(text, type=RecordData), seed=seed))
        cell = msgspec.structs.replace(data.cell, identity=data.identity.short)
        return record_text(signed(msgspec.structs.replace(data, cell=cell))).encode()
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return text


@pytest.fixture(scope="module")
def cases() -> list[Fuzzed]:
    return fuzzed()


@pytest.fixture(scope="module")
def folder(cases: list[Fuzzed], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, as records of other machines, and a good one in their midst."""
    folder = tmp_path_factory.mktemp("records")
    for number, case in enumerate(cases):
        (folder / f"r-s{number}.json").write_bytes(case.text)
    return write(folder, GOOD)


def call(*words: str | Path) -> Result:
    """In this process; a traceback would come out of it."""
    return CliRunner().invoke(main, [*map(str, words)], catch_exceptions=False)


def files(board: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in board.iterdir() if path.is_file()}


def refused(folder: Path) -> set[Path]:
    """Those that the reader refuses."""
    found = set()
    for path in folder.glob("*.json"):
        try:
            read_record(path)
        except DataError:
            found.add(path)
    return found


def test_each_is_refused_in_a_line_or_says_what_it_said(cases: list[Fuzzed], tmp_path: Path) -> None:
    path, believed = tmp_path / "r.json", 0
    for case in cases:
        path.write_bytes(case.text)
        try:
            record = read_record(path)
        except DataError as error:
            assert str(error).startswith(f"{path}: ")
            assert error.reason.isprintable()
            assert len(error.reason) < 300
            continue
        believed += 1
        if case.whose is not None and case.whose.identity.recipe == 2:  # schema 1 had no digest
            assert record.data == case.whose
        assert record.data.digest == digest_of(record.data)
        assert signed_back(record) == record.data
    assert len(cases) >= 500
    assert 20 < believed < len(cases) / 2, "some are refused, some are not"


def signed_back(record: Record) -> RecordData:
    return msgspec.json.decode(record_text(record.data), type=RecordData)


def test_a_listing_names_each_and_has_the_rest(folder: Path) -> None:
    bad = refused(folder)
    for format in ((), ("--csv",), ("--json",)):
        done = call("records", folder, *format)
        assert done.exit_code == 4
        assert str(GOOD) in done.stdout or GOOD.name in done.stdout
        lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == len(done.stderr.splitlines()) == len(bad)


def test_a_merge_and_a_board_take_the_rest(folder: Path, tmp_path: Path) -> None:
    bad = refused(folder)
    board = board_folder(tmp_path / "mine", *RECORDS)
    done = call("leaderboard", "merge", board, folder)
    assert done.exit_code == 4
    named = {Path(line.split(": ")[0].removeprefix("refused ")) for line in done.stderr.splitlines()}
    assert bad <= named
    taken = {path.name for path in (board / "results").glob("*.json")}
    assert GOOD.file_name in taken
    assert len(taken) > 10, "some of those that somebody made up hold together"
    pages = files(board)
    assert {"README.md", "board.json", "board.csv", "index.html"} <= pages.keys()
    assert call("leaderboard", "build", board).exit_code == 0
    assert files(board) == pages


def test_a_board_is_drafted_of_the_rest(folder: Path, tmp_path: Path) -> None:
    done = call("leaderboard", "build", tmp_path / "new", "--from", folder)
    assert done.exit_code == 4
    assert (tmp_path / "new" / "README.md").is_file()


def test_a_board_with_damaged_records_is_built_of_the_others(cases: list[Fuzzed], tmp_path: Path) -> None:
    board = board_folder(tmp_path / "mine", GOOD)
    clean = call("leaderboard", "build", board)
    assert clean.exit_code == 0
    pages = files(board)
    for number, case in enumerate(cases[: DAMAGED + EDITED : 10]):
        (board / "results" / f"r-s{number}.json").write_bytes(case.text)
    bad = refused(board / "results")
    done = call("leaderboard", "build", board)
    assert done.exit_code == 4
    assert files(board) == pages
    assert all(f"refused {path}: " in done.stderr for path in bad)
