"""The guard between tasks and augmenters: the only way in which a task gets a view."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Context, DatasetSpec, Env, Model, SlotName, View, ViewFunction
from lpa3bench.errors import PluginError, blamed
from lpa3bench.nn.batchnorm import bn_domain, frozen_statistics
from lpa3bench.nn.freeze import frozen
from lpa3bench.nn.mode import kept_mode
from lpa3bench.runtime.device import full_precision
from lpa3bench.runtime.distributed import ALONE, Processes
from lpa3bench.runtime.seeding import Draws
from lpa3bench.training.device_checks import Alarm
from lpa3bench.training.image_passes import Passes
from lpa3bench.training.network import Classifier
from lpa3bench.types import SLOTS


class Clock:
    """Where the run is; shared by whoever has to know."""

    def __init__(self) -> None:
        self.epoch = 0
        self.step = 0


class WrongView(PluginError):
    """An augmenter returned what is no view of the batch that it was given."""


class _NoModel:
    """Stands where an augmenter that has not asked for the model would find it."""

    def __init__(self, owner: str) -> None:
        self._owner = owner

    def __call__(self, *_: Any) -> Any:
        raise PluginError(f"{self._owner} calls the model but does not say so; set needs_model = True")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self()


class Views(ViewFunction):
    """Calls the augmenter that is bound in a slot, and sees to it that it leaves nothing behind.

    Around `generate` the model's parameters are frozen, its BatchNorm is switched to the augmenter's domain,
    the main running statistics stand still, and mixed precision is off; all of that, and train or eval mode,
    is put back even when the augmenter raises. What it returns is checked: shape and dtype at once, range,
    finiteness and rows by flags on the device that the alarm reads later.

    Each (slot, model) has its own copy of the augmenter, so memories never mix.
    """

    def __init__(
        self,
        slots: Mapping[SlotName, Augmenter],
        models: Mapping[str, Classifier],
        *,
        spec: DatasetSpec,
        draws: Callable[[str], Draws],
        clock: Clock,
        alarm: Alarm,
        passes: Passes,
        processes: Processes = ALONE,
        soft_slots: tuple[SlotName, ...] = (),
        twin_slots: tuple[SlotName, ...] = (),
    ) -> None:
        self._bound = {(slot, name): copy.deepcopy(a) for slot, a in slots.items() for name in models}
        self._spec = spec
        self._draws = draws
        self._clock = clock
        self._alarm = alarm
        self._passes = passes
        self._processes = processes
        self._soft_slots = soft_slots
        self._twin_slots = twin_slots
        self._asked: set[tuple[SlotName, str]] = set()
        self.info: dict[str, Any] = {}
        """What the augmenters have said of their last views, as `<slot>/<name>`."""

    def setup(self, env: Env) -> None:
        """Let every augmenter allocate what the run needs."""
        for (slot, _), augmenter in self._bound.items():
            with blamed(f"{type(augmenter).__name__} in slot {slot}: setup"):
                augmenter.setup(env)

    def begin_epoch(self, epoch: int) -> None:
        for (slot, _), augmenter in self._bound.items():
            with blamed(f"{type(augmenter).__name__} in slot {slot}: begin_epoch"):
                augmenter.begin_epoch(epoch)

    def __call__(
        self,
        slot: SlotName,
        model: Model,
        x: Tensor,
        *,
        index: Tensor | None,
        target: Tensor | None,
        copies: int = 1,
        pass_no: int = 0,
        pool: Tensor | None = None,
    ) -> View | None:
        augmenter = self._bound.get((slot, model.name))
        if augmenter is None:
            return None
        self._asked.add((slot, model.name))
        name = f"{type(augmenter).__name__} in slot {slot}"
        inner: Any = model if augmenter.needs_model else _NoModel(name)
        ctx = Context(
            model=inner,
            logits=inner,
            index=index,
            target=target,
            copies=copies,
            spec=self._spec,
            epoch=self._clock.epoch,
            step=self._clock.step,
            pass_no=pass_no,
            draws=self._draws(f"augment/{slot}/{model.name}"),
            pool=pool,
            processes=self._processes,
        )
        with blamed(f"step {self._clock.step}: {name}"), self._guard(augmenter, model, slot):
            view = augmenter.generate(x.detach(), ctx)
        self._check(view, x, slot, name)
        self.info |= {f"{slot}/{key}": value for key, value in view.info.items()}
        target, twin = (None if t is None else t.detach() for t in (view.target, view.twin))
        return View(view.x.detach(), view.rows, view.info, target, augmenter.bn_domain, twin)

    @contextmanager
    def _guard(self, augmenter: Augmenter, model: Model, slot: SlotName) -> Iterator[None]:
        if not augmenter.needs_model:
            yield
            return
        with (
            kept_mode(model),
            frozen(model),
            frozen_statistics(model),
            bn_domain(model, augmenter.bn_domain),
            full_precision(model.mean.device),
            self._passes.at(f"{slot}/search"),
        ):
            yield

    def _check(self, view: View, x: Tensor, slot: SlotName, name: str) -> None:
        """Shape and dtype now, values later."""

        def refuse(what: str) -> None:
            raise WrongView(f"step {self._clock.step}: {name} returned {what}")

        if not isinstance(view, View):
            refuse(f"a {type(view).__name__}, not a View")
        optional = ("target", "twin")
        for field in ("x", "rows", *optional):
            value = getattr(view, field)
            if not isinstance(value, Tensor) and (field not in optional or value is not None):
                refuse(f"a View whose {field} is a {type(value).__name__}, not a Tensor")
        for key, said in view.info.items():
            if not isinstance(said, int | float) and not (isinstance(said, Tensor) and said.ndim == 0):
                refuse(f"info[{key!r}] that is no number and no 0-d tensor, but {said!r}")
        if view.x.shape[1:] != x.shape[1:] or view.x.dtype != x.dtype:
            wanted = f"[M, {', '.join(map(str, x.shape[1:]))}] {x.dtype}"
            refuse(f"images {list(view.x.shape)} {view.x.dtype}, not {wanted}")
        if view.rows.shape != view.x.shape[:1] or view.rows.dtype != torch.int64:
            refuse(f"rows {list(view.rows.shape)} {view.rows.dtype}, not [{len(view.x)}] torch.int64")
        if SLOTS[slot].every_row and len(view.x) != len(x):
            refuse(f"{len(view.x)} views of {len(x)} images; this slot needs one of each, in order")
        if view.target is not None and slot not in self._soft_slots:
            refuse("a target of its own, which this task cannot use in this slot")
        if view.target is not None and view.target.shape != (len(view.x), self._spec.num_classes):
            refuse(f"a target {list(view.target.shape)}, not [{len(view.x)}, {self._spec.num_classes}]")
        if view.twin is not None and slot not in self._twin_slots:
            refuse("two views of an image, and this task takes one in this slot")
        if view.twin is not None and (view.twin.shape, view.twin.dtype) != (view.x.shape, view.x.dtype):
            refuse(
                f"twins {list(view.twin.shape)} {view.twin.dtype}, not {list(view.x.shape)} {view.x.dtype}"
            )
        if len(view.x) == 0:
            return
        step = self._clock.step
        what = f"{name} returned images outside [0, 1] or NaN (as where the network has diverged)"
        for images in (view.x,) if view.twin is None else (view.x, view.twin):
            low, high = images.detach().aminmax()  # NaN fails both comparisons
            self._alarm.note(what, ~((low >= 0) & (high <= 1)), step, kind="diverged")
        if SLOTS[slot].every_row:
            wrong = (view.rows != torch.arange(len(x), device=view.rows.device)).any()
        else:
            lowest, highest = view.rows[0], view.rows[-1]
            wrong = (view.rows.diff() <= 0).any() | (lowest < 0) | (highest >= len(x))
        self._alarm.note(f"{name} returned rows that are not ascending places in the batch", wrong, step)

    def unused(self) -> list[str]:
        """Slots that are bound and that the task has never asked for."""
        return sorted({f"run.{slot}" for slot, _ in self._bound.keys() - self._asked})

    def state_dict(self) -> dict[str, Any]:
        """The augmenters' states by "slot/model", and which of them were asked for."""
        return {
            "augmenters": {f"{slot}/{name}": a.state_dict() for (slot, name), a in self._bound.items()},
            "asked": sorted(f"{slot}/{name}" for slot, name in self._asked),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` returned."""
        for (slot, name), augmenter in self._bound.items():
            augmenter.load_state_dict(state["augmenters"][f"{slot}/{name}"])
        self._asked = {key for key in self._bound if "/".join(key) in state["asked"]}
