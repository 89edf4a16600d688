"""The shipped overlays: each binds slots alone, and goes over every config or is refused with the reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from support.shipped_configs import KINDS, OVERLAYS, WHOLE, loaded

from lpa3bench.config import Config, load_config
from lpa3bench.config.experiment import Experiment
from lpa3bench.errors import ConfigError
from lpa3bench.plugin import registry
from lpa3bench.runtime.paths import gin_root, resolve_config


def lines_of(overlay: str) -> list[str]:
    return (gin_root() / f"{overlay}.gin").read_text().splitlines()


def slots_of(overlay: str) -> dict[str, str]:
    """What the overlay puts in which slot, as it is written."""
    found = (re.match(r"run\.(view|strong|positives) = (.*)", line) for line in lines_of(overlay))
    return {match[1]: match[2] for match in found if match}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_overlays_bind_slots_and_nothing_but_what_they_put_there(overlay: str) -> None:
    """A parameter stands under the slot, or under a scope that the slot's reference carries."""
    lines = [line for line in lines_of(overlay) if line and not line.startswith("#")]
    slots = slots_of(overlay)
    assert slots
    augmenters = {*re.findall(r"@(?:\w+/)*augmenters\.(\w+)\(\)", "\n".join(lines))}
    scopes = {*slots, *re.findall(r"@(\w+)/", " ".join(slots.values()))}
    for line in lines:
        if not line.startswith("run."):
            bound = re.match(r"(\w+)/(\w+)\.\w+ = ", line)
            assert bound, line
            assert bound[1] in scopes, line
            assert bound[2] in augmenters, line
        else:
            assert re.match(r"run\.(view|strong|positives) = ", line), line


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_a_file_name_that_ends_in_a_slot_tells_the_slot(overlay: str) -> None:
    """And the same is offered for another one under a name without it."""
    stem, _, ending = overlay.rpartition("_")
    if ending in ("view", "strong", "positives"):
        assert [*slots_of(overlay)] == [ending]
        assert ending not in slots_of(stem)


def test_what_is_offered_for_several_slots_says_so_in_all_file_names_but_one() -> None:
    offers: dict[str, list[str]] = {}
    for overlay in OVERLAYS:
        for reference in {*slots_of(overlay).values()} - {"None"}:
            offers.setdefault(reference, []).append(overlay)
    for reference, several in offers.items():
        slots = {slot for overlay in several for slot in slots_of(overlay)}
        silent = [overlay for overlay in several if not overlay.endswith(("_view", "_strong", "_positives"))]
        assert len(slots) == 1 or len(silent) <= 1, f"{reference}: {silent}"


REFUSED = {
    "augmenters/cutmix": "CutMix makes targets of its own, which {task} cannot use in slot view",
    "augmenters/randaugment_cutmix": "Compose makes targets of its own, which {task} cannot use in slot view",
    "augmenters/trivialaugment": (
        "RandAugment: translations by 15 pixels and more empty images of {size}×{size}; take another recipe"
    ),
    "augmenters/augmix_jsd": (
        "AugMix makes two views of an image to be compared, and {task} takes one in slot positives"
    ),
    **dict.fromkeys(
        ("augmenters/infomin_rgb", "augmenters/infomin_ydbdr"),
        "InfoMinStyle: the flow shifts three colour channels by one another, and {data} has one channel",
    ),
}
"""Why an overlay does not go over every config."""


def makes_sense(overlay: str, experiment: Experiment) -> bool:
    """Whether the overlay should go over what the experiment is without it."""
    if "cutmix" in overlay:
        return "view" in experiment.task.soft_slots
    if "jsd" in overlay:
        return "positives" in experiment.task.twin_slots
    if "trivialaugment" in overlay:
        return (experiment.spec.weak.crop or experiment.spec.size) > 15
    return "infomin" not in overlay or experiment.spec.channels == 3


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_overlay_goes_over_every_config_or_is_refused_with_the_reason(name: str, overlay: str) -> None:
    plain, config = loaded(name).experiment(), loaded(name, overlay)
    own = {line.split(" = ")[0] for line in lines_of(overlay)}
    assert {change.name for change in config.changed} <= own
    if makes_sense(overlay, plain):
        config.experiment()
        return
    with pytest.raises(ConfigError) as refused:
        config.experiment()
    data = plain.spec
    why = REFUSED[overlay].format(task=type(plain.task).__name__, size=data.size, data=data.name)
    (slot,) = slots_of(overlay)
    place = next(n for n, line in enumerate(lines_of(overlay), 1) if line.startswith("run."))
    assert str(refused.value).endswith(f"/{overlay}.gin:{place}: run.{slot}: {why}")


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_bound_is_what_the_overlay_says(name: str) -> None:
    assert loaded(name, "augmenters/none").slots == {}
    assert loaded(name, "augmenters/none", "augmenters/lpa3").slots == {"positives": "LPA3"}
    assert loaded(name, "augmenters/none", "augmenters/randaugment").slots == {"view": "RandAugment"}


