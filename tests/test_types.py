"""The small types: phases and their epochs, class names, slots."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.types import SLOTS, STILL, DatasetSpec, Phase, SlotName, WeakView, spans, steps_in

WARM_UP, HEAD, REST = Phase("warm-up", 0, 390), Phase("head", 20, 1950), Phase("mixmatch", 20, 390)


def test_a_phase_that_shares_its_first_epoch_runs_in_that_one_alone() -> None:
    assert spans((WARM_UP, HEAD, REST), 300) == [range(20), range(20, 21), range(20, 300)]
    assert spans((WARM_UP,), 7) == [range(7)]
    assert [steps_in((WARM_UP, HEAD, REST), epoch) for epoch in (0, 19, 20, 21)] == [390, 390, 2340, 390]


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4), st.integers(1, 30))
def test_every_epoch_belongs_to_some_phase(gaps: list[int], more: int) -> None:
    starts = [0, *(sum(gaps[: i + 1]) for i in range(len(gaps)))]
    phases = [Phase(str(start), start, 1) for start in starts]
    epochs = starts[-1] + more
    covered = [epoch for span in spans(phases, epochs) for epoch in span]
    assert set(covered) == set(range(epochs))
    assert sum(steps_in(phases, epoch) for epoch in range(epochs)) == len(covered)


def test_class_names_name_every_class_or_none() -> None:
    known = {"name": "Two", "num_classes": 2, "channels": 1, "size": 8, "mean": (0.5,), "std": (0.5,)}
    assert DatasetSpec(**known).class_names == ()
    assert DatasetSpec(**known, class_names=("cat", "dog")).class_names == ("cat", "dog")
    with pytest.raises(ValueError, match="^class_names: must name 2 classes, not 1$"):
        DatasetSpec(**known, class_names=("cat",))


@pytest.mark.parametrize(
    ("weak", "does"),
    [
        (STILL, "nothing"),
        (WeakView(flip=False, pad=1, mode="constant"), "a shift of up to 1 pixel, filled with 0"),
        (WeakView(),
         "a horizontal flip in half of the cases, then a shift of up to 4 pixels, filled by reflection"),
        (WeakView(flip=False, pad=0, crop=48), "a random crop of side 48 of the image"),
        (WeakView(flip=False, pad=6, crop=48),
         "a random crop of side 48 of the image, padded by 6 pixels by reflection"),
    ],
)  # fmt: skip
def test_a_weak_view_says_what_it_does(weak: WeakView, does: str) -> None:
    assert str(weak) == does


def test_slots_are_told_apart_by_what_they_take() -> None:
    assert {name for name, slot in SLOTS.items() if slot.name == str(slot) == name} == {*get_args(SlotName)}
    assert [name for name, slot in SLOTS.items() if slot.adds_loss] == ["positives"]
    assert [name for name, slot in SLOTS.items() if not slot.every_row] == ["positives"]
    assert [name for name, slot in SLOTS.items() if not slot.auxiliary] == ["view"]
    assert SLOTS["view"].label("Cutout") == "Cutout (view)"
    assert SLOTS["positives"].label("LPA3") == "LPA3"
