"""What building a board costs, in seconds a record, for a shipped board and for ten times its records.

    python benchmarks/boards.py [--board leaderboards/digits] [--times 1 10] [--rounds 3] [--keep]

Each build is a process of its own, `lpa3bench leaderboard build` on a copy; a larger board has every record
again under other seeds, with other test images right. The build grows linearly where seconds a record are no
more with ten times the records. CPU time is that of the process, import included; rounds take turns.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
from pathlib import Path

import msgspec
from processes import ProcessCost, process_cost

from lpa3bench.records import Record, pack, read_record, unpack
from lpa3bench.records.record_files import signed, write_record
from lpa3bench.records.searches import BOARD_RECORDS

BOARD = Path(__file__).parent.parent / "leaderboards" / "digits"
GOAL = 4 / 372
"""Seconds that a record may take."""
APART = 10_000
"""Between the seeds of a record and of its next copy."""


def other_seed(record: Record, times: int) -> Record:
    """The record as a run with another seed might have left it."""
    data, places = record.data, [*unpack(record.data.correct)]
    turned = places[times % len(places) :] + places[: times % len(places)]
    data = msgspec.structs.replace(data, seed=data.seed + times * APART, correct=pack(turned))
    return Record(signed(data), record.path)


def copied(board: Path, folder: Path, times: int) -> int:
    """A copy of the board with each record so many times; how many it has then."""
    shutil.copytree(board, folder)
    paths = sorted((folder / BOARD_RECORDS).glob("*.json"))
    for path in paths:
        record = read_record(path)
        for time_of in range(1, times):
            other = other_seed(record, time_of)
            write_record(path.with_name(other.file_name), other.data)
    return len(paths) * times


def built(folder: Path) -> ProcessCost:
    """What `lpa3bench leaderboard build` takes."""
    return process_cost([sys.executable, "-m", "lpa3bench", "leaderboard", "build", str(folder)])


def main() -> None:
    """Print a line for each size, and keep the medians if asked to."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--board", type=Path, default=BOARD, metavar="DIR")
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10], metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--keep", action="store_true", help="keep them for the README's table of speed")
    options = parser.parse_args()
    if min(options.times) < 1 or options.rounds < 1:
        parser.error("--times, --rounds: must be >= 1")
    kept = {}
    with tempfile.TemporaryDirectory() as place:
        folders = {times: Path(place) / str(times) / options.board.name for times in options.times}
        records = {times: copied(options.board, folder, times) for times, folder in folders.items()}
        rounds = [{times: built(folder) for times, folder in folders.items()} for _ in range(options.rounds)]
    # Not before: it imports torch, and what this process held would count as held by the builds.
    from timing import against, keep

    for times, n in records.items():
        cpu, wall, memory = ([*column] for column in zip(*(turn[times] for turn in rounds), strict=True))
        each = [1000 * seconds / n for seconds in cpu]
        print(
            f"{n:,} records: {statistics.median(each):.1f} ms of CPU a record ({min(each):.1f} to "
            f"{max(each):.1f}, {len(each)} rounds), {statistics.median(cpu):.1f} s, by the clock "
            f"{statistics.median(wall):.1f} s, {max(memory):.0f} MiB"
        )
        over = against(cpu, GOAL * n)
        print(f"{n:,} records: CPU time over the goal of {1000 * GOAL:.1f} ms a record {over}")
        kept[f"board_of_{n}"] = {
            **over._asdict(),
            "goal": 1,
            "seconds": statistics.median(cpu),
            "mebibytes": max(memory),
        }
    if options.keep:
        keep(**kept)


if __name__ == "__main__":
    main()
