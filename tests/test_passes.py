"""The counter of image passes; that it is fed rightly is tested with the classifier and the tasks."""

from __future__ import annotations

import pytest

from lpa3bench.passes import BACKWARD_IMAGE, BACKWARD_WEIGHTS, FORWARD, Passes


def some() -> Passes:
    passes = Passes()
    for place, scale in (("main", 1), ("positives", 10), ("evaluation", 100)):
        for direction, images in ((FORWARD, 5), (BACKWARD_WEIGHTS, 3), (BACKWARD_IMAGE, 2)):
            passes.add(place, direction, images * scale)
    return passes


def test_a_backward_pass_counts_by_what_it_computes() -> None:
    passes = some()
    assert passes.total("main") == 5 + 2 * 3 + 2
    assert passes.total("main", "positives") == 13 * 11
    assert passes.total() == 13 * 11, "evaluation is no cost of training"
    assert passes.total("evaluation") == 1300
    assert passes.total("strong") == 0
    assert Passes().total() == 0


def test_the_record_names_every_number() -> None:
    record = some().as_record()
    assert list(record) == ["evaluation", "main", "positives"]
    assert record["positives"] == {"forward": 50, "backward_weights": 30, "backward_image": 20}


def test_places_nest_and_come_back_after_an_exception() -> None:
    passes = Passes()
    with passes.at("evaluation"):
        with pytest.raises(KeyError), passes.at("positives"):
            assert passes.place == "positives"
            raise KeyError
        assert passes.place == "evaluation"
    assert passes.place == "main"


def test_what_was_loaded_counts_on_its_own() -> None:
    one, other = some(), Passes()
    other.add("aux", FORWARD, 7)
    other.load_state_dict(one.state_dict())
    assert other.as_record() == one.as_record()
    other.add("main", FORWARD, 1)
    assert other.total("main") == one.total("main") + 1
