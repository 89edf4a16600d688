"""Where things lie: the gin files that come with the package, and the data folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path

from lpa3bench.errors import ConfigError

_PARENT = Path(__file__).resolve().parents[2]
"""Of the package: the root of a checkout, or site-packages."""
OVERLAYS = ("augmenters/", "policies/")
"""What the names of shipped overlays begin with."""


def shipped(name: str) -> Path:
    """The folder `name` that is shipped with the package, such as "gin".

    In a checkout it is the folder itself, so that an edit counts at once; a wheel installs it beside the
    package as `lpa3bench_<name>`. (`site-packages/gin` is another project's.)
    """
    in_checkout = (_PARENT / "pyproject.toml").is_file() and (_PARENT / name).is_dir()
    return _PARENT / (name if in_checkout else f"lpa3bench_{name}")


def gin_root() -> Path:
    """The folder of shipped gin files, which `include` lines are relative to."""
    return shipped("gin")


def called(path: Path) -> str:
    """What messages call a gin file: a shipped one `gin/…`, wherever it lies; any other as it was given."""
    root = gin_root()
    return f"gin/{path.relative_to(root).as_posix()}" if path.is_relative_to(root) else str(path)


def typed_name(path: Path) -> str:
    """What a command line calls a gin file: `quickstart` for a shipped one, any other as it was given."""
    root = gin_root()
    if not path.is_relative_to(root):
        return str(path)
    return path.relative_to(root).with_suffix("").as_posix()


def config_names() -> list[str]:
    """The shipped gin files that a run can be made of, without ".gin": `quickstart`, `augmenters/lpa3`.

    Those in `base/` are for inclusion by others; those in `suites/` list many runs (`suite_names`).
    """
    return [name for name in _gin_names() if not name.startswith(("base/", "suites/"))]


def suite_names() -> list[str]:
    """The shipped suite files, without ".gin": `suites/table1`."""
    return [name for name in _gin_names() if name.startswith("suites/")]


def _gin_names() -> list[str]:
    root = gin_root()
    return sorted(path.relative_to(root).with_suffix("").as_posix() for path in root.rglob("*.gin"))


def resolve_config(text: str) -> Path:
    """The gin file that a command line means.

    A file of that path is taken as it is; otherwise the text names a shipped file, with or without "gin/" in
    front and ".gin" at the end: `cifar100_pes`, `augmenters/lpa3`, `gin/quickstart.gin`.

    Raises:
        ConfigError: there is neither.
    """
    path = Path(text)
    if _is(Path.is_file, path):
        return path
    name = text.removeprefix("gin/").removesuffix(".gin")
    candidate = gin_root() / f"{name}.gin"
    if _is(Path.is_file, candidate):
        return candidate
    if _is(Path.is_dir, path):
        raise ConfigError(f"{text}: is a folder, not a gin file")
    names = [*config_names(), *suite_names()]
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    listed = "`lpa3bench list configs`, `overlays` or `suites` shows those"
    advice = f"did you mean {' or '.join(near)}?" if near else listed
    raise ConfigError(f"{text}: there is no such file, nor a shipped one of that name; {advice}")


def _is(what: Callable[[Path], bool], path: Path) -> bool:
    try:
        return what(path)
    except OSError:  # a name that is too long for the disk
        return False


def data_root(option: Path | None = None) -> Path:
    """The data folder, and the only one that is looked in.

    It is `option` (`--data`), else $LPA3BENCH_DATA, else `lpa3bench/data` in $XDG_CACHE_HOME, else
    `~/.cache/lpa3bench/data`. It need not exist.
    """
    if option is not None:
        return option
    if chosen := os.environ.get("LPA3BENCH_DATA"):
        return Path(chosen).expanduser()
    return cache_root() / "data"


def cache_root() -> Path:
    """`lpa3bench` in $XDG_CACHE_HOME, else `~/.cache/lpa3bench`. It need not exist."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if not cache.is_absolute():  # unset, or to be ignored by the XDG specification
        cache = Path.home() / ".cache"
    return cache / "lpa3bench"
