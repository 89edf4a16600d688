from __future__ import annotations

from dataclasses import replace

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


def test_so_many_of_each_class_are_the_same_as_so_many_in_all() -> None:
    one, other = (FewLabels(**given).apply(CLEAN, context(7)) for given in ({"count": 35}, {"per_class": 5}))
    assert torch.equal(one.given, other.given)
    assert {**other.info, "count": 35} == {**one.info, "per_class": 5}
    assert other.notes == ()


def test_a_class_that_has_fewer_keeps_all_of_them_and_it_is_said() -> None:
    clean = torch.tensor([0] * 9 + [1] * 2 + [2] * 4 + [-1] * 5)
    made = FewLabels(per_class=4).apply(clean, context(4))
    assert made.given[made.labelled].bincount(minlength=4).tolist() == [4, 2, 4, 0]
    assert made.labelled[9:15].all()
    assert not made.labelled[15:].any()
    assert made.notes == (
        "FewLabels: not every class has 4 images: class 1 has 2, class 3 has 0; they keep all their labels",
    )
    named = FewLabels(per_class=4).apply(clean, replace(context(4), class_names=("ant", "bee", "cat", "dog")))
    assert "class bee has 2, class dog has 0;" in named.notes[0]
    many = FewLabels(per_class=2).apply(torch.arange(9), context(9))
    assert many.notes[0].endswith("class 4 has 1 and 4 more classes have fewer; they keep all their labels")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"count": 0}, "^count: must be >= 1, not 0"),
        ({"per_class": 0}, "^per_class: must be >= 1, not 0"),
        ({}, "^count: give it or per_class, not neither"),
        ({"count": 7, "per_class": 1}, "^count: give it or per_class, not both"),
    ],
)
def test_what_is_asked_for(given: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FewLabels(**given)
