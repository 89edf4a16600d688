"""The runs behind a card: real ones, by the one training loop, so that each is there to be looked into.

Three are trained on the data set, and one or two on digits with known nuisances. Each is found again by its
identity, so cards of several augmenters for one data set share those without an augmenter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from lpa3bench import config as configs
from lpa3bench.analysis.card.attacks import FLOOR, good_enough, held_out
from lpa3bench.analysis.card.plugins import PLUGIN_FILE
from lpa3bench.analysis.trained_run import Trained, open_run
from lpa3bench.api import Augmenter, SlotName
from lpa3bench.config import Config
from lpa3bench.errors import ConfigError, UsageError, with_plugin_hint
from lpa3bench.plugin import registry as registries
from lpa3bench.plugin.registry import Entry, Registry
from lpa3bench.records import Record
from lpa3bench.training.job import Job
from lpa3bench.training.loop import run
from lpa3bench.training.sinks import Sink
from lpa3bench.types import SLOTS

NUISANCE_EPOCHS = 20
KNOWN_FLOOR = 0.8
"""Accuracy that is asked of the network on digits with known nuisances; `_NUISANCE` comes to about 0.86."""
_NUISANCE = (
    "run.dataset=@datasets.NuisanceDigits()",
    "run.backbone=@nuisance/backbones.SmallNet",
    "nuisance/SmallNet.width=16",
    "run.task=@nuisance/tasks.Supervised()",
    "nuisance/Supervised.batch_size=64",
    "nuisance/Supervised.optimizer='adam'",
    "nuisance/Supervised.lr=0.003",
    "nuisance/Supervised.weight_decay=0.0",
    "nuisance/Supervised.milestones=(0.5, 0.75)",
    "nuisance/Supervised.gamma=0.1",
    "nuisance/Supervised.positives_weight=1.0",
    f"run.epochs={NUISANCE_EPOCHS}",
    "run.labels=None",
    "run.weak=None",
    "run.resize=None",
    "run.metrics=(@metrics.Accuracy(),)",
    "run.select='accuracy'",
    "run.holdout=0",
)
"""What is trained on the digits with known nuisances, whatever the data set of the card."""

TRIED: tuple[SlotName, ...] = tuple(name for name, slot in SLOTS.items() if not slot.of_task)
"""Where an augmenter is bound in training, the first that it can stand in."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a card is to be made of."""

    augmenter: str
    """Its registered name."""
    files: tuple[Path, ...]
    """Gin files of a run without it: data set, backbone, task, epochs, and the augmenter's parameters."""
    setting: str | None = None
    bindings: tuple[str, ...] = ()
    """Texts as of `-p`; what starts with `judge/` configures the judge's network."""
    plugins: tuple[Path, ...] = ()
    slot: SlotName | None = None
    """Where it is bound in training; None: the first of `TRIED` that it can stand in."""
    judge: str = "JudgeNet"
    """The judge's backbone, by its registered name."""
    run: Path | None = None
    """A run directory, the network of which is attacked; None: one that is trained without the augmenter."""
    images: int = 1000
    """Held-out images that are measured on, at most."""
    floor: float = FLOOR
    """Accuracy that the attacked network and the judge must have."""
    margin: float | None = None
    """Of the label's log-probability; None: the augmenter's own, where it has one."""
    seed: int = 0
    device: str = "auto"
    data: Path
    runs: Path
    """Where the runs' folders are made."""


@dataclass(frozen=True)
class Ran:
    """A run of a card, finished and opened again."""

    trained: Trained
    record: Record


