"""Calls augmenters outside training, through the engine's own guard, and leaves no trace in them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, SlotName, View
from lpa3bench.nn.mode import kept_mode
from lpa3bench.runtime.seeding import Draws, derive
from lpa3bench.training.device_checks import Alarm
from lpa3bench.training.environment import Environment
from lpa3bench.training.guard import Clock, Views
from lpa3bench.training.network import Classifier
from lpa3bench.types import SLOTS

_LATE = 10**6
"""The step that augmenters are told, so that none of them is warming up."""


class Guard:
    """The augmenters of some slots, with a clock, an alarm and draws of their own.

    Their passes are counted in `env.passes`.

    Args:
        slots: what is bound; copied.
        env: of the run, for what augmenters allocate.
        epoch: that they are told.
    """

    def __init__(self, slots: Mapping[SlotName, Augmenter], env: Environment, *, epoch: int) -> None:
        self._alarm = Alarm()
        self._draws: dict[str, Draws] = {}
        self._seed = 0
        clock = Clock()
        clock.step, clock.epoch = _LATE, epoch
        self._views = Views(
            slots,
            env.models,
            spec=env.spec,
            draws=self._drawn,
            clock=clock,
            alarm=self._alarm,
            passes=env.passes,
            soft_slots=tuple(SLOTS),
            twin_slots=tuple(SLOTS),
        )

    def setup(self, env: Environment, state: dict[str, Any] | None) -> None:
        """Let the augmenters allocate what they need, and give them what a run's had learned."""
        self._views.setup(env)
        if state is not None:
            self._views.load_state_dict(copy.deepcopy(state))

    def _drawn(self, name: str) -> Draws:
        if name not in self._draws:
            self._draws[name] = Draws(derive(self._seed, "probe", name))
        return self._draws[name]

    def __call__(self, slot: SlotName, model: Classifier, x: Tensor, target: Tensor, *, seed: int) -> View:
        """Views of x by the augmenter of the slot, the model in eval mode.

        Eval mode means that no BatchNorm moves: what a batch looks like depends on itself alone.

        Raises:
            PluginError: the augmenter failed.
            RunFailed: it returned something that is no image.
        """
        return self._asked(slot, [model], x, target, seed=seed, remembered=False)

    def after_visits(
        self, slot: SlotName, models: Sequence[Classifier], x: Tensor, target: Tensor, *, seed: int
    ) -> View:
        """Views of x as the augmenter of the slot makes them in training, once it has seen these images by
        each of the models in turn; it sees no others.

        Raises:
            PluginError, RunFailed: as for a call.
        """
        return self._asked(slot, [*models, models[-1]], x, target, seed=seed, remembered=True)

    def _asked(
        self,
        slot: SlotName,
        models: Sequence[Classifier],
        x: Tensor,
        target: Tensor,
        *,
        seed: int,
        remembered: bool,
    ) -> View:
        """The last of several answers, in eval mode; whatever was learnt is forgotten."""
        self._seed, self._draws = seed, {}
        before = copy.deepcopy(self._views.state_dict())
        index = torch.arange(len(x), device=x.device) if remembered else None
        view: View | None = None
        try:
            for visit, model in enumerate(models):
                with kept_mode(model):
                    model.eval()
                    view = self._views(
                        slot, model, x, index=index, target=target, pass_no=visit + 1, pool=index
                    )
        finally:
            self._views.load_state_dict(before)
        self._alarm.check()
        if view is None:
            raise KeyError(slot)  # callers ask for bound slots only
        return view
