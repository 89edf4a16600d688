"""Which modules a plugin runs, and which change of them makes another plugin of it."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from lpa3bench.errors import PluginError
from lpa3bench.plugin import code as code_module
from lpa3bench.plugin import registry as registries
from lpa3bench.plugin.code import Code, code_of, find_module
from lpa3bench.plugin.registry import Entry
from lpa3bench_plugins.augmenters.lpa3 import LPA3

HELPED = """\
import sys, pathlib
sys.path.insert(0, str(pathlib.Path(__file__).parent))
{imports}
from lpa3bench import Augmenter, hookimpl

class Helped(Augmenter):
    \"\"\"Dims.\"\"\"

    def generate(self, x, ctx): ...

@hookimpl
def register_augmenters(register):
    register("{name}", Helped)
"""


@pytest.fixture(autouse=True)
def _as_if_started_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What plugins put on the path and import is forgotten."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {*sys.modules}
    yield
    _forget(before)


def _forget(before: set[str]) -> None:
    for name in sys.modules.keys() - before:
        if not name.startswith(("lpa3bench.", "torch", "numpy")):
            del sys.modules[name]
    importlib.invalidate_caches()


# --------------------------------------------------------------------------------------------- plugin files
def put(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(dedent(text))


def codes(*files: Path) -> list[Code]:
    """The code of what each file registers, as a new process finds it."""
    before, path = {*sys.modules}, [*sys.path]
    registries.load_registry.cache_clear()
    found = registries.load_registry(files)
    assert found.broken == ()
    mine = {entry.file: code_of(entry) for entry in found.entries if entry.file is not None}
    sys.path[:] = path
    _forget(before)
    return [mine[file.resolve()] for file in files]


def code(file: Path) -> Code:
    (found,) = codes(file)
    return found


def helped(folder: Path, imports: str = "import my_helper", name: str = "Helped") -> Path:
    put(folder, {"plugin.py": HELPED.format(imports=imports, name=name), "my_helper.py": "FACTOR = 0.9\n"})
    return folder / "plugin.py"


def test_a_helper_beside_the_file_is_part_of_it(tmp_path: Path) -> None:
    file = helped(tmp_path)
    before = code(file)
    assert {*before.files} == {"", "my_helper.py"}
    put(
        tmp_path,
        {"my_helper.py": '"""Says how much."""\nFACTOR = 0.9  # of the light\n', "other.py": "X = 1"},
    )
    assert code(file) == before
    put(tmp_path, {"my_helper.py": "FACTOR = 0.1\n"})
    assert code(file).digest != before.digest


def test_where_the_files_lie_and_what_the_file_is_called_do_not_count(tmp_path: Path) -> None:
    file = helped(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "elsewhere" / "two")
    moved = (tmp_path / "elsewhere" / "two" / "plugin.py").rename(tmp_path / "elsewhere" / "two" / "mine.py")
    assert code(file).digest == code(moved).digest


def test_two_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    one, two = helped(tmp_path / "one"), helped(tmp_path / "two", imports="import math", name="Other")
    before = codes(one, two)
    assert before[0].digest != before[1].digest
    two.write_text(two.read_text().replace("...", "return x"))
    after = codes(one, two)
    assert after[0] == before[0]
    assert after[1].digest != before[1].digest
    one.write_text(one.read_text().replace("...", "return x"))
    assert codes(one, two)[0].digest != before[0].digest


def test_a_helper_of_both_is_the_one_that_runs(tmp_path: Path) -> None:
    """Of two modules of one name Python imports the first for everybody."""
    one, two = helped(tmp_path / "one"), helped(tmp_path / "two", name="Other")
    put(tmp_path / "two", {"my_helper.py": "FACTOR = 0.1\n"})
    ran = (tmp_path / "one" / "my_helper.py").resolve()
    assert [found.files["my_helper.py"] for found in codes(one, two)] == [ran, ran]


@pytest.mark.parametrize(
    ("imports", "edited"),
    [
        ("from parts import deep", "parts/deep.py"),
        ("import parts.deep", "parts/__init__.py"),
        ("from parts.deep import FACTOR", "parts/under.py"),
        ("from spaces.inner import FACTOR", "spaces/inner.py"),
        ("def later():\n    import parts.deep", "parts/under.py"),
        ("import importlib\nimportlib.import_module('parts.deep')", "parts/deep.py"),
        ("import importlib\nname = 'deep'\nimportlib.import_module(f'parts.{name}')", "parts/deep.py"),
        ("exec(pathlib.Path(__file__).with_name('lone.py').read_text())", "lone.py"),
        ("from parts import *", "parts/deep.py"),
    ],
)
def test_all_that_it_imports_from_its_folder_counts(tmp_path: Path, imports: str, edited: str) -> None:
    file = helped(tmp_path, imports)
    put(
        tmp_path,
        {
            "parts/__init__.py": "__all__ = ['deep']\n",
            "parts/deep.py": "from .under import FACTOR\n",
            "parts/under.py": "FACTOR = 0.5\n",
            "spaces/inner.py": "FACTOR = 0.5\n",
            "lone.py": "FACTOR = 0.5\n",
        },
    )
    before = code(file)
    (tmp_path / edited).write_text((tmp_path / edited).read_text() + "MORE = 1\n")
    assert code(file).digest != before.digest


def test_another_file_of_the_folder_does_not_count(tmp_path: Path) -> None:
    file = helped(tmp_path)
    helped(tmp_path / "more", name="Other").rename(tmp_path / "second.py")
    assert codes(file, tmp_path / "second.py")[0] == code(file)


def test_the_standard_library_and_other_distributions_do_not_count(tmp_path: Path) -> None:
    site = tmp_path / "lib" / "site-packages"
    put(site, {"colours/__init__.py": "RED = 1\n"})
    sys.path.insert(0, str(site))
    found = code(helped(tmp_path, "import json, numpy, torch, colours, lpa3bench.ops\nfrom torch import nn"))
    assert {*found.files} == {""}
    assert {"numpy", "torch", "colours"} <= found.libraries
    assert not {"json", "lpa3bench"} & found.libraries
    put(site, {"colours/__init__.py": "RED = 2\n"})
    assert code(tmp_path / "plugin.py") == found


def test_a_module_on_the_path_that_nobody_installed_counts(tmp_path: Path) -> None:
    put(tmp_path / "lib", {"shades.py": "RED = 1\n"})
    sys.path.insert(0, str(tmp_path / "lib"))
    before = code(helped(tmp_path, "import shades"))
    put(tmp_path / "lib", {"shades.py": "RED = 2\n"})
    assert code(tmp_path / "plugin.py").digest != before.digest


def test_of_our_plugins_others_know_the_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not their text: a comment of ours makes no other plugin of a subclass, another number of ours does."""
    put(tmp_path, {"mine.py": HELPED.format(imports="", name="Mine").replace("(Augmenter)", "(LPA3)")})
    text = (tmp_path / "mine.py").read_text()
    (tmp_path / "mine.py").write_text(f"from lpa3bench_plugins.augmenters.lpa3 import LPA3\n{text}")
    before = code(tmp_path / "mine.py")
    assert {*before.files} == {""}
    monkeypatch.setattr(LPA3, "version", 2, raising=False)
    assert code(tmp_path / "mine.py").digest != before.digest


