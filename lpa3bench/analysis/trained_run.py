"""A run opened again: its networks, data and augmenters as the run left them, to be measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import torch
from torch import Tensor
from torch.nn.modules.module import register_module_forward_hook

from lpa3bench import config as configs
from lpa3bench.analysis.interception import Guard
from lpa3bench.analysis.without_images import without_images
from lpa3bench.api import Augmenter, DatasetSpec, Output, SlotName, Task, View
from lpa3bench.config import Config
from lpa3bench.data.image_store import ImageStore
from lpa3bench.data.pixels import Decoder
from lpa3bench.errors import ConfigError, DataError, RunFailed, UsageError, blamed, with_plugin_hint
from lpa3bench.nn.batchnorm import bn_domain
from lpa3bench.ops import one_hot
from lpa3bench.plugin import registry as registries
from lpa3bench.plugin.registry import Registry
from lpa3bench.runtime import device as devices
from lpa3bench.runtime.state import load_state
from lpa3bench.training.best_epoch import load_best
from lpa3bench.training.environment import Environment
from lpa3bench.training.evaluation import BATCH
from lpa3bench.training.identity import differences
from lpa3bench.training.job import identify, label_content
from lpa3bench.training.network import Classifier
from lpa3bench.training.run_directory import Beginning, RunDirectory
from lpa3bench.training.saved_forms import strange
from lpa3bench.training.training_data import Scored, TrainingData, prepare
from lpa3bench.types import SLOTS, STILL, Weights

ANY_SLOT: SlotName = next(name for name, slot in SLOTS.items() if not slot.every_row)
"""Where an augmenter that is bound nowhere is said to stand: the slot that asks the least of it."""


@dataclass(frozen=True, eq=False)
class Trained:
    """A run as it was at its newest checkpoint, in eval mode. Measuring changes nothing in it, but that
    `env.passes` counts what it takes.

    Images are float [B, C, H, W] in [0, 1]; they are moved to `device` where they are not there.
    """

    folder: RunDirectory
    config: Config
    """With the `bindings` of `open_run` that had a say."""
    task: Task
    env: Environment
    data: TrainingData
    networks: tuple[Classifier, ...]
    """Those that one prediction runs through, in order: a moving average where the task predicts by one."""
    epochs_done: int
    seed: int
    changed: tuple[str, ...]
    """What defines the run and is no longer what it was (the source of a plugin, say), a line each."""
    _registry: Registry = field(repr=False)
    _guard: Guard = field(repr=False)

    @property
    def spec(self) -> DatasetSpec:
        """The data set's, with the run's weak view and size."""
        return self.data.spec

    @property
    def device(self) -> torch.device:
        """Where the networks and the images are."""
        return self.env.device

    @property
    def net(self) -> Classifier:
        """The first of the networks that predict; `net.normalise`, `net.from_normalised`, `net.backbone`."""
        return self.networks[0]

    @property
    def slots(self) -> dict[SlotName, str]:
        """The registered names of the run's augmenters, by slot."""
        return {slot: self.config.names[slot] for slot in SLOTS if slot in self.config.names}

    @property
    def test(self) -> Scored:
        """The test split: `test.images.plain(index)` (index: int64 [B]) in [0, 1], and `test.labels`."""
        return self.data.scored["test"]

    @property
    def decoder(self) -> Decoder:
        """What makes any image into one of the data set's, before it is resized by `run.resize`."""
        return self.config.experiment().dataset.decoder

    def probabilities(self, pixels: Tensor) -> Tensor:
        """How the task predicts images that are no part of the data set: float32 [B, K], on the CPU.

        Args:
            pixels: uint8 [B, C, S, S], as `decoder` makes them.
        """
        store = ImageStore(pixels, STILL, self.device, resize=self.data.store.resize)
        return self.predict(store.plain(torch.arange(len(pixels), device=self.device))).cpu()

    @property
    def train(self) -> Scored:
        """The images that were trained on, likewise, with the labels *given* to the run."""
        return Scored(self.data.store, self.data.labels.given)

    def predict(self, x: Tensor) -> Tensor:
        """The task's own class probabilities, float32 [B, K], through the main BatchNorm."""
        with self.env.evaluating():
            parts = torch.split(x.to(self.device), BATCH)
            return torch.cat([self.task.predict(part) for part in parts]).float()

    def right(self, x: Tensor, labels: Tensor) -> Tensor:
        """bool [B], on the CPU: which of these images the task predicts right."""
        return (self.predict(x).argmax(1) == labels.to(self.device)).cpu()

    def logits(self, x: Tensor) -> Output:
        """Logits [B, K] and features of `net`, through the main BatchNorm, without a gradient."""
        with self.env.evaluating(self.net):
            return self.env.logits(self.net, x.to(self.device))

    def augmenter(self, name: str, **parameters: Any) -> Augmenter:
        """An augmenter that need not be one of the run's, by its registered name, ready for `views`.

        Raises:
            UsageError: there is no augmenter of that name.
            ConfigError: a parameter is wrong, or the augmenter makes no sense for this data set or network.
        """
        entry = self._registry.get(name)
        if entry is None or entry.kind != "augmenters":
            known = ", ".join(e.name for e in self._registry.kind("augmenters"))
            raise UsageError(with_plugin_hint(f"there is no augmenter {name!r}; augmenters are {known}"))
        try:
            made: Augmenter = entry.load()(**parameters)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{name}: {str(error).splitlines()[0]}") from error
        if reason := made.unsupported(self.spec, SLOTS[ANY_SLOT]):
            raise ConfigError(f"{name}: {reason}")
        try:
            with bn_domain(self.net, made.bn_domain):
                pass
        except ValueError:
            raise ConfigError(
                f"{name}: works in the auxiliary BatchNorm, and the run has none; give it domain='main'"
            ) from None
        with blamed(f"{name}: setup"):
            made.setup(self.env)
        return made

    def views(self, augmenter: SlotName | Augmenter, x: Tensor, labels: Tensor, *, seed: int = 0) -> View:
        """Views of any images, made as the run makes them, but by `net` in eval mode.

        The augmenter sees no place in the training set, so it treats every image and leaves its memory alone;
        warm-up is over. Whatever it learns or remembers meanwhile is forgotten again. `View.rows` tells which
        images came back: with LP-A3 and the like, all of them. LP-A3 preserves `labels`, and not the model's
        own prediction, only where `LPA3.label` is "given": `open_run(bindings=("LPA3.label = 'given'",))`.

        Args:
            augmenter: one of the run's slots, or what `augmenter` returned.
            x: [B, C, H, W] in [0, 1]. The whole batch goes through at once.
            labels: int64 [B], what the augmenter is told of the classes.
            seed: of all it draws. The same call gives the same views; give each batch its own.

        Raises:
            UsageError: the slot is empty.
            PluginError: the augmenter failed.
            RunFailed: it returned something that is no image.
        """
        if isinstance(augmenter, Augmenter):
            slot = ANY_SLOT
            guard = Guard({slot: augmenter}, self.env, epoch=self.epochs_done)
        elif augmenter in self.slots:
            slot, guard = augmenter, self._guard
        else:
            has = ", ".join(self.slots) or "none"
            raise UsageError(f"{self.folder.path}: slot {augmenter} holds no augmenter; slots bound: {has}")
        target = one_hot(labels.to(self.device), self.spec.num_classes)
        return guard(slot, self.net, x.to(self.device), target, seed=seed)

    def views_again(self, slot: SlotName, x: Tensor, labels: Tensor, *, seed: int = 0) -> View:
        """What the augmenter of a slot makes of the first training images once it has seen them again,
        `View.rows` its selection among them: it goes by what it remembers of the run.

        Args:
            slot: a bound one.
            x: [B, C, H, W] in [0, 1], the first B training images.
            labels, seed: as of `views`.
        """
        target = one_hot(labels.to(self.device), self.spec.num_classes)
        return self._guard.after_visits(slot, (self.net,), x.to(self.device), target, seed=seed)

    def views_after(
        self, earlier: Trained, slot: SlotName, x: Tensor, labels: Tensor, *, seed: int = 0
    ) -> View:
        """What the augmenter of a slot makes of images in training, `View.rows` its selection among them: its
        memory holds what the networks of `earlier`, and then of this run, predict on them, and nothing else.

        Args:
            earlier: the same run, some epochs before.
            slot: a bound one.
            x, labels, seed: as of `views`; no more images than there are training images.
        """
        guard = Guard(self.config.experiment().slots(), self.env, epoch=self.epochs_done)
        guard.setup(self.env, None)
        target = one_hot(labels.to(self.device), self.spec.num_classes)
        return guard.after_visits(slot, (earlier.net, self.net), x.to(self.device), target, seed=seed)


