"""No record tells where something lay on the machine of who ran it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.small_records import bits, changed, elsewhere, small_record, within

from lpa3bench.records import Record
from lpa3bench.records.private_paths import search_without_folders, without_folders
from lpa3bench.records.record_files import anonymous, record_text

RECORD = small_record(bits(5))
PATHS = {
    "/home/me/runs": "runs",
    "--out=/home/me/runs": "--out=runs",
    "--out=/home/me/lr=0.1/runs": "--out=runs",
    "/home/me/lr=0.1/runs": "runs",
    "/home/me/my data/": "my data",
    "Images.path='/home/me/x'": "Images.path='x'",
    'Images.path="/home/me/my data/x"': 'Images.path="x"',
    "'/home/me/x'": "'x'",
    "['/home/me/a.npz', '/home/me/b.npz']": "['a.npz', 'b.npz']",
    r"'C:\\Users\\me\\x'": "'x'",
    r"--data=C:\Users\me\x": "--data=x",
    r"\\server\me\x": "x",
    "/home/o'me/x": "x",
}
KEPT = (
    "@positives/augmenters.LPA3()",
    "(@view/augmenters.RandAugment(), @view/augmenters.CutMix())",
    "augmenters/identity",
    "LPA3.margin=0.1",
    "('log', 0.002, 0.2)",
    "it's half/half",
    "",
)


@pytest.mark.parametrize(("text", "short"), PATHS.items())
def test_absolute_paths_are_cut_wherever_a_record_has_them(text: str, short: str) -> None:
    def told(path: str) -> Record:
        where = elsewhere(RECORD, command=("run", path), plugins={"Mine": path})
        record = within(where, "identity", config={"Images.path": path})
        return changed(record, config={**record.config, "Images.path": path}, flags=(path,))

    kept = anonymous(told(text).data)
    assert kept == told(short).data, "nothing else has changed"
    text_of_it = record_text(kept)
    assert "home" not in text_of_it
    assert "Users" not in text_of_it


@pytest.mark.parametrize("text", KEPT)
def test_what_is_no_path_stays(text: str) -> None:
    assert without_folders({"config": {"a": text}}) == {"config": {"a": text}}


def test_packed_bits_that_open_like_a_path_stay() -> None:
    assert without_folders({"correct": {"bits": "/a/b"}}) == {"correct": {"bits": "/a/b"}}


def test_the_last_words_of_failed_trials_are_cut() -> None:
    said = {
        "/home/me/runs/x: no checkpoint (see /home/me/log), 1/2 done": "x: no checkpoint (see log), 1/2 done",
        "no such file: '/home/me/my data/x.npz'": "no such file: 'x.npz'",
        "loss is not finite at step 3": "loss is not finite at step 3",
        None: None,
    }
    tried = [{"values": {"a": 0.1}, "failed": words} for words in said]
    kept = search_without_folders({"cell": "a / b", "trials": 4, "tried": tried})
    assert [one["failed"] for one in kept["tried"]] == [*said.values()]
    assert (kept["cell"], kept["trials"], kept["tried"][0]["values"]) == ("a / b", 4, {"a": 0.1})


@given(st.text(alphabet="/\\'\"=C: ab~.", max_size=12))
def test_cutting_again_changes_nothing(text: str) -> None:
    once = without_folders({"config": {"a": text}})
    assert without_folders(once) == once


def test_a_quote_without_its_end_takes_no_time() -> None:
    """Sixty backslashes after one took longer than anybody lives."""
    for text in ("'" + "\\" * 9000, "\"'" + r"\a" * 4000):
        assert anonymous(changed(RECORD, config={"Images.path": text}).data).config["Images.path"] == text
    assert without_folders({"path": r"'C:\me\x\'"}) == {"path": "'x'"}
