from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.label_contexts import context

from lpa3bench_plugins.labels.confusion import _UNLABELLED
from lpa3bench_plugins.labels.fewlabels import FewLabels

CLEAN = torch.arange(400) % 7


@given(st.integers(1, 57), st.integers(0, 2**32))
def test_each_class_has_the_same_number_of_labels(each: int, seed: int) -> None:
    made = FewLabels(count=7 * each).apply(CLEAN, context(7, seed))
    assert CLEAN[made.labelled].bincount().tolist() == [each] * 7
    assert torch.equal(made.given[made.labelled], CLEAN[made.labelled])
    assert (made.given[~made.labelled] == _UNLABELLED).all()
    assert made.info["labelled"] == 7 * each
    assert made.info["realised_rate"] == 0
    assert torch.tensor(made.info["confusion"]).equal(torch.eye(7, dtype=torch.int64) * each)


@given(st.integers(0, 2**32))
def test_a_larger_set_contains_a_smaller_one(seed: int) -> None:
    small, large = (FewLabels(count=count).apply(CLEAN, context(7, seed)).labelled for count in (14, 70))
    assert (small & ~large).sum() == 0


def test_another_seed_labels_others() -> None:
    one, other = (FewLabels(count=70).apply(CLEAN, context(7, s)).labelled for s in (0, 1))
    assert not torch.equal(one, other)


@pytest.mark.parametrize(
    ("count", "message"),
    [(40, "must be a multiple of the 7 classes"), (406, "58 images of each class; class 1")],
)
def test_what_a_data_set_cannot_give(count: int, message: str) -> None:
    with pytest.raises(ValueError, match=f"^count: .*{message}"):
        FewLabels(count=count).apply(CLEAN, context(7))


def test_no_labels_at_all() -> None:
    with pytest.raises(ValueError, match=r"^count: must be >= 1"):
        FewLabels(count=0)
