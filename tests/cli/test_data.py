from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from support.pictures import CLASSES, made_folder

from lpa3bench.cli import main
from lpa3bench.errors import DataError
from lpa3bench_plugins.datasets.cifar import CIFAR10
from lpa3bench_plugins.datasets.class_folders import EXTENSIONS
from lpa3bench_plugins.datasets.medmnist import BreastMNIST

PLUGIN = """
from lpa3bench import Dataset, DatasetSpec, hookimpl


class Mine(Dataset):
    def __init__(self, *, path: str) -> None:
        self.path = path

    @property
    def spec(self) -> DatasetSpec:
        return DatasetSpec(name="Mine", num_classes=2, channels=1, size=4, mean=(0.5,), std=(0.5,))

    def load(self, root, *, cache=None):
        return {}


class Faulty(Mine):
    def __init__(self) -> None:
        super().__init__(path="")

    def load(self, root, *, cache=None):
        return {}["train"]


@hookimpl
def register_datasets(register):
    register("Mine", Mine)
    register("Faulty", Faulty)
"""


def call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["data", *map(str, arguments)])


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(PLUGIN)
    return path


def test_list_says_what_is_here_and_where_it_looked(tmp_path: Path) -> None:
    result = call("list", "--data", tmp_path)
    assert result.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in result.output.splitlines() if line)
    assert lines["Digits"] == "train 901, val 179, test 717"
    assert lines["CIFAR10"] == f"cifar-10-batches-py/data_batch_1 is not in {tmp_path}"
    assert lines["ChestMNIST"].startswith("ChestMNIST is multi-label")
    assert lines["looked"].startswith(f"in {tmp_path}; get a data set with: lpa3bench data get NAME")


def test_list_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "breastmnist.npz").open("wb") as file:
        np.savez(file, some=np.zeros(10**6, np.uint8))
    monkeypatch.setattr(BreastMNIST, "load", None)
    lines = dict(
        line.split(maxsplit=1) for line in call("list", "--data", tmp_path).output.splitlines() if line
    )
    assert lines["BreastMNIST"] == "train 546, val 78, test 156, 1 MB"


def test_list_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LPA3BENCH_DATA", str(tmp_path))
    found = json.loads(call("list", "--json").output)
    assert found["folder"] == str(tmp_path)
    assert found["datasets"]["Digits"] == {
        "problem": None,
        "splits": {"train": 901, "val": 179, "test": 717},
        "size": None,
    }
    missing = found["datasets"]["BreastMNIST"]
    assert missing["splits"] is None
    assert missing["problem"].endswith(f"lpa3bench data get BreastMNIST --data {tmp_path}")


def test_list_survives_other_peoples_plugins(tmp_path: Path, plugin: Path) -> None:
    result = call("list", "--data", tmp_path, "--plugin", plugin)
    lines = dict(line.split(maxsplit=1) for line in result.output.splitlines() if line)
    assert lines["Faulty"] == f"Faulty ({plugin}) is broken: KeyError('train')"
    assert lines["Mine"] == "needs parameters, so it takes -p Mine.path=… or a gin file"
    assert lines["Digits"].startswith("train 901")


def test_verify(tmp_path: Path) -> None:
    result = call("verify", "Digits", "Synthetic", "--data", tmp_path)
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "Digits          train 901, val 179, test 717",
        "Synthetic       train 1000, test 200",
    ]


def test_verify_goes_on_after_a_failure_and_names_every_one(tmp_path: Path) -> None:
    path = tmp_path / "breastmnist.npz"
    np.savez(path, train_images=np.zeros(3))
    result = call("verify", "CIFAR100", "BreastMNIST", "Digits", "--data", tmp_path)
    assert result.exit_code == 4
    assert result.stdout == "Digits          train 901, val 179, test 717\n"
    missing, damaged = result.stderr.splitlines()
    assert missing.startswith("error: CIFAR100: cifar-100-python/")
    assert damaged.startswith(f"error: BreastMNIST: {path} is damaged (MD5 ")