@dataclass(frozen=True)
class CardRuns:
    """Those on the card's data set."""

    clean: Ran
    """Without an augmenter."""
    augmented: Ran
    """With it, in `slot`; all else is the same, seed and images included."""
    judge: Ran
    """Another backbone and seed, on the other half of the images, with their clean labels."""
    attacked: Trained
    """Whose network the views are made against: `clean`'s, or that of the run that was named."""
    slot: SlotName

    @property
    def augmenter(self) -> Augmenter:
        """A fresh one, with the parameters that the run has."""
        return self.augmented.trained.config.experiment().slots()[self.slot]

    def state(self) -> dict[str, Any]:
        """What the augmenter had learned or remembered at the end of its run."""
        return state_of(self.augmented.trained, self.slot)


class Trainer:
    """Trains the runs of a request.

    Args:
        request: of a card.
        sinks: makes those that a run tells of its progress.

    Raises:
        UsageError: there is no such augmenter or backbone.
    """

    def __init__(self, request: Request, sinks: Callable[[], Sequence[Sink]] = tuple) -> None:
        self.request = request
        self.registry: Registry = registries.load_registry((*request.plugins, PLUGIN_FILE))
        self._sinks = sinks
        self.entry = self._known(request.augmenter, "augmenters")
        self._known(request.judge, "backbones")

    def _known(self, name: str, kind: str) -> Entry:
        entry = self.registry.get(name)
        if entry is not None and entry.kind == kind:
            return entry
        near = self.registry.nearest(name, kind)
        hint = f"did you mean {' or '.join(near)}?" if near else f"`lpa3bench list {kind}` shows them"
        raise UsageError(with_plugin_hint(f"there is no {name} among the {kind}; {hint}"))

    def train(self) -> CardRuns:
        """The three runs on the card's data set.

        Raises:
            RunFailed: a network is no better than the floor.
            BenchError: as of a run.
        """
        request = self.request
        of: Literal["train", "test"] = "train" if request.run is None else "test"
        attacked, judged = self._fold("attacked", "train"), self._fold("judge", of)
        judge = (*_bare(None), *judged, f"run.backbone=@judge/backbones.{request.judge}", "run.labels=None")
        slot, augmented = self._slot(attacked)
        self._all_used(augmented, judge)
        self._config(judge).experiment()  # so that what is wrong with it is said before anything is trained
        named = None
        if request.run is not None:
            named = open_run(
                request.run, data=request.data, device=request.device, plugins=(*request.plugins, PLUGIN_FILE)
            )
        self._independent((named.config if named else self._config(attacked)).names["backbone"])
        clean = self._run((*_bare(None), *attacked), request.seed)
        if named and (named.spec.name, named.spec.size) != (clean.trained.spec.name, clean.trained.spec.size):
            raise UsageError(
                f"--run {request.run}: was trained on {named.spec.name}, not on {clean.trained.spec.name}"
            )
        judged_by = self._run(judge, request.seed + 1)
        held = held_out(judged_by.trained, request.images, request.seed)
        cure = "train it longer (run.epochs) or another one, or lower --floor"
        networks = {
            "the attacked network": named or clean.trained,
            "the network without the augmenter": clean.trained,
            "the judge": judged_by.trained,
        }
        for who, network in networks.items():
            good_enough(who, network, held, floor=request.floor, cure=cure)
        return CardRuns(
            clean=clean,
            augmented=self._run(augmented, request.seed),
            judge=judged_by,
            attacked=named or clean.trained,
            slot=slot,
        )

    def _independent(self, attacked: str) -> None:
        """What deceives a network deceives others of its kind: the judge must be of another."""
        if attacked == self.request.judge:
            raise UsageError(
                f"--judge {attacked}: the attacked network has that backbone too, and its word would be "
                "worth nothing; `lpa3bench list backbones` shows others"
            )

    def train_on_nuisances(self, slot: SlotName, *, augmented: bool) -> Trained:
        """A network on the digits with known nuisances, without the augmenter or with it.

        Raises:
            RunFailed: without it, the network is no better than `KNOWN_FLOOR`.
        """
        bound = (f"run.{slot}=@augmenters.{self.request.augmenter}()",) if augmented else ()
        own = (*_bare(slot if augmented else None), *_NUISANCE, *bound)
        trained = self._run(own, self.request.seed).trained
        if not augmented:
            held = held_out(trained, len(trained.test.labels), self.request.seed)
            cure = "another --seed may do"
            good_enough("the network", trained, held, floor=KNOWN_FLOOR, cure=cure)
        return trained

    def _fold(self, part: str, of: str) -> tuple[str, ...]:
        """The bindings that cut the config's own data set."""
        whole = self._config(_bare(None))
        dataset, epochs = (
            next(value.text for value in whole.values if value.name == f"run.{name}")
            for name in ("dataset", "epochs")
        )
        # Half the images, so twice the epochs: as many steps as the config takes.
        return (
            "run.dataset=@datasets.CardFold()",
            f"CardFold.dataset={dataset}",
            f"CardFold.part='{part}'",
            f"CardFold.of='{of}'",
            f"CardFold.seed={self.request.seed}",
            "run.holdout=0",
            f"run.epochs={2 * int(epochs)}",
        )

    def _slot(self, own: Sequence[str]) -> tuple[SlotName, tuple[str, ...]]:
        """The first slot that takes the augmenter, and the bindings of its run."""
        slots = TRIED if self.request.slot is None else (self.request.slot,)
        refused: ConfigError | None = None
        for slot in slots:
            bindings = (*_bare(slot), *own, f"run.{slot}=@augmenters.{self.request.augmenter}()")
            try:
                self._config(bindings).experiment()
            except ConfigError as error:
                refused = error
                continue
            return slot, bindings
        raise refused or UsageError("--slot: none was named")

    def _all_used(self, augmented: Sequence[str], judge: Sequence[str]) -> None:
        """Every `-p` of the user must have a say in one of the two runs: a misspelt one is found."""
        request = self.request
        used = {*self._used(augmented), *self._used(judge)}
        if idle := [text for text in request.bindings if text not in used]:
            bindings = (*idle, *judge)
            configs.load_config(
                request.files, setting=request.setting, bindings=bindings, registry=self.registry
            )
            raise UsageError(f"-p {idle[0]!r}: no run of this card uses it")

    def _used(self, own: Sequence[str]) -> tuple[str, ...]:
        """What of the user's `-p` has a say beside our own bindings."""
        request = self.request
        judged = any("@judge/" in text for text in own)  # elsewhere gin knows no such scope
        candidates = [t for t in request.bindings if judged or not t.lstrip().startswith("judge/")]
        return configs.used(
            candidates, request.files, setting=request.setting, bindings=own, registry=self.registry
        )

    def _config(self, own: Sequence[str]) -> Config:
        """The request's config with our own bindings on top."""
        return configs.load_config(
            self.request.files,
            setting=self.request.setting,
            bindings=(*self._used(own), *own),
            registry=self.registry,
        )

    def _run(self, own: Sequence[str], seed: int) -> Ran:
        request = self.request
        job = Job(
            config=self._config(own),
            seed=seed,
            device=request.device,
            data=request.data,
            out=request.runs,
            purpose="aid",
        )
        done = run(job, self._sinks())
        trained = open_run(
            done.folder, data=request.data, device=request.device, plugins=(*request.plugins, PLUGIN_FILE)
        )
        assert done.record is not None
        return Ran(trained, done.record)


def _bare(kept: SlotName | None) -> tuple[str, ...]:
    """Bindings that empty every slot but one."""
    return tuple(f"run.{slot}=None" for slot in SLOTS if slot != kept)


def state_of(trained: Trained, slot: SlotName) -> dict[str, Any]:
    """What the augmenter of a slot had learned or remembered at a run's newest checkpoint.

    Where the run has several networks, that of the first.
    """
    checkpoint: Any = trained.folder.checkpoints.load()
    states: dict[str, dict[str, Any]] = checkpoint["env"]["views"]["augmenters"]
    return next(state for name, state in states.items() if name.startswith(f"{slot}/"))