def test_of_one_that_it_only_calls_they_know_the_version_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(code_module, "OUR_PLUGINS", "ours")
    put(tmp_path / "lib" / "site-packages", {"ours/search.py": "class Search:\n    step = 1\n"})
    sys.path.insert(0, str(tmp_path / "lib" / "site-packages"))
    before = code(helped(tmp_path, "from ours.search import Search"))
    put(tmp_path / "lib" / "site-packages", {"ours/search.py": "class Search:\n    step = 2\n"})
    assert code(tmp_path / "plugin.py") == before, "its number may be the same"
    put(tmp_path / "lib" / "site-packages", {"ours/search.py": "class Search:\n    version = 2\n"})
    assert code(tmp_path / "plugin.py").digest != before.digest


# ---------------------------------------------------------------------------------------------- packages
Package = Callable[[str], Entry]


@pytest.fixture
def package(tmp_path: Path) -> Package:
    """`package(import statement)`: a plugin of a package "wavy", anew, whose module holds the statement."""
    folder = tmp_path / "site" / "wavy"
    put(folder, dict.fromkeys(("__init__.py", "parts/__init__.py", "parts/deep.py", "other.py"), ""))
    put(folder, {"helper.py": "from wavy.parts import deep\n"})
    sys.path.insert(0, str(folder.parent))

    def make(statement: str) -> Entry:
        put(folder, {"plugin.py": f"{dedent(statement)}\nclass Wavy:\n    pass\n"})
        for name in [name for name in sys.modules if name.partition(".")[0] == "wavy"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        return Entry("augmenters", "Wavy", "wavy.plugin:Wavy", "wavy 1.0", "wavy.door")

    return make


IMPORTS = [
    "import wavy.helper",
    "from wavy.helper import deep",
    "from wavy import helper",
    "from . import helper",
    "from .helper import deep",
    "def later():\n    from wavy import helper",
    "def later():\n    import wavy.helper as h",
]


@pytest.mark.parametrize("installed", [False, True])
@pytest.mark.parametrize("statement", IMPORTS)
def test_an_inner_module_counts(package: Package, tmp_path: Path, statement: str, installed: bool) -> None:
    folder = tmp_path / "site" / "wavy"
    if installed:
        names = [f"wavy/{file.relative_to(folder).as_posix()},," for file in folder.rglob("*.py")]
        record = "\n".join([*names, "wavy/plugin.py,,"])
        about = {"METADATA": "Metadata-Version: 2.1\nName: wavy\nVersion: 1.0\n", "RECORD": record}
        put(folder.parent / "wavy-1.0.dist-info", about)
    before = code_of(package(statement))
    (folder / "other.py").write_text("X = 1")
    assert code_of(package(statement)) == before
    for name in ("parts/deep", "helper", "__init__"):
        path = folder / f"{name}.py"
        held = path.read_text()
        path.write_text(f"{held}X = 1\n")
        assert code_of(package(statement)).digest != before.digest, name
        path.write_text(held)
    assert code_of(package(statement)) == before


def test_what_the_process_has_imported_does_not_count(package: Package) -> None:
    statement = "def later():\n    from wavy import helper"
    before = code_of(package(statement))
    entry = package(statement)
    importlib.import_module("wavy.helper")
    importlib.import_module("wavy.other")
    assert code_of(entry) == before


def test_names_that_only_running_it_tells_bring_the_whole_package_in(package: Package) -> None:
    found = code_of(
        package("import importlib\ndef zoo(name): return importlib.import_module(f'wavy.{name}')")
    )
    inner = {
        f"wavy/{name}.py"
        for name in ("__init__", "plugin", "helper", "other", "parts/__init__", "parts/deep")
    }
    assert {*found.files} == inner


def test_missing_libraries_and_circles_are_no_trouble(package: Package, tmp_path: Path) -> None:
    put(tmp_path / "site" / "wavy", {"helper.py": "import wavy.plugin\n"})
    statement = "try:\n    import wavy.absent, no_such_library\nexcept ImportError:\n    from . import helper"
    assert {"wavy/plugin.py", "wavy/helper.py"} <= {*code_of(package(statement)).files}


def test_a_class_that_a_function_made_is_what_registered_it_too(package: Package, tmp_path: Path) -> None:
    entry = package("def make(factor):\n    class Made:\n        strength = factor\n    return Made")
    folder = tmp_path / "site" / "wavy"
    digests = []
    for factor in (0.5, 0.6):
        put(folder, {"door.py": f"from wavy.plugin import make\nMADE = make({factor})\n"})
        made = importlib.import_module("wavy.plugin").make(factor)
        digests.append(code_of(Entry("augmenters", "Made", made, "wavy 1.0", "wavy.door")).digest)
    assert digests[0] != digests[1]
    assert "wavy/door.py" not in code_of(entry).files


def test_another_class_of_the_module_is_another_plugin(package: Package) -> None:
    entry = package("class Other: pass")
    other = Entry("augmenters", "Wavy", "wavy.plugin:Other", "wavy 1.0")
    assert code_of(entry).files == code_of(other).files
    assert code_of(entry).digest != code_of(other).digest


def test_a_version_of_its_own_counts(package: Package) -> None:
    made = code_of(package(""))
    entry = package("")
    entry.load().version = 2  # type: ignore[attr-defined]
    assert code_of(entry).digest != made.digest


def test_a_class_whose_source_is_nowhere_is_refused() -> None:
    namespace: dict[str, type] = {}
    exec("class Typed:\n    __module__ = 'typed_in'", namespace)
    with pytest.raises(PluginError, match="Typed.*source cannot be found.*define it in a file"):
        code_of(Entry("augmenters", "Typed", namespace["Typed"], "toys 1.0"))


def test_a_module_is_found_without_being_imported(package: Package) -> None:
    package("")
    found = find_module("wavy.parts.deep")
    assert found is not None
    assert found.key == "wavy/parts/deep.py"
    assert find_module("wavy.parts").key == "wavy/parts/__init__.py"  # type: ignore[union-attr]
    assert not any(name.startswith("wavy") for name in sys.modules)
    assert find_module("wavy.absent") is find_module("no_such_library.module") is None
