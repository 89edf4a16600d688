"""Corruption errors: how many more images corruptions cost a run than they cost a baseline."""

from __future__ import annotations

from collections import defaultdict
from statistics import fmean

from lpa3bench.records.later_scores import LaterScores


def corruption_errors(scores: LaterScores, baseline: LaterScores) -> dict[str, float | None]:
    """By kind, the error over that of the baseline, both summed over the severities that both have (Hendrycks
    & Dietterich 2019, section 4); None where the baseline makes none. Empty where the two are not of the same
    images."""
    if (scores.data, scores.images) != (baseline.data, baseline.images):
        return {}
    theirs = {(one.kind, one.severity): one.scores.get("accuracy") for one in baseline.conditions}
    mine, its = defaultdict[str, float](float), defaultdict[str, float](float)
    for one in scores.conditions:
        ours, other = one.scores.get("accuracy"), theirs.get((one.kind, one.severity))
        if ours is not None and other is not None:
            mine[one.kind] += 1 - ours
            its[one.kind] += 1 - other
    return {kind: mine[kind] / its[kind] if its[kind] else None for kind in mine}


def mean_corruption_error(scores: LaterScores, baseline: LaterScores) -> float | None:
    """The mean of these over the kinds: 1 is as robust as the baseline, less is better. None where one of
    them is undefined, or there is none."""
    found = [*corruption_errors(scores, baseline).values()]
    known = [error for error in found if error is not None]
    return fmean(known) if known and len(known) == len(found) else None