def open_run(
    path: Path,
    *,
    data: Path | None,
    device: str = "auto",
    weights: Weights = "last",
    bindings: Sequence[str] = (),
    plugins: tuple[Path, ...] = (),
    registry: Registry | None = None,
    checkpoint: Path | None = None,
) -> Trained:
    """Build a run again from its directory, finished or not, and load what it has learned. Writes nothing.

    Args:
        path: the run directory.
        data: the data folder; None: the run is opened without its images, for new ones alone (`test` and
            `train` are not there). A run of an engine that did not write down what its data set is cannot be.
        device: as in `run`; it need not be the one that the run began with.
        weights: "last": those of the newest checkpoint; "best": those of the epoch with the best validation
            score (`best.pt`), with the augmenters' memories of the newest checkpoint.
        bindings: texts as of `-p`, to measure the run under other values: `("LPA3.label = 'given'",)`. Those
            that have no say in the run are passed over.
        plugins: files as of `--plugin`.
        registry: the plugins, where they are known already.
        checkpoint: an older one of the run's checkpoints, instead of the newest.

    Raises:
        RunFailed: it is no run directory, or has no readable checkpoint (or no `best.pt`), or the plugins no
            longer fit its state.
        ConfigError, PluginError: its config can no longer be read, or a plugin is missing.
        DataError: the data set is missing, or not the one that it was trained on.
        UsageError: the device is not there.
    """
    folder = RunDirectory(path)
    began = folder.beginning()
    if not folder.operative.is_file():
        raise RunFailed(f"{path}: is no run directory: there is no {folder.operative.name}")
    limit, seed = began.identity.limit, began.seed
    registry = registries.load_registry(plugins) if registry is None else registry
    original = configs.load_config((folder.operative,), registry=registry)
    said = configs.used(bindings, (folder.operative,), registry=registry)
    config = configs.load_config((folder.operative,), bindings=said, registry=registry)
    experiment = config.experiment()
    where = devices.choose_device(device)
    learned, views = _learned(folder, began, weights, checkpoint)
    if data is None:
        prepared = without_images(folder, began, experiment, where)
    else:
        prepared = prepare(experiment, root=data, seed=seed, device=where, limit_to=limit)
    if prepared.data_hash != began.identity.data:
        raise DataError(f"{data}: holds another {prepared.spec.name} than {path} was trained on")
    env = Environment(
        experiment,
        spec=prepared.spec,
        store=prepared.store,
        labels=prepared.labels,
        seed=seed,
        device=where,
    )
    task: Task = experiment.task
    with blamed(f"{type(task).__name__}.setup"):
        task.setup(env)
    guard = Guard(experiment.slots(), env, epoch=learned.epochs_done)
    try:
        for name, model in env.models.items():
            model.load_state_dict(learned.models[name])
        task.load_state_dict(learned.task)
        guard.setup(env, views)
    except (KeyError, RuntimeError, ValueError, TypeError, AttributeError, IndexError) as error:
        reason = " ".join(str(error).split())[:200]
        raise RunFailed(f"{path}: its state does not fit what its config builds now ({reason})") from error
    for model in env.models.values():
        model.eval()
    content = b"" if data is None else label_content(experiment, data, seed)
    now = identify(original, data_hash=prepared.data_hash, content=content, limit=limit)
    if data is None:  # the files of labels are not looked at
        now = msgspec.structs.replace(now, labels=began.identity.labels)
    values = original.identity_config_of(began.identity.config)
    before = msgspec.structs.replace(began.identity, config=values)
    return Trained(
        folder=folder,
        config=config,
        task=task,
        env=env,
        data=prepared,
        networks=_predicting(task, env, prepared),
        epochs_done=learned.epochs_done,
        seed=seed,
        changed=tuple(differences(before, now)),
        _registry=config.registry,
        _guard=guard,
    )


