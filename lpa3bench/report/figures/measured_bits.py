"""What trained representations tell of label and nuisances: the file of measured bits, and its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import msgspec

from lpa3bench.errors import DataError, UsageError
from lpa3bench.records import Record
from lpa3bench.report.figures.series import Role, panels
from lpa3bench.report.markdown import markdown_row
from lpa3bench.report.numbers import format_p, signed_text
from lpa3bench.stats.means import Summary, summarise
from lpa3bench.stats.paired import PairedTest, judged, paired_test

INFORMATION_VERSION = 1
_TOLD = {"better": "more", "worse": "fewer"}
ProbeBits = dict[str, tuple[float, ...]]
"""By target, of each probe."""


# ------------------------------------------------------------------------------------------------- the file
class MeasuredTarget(msgspec.Struct, frozen=True):
    """What probes read."""

    name: str
    values: int
    """How many it has."""
    entropy: float
    """Bits, by the frequencies in the images that are read: no more can be found."""


class MeasuredRun(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the probes of one run read."""

    run: str
    """`str(record)`, the name of its folder."""
    seed: int
    features: int
    """D, the length of Z."""
    bits: ProbeBits
    swapped: ProbeBits | None = None
    """With images swapped within their class; in runs without an augmenter alone, as `blank`."""
    blank: ProbeBits | None = None


class MeasuredArm(msgspec.Struct, frozen=True):
    """Runs that differ in the seed alone."""

    name: str
    role: Role
    runs: tuple[MeasuredRun, ...]


class MeasuredBits(msgspec.Struct, frozen=True):
    """A file that `lpa3bench figure information` writes."""

    version: int
    dataset: str
    targets: tuple[MeasuredTarget, ...]
    images: ProbeBits
    """What probes read off the pixels."""
    arms: tuple[MeasuredArm, ...]
    """The one without an augmenter first."""

    def text(self) -> str:
        """As it is written: JSON with sorted keys."""
        return json.dumps(msgspec.to_builtins(self), indent=1, sort_keys=True) + "\n"


def read_bits(path: Path) -> MeasuredBits:
    """A file of measured bits.

    Raises:
        DataError: it is none.
    """
    try:
        found = msgspec.json.decode(path.read_bytes(), type=MeasuredBits)
    except (OSError, msgspec.MsgspecError) as error:
        raise DataError(f"is no file of measured bits ({error}); name runs to measure", path=path) from error
    if found.version != INFORMATION_VERSION:
        raise DataError(f"is of version {found.version}, not {INFORMATION_VERSION}; measure again", path=path)
    if not _is_whole(found):
        raise DataError("lacks bits of a target, or an arm without an augmenter; measure again", path=path)
    return found


def _is_whole(file: MeasuredBits) -> bool:
    """Whether there is something of all that tables and figure show."""
    if not file.arms or file.arms[0].role != "baseline" or not all(arm.runs for arm in file.arms):
        return False
    calibrations = [bits for run in file.arms[0].runs for bits in (run.swapped, run.blank)]
    readings = [file.images, *(run.bits for arm in file.arms for run in arm.runs), *calibrations]
    names = {target.name for target in file.targets}
    return all(bits and bits.keys() == names and all(bits.values()) for bits in readings)


def arms_of(records: Sequence[Record]) -> list[tuple[str, Role, tuple[Record, ...]]]:
    """Names, roles and runs of the arms of one environment, the one without an augmenter first.

    Raises:
        UsageError: the runs are of several environments, or none is without an augmenter.
        DataError: two are of one arm and seed.
    """
    found = panels(records)
    if len(found) != 1:
        names = "; ".join(panel.title for panel in found) or "none"
        raise UsageError(f"one environment is drawn, and the runs are of {len(found)}: {names}")
    arms = sorted(found[0].arms, key=lambda arm: arm.role != "baseline")
    if arms[0].role != "baseline":
        raise UsageError(f"{found[0].title}: no run there is without an augmenter, to compare others with")
    return [(arm.name, arm.role, arm.records) for arm in arms]


