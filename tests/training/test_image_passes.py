"""The counter of image passes; that it is fed rightly is tested with the classifier and the tasks."""

from __future__ import annotations

import pytest

from lpa3bench.training.image_passes import BACKWARD_IMAGE, BACKWARD_WEIGHTS, FORWARD, Passes

PLACES = (("task", 1), ("view/search", 10), ("positives/loss", 100), ("evaluation", 1000))


def some() -> Passes:
    passes = Passes()
    for place, scale in PLACES:
        for direction, images in ((FORWARD, 5), (BACKWARD_WEIGHTS, 3), (BACKWARD_IMAGE, 2)):
            passes.add(place, direction, images * scale)
    return passes


def test_a_backward_pass_counts_by_what_it_computes() -> None:
    passes = some()
    one = 5 + 2 * 3 + 2
    assert passes.total() == 111 * one, "evaluation is no cost of training"
    assert passes.of_slots() == 110 * one
    assert Passes().total() == Passes().of_slots() == 0


def test_the_record_names_every_number() -> None:
    record = some().as_record()
    assert list(record) == ["evaluation", "positives/loss", "task", "view/search"]
    assert record["view/search"] == {"forward": 50, "backward_weights": 30, "backward_image": 20}


def test_places_nest_and_come_back_after_an_exception() -> None:
    passes = Passes()
    with passes.at("evaluation"):
        with pytest.raises(KeyError), passes.at("view/search"):
            assert passes.place == "view/search"
            raise KeyError
        assert passes.place == "evaluation"
    assert passes.place == "task"


def test_what_was_loaded_counts_on_its_own() -> None:
    one, other = some(), Passes()
    other.add("positives/loss", FORWARD, 7)
    other.load_state_dict(one.state_dict())
    assert other.as_record() == one.as_record()
    other.add("task", FORWARD, 1)
    assert other.total() == one.total() + 1
