"""Records read back, and checked: nothing later trusts a file."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from lpa3bench.errors import DataError
from lpa3bench.records.bits import unpack
from lpa3bench.records.composing import metrics
from lpa3bench.records.searches import BOARD_RECORDS

SCHEMA = Path(__file__).with_name("schema.json")


@dataclass(frozen=True, eq=False)
class Record:
    """One finished run. Accuracies are shares in [0, 1]."""

    data: dict[str, Any]
    """The whole record, as `schema.json` describes it."""
    path: Path
    """The file that it was read from."""

    @property
    def cell(self) -> dict[str, Any]:
        """Task, data set, labels, backbone, slots, setting, epochs, and the identity's short hash."""
        cell: dict[str, Any] = self.data["cell"]
        return cell

    @property
    def name(self) -> str:
        """What a person calls the cell: `digits-fixmatch-labels40-strong.randaugment-lpa3`."""
        return str(self.cell["name"])

    @property
    def identity(self) -> str:
        """Eight digits that stand for all that defines the run but the seed."""
        return str(self.cell["identity"])

    @property
    def seed(self) -> int:
        """Of the run: runs with one seed have the same split, labels, first weights and order."""
        return int(self.data["seed"])

    @property
    def file_name(self) -> str:
        """What its file is called on a board; the same as its run's folder."""
        return f"{self.name}-{self.identity}-s{self.seed}.json"

    @property
    def config(self) -> dict[str, str]:
        """Every value that was in force, by name: `{"PES.lambda_u": "75.0", "positives/LPA3.margin": …}`."""
        config: dict[str, str] = self.data["config"]
        return config

    @property
    def slots(self) -> dict[str, str]:
        """The augmenter's name in each bound slot."""
        slots: dict[str, str] = self.cell["slots"]
        return slots

    @property
    def curve(self) -> list[dict[str, Any]]:
        """A row an epoch."""
        curve: list[dict[str, Any]] = self.data["curve"]
        return curve

    @property
    def label_hash(self) -> str:
        """SHA-256 of the given labels, of which are labelled, and of the images trained on."""
        return str(self.data["labels"]["sha256"])

    @property
    def data_hash(self) -> str:
        """SHA-256 of the data set."""
        return str(self.data["provenance"]["data_sha256"])

    @property
    def engine(self) -> str:
        """Digest of the sources of the engine's modules that can change a number."""
        return str(self.data["provenance"]["engine"])

    @property
    def protocol_version(self) -> int:
        """See `PROTOCOL_VERSION`."""
        return int(self.data["protocol"]["version"])

    @property
    def passes(self) -> float:
        """Forward equivalents of the whole training."""
        return float(self.data["cost"]["forward_equivalents"])

    @property
    def seconds(self) -> float:
        """Wall-clock seconds of training, scoring left out."""
        return float(self.data["cost"]["training_seconds"])

    @property
    def is_result(self) -> bool:
        """Whether it was trained on all images (no `--limit`)."""
        return self.data["protocol"]["limit"] is None

    @cached_property
    def correct(self) -> list[bool]:
        """Which test images were right at the last epoch."""
        return unpack(self.data["correct"])

    def score(self, metric: str) -> float | None:
        """A number of `metrics`; None where it is undefined."""
        value: float | None = self.data["metrics"].get(metric)
        return value

    def __str__(self) -> str:
        return f"{self.name}-{self.identity}-s{self.seed}"


def load(path: Path) -> Record:
    """Read and check one record.

    Beside its form, its numbers must hold together: the scores are recomputed from the curve, and the packed
    bits must count up to the last one.

    Raises:
        DataError: it cannot be read, or is no record, or contradicts itself.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", path=path) from error
    except ValueError as error:
        raise DataError(f"is no JSON ({error})", path=path) from error
    if problem := _malformed(data):
        raise DataError(f"is no record: {problem}", path=path)
    if problem := _contradiction(data):
        raise DataError(f"contradicts itself: {problem}", path=path)
    return Record(data, path)


def find(places: Iterable[Path]) -> Iterator[Path]:
    """The files of records in these places, each once, in a fixed order.

    A place is a record, a run directory, a folder of run directories (`runs/`) or of records, or a board.

    Raises:
        DataError: a place does not exist.
    """
    seen: set[Path] = set()
    for place in places:
        if not place.exists():
            raise DataError(f"{place}: there is no such file or folder")
        if place.is_file():
            files = [place]
        elif (place / "result.json").is_file():
            files = [place / "result.json"]
        else:
            files = _below(place) or _below(place / BOARD_RECORDS)
        for file in files:
            if (whole := file.resolve()) not in seen:
                seen.add(whole)
                yield file


def _below(folder: Path) -> list[Path]:
    """Records in a folder go by the names of their runs; where none does, whatever might be one counts."""
    named = sorted([*folder.glob("*/result.json"), *folder.glob("*-s*.json")])
    is_board = (folder / "board.toml").exists()
    return named if named or is_board else sorted(folder.glob("*.json"))


def load_all(places: Iterable[Path]) -> list[Record]:
    """Every record in these places, sorted by cell, identity and seed.

    Raises:
        DataError: a place does not exist, or one of the records is damaged.
    """
    records = [load(path) for path in find(places)]
    return sorted(records, key=lambda record: (record.name, record.identity, record.seed))


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number")


@cache
def _validator() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def _malformed(data: Any) -> str | None:
    """What is wrong with the form, in a few words."""
    from jsonschema.exceptions import best_match

    error = best_match(_validator().iter_errors(data))
    if error is None:
        return None
    where = ".".join(map(str, error.absolute_path))
    said = error.message if len(error.message) < 120 else f"{error.message[:117]}…"
    return f"{where}: {said}" if where else said


def _contradiction(data: dict[str, Any]) -> str | None:
    """What does not hold together, in a few words."""
    select = "auc" if "test_auc" in data["curve"][0] else "accuracy"
    try:
        expected, _ = metrics(data["curve"], select)
        correct = unpack(data["correct"])
    except (KeyError, IndexError, ValueError, zlib.error) as error:
        return f"{type(error).__name__}: {error}"
    for name, value in expected.items():
        if data["metrics"].get(name) != value:
            return f"metrics.{name} is {data['metrics'].get(name)}, and the curve says {value}"
    share = sum(correct) / len(correct)
    if abs(share - data["metrics"]["last"]) > 1e-9:
        return f"{share:.6f} of the bits are right, and metrics.last is {data['metrics']['last']:.6f}"
    return None