def test_get_downloads_what_is_not_here_and_verifies_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def verify(self: Any, root: Path) -> dict[str, int]:
        calls.append("verify")
        if "download" not in calls:
            raise DataError("not here")
        return {"train": 546}

    monkeypatch.setattr(BreastMNIST, "verify", verify)
    monkeypatch.setattr(BreastMNIST, "download", lambda self, root: calls.append("download"))
    result = call("get", "BreastMNIST", "--data", tmp_path)
    assert result.exit_code == 0
    assert calls == ["verify", "download", "verify"]
    assert result.stdout == "BreastMNIST     train 546\n"
    assert result.stderr == f"getting BreastMNIST into {tmp_path}\n"

    calls[:] = ["download"]
    assert call("get", "BreastMNIST", "--data", tmp_path).exit_code == 0
    assert calls == ["download", "verify"]


def test_get_without_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*args: Any, **kwargs: Any) -> None:
        raise OSError("Name or service not known")

    monkeypatch.setattr("torchvision.datasets.utils.download_url", no_network)
    result = call("get", "BreastMNIST", "Digits", "--data", tmp_path)
    assert result.exit_code == 4
    assert result.stdout.startswith("Digits ")
    assert result.stderr.splitlines()[-1] == (
        f"error: BreastMNIST: the download into {tmp_path} failed (Name or service not known); "
        "check network and disk, then try again"
    )


def test_a_set_without_a_source_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(CIFAR10.__mro__[1], "download")
    result = call("get", "CIFAR10", "--data", tmp_path)
    assert result.exit_code == 4
    assert "CIFAR10 has no download; its files must be put into" in result.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CIFAR11", "there is no data set 'CIFAR11'; did you mean CIFAR10 or CIFAR100?"),
        ("PES", "there is no data set 'PES'"),
        ("ChestMNIST", "ChestMNIST is multi-label"),
    ],
)
def test_names_that_cannot_be_had(tmp_path: Path, name: str, message: str) -> None:
    result = call("verify", "Digits", name, "--data", tmp_path)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stdout == ""


def test_a_set_that_needs_parameters(tmp_path: Path, plugin: Path) -> None:
    result = call("verify", "Mine", "--data", tmp_path, "--plugin", plugin)
    assert result.exit_code == 2
    assert result.stderr == "error: Mine: needs parameters, so it takes -p Mine.path=… or a gin file\n"
    given = call("verify", "Mine", "--data", tmp_path, "--plugin", plugin, "-p", "Mine.path='a'")
    assert "needs parameters" not in given.stderr


def test_the_advice_for_a_larger_size_gets_that_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    larger = ("-p", "BreastMNIST.size=64")
    advised = call("verify", "BreastMNIST", "--data", tmp_path, *larger)
    assert advised.exit_code == 4
    command = f"data get BreastMNIST -p BreastMNIST.size=64 --data {tmp_path}"
    assert (
        advised.stderr
        == f"error: BreastMNIST: breastmnist_64.npz is not in {tmp_path}; get it with: lpa3bench {command}\n"
    )
    fetched: list[str] = []
    monkeypatch.setattr(
        "torchvision.datasets.utils.download_url", lambda *a, filename, **b: fetched.append(filename)
    )
    call(*command.split()[1:])
    assert fetched == ["breastmnist_64.npz"]
    (tmp_path / "breastmnist_64.npz").write_bytes(b"")
    listed = call("list", "--data", tmp_path, *larger)
    assert "breastmnist_64.npz is damaged" in listed.stdout


@pytest.mark.parametrize(
    ("binding", "says"),
    [
        ("BreastMNIST.size=65", "BreastMNIST.size must be one of 28, 64, 128, 224, not 65"),
        ("BreastMNIST.side=64", "BreastMNIST has no parameter side"),
        ("CIFAR10.mean=(0.5, 0.5, 0.5)", "nothing uses it: CIFAR10.mean is of none of datasets.BreastMNIST"),
        ("BreastMNIST.mean=(0.5,)", "BreastMNIST.mean needs one number per channel"),
        ("BreastMNIST.size=%size", "must be written out, without macros"),
        ("size=64", "nothing uses it"),
    ],
)
def test_a_binding_that_is_wrong(binding: str, says: str, tmp_path: Path) -> None:
    result = call("verify", "BreastMNIST", "--data", tmp_path, "-p", binding)
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.startswith("error: -p '")
    assert says in result.stderr