# -------------------------------------------------------------------------------------------- what it shows
@dataclass(frozen=True)
class InformationRow:
    """One arm, or images whose truth is known."""

    name: str
    bits: Mapping[str, tuple[float, ...]]
    """By target, of each run the mean of its probes."""
    tests: Mapping[str, PairedTest]
    """By target: bits less those of the arm without an augmenter, paired by seed; empty for that arm."""

    def summary(self, target: str) -> Summary:
        """Mean and standard deviation over runs."""
        return summarise(self.bits[target])


@dataclass(frozen=True)
class Information:
    """A file of measured bits, compared."""

    dataset: str
    targets: tuple[MeasuredTarget, ...]
    arms: tuple[InformationRow, ...]
    """The one without an augmenter first."""
    references: tuple[InformationRow, ...]
    """Pixels; and images whose truth is known, through the networks of the first arm."""


def information_of(file: MeasuredBits) -> Information:
    """What a file shows. The bits of each target in each arm are tested against those in the first, and all
    tests are judged together."""
    names = [target.name for target in file.targets]
    baseline, *others = file.arms
    tests = iter(judged([_test(arm, baseline, name) for arm in others for name in names]))
    arms = [_row(baseline, names, {})]
    arms += [_row(arm, names, {name: next(tests) for name in names}) for arm in others]
    swapped, blank = (
        InformationRow(title, {n: _means([f for f in found if f is not None], n) for n in names}, {})
        for title, found in (
            ("swapped within the class", [run.swapped for run in baseline.runs]),
            ("blank images", [run.blank for run in baseline.runs]),
        )
    )
    pixels = InformationRow("the images' pixels", file.images, {})
    return Information(file.dataset, file.targets, tuple(arms), (pixels, swapped, blank))


def _row(arm: MeasuredArm, targets: Sequence[str], tests: Mapping[str, PairedTest]) -> InformationRow:
    bits = {name: _means([run.bits for run in arm.runs], name) for name in targets}
    return InformationRow(arm.name, bits, tests)


def _means(found: Sequence[ProbeBits], target: str) -> tuple[float, ...]:
    """Of each run the mean over its probes."""
    return tuple(fmean(bits[target]) for bits in found)


def _test(arm: MeasuredArm, baseline: MeasuredArm, target: str) -> PairedTest:
    before, after = ({run.seed: fmean(run.bits[target]) for run in one.runs} for one in (baseline, arm))
    return paired_test([after[seed] - before[seed] for seed in sorted(before.keys() & after.keys())])


# ------------------------------------------------------------------------------------------------- its tables
def told(test: PairedTest) -> str:
    """What a test shows: "more", "fewer", or nothing."""
    return _TOLD.get(test.verdict, "no difference shown")


def information_table(found: Information) -> str:
    """Markdown: bits by arm and target, and what tells arms from the one without an augmenter."""
    lines = [
        markdown_row(["bits found", *(f"{t.name}, of {t.entropy:.2f}" for t in found.targets)]),
        markdown_row(["---", *("---:" for _ in found.targets)]),
    ]
    for row in (*found.arms, *found.references):
        lines.append(markdown_row([row.name, *(_cell(row, target.name) for target in found.targets)]))
    return "\n".join(lines)


def difference_table(found: Information) -> str:
    """Markdown: the differences with their intervals and p."""
    lines = [
        markdown_row(["difference in bits", *(target.name for target in found.targets)]),
        markdown_row(["---", *("---:" for _ in found.targets)]),
    ]
    for row in found.arms[1:]:
        cells = (difference_text(row.tests[target.name]) for target in found.targets)
        lines.append(markdown_row([row.name, *cells]))
    return "\n".join(lines)


def difference_text(test: PairedTest) -> str:
    """A difference with its interval and p, bold where it is shown."""
    if test.difference is None:
        return "–"
    number = _signed(test.difference)
    if told(test) in _TOLD.values():
        number = f"**{number}**"
    between = ""
    if test.low is not None and test.high is not None:
        between = f" [{_signed(test.low)}, {_signed(test.high)}]"
    return f"{number}{between}, p {format_p(test.p_holm)}"


def _cell(row: InformationRow, target: str) -> str:
    summary = row.summary(target)
    spread = "" if summary.std is None else f" ± {summary.std:.2f}"
    return f"{summary.mean:.2f}{spread}"


def _signed(number: float) -> str:
    text = signed_text(number, 2)
    return f"+{text}" if number > 0 and text.strip("0.") else text
