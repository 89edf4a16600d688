"""What verbs import: whoever trains nothing waits for no torch, and whoever draws nothing for no template."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from lpa3bench.runtime.paths import shipped

VERBS = """
import contextlib, io, sys
from lpa3bench.cli import main

HEAVY = {"torch", "torchvision", "sklearn", "medmnist", "matplotlib", "scipy.stats", "rich"}
board, data = sys.argv[1:]

def call(*arguments, also):
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as said:
        with contextlib.suppress(SystemExit):
            main([*arguments])
    assert "error" not in said.getvalue(), (arguments, said.getvalue())
    kinds = {name for name in sys.modules if name.startswith("lpa3bench_plugins.")}
    found = (HEAVY | also) & ({*sys.modules} | {".".join(kind.split(".")[:2]) for kind in kinds})
    assert not found, (arguments, found)

KINDS = ("tasks", "augmenters", "backbones", "labels", "metrics", "policies")
PLUGINS = {f"lpa3bench_plugins.{kind}" for kind in KINDS}
call("list", also={"jinja2", "numpy", "gin", "lpa3bench_plugins.datasets", *PLUGINS})
call("records", board, also={"jinja2", "numpy", "lpa3bench_plugins.datasets", *PLUGINS})
cells = [f"shipped:fashion_mini/fashionmnist-pes-sym50{end}" for end in ("-lpa3", "")]
call("compare", *cells, also={"jinja2", "lpa3bench_plugins.datasets", *PLUGINS})
call("leaderboard", "build", board, also={"lpa3bench_plugins.datasets", *PLUGINS})
assert "jinja2" in sys.modules
call("check", "augmenters/none", also=PLUGINS)
call("check", f"{data}/overlay.gin", also=PLUGINS - {"lpa3bench_plugins.labels", "lpa3bench_plugins.metrics"})
call("data", "list", "--data", data, also=set())
assert "lpa3bench_plugins.datasets.cifar" in sys.modules
print("done")
"""
OVERLAY = """
run.dataset = @datasets.Digits()
run.labels = @labels.SymmetricNoise()
run.metrics = [@metrics.Accuracy(), @metrics.NLL()]
SymmetricNoise.rate = 0.5
"""


def test_verbs_that_train_nothing_import_nothing_heavy(tmp_path: Path) -> None:
    board = tmp_path / "fashion_mini"
    shutil.copytree(shipped("leaderboards") / "fashion_mini", board)
    text = (board / "board.toml").read_text()  # of a plugin that imports torch, and that no record has
    asking = text.replace("match = { dataset = ", 'match = { "FixMatch.policy" = "none", dataset = ', 1)
    assert asking != text
    (board / "board.toml").write_text(asking)
    shutil.copy(shipped("leaderboards") / "published.toml", tmp_path)
    (tmp_path / "overlay.gin").write_text(OVERLAY)
    done = subprocess.run(
        [sys.executable, "-c", VERBS, board, tmp_path], capture_output=True, text=True, timeout=300
    )
    assert done.stdout == "done\n", done.stderr
