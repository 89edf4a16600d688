"""Small finished runs in a folder, to be opened and measured."""

from __future__ import annotations

from pathlib import Path

from lpa3bench import config
from lpa3bench.plugin import registry
from lpa3bench.training.job import Job
from lpa3bench.training.loop import run

BASE = """
run.dataset = @datasets.Synthetic()
Synthetic.size = 8
Synthetic.train = 64
Synthetic.val = 32
Synthetic.test = 40
Synthetic.num_classes = 4
run.backbone = @backbones.SmallNet
SmallNet.width = 4
run.weak = @WeakView()
WeakView.pad = 1
run.epochs = 2
LPA3.iterations = 2
LPA3.ratio = 0.5
"""
FIXMATCH = """
run.task = @tasks.FixMatch()
run.labels = @labels.FewLabels()
FewLabels.count = 8
FixMatch.batch_size = 8
FixMatch.mu = 2
FixMatch.steps_per_epoch = 6
FixMatch.ema_decay = 0.8
FixMatch.threshold = 0.0
FixMatch.positives_threshold = 0.0
run.strong = @augmenters.RandAugment()
run.positives = @augmenters.LPA3()
LPA3.select = "dataset"
LPA3.margin = 0.1
"""
SUPERVISED = """
run.task = @tasks.Supervised()
Supervised.batch_size = 16
"""
DIVIDEMIX = """
run.task = @tasks.DivideMix()
run.labels = @labels.SymmetricNoise()
SymmetricNoise.rate = 0.2
DivideMix.batch_size = 8
DivideMix.warmup_epochs = 1
"""


def train(
    folder: Path, text: str, *overlays: Path, bindings: tuple[str, ...] = (), limit: int | None = None
) -> Path:
    """Run `BASE` with this text; returns the run directory. The data folder is `folder` too."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "test.gin"
    file.write_text(BASE + text)
    loaded = config.load_config([file, *overlays], bindings=bindings, registry=registry.load_registry())
    return run(Job(config=loaded, device="cpu", data=folder, out=folder / "runs", limit=limit, seed=3)).folder