# ----------------------------------------------------------------------------------------- of a gin file
OWN = ("-p", "Images.size=12", "-p", "run.backbone=@backbones.SmallNet")


def own_images(tmp_path: Path) -> tuple[str, ...]:
    folder = made_folder(tmp_path)
    (folder / "test/ant/a.gif").write_text("")
    return ("images_supervised", *OWN, "-p", f"Images.path='{folder}'")


def test_the_data_of_a_run(tmp_path: Path) -> None:
    """Of own images, which need parameters; and how far labels from a file are theirs."""
    arguments = own_images(tmp_path)
    names = [f"train/{name}/{place}.png" for name in CLASSES for place in range(3)]
    rows = [f"{name};{(place + (place == 4)) // 3}" for place, name in enumerate(names)]
    rows[3] = rows[3].replace(";1", ";2")
    (tmp_path / "a.csv").write_text("\n".join(["file;label", *rows[::-1]]))
    labels = ("-p", "run.labels=@labels.FromFile()", "-p", f"FromFile.path='{tmp_path}/a.csv'")
    result = call("verify", *arguments, *labels)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.output.splitlines() == [
        "Images          train 9, val 3, test 6",
        "Images: train 9 (ant 3, bee 3, cat 3), val 3 (ant 1, bee 1, cat 1), test 6 (ant 2, bee 2, cat 2)",
        "Images: passed over: 1 .gif",
        "FromFile: a.csv, joined by its column 'file'; 8 of 9 labels (88.9 %) agree with the data set's own",
        "warning: Images: test files of other kinds are passed over (1 .gif); read are "
        + " ".join(EXTENSIONS),
        "warning: Images: 3 of 3 val images have the pixels of training images (val/ant/0.png is "
        "train/ant/0.png; val/bee/0.png is train/bee/0.png; val/cat/0.png is train/cat/0.png)",
        "warning: Images: 6 of 6 test images have the pixels of training images (test/ant/0.png is "
        "train/ant/0.png; test/ant/1.png is train/ant/1.png; test/bee/0.png is train/bee/0.png; …)",
        "warning: Images: 3 of 6 test images have the pixels of val images (test/ant/0.png is "
        "val/ant/0.png; test/bee/0.png is val/bee/0.png; test/cat/0.png is val/cat/0.png)",
    ]
    assert not (tmp_path / "runs").exists()


def test_the_data_of_a_run_that_cannot_be_read(tmp_path: Path) -> None:
    arguments = own_images(tmp_path)
    for name in ("ant/0.png", "cat/2.png"):
        (tmp_path / "mine/train" / name).write_text("no image")
    result = call("verify", *arguments)
    assert (result.exit_code, result.stdout) == (4, "")
    assert result.stderr.startswith(f"error: Images: 2 images in {tmp_path}/mine/train cannot be read; mend")
    missing = call("verify", "images_supervised", *OWN, "-p", "Images.path='gone'")
    assert (missing.exit_code, missing.stdout) == (4, "")
    assert "there is no folder or .npz file" in missing.stderr
    wrong = call("verify", *arguments, "-p", "Images.fit='cover'")
    assert (wrong.exit_code, wrong.stdout) == (3, "")
    assert "Images.fit must be" in wrong.stderr


def test_checksums_are_looked_at_for_a_gin_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def verify(self: Any, root: Path) -> dict[str, int]:
        raise DataError("damaged")

    monkeypatch.setattr(CIFAR10.__mro__[1], "verify", verify)
    result = call("verify", "cifar10_pes", "--setting", "sym50", "--data", tmp_path)
    assert (result.exit_code, result.stderr) == (4, "error: damaged\n")


def test_a_setting_is_of_a_gin_file() -> None:
    result = call("verify", "Digits", "--setting", "sym20")
    assert (result.exit_code, result.stdout) == (2, "")


def test_nothing_is_named() -> None:
    assert call("get").exit_code == 2
