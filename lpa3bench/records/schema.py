"""What a record is, `result.json`: one definition that reads, writes and validates it. Imports no torch.

Shares are in [0, 1]. Only `cost`, `provenance` and the seconds in the curve depend on the machine; all else
is the same whenever the run is repeated in the same surroundings. What has its default is left out of the
file and of both digests, so that a field with a default that is added later changes neither.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct, field

from lpa3bench.records.private_paths import without_folders

SCHEMA_VERSION = 2
PROTOCOL_VERSION = 1
"""Of how runs are trained and scored: raised where numbers from before could not stand beside new ones."""

Share = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Positive = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Text = Annotated[str, Meta(max_length=10_000)]
Name = Annotated[str, Meta(pattern=r"\S", max_length=10_000)]
"""Of a plugin's class."""
Number = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | float | None
MetricName = Annotated[str, Meta(pattern="^[a-z0-9_]+$", max_length=100)]
"""Of a metric or a rule."""
ParameterName = Annotated[str, Meta(pattern=r"^([\w.-]+/)*[\w.]+\.\w+$", max_length=400)]
"""As a config has it: `PES.lambda_u`, `positives/LPA3.margin`."""
SlotWord = Annotated[str, Meta(pattern="^[a-z0-9_]+$", max_length=100)]
EightDigits = Annotated[str, Meta(pattern="^[0-9a-f]{8}$")]
MOST_IMAGES = 10_000_000
"""In a test set; who says more means to fill the memory of whoever unpacks the bits."""
Purpose = Literal["result", "score", "aid"]
"""A finished run; stored weights scored on other data; a run that only served a measurement."""


class CellOfRun(Struct, frozen=True, forbid_unknown_fields=True):
    """Task × data set × labels × backbone × slots."""

    name: Annotated[str, Meta(pattern="^[a-z0-9._-]+$", max_length=400)]
    task: Name
    dataset: Name
    labels: Name
    backbone: Name
    slots: dict[SlotWord, Name]
    """The augmenter in each bound slot."""
    setting: Text | None
    epochs: Positive
    identity: EightDigits
    """Stands for all that defines the run but its seed: `Identity.short`."""


