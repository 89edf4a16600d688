"""`lpa3bench.export.load`: a network with all that it takes to predict by it, and nothing of a config."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file
from support.small_trained import SUPERVISED, train

from lpa3bench.analysis.trained_run import open_run
from lpa3bench.errors import PluginError, RunFailed
from lpa3bench.export import Exported, load
from lpa3bench.export.finished_run import About, Constructed, Making, digest_of_export
from lpa3bench.export.weights import export
from lpa3bench.training.predictions import read_predictions

BY_ITSELF = """
import sys
from lpa3bench.export import load
model = load(sys.argv[1])
assert not [name for name in sys.modules if name == "gin" or name.startswith("lpa3bench.config")]
print(model.class_names)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("exported"), SUPERVISED + "run.resize = 12\n")


@pytest.fixture(scope="module")
def file(run: Path) -> Path:
    """The weights of the best epoch alone."""
    done = export(run, weights="best", device="cpu", out=run.parent / "all of it")
    alone = run.parent / "alone.safetensors"
    return (done.folder / "model.safetensors").rename(alone)


@pytest.fixture
def model(file: Path) -> Exported:
    return load(file)


def test_the_file_alone_predicts_as_the_run_did(run: Path, model: Exported) -> None:
    stored = read_predictions(run / "predictions.npz")
    assert stored is not None
    images = (
        open_run(run, data=run.parents[1], device="cpu").config.experiment().dataset.load(run)["test"].images
    )
    x = model.preprocess([image.permute(1, 2, 0).numpy() for image in images])
    assert x.shape == (40, 3, 8, 8)
    assert torch.allclose(model(x), stored.selected["test"].probs, atol=1e-6)
    assert model.class_names == ("0", "1", "2", "3")
    assert not model.training
    assert not any(p.requires_grad for p in model.parameters())


def test_it_needs_no_config(file: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BY_ITSELF, file], capture_output=True, text=True, cwd=file.parent, timeout=200
    )
    assert (done.stdout, done.returncode) == ("('0', '1', '2', '3')\n", 0), done.stderr


def test_images_are_prepared_as_the_runs_were(model: Exported, tmp_path: Path) -> None:
    wide = np.zeros((16, 40, 3), np.uint8)
    wide[:, 8:32] = 255  # the square in the middle, and what is averaged at its edges
    Image.fromarray(wide).save(tmp_path / "wide.png")
    for image in (tmp_path / "wide.png", Image.fromarray(wide), wide, [wide]):
        x = model.preprocess(image)
        assert x.shape == (1, 3, 8, 8)
        assert torch.equal(x, torch.ones(1, 3, 8, 8))
    with pytest.raises(ValueError, match="images: there is none"):
        model.preprocess([])


@pytest.mark.parametrize("shape", [(2, 3, 9, 9), (2, 1, 8, 8), (3, 8, 8), (2, 3, 8, 12)])
def test_images_of_another_size_are_refused(model: Exported, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"x: is \[.*\], and must be \[B, 3, 8, 8\], as preprocess makes"):
        model(torch.zeros(shape))


def test_bytes_and_arrays_are_refused(model: Exported) -> None:
    with pytest.raises(ValueError, match="x: is of type ndarray, and must be a tensor, as preprocess makes"):
        model(np.zeros((1, 3, 8, 8), np.float32))
    with pytest.raises(ValueError, match=r"x: is torch.uint8, and must be float in \[0, 1\]"):
        model(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    assert model(torch.zeros(2, 3, 12, 12)).shape == (2, 4), "of the size that the network sees"


def rewritten(file: Path, tmp_path: Path, making: Making | msgspec.UnsetType) -> Path:
    """The same export with something else about how it was made."""
    with safe_open(file, framework="pt") as held:
        about = msgspec.json.decode(held.metadata()["lpa3bench"], type=About)
        tensors = {name: held.get_tensor(name) for name in held.keys()}  # noqa: SIM118
    about.making, about.digest = making, ""
    about.digest = digest_of_export(about, tensors)
    path = tmp_path / "model.safetensors"
    save_file(tensors, path, {"lpa3bench": msgspec.json.encode(about).decode()})
    return path


def test_an_export_of_an_earlier_version_takes_its_config(run: Path, file: Path, tmp_path: Path) -> None:
    path = rewritten(file, tmp_path, msgspec.UNSET)
    with safe_open(path, framework="pt") as held:
        assert b"making" not in held.metadata()["lpa3bench"].encode()
    (tmp_path / "config.gin").write_bytes((run / "operative.gin").read_bytes())
    assert load(tmp_path).class_names == load(file).class_names


def test_a_backbone_that_is_not_here_is_named(file: Path, tmp_path: Path) -> None:
    making = Making("last", 3, {}, Constructed("TheirNet", {}))
    with pytest.raises(PluginError, match="there is no backbone TheirNet here; give its file in plugins"):
        load(rewritten(file, tmp_path, making))
    other = Making("last", 3, {}, Constructed("SmallNet", {"width": "8"}))
    with pytest.raises(RunFailed, match="its weights do not fit its backbone"):
        load(rewritten(file, tmp_path, other))