class _Learned(NamedTuple):
    """What is to be loaded."""

    models: dict[str, Any]
    task: dict[str, Any]
    epochs_done: int


def _learned(
    folder: RunDirectory, began: Beginning, weights: Weights, older: Path | None
) -> tuple[_Learned, dict[str, Any]]:
    """The weights that were asked for, and the augmenters' states of the newest checkpoint, or of `older`."""
    record, last = folder.finished(), load_state(older) if older else folder.checkpoints.load()
    if last is None:
        raise RunFailed(f"{folder.path}: no checkpoint; run it again with --fresh")
    if other := strange(last, began.identity, began.seed):
        raise RunFailed(f"{folder.path}: has a checkpoint of another run ({other})")
    views: dict[str, Any] = last["env"]["views"]
    done = len(last["ledger"]["curve"])
    if record is not None and older is None and done != record.cell.epochs:
        raise RunFailed(
            f"{folder.path}: has no whole checkpoint of its last epoch, but one of epoch {done} of "
            f"{record.cell.epochs}; run it again with --fresh",
            kind="damaged",
        )
    if weights == "last":
        return _Learned(last["env"]["models"], last["task"], done), views
    if not folder.best.exists():
        raise RunFailed(
            f"{folder.path}: no {folder.best.name}: nothing was selected on a validation split "
            "(run.holdout = N makes one), or the file is gone"
        )
    try:
        best = load_best(folder.best, began.identity, began.seed)
    except DataError as error:
        raise RunFailed(f"{error}; run it again with --fresh", kind="damaged") from error
    return _Learned(best["models"], best["task"], best["epoch"] + 1), views


def _predicting(task: Task, env: Environment, data: TrainingData) -> tuple[Classifier, ...]:
    """The networks that a prediction runs through, found by watching one: a task need not name them."""
    seen: dict[Classifier, None] = {}

    def note(module: Any, *_: Any) -> None:
        if isinstance(module, Classifier):
            seen[module] = None

    x = torch.zeros((1, data.spec.channels, *data.store.view_size), device=env.device)
    hook = register_module_forward_hook(note)
    try:
        with env.evaluating(), blamed(f"{type(task).__name__}.predict"):
            task.predict(x)
    finally:
        hook.remove()
    return tuple(seen) or tuple(env.models.values())