class RunIdentity(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What defines a run beside its seed (see docs/records.md)."""

    config: dict[str, Text]
    """Values that differ from their class's defaults, by the first name that each parameter had."""
    data: Text
    """SHA-256 of the data set's images and labels."""
    labels: Text | None
    """Digest of the files that the labels are read from."""
    limit: Positive | None
    """`--limit`."""
    numerics: Count
    """The engine's numerics version; 0: not known (schema 1)."""
    plugins: dict[str, Text]
    """By name: the `version` of ours, the digest of the code of everybody else's."""
    recipe: Literal[1, 2] = 2
    """1: written by schema 1, whose short hash was another one and took every value and source in."""

    @property
    def short(self) -> EightDigits:
        """Eight digits that stand for all of it in a run's name; in which folder a file lies has no say."""
        return _short_of(type(self), msgspec.json.encode(self))


@lru_cache(1024)  # all seeds of an experiment have the same
def _short_of(kind: type[RunIdentity], identity: bytes) -> EightDigits:
    whole = msgspec.json.decode(identity, type=kind)
    bare = msgspec.structs.replace(whole, config=without_folders(whole.config))
    return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()[:8]


class MetricOfRun(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A metric's numbers on the test split."""

    title: Text
    unit: Text
    higher_is_better: bool
    scores: dict[MetricName, float | None]
    """By rule (`last`, `mean_last_20`, `val_selected`, `oracle_best`, …); None: undefined."""
    counts: bool = False
    """Whether it is a share of the test images, k/N, so that a test can be exact on counts."""
    undefined: dict[MetricName, Text] = field(default_factory=dict)
    """By rule, why there is no number."""
    computed: Literal["run", "later"] = "run"
    """Whether the run itself computed it, or somebody later from `predictions.npz`."""


class PackedBits(Struct, frozen=True, forbid_unknown_fields=True):
    """Which test images were right at the last epoch; see `lpa3bench.records.bits`."""

    n: Annotated[int, Meta(ge=1, le=MOST_IMAGES)]
    bits: str


class PerClass(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The share of each class's test images that were right at the last epoch."""

    names: tuple[Text, ...]
    """(): the data set does not name its classes."""
    shares: Annotated[tuple[Share | None, ...], Meta(min_length=2)]
    """None: a class without test images."""
    images: tuple[Count, ...] = ()
    """Test images of each class; (): not recorded (schema 1)."""


class PassCounts(Struct, frozen=True, forbid_unknown_fields=True):
    """Image passes through the networks."""

    forward: Count
    backward_weights: Count
    backward_image: Count


class Cost(Struct, frozen=True, forbid_unknown_fields=True):
    """What the run took."""

    wall_seconds: dict[str, float]
    """By phase, and of "evaluation"."""
    training_seconds: Annotated[float, Meta(ge=0)]
    """Scoring left out."""
    steps: dict[str, Count]
    """By phase."""
    images_per_second: float | None
    flops_of_first_step: dict[str, Count]
    """By phase."""
    passes: dict[str, PassCounts]
    """By place: "task", "<slot>/search", "<slot>/loss", "evaluation"."""
    forward_equivalents: Count
    """Of training: a forward counts one, a backward to the weights two, one to the image one."""
    augmenter_share: Share | None
    peak_memory_bytes: Count | None


class Protocol(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How the run was trained and scored."""

    version: Positive
    selection: Text | None
    """The column of the curve that an epoch was selected by; None: there was no validation split."""
    holdout: Count
    limit: Positive | None
    changed: tuple[Text, ...]
    """Parameters that overlays and `-p` changed from what the first file says."""
    score_every: Positive = 1
    """Epochs from one scoring to the next; rows of the curve between them have no scores."""


class Provenance(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where the numbers come from. None, or left out: not recorded (schema 1), or there is none."""

    versions: dict[str, Text]
    """Of Python and libraries, by name."""
    plugins: dict[str, Text]
    """Distribution and version of each plugin."""
    plugin_sources: dict[str, Text]
    """Digest of the sources of each plugin."""
    platform: Text
    git_commit: Text | None
    command: tuple[Text, ...]
    engine_source: Text
    """Digest of the engine's sources."""
    device: Text
    precision: Text
    """What was used: "float32", "bfloat16", …; "auto" in records of schema 1."""
    threads: Positive
    world_size: Positive
    finished: Text
    """ISO 8601."""
    cpu_model: Text | None = None
    cpu_capability: Text | None = None
    """`torch.backends.cpu.get_cpu_capability()`: "AVX2", "AVX512", …"""
    cpu_family: Text | None = None
    gpu_name: Text | None = None
    gpu_capability: Text | None = None
    math_libraries: dict[str, Text] = field(default_factory=dict)
    """Versions of oneDNN and MKL."""
    plugin_files: dict[str, Text] = field(default_factory=dict)
    """Name of the copy of each single-file plugin's source, by plugin."""


class RecordData(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A whole record, as it stands in the file."""

    schema_version: Literal[2]
    purpose: Purpose
    cell: CellOfRun
    seed: Count
    status: Literal["ok"]
    select: MetricName
    """The metric that an epoch is selected by on the validation split."""
    metrics: Annotated[dict[MetricName, MetricOfRun], Meta(min_length=1)]
    per_class: PerClass
    curve: Annotated[tuple[dict[str, Number], ...], Meta(min_length=1)]
    """A row an epoch: "epoch", "step", "passes", "seconds"; "<split>/<metric>" where it was scored; what the
    task logs."""
    correct: PackedBits
    cost: Cost
    labels: dict[str, Any]
    """What the training labels were, their SHA-256, and how many images there were."""
    protocol: Protocol
    config: dict[ParameterName, Text]
    """Every value in force, by name."""
    identity: RunIdentity
    provenance: Provenance
    resumed_from: tuple[Count, ...]
    """Epochs that were done each time the run was taken up again."""
    flags: tuple[Text, ...]
    details: dict[MetricName, Any] = field(default_factory=dict)
    """What a metric says that is no number, by metric."""
    data: dict[str, Any] = field(default_factory=dict)
    """What the data set held: images of each split and class, in two splits, and what else its files were."""
    digest: str = ""
    """SHA-256 of all the rest, see `digest_of`; "" only until it is known."""


def digest_of(data: RecordData) -> str:
    """SHA-256 of all that the record holds but its digest, whatever the order and the spaces in the file."""
    bare = msgspec.structs.replace(data, digest="")
    return hashlib.sha256(msgspec.json.encode(bare, order="deterministic")).hexdigest()


def json_schema() -> dict[str, Any]:
    """The same as a JSON schema, for readers in other languages."""
    return msgspec.json.schema(RecordData)