@pytest.mark.parametrize("name", WHOLE)
def test_raw_takes_the_weak_view_away_in_every_setting_and_touches_no_slot(name: str) -> None:
    plain = loaded(name)
    for setting in plain.settings or (None,):
        for overlays in (["augmenters/raw"], ["augmenters/lpa3", "augmenters/raw"]):
            config = loaded(name, *overlays, setting=setting)
            weak = config.experiment().spec.weak
            assert (weak.flip, weak.pad, weak.crop, str(weak)) == (False, 0, None, "nothing")
        assert loaded(name, "augmenters/raw", setting=setting).slots == plain.slots


def test_a_policy_goes_over_fixmatch_alone(tmp_path: Path) -> None:
    for policy in ("flexmatch", "freematch", "softmatch"):
        with pytest.raises(
            ConfigError, match="nothing in this overlay is used: FixMatch is not bound"
        ) as refused:
            loaded("digits_pes", f"policies/{policy}")
        assert str(refused.value).startswith(f"gin/policies/{policy}.gin:")
    both = tmp_path / "both.gin"
    both.write_text("FixMatch.lr = 0.05\nPES.lr = 0.05\n")
    for name in ("digits_pes", "digits_fixmatch"):
        config = load_config([resolve_config(name), both], registry=registry.load_registry())
        assert [change.text for change in config.changed] == ["0.05"]


OF_LPA3 = {
    "lpa3_noise": {"LPA3.iterations": "0"},
    "lpa3_random_direction": {"LPA3.direction": "'random'"},
    "lpa3_pixels": {"LPA3.distance": "'pixels'"},
}
"""Controls that are LP-A3 in all but this."""
CONTROLS = ["identity", *OF_LPA3, "randaugment_positives", "augmix_positives"]


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("control", CONTROLS)
def test_controls_go_through_the_slot_and_the_batchnorm_of_lpa3(name: str, control: str) -> None:
    attacked, controlled = (loaded(name, f"augmenters/{o}").experiment() for o in ("lpa3", control))
    assert attacked.positives is not None
    assert controlled.positives is not None
    assert controlled.positives.bn_domain == attacked.positives.bn_domain


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("control", OF_LPA3)
def test_a_control_of_lpa3_is_lpa3_in_all_but_one_parameter(name: str, control: str) -> None:
    """The method's own parameters included, which depend on LP-A3 being there."""

    def values(overlay: str) -> dict[str, str]:
        return {
            v.name.rpartition("/")[2]: v.text for v in loaded(name, overlay).values if "/LPA3" in v.name
        } | {v.name: v.text for v in loaded(name, overlay).values if "/LPA3" not in v.name}

    attacked, controlled = values("augmenters/lpa3"), values(f"augmenters/{control}")
    assert attacked.keys() == controlled.keys()
    other = {key: text for key, text in controlled.items() if text != attacked[key]}
    assert other.pop("run.positives").endswith("/augmenters.LPA3()")
    assert other == OF_LPA3[control]


def viewer(config: Config) -> Any:
    """The augmenter in slot `view`."""
    return config.experiment().view


def test_a_recipe_of_an_overlay_stays_its_own() -> None:
    """Whatever the config binds for RandAugment, and whatever overlay comes after."""
    recipes = {
        overlay: viewer(loaded("pathmnist_supervised", *overlay)).recipe.name
        for overlay in (
            ("augmenters/randaugment",),
            ("augmenters/trivialaugment",),
            ("augmenters/autoaugment",),
            ("augmenters/trivialaugment", "augmenters/randaugment"),
        )
    }
    assert [*recipes.values()] == ["fixmatch", "trivialaugment_wide", "autoaugment_cifar10", "fixmatch"]
    assert viewer(loaded("pathmnist_supervised", "augmenters/trivialaugment")).recipe.cutout == 0


def test_a_sequence_is_whole_in_what_a_record_keeps(tmp_path: Path) -> None:
    """Members with their values, their sources, and bindings from the command line."""
    files = [
        resolve_config(name) for name in ("quickstart", "augmenters/none", "augmenters/randaugment_cutmix")
    ]
    config = load_config(files, bindings=["view/CutMix.alpha = 0.5"], registry=registry.load_registry())
    members = viewer(config).augmenters
    assert [type(member).__name__ for member in members] == ["RandAugment", "CutMix"]
    assert members[1].alpha == 0.5
    assert {"Compose", "RandAugment", "CutMix"} <= {entry.name for entry in config.plugins}
    (tmp_path / "operative.gin").write_text(config.operative)
    again = load_config([tmp_path / "operative.gin"], registry=registry.load_registry())
    assert again.operative == config.operative
    assert viewer(again).augmenters[1].alpha == 0.5
