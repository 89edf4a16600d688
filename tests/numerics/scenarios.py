"""All scenarios, and their numbers of today."""

from __future__ import annotations

import torch

from numerics import augmenters, engine, plugins, tasks
from numerics.fingerprints import Fingerprints, Scenario, plain
from numerics.stage import one_thread


def every_scenario() -> list[Scenario]:
    return [s for part in (engine, plugins, augmenters, tasks) for s in part.scenarios()]


def measured(scenarios: list[Scenario]) -> Fingerprints:
    """Their numbers, each from the same state of torch's global generator."""
    found = {}
    with one_thread(), torch.random.fork_rng(devices=[]):
        for scenario in scenarios:
            torch.default_generator.manual_seed(0)
            found[scenario.key] = plain(scenario.measure())
    return found
