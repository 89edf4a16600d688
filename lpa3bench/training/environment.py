"""What a task works with: networks, views, samplers and draws of one run."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lpa3bench.api import DatasetSpec, Domain, Env, Model, Output, SlotName, Task, TrainLabels
from lpa3bench.config.experiment import Experiment
from lpa3bench.data.image_store import ImageStore
from lpa3bench.data.sampler import Sampler
from lpa3bench.nn.batchnorm import bn_domain, single_values
from lpa3bench.nn.mode import kept_mode
from lpa3bench.runtime import device as devices
from lpa3bench.runtime.compiler_import import spare_compiler_import
from lpa3bench.runtime.distributed import ALONE, Processes
from lpa3bench.runtime.seeding import Draws, SharedDraws, derive
from lpa3bench.training.device_checks import Alarm
from lpa3bench.training.guard import Clock, Views
from lpa3bench.training.image_passes import Passes
from lpa3bench.training.network import build_networks


class Environment(Env):
    """The `Env` of a run.

    Args:
        experiment: what to run.
        spec: of the data set, with the weak view in force.
        store: the training images.
        labels: the training labels, on the device.
        seed: of the run; every component's seed is derived from it by name.
        device: where to compute.
        processes: those that share the run.
    """

    def __init__(
        self,
        experiment: Experiment,
        *,
        spec: DatasetSpec,
        store: ImageStore,
        labels: TrainLabels,
        seed: int,
        device: torch.device,
        processes: Processes = ALONE,
    ) -> None:
        spare_compiler_import()
        self.spec = spec
        self.epochs = experiment.epochs
        self.device = device
        self.size = len(store)
        self.labels = labels
        self.clock = Clock()
        self.alarm = Alarm()
        self.passes = Passes()
        self.processes = processes
        self._store = store
        self._seed = seed
        self._precision = experiment.precision
        self._draws: dict[str, Draws] = {}
        task: Task = experiment.task
        slots = experiment.slots()
        self.models = build_networks(
            task.models,
            experiment.backbone,
            spec,
            seed=seed,
            device=device,
            auxiliary=any(a.bn_domain == "aux" for a in slots.values()),
            passes=self.passes,
            layout=experiment.layout,
            processes=processes,
        )
        self.views: Views = Views(
            slots,
            self.models,
            spec=spec,
            draws=self.draws,
            clock=self.clock,
            alarm=self.alarm,
            passes=self.passes,
            processes=processes,
            soft_slots=task.soft_slots,
            twin_slots=task.twin_slots,
        )
        self.views.setup(self)

    def model(self, name: str) -> Model:
        return self.models[name]

    def draws(self, name: str) -> Draws:
        if name not in self._draws:
            seed, alone = derive(self._seed, name), self.processes.size == 1
            self._draws[name] = Draws(seed) if alone else SharedDraws(seed, self.processes)
        return self._draws[name]

    def weak(self, index: Tensor) -> Tensor:
        return self._store.weak(index, self.draws("weak"))

    def images(self, index: Tensor) -> Tensor:
        return self._store.plain(index)

    def sampler(
        self,
        name: str,
        batch_size: int,
        subset: Tensor | None = None,
        *,
        drop_last: bool = True,
        least: int | None = None,
    ) -> Sampler:
        everything = torch.arange(self.size, device=self.device)
        samples = everything if subset is None else subset
        if least is None:  # only where it matters, because it takes a pass to find out
            one_left = not drop_last and len(samples) % batch_size == 1
            least = 2 if one_left and self._needs_two else 1
        return Sampler(
            samples,
            batch_size,
            self.draws(f"order/{name}"),
            drop_last=drop_last,
            least=least,
            processes=self.processes,
        )

    @cached_property
    def _needs_two(self) -> bool:
        """Whether a network has a BatchNorm that gets a single value per channel of a single image."""
        generators = devices.generators(self.device)  # for drop-out
        for model in self.models.values():
            tried = copy.deepcopy(model).train()
            x = tried.mean.new_zeros((1, len(tried.mean), *self._store.view_size))
            with torch.no_grad(), self.autocast(), single_values(tried) as found:
                tried(x)
            if found:
                break
        devices.set_generators(self.device, generators)
        return bool(found)

    def logits(
        self, model: Model, x: Tensor, domain: Domain = "main", *, slot: SlotName | None = None
    ) -> Output:
        with bn_domain(model, domain), self.autocast(), ExitStack() as places:
            if slot is not None:
                places.enter_context(self.passes.at(f"{slot}/loss"))
            return model(x)

    def autocast(self) -> AbstractContextManager[Any]:
        return devices.autocast(self.device, self._precision)

    @contextmanager
    def evaluating(self, *models: Model) -> Iterator[None]:
        networks = models or tuple(self.models.values())
        with kept_mode(*networks), torch.no_grad():
            for network in networks:
                network.eval()
            yield

    def gather(self, x: Tensor) -> Tensor:
        return self.processes.gather(x)

    def total(self, rows: int) -> int:
        return self.processes.span(rows).total

    def weighted(self, mean: Tensor, rows: int) -> Tensor:
        return self.processes.weighted(mean, rows)

    def backward(self, loss: Tensor) -> None:
        loss.backward()  # type: ignore[no-untyped-call]
        if self.processes.size > 1:
            parameters = (p for model in self.models.values() for p in model.parameters())
            self.processes.average([p.grad for p in parameters if p.grad is not None])

    def state_dict(self) -> dict[str, Any]:
        """Networks, augmenters, draws, counters, the clock, and the global generators (for drop-out)."""
        return {
            "global": devices.generators(self.device),
            "models": {name: model.state_dict() for name, model in self.models.items()},
            "views": self.views.state_dict(),
            "draws": {name: draws.state_dict() for name, draws in self._draws.items()},
            "passes": self.passes.state_dict(),
            "step": self.clock.step,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for name, model in self.models.items():
            model.load_state_dict(state["models"][name])
        self.views.load_state_dict(state["views"])
        for name, saved in state["draws"].items():
            self.draws(name).load_state_dict(saved)
        if self.processes.first:  # what all have counted stands in one
            self.passes.load_state_dict(state["passes"])
        self.clock.step = state["step"]
        devices.set_generators(self.device, state["global"])
