"""The short table that a run ends with, from what the JSON file holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

WRONG = "WRONG"


def lines(report: dict[str, Any]) -> Iterator[str]:
    """Line by line, no longer than a terminal's width allows."""
    mark = ", TOY SIZES: the numbers mean nothing" if report["toy"] else ""
    yield f"{report['device']}, torch {report['versions']['torch']}, {report['seconds']:.0f} s{mark}"
    results = report["results"]
    yield from _checks(results.get("checks", {}) | results.get("repeats", {}))
    yield from _ceilings(results.get("ceilings", {}))
    watched, timed = results.get("waits", {}), results.get("steps", {}) | results.get("other steps", {})
    yield from _steps({name: row | watched.get(name, {}) for name, row in timed.items()})
    yield from _precision(results.get("precision", {}))
    yield from _growth(results.get("growth", {}))
    yield from _rivals(results.get("rivals", {}))
    yield from _together(results.get("together", {}))
    yield from _compiled(results.get("compiled", {}))
    yield from (f"FAILED    {text}" for text in report["failed"])
    yield from (f"left out  {text}" for text in report["left_out"])


def right(report: dict[str, Any]) -> bool:
    """Whether every check that was made came out right; two runs may differ in the default mode."""
    results = report["results"]
    checks = results.get("checks", {})
    for name, found in (checks | results.get("repeats", {})).items():
        if name == "golden" and any(_verdict(letter) == WRONG for letter in found.values()):
            return False
        if name.startswith("CPU and device") and not all(arm["equal"] for arm in found.values()):
            return False
        kinds = (found[kind] for kind in ("same_seed", "resumed") if kind in found)
        if name == "runs, deterministic" and not all(kind["bit_equal"] for kind in kinds):
            return False
    return bool(checks) or "checks" not in results


def _verdict(letter: dict[str, Any]) -> str:
    """Of a golden file."""
    if letter["failed"]:
        return WRONG
    if letter["unfinished"]:
        return "right so far, unfinished"
    return "right" if letter["passed"] else WRONG


def _checks(found: dict[str, Any]) -> Iterator[str]:
    for letter, told in found.get("golden", {}).items():
        yield f"golden {letter}  {_verdict(told)}: {told['passed']} passed, {len(told['failed'])} failed"
        yield from (f"          {text}"[:110] for text in told["failed"][:2])
    for name, told in found.items():
        if name.startswith("CPU and device"):
            arms = ", ".join(
                f"{arm} {row['difference']:.1e} ({'right' if row['equal'] else 'WRONG'})"
                for arm, row in told.items()
            )
            yield f"{name}: {arms}"
        elif name.startswith("runs"):
            yield f"{name}: " + ", ".join(
                f"{kind} "
                + ("bit-equal" if told[kind]["bit_equal"] else f"off by {told[kind]['difference']:.1e}")
                for kind in ("same_seed", "resumed")
            )


def _ceilings(found: dict[str, Any]) -> Iterator[str]:
    if "copy" in found:
        yield f"copy      {found['copy']['bytes_per_second'] / 1e9:,.1f} GB/s"
    if "product" in found:
        yield f"product   {found['product']['flops_per_second'] / 1e12:,.2f} TFLOP/s in bfloat16"


def _steps(found: dict[str, Any]) -> Iterator[str]:
    if not found:
        return
    heads = f"{'ms':>8} {'img/s':>8} {'GiB':>5} {'kern':>6} {'sync':>4} {'/floor':>6} {'/count':>6}"
    yield f"{'cell | arm':54} {heads}"
    for name, row in found.items():
        syncs, profile = row.get("host_syncs"), row.get("profile")
        yield (
            f"{name[:54]:54} {1e3 * row['step_seconds']:8.2f} {row['images_per_second']:8.0f} "
            f"{row['peak_memory_bytes'] / 2**30:5.1f} {profile['kernels'] if profile else '-':>6} "
            f"{'-' if syncs is None else len(syncs):>4} {_number(row.get('over_floor')):>6} "
            f"{_number(row.get('excess')):>6}"
        )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}" if value < 1000 else f"{value:.0f}"


def _precision(found: dict[str, Any]) -> Iterator[str]:
    errors = {name: row for name, row in found.items() if "length_error_mean" in row}
    if errors:
        yield "LP-A3's first step length off by: mean, median"
        for name, row in errors.items():
            told = f"{name}{' (emulated)' if row['emulated'] else ''}"
            yield f"  {told:26} {row['length_error_mean']:8.2g} {row['length_error_median']:8.2g}"


def _growth(found: dict[str, Any]) -> Iterator[str]:
    for name, row in found.items():
        if "r_squared" in row:
            at_zero = row["intercept"] / max(row["seconds"])
            yield f"{name}: linear, R² {row['r_squared']:.4f}, at zero {100 * at_zero:.0f} % of the longest"
        else:
            told = row.get("largest_over_smallest", row.get("growth"))
            yield f"{name}: {told:.2f} × from {row.get('x', row.get('steps'))}"


def _rivals(found: dict[str, Any]) -> Iterator[str]:
    for name, row in found.items():
        low, high = row["ratios"]
        yield f"{name}: {row['ratio']:.2f} × as long ({low:.2f} to {high:.2f}, n = {row['rounds']})"


def _together(found: dict[str, Any]) -> Iterator[str]:
    for name, row in found.items():
        rates = ", ".join(
            f"{count}: {rate:.0f}"
            for count, rate in zip(row["processes"], row["images_per_second"], strict=True)
        )
        yield f"{name}, images/s by processes side by side: {rates}; worth having: {row['worth_having']}"


def _compiled(found: dict[str, Any]) -> Iterator[str]:
    for name, row in found.items():
        yield (
            f"{name[:54]:54} compiled {row['ratio']:.2f} × as fast, loss apart by {row['loss_apart']:.1e}, "
            f"first steps {row['first_steps_seconds']:.0f} s"
        )
