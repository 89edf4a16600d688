"""Where things lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from lpa3bench.errors import ConfigError
from lpa3bench.runtime import paths

SHIPPED = ("quickstart", "cifar100_pes", "augmenters/lpa3", "base/pes", "suites/table2")


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with a few gin files, and an empty folder to stand in."""
    root = tmp_path / "checkout"
    (root / "lpa3bench").mkdir(parents=True)
    (root / "pyproject.toml").touch()
    for name in SHIPPED:
        path = root / "gin" / f"{name}.gin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(paths, "_PARENT", root)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return root


def test_the_checkouts_own_folder_is_taken(checkout: Path) -> None:
    assert paths.gin_root() == checkout / "gin"


def test_installed_it_lies_beside_the_package_and_is_not_gin_config(checkout: Path) -> None:
    (checkout / "pyproject.toml").unlink()  # site-packages, where `gin` is gin-config's folder
    assert paths.gin_root() == checkout / "lpa3bench_gin"


def test_in_this_repository_there_are_gin_files() -> None:
    assert paths.gin_root().is_dir()
    assert "quickstart" in paths.config_names()


def test_names_leave_out_what_is_for_inclusion(checkout: Path) -> None:
    assert paths.config_names() == ["augmenters/lpa3", "cifar100_pes", "quickstart"]


def test_suites_have_names_of_their_own(checkout: Path) -> None:
    assert paths.suite_names() == ["suites/table2"]
    assert paths.resolve_config("suites/table2") == checkout / "gin" / "suites" / "table2.gin"


@pytest.mark.parametrize("text", ["quickstart", "quickstart.gin", "gin/quickstart.gin", "gin/quickstart"])
def test_a_shipped_file_has_a_name(checkout: Path, text: str) -> None:
    assert paths.resolve_config(text) == checkout / "gin" / "quickstart.gin"


def test_a_shipped_file_in_a_folder_has_a_name(checkout: Path) -> None:
    assert paths.resolve_config("augmenters/lpa3") == checkout / "gin" / "augmenters" / "lpa3.gin"


def test_a_file_of_that_path_comes_first(checkout: Path) -> None:
    Path("quickstart.gin").touch()
    assert paths.resolve_config("quickstart.gin") == Path("quickstart.gin")
    assert paths.resolve_config("quickstart") == checkout / "gin" / "quickstart.gin"


def test_a_folder_of_that_name_is_no_obstacle(checkout: Path) -> None:
    Path("quickstart").mkdir()
    assert paths.resolve_config("quickstart") == checkout / "gin" / "quickstart.gin"


def test_an_absolute_path_is_taken_as_it_is(checkout: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine"
    path.touch()
    assert paths.resolve_config(str(path)) == path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cifar100_pse", r"^cifar100_pse: there is no such file.*did you mean cifar100_pes\?"),
        ("gin/quikstart.gin", r"did you mean quickstart\?"),
        ("suites/tabel2", r"did you mean suites/table2\?"),
        ("nothing-like-it", r"; `lpa3bench list configs`, `overlays` or `suites` shows those$"),
    ],
)
def test_an_unknown_name_gets_the_nearest(checkout: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        paths.resolve_config(text)


def test_a_folder_is_not_a_gin_file(checkout: Path) -> None:
    Path("mine").mkdir()
    with pytest.raises(ConfigError, match="mine: is a folder"):
        paths.resolve_config("mine")


def test_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("LPA3BENCH_DATA", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    default = tmp_path / ".cache" / "lpa3bench" / "data"
    assert paths.data_root() == default
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert paths.data_root() == default
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert paths.data_root() == Path("/caches/lpa3bench/data")
    monkeypatch.setenv("LPA3BENCH_DATA", "~/sets")
    assert paths.data_root() == tmp_path / "sets"
    assert paths.data_root(Path("given")) == Path("given")
    monkeypatch.setenv("LPA3BENCH_DATA", "")
    assert paths.data_root() == Path("/caches/lpa3bench/data")
    assert [*tmp_path.iterdir()] == [], "asking creates nothing"


def test_a_shipped_file_is_called_the_same_wherever_it_lies(tmp_path: Path) -> None:
    from lpa3bench.runtime.paths import called, gin_root

    assert called(gin_root() / "base" / "pes.gin") == "gin/base/pes.gin"
    assert called(tmp_path / "my.gin") == str(tmp_path / "my.gin")
    assert called(Path("sub/my.gin")) == "sub/my.gin"
