"""Statistics of records: pure functions. Imports no torch, and scipy's distributions when they are asked for.

`docs/statistics.md` says which test is used where, and why.
"""

from __future__ import annotations

from lpa3bench.stats.curves import (
    AXES,
    Axis,
    MeanCurve,
    cost_to_reach,
    mean_curve,
    score_at,
    total_cost,
)
from lpa3bench.stats.equalcost import AtBudget, EqualCost, ToTarget, about_equal, cost_ratio, equal_cost
from lpa3bench.stats.harm import ClassHarm, Harm, class_harm
from lpa3bench.stats.means import (
    CONFIDENCE,
    FEWEST_FOR_INTERVAL,
    Summary,
    student_interval,
    summarise,
)
from lpa3bench.stats.nested import SeedsAndImages, nested_interval, seeds_and_images
from lpa3bench.stats.paired import (
    ALPHA,
    PairedTest,
    holm,
    judged,
    paired_test,
    tarone,
    wilcoxon_test,
)
from lpa3bench.stats.pairing import Pair, Pairing, Unpaired, paired_runs
from lpa3bench.stats.parity import (
    augmenters_that_differ,
    in_any_pair,
    settings_that_differ,
    surroundings_that_differ,
)
from lpa3bench.stats.rank_agreement import RankAgreement, kendall_tau, rank_agreement
from lpa3bench.stats.ranking import RankedPair, Ranks, fewest_columns, ranks
from lpa3bench.stats.reproduction import (
    FEWEST_RUNS,
    Agreement,
    ChanceMisses,
    agreement,
    chance_misses,
)
from lpa3bench.stats.samples import McNemar, PerSample, mcnemar, per_sample, pooled_mcnemar
from lpa3bench.stats.signflips import sign_flip_interval, sign_flip_p, smallest_p

__all__ = [
    "ALPHA",
    "AXES",
    "CONFIDENCE",
    "FEWEST_FOR_INTERVAL",
    "FEWEST_RUNS",
    "Agreement",
    "AtBudget",
    "Axis",
    "ChanceMisses",
    "ClassHarm",
    "EqualCost",
    "Harm",
    "McNemar",
    "MeanCurve",
    "Pair",
    "PairedTest",
    "Pairing",
    "PerSample",
    "RankAgreement",
    "RankedPair",
    "Ranks",
    "SeedsAndImages",
    "Summary",
    "ToTarget",
    "Unpaired",
    "about_equal",
    "agreement",
    "augmenters_that_differ",
    "chance_misses",
    "class_harm",
    "cost_ratio",
    "cost_to_reach",
    "equal_cost",
    "fewest_columns",
    "holm",
    "in_any_pair",
    "judged",
    "kendall_tau",
    "mcnemar",
    "mean_curve",
    "nested_interval",
    "paired_runs",
    "paired_test",
    "per_sample",
    "pooled_mcnemar",
    "rank_agreement",
    "ranks",
    "score_at",
    "seeds_and_images",
    "settings_that_differ",
    "sign_flip_interval",
    "sign_flip_p",
    "smallest_p",
    "student_interval",
    "summarise",
    "surroundings_that_differ",
    "tarone",
    "total_cost",
    "wilcoxon_test",
]
