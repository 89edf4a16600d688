"""Who may know whom: read from the source, without importing it."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

from lpa3bench.plugin import hookspecs

ROOT = Path(__file__).parents[1]
ENGINE = ROOT / "lpa3bench"
PLUGINS = ROOT / "plugins" / "lpa3bench_plugins"

LONGEST_FILE = 400
ONLY_IN = {
    "gin": ("lpa3bench.config.loading", "lpa3bench.config.gin_state"),
    "pluggy": ("lpa3bench.plugin.hookspecs", "lpa3bench.plugin.registry"),
    "rich": ("lpa3bench.training.progress_bar", "lpa3bench.suites.progress"),
    "wandb": ("lpa3bench.publish.sdk",),
    "ray": ("lpa3bench.suites.ray_engine",),
    "submitit": ("lpa3bench.suites.slurm_engine",),
    "jinja2": ("lpa3bench.report",),
    "matplotlib": ("lpa3bench.report",),
    "scipy": ("lpa3bench.stats",),
    "torchcam": ("lpa3bench.analysis",),
    "pandas": ("lpa3bench.records.frames",),
    "pyarrow": ("lpa3bench.records.frames",),
    "torch.distributed": ("lpa3bench.runtime.distributed",),
    "click": ("lpa3bench.cli",),
    "safetensors": ("lpa3bench.export",),
    "timm": ("lpa3bench_plugins.backbones.timmnet",),
    "medmnist": ("lpa3bench_plugins.datasets.medmnist",),
}
"""Libraries that one place hides from everybody else."""
OPEN_TO_PLUGINS = (
    "api", "types", "attack", "nn", "data", "ops", "errors", "runtime.device", "runtime.files",
)  # fmt: skip
ROOMS = (
    "_version", "errors", "runtime", "types", "records", "stats", "boards", "report", "ops", "nn", "data",
    "attack", "env", "api", "plugin", "config", "standalone", "training", "testing", "analysis", "export",
    "publish", "suites", "python", "cli", "__main__",
)  # fmt: skip
"""From the ground up: each may know those before it, and be it for an annotation."""
BOARDS = ("report", "boards", "stats", "records")
"""Each may know the ones after it, and of the ground what follows; none knows torch."""
GROUND = (
    "errors", "types", "runtime.counting", "runtime.files", "runtime.paths", "runtime.licences", "_version",
)  # fmt: skip
NOT_FOR_TRAINING = ("stats", "boards", "report")
"""Below it in the list, and yet none of its business: a run ends with its record."""
MOST_FILES, MOST_PACKAGES = 9, 18
"""How wide the house may get: a newcomer names the room for any question."""
HEAVY = (
    "torch", "torchvision", "gin", "rich", "numpy", "sklearn", "medmnist", "scipy", "matplotlib", "jinja2",
    "ray", "submitit", "wandb",
)  # fmt: skip
TORCH_FREE = (
    "_version", "errors", "types", "env", "api", "config", "publish", "cli", *BOARDS,
    "analysis.stored_metrics",
    "export.model_card", "plugin.annotations", "plugin.code", "plugin.copies", "plugin.hookspecs",
    "plugin.reading", "plugin.registry", "plugin.renames", "plugin.scaffold", "runtime.device",
    "runtime.files", "runtime.licences", "runtime.paths", "runtime.shared_locks", "suites.cells",
    "suites.engine", "suites.local_engine", "suites.parent_death", "suites.ray_engine", "suites.search",
    "suites.suite_check", "suites.suite_file", "suites.suite_run", "suites.timing",
    "suites.fork_server", "suites.forked_run", "suites.slurm_engine", "suites.slurm_job",
    "training.failure_file", "training.identity", "training.image_passes", "training.metrics_file",
    "training.progress_bar", "training.provenance", "training.run_directory", "training.sinks",
)  # fmt: skip
"""Whole rooms, and of others what a command needs that trains nothing."""


@dataclass(frozen=True)
class Import:
    """One name imported: `from a.b import c` imports `a.b.c`."""

    name: str
    line: int
    at_import_time: bool
    for_types_only: bool

    def of(self, package: str) -> bool:
        return self.name == package or self.name.startswith(package + ".")


@dataclass(frozen=True)
class Module:
    path: Path
    name: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(), self.path)

    @cached_property
    def imports(self) -> list[Import]:
        return [*_imports(self.tree, at_import_time=True, for_types_only=False)]

    def within(self, *packages: str) -> bool:
        return any(self.name == p or self.name.startswith(p + ".") for p in packages)

    def __str__(self) -> str:
        return self.path.relative_to(ROOT).as_posix()


def _imports(node: ast.AST, *, at_import_time: bool, for_types_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        now, types = at_import_time, for_types_only
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, now, types)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, f"line {child.lineno}: imports are written out in full"
            for alias in child.names:
                yield Import(f"{child.module}.{alias.name}", child.lineno, now, types)
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            now = False
        elif isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            types = True
        yield from _imports(child, at_import_time=now, for_types_only=types)


@cache
def modules(root: Path) -> tuple[Module, ...]:
    found = []
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root.parent).with_suffix("").parts
        found.append(Module(path, ".".join(parts[:-1] if parts[-1] == "__init__" else parts)))
    return tuple(found)


def everything() -> tuple[Module, ...]:
    return modules(ENGINE) + modules(PLUGINS)


def offences(found: Iterator[tuple[Module, Import]]) -> list[str]:
    return [f"{module}:{item.line} imports {item.name}" for module, item in found]


def pairs(chosen: tuple[Module, ...], *, types_too: bool = False) -> Iterator[tuple[Module, Import]]:
    return ((m, i) for m in chosen for i in m.imports if types_too or not i.for_types_only)


# ------------------------------------------------------------------------------------------- who knows whom
def test_the_engine_knows_no_plugin() -> None:
    found = pairs(modules(ENGINE), types_too=True)
    assert offences((m, i) for m, i in found if i.of("lpa3bench_plugins")) == []


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_is_hidden_behind_one_place(library: str) -> None:
    found = pairs(everything())
    assert offences((m, i) for m, i in found if i.of(library) and not m.within(*ONLY_IN[library])) == []


def test_device_names_live_in_one_file() -> None:
    """So that another kind of device is one file's business."""
    word = re.compile("cuda", re.IGNORECASE)
    files = [*(m.path for m in everything()), *(ROOT / "gin").rglob("*.gin")]
    lines = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in files
        if path != ENGINE / "runtime" / "device.py"
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if word.search(line)
    ]
    assert lines == []


def test_plugins_know_only_the_open_part_of_the_engine() -> None:
    """`Draws` is the type of what an augmenter or labels are handed; registering needs two names more."""
    allowed = [*(f"lpa3bench.{name}" for name in OPEN_TO_PLUGINS), "lpa3bench.runtime.seeding.Draws"]
    public = {"lpa3bench.hookimpl", "lpa3bench.plugin.hookspecs.Register"}

    def is_allowed(module: Module, item: Import) -> bool:
        if not item.of("lpa3bench") or any(item.of(name) for name in allowed):
            return True
        return module.name == "lpa3bench_plugins.plugin" and item.name in public

    found = pairs(modules(PLUGINS), types_too=True)
    assert offences((m, i) for m, i in found if not is_allowed(m, i)) == []


@pytest.mark.parametrize("kind", hookspecs.KINDS)
def test_plugins_of_one_kind_know_no_other_kind(kind: str) -> None:
    others = [f"lpa3bench_plugins.{other}" for other in hookspecs.KINDS if other != kind]
    mine = tuple(m for m in modules(PLUGINS) if m.within(f"lpa3bench_plugins.{kind}"))
    assert mine
    found = pairs(mine, types_too=True)
    assert offences((m, i) for m, i in found if any(i.of(other) for other in others)) == []


def room(name: str) -> str:
    """Of a module, or of what one imports: the name of its package or file directly below the engine."""
    return name.split(".")[1] if "." in name else ""


def test_every_room_has_its_place() -> None:
    rooms = {room(module.name) for module in modules(ENGINE)} - {""}
    assert rooms <= {*ROOMS}
    assert len([*ENGINE.glob("*.py")]) <= MOST_FILES
    assert len([*ENGINE.glob("*/__init__.py")]) <= MOST_PACKAGES


def test_no_import_runs_back_up() -> None:
    """So there is no circle among rooms either. `lpa3bench/__init__.py` is the door to all of them."""
    climbing = (
        (module, item)
        for module, item in pairs(modules(ENGINE), types_too=True)
        if item.of("lpa3bench") and room(module.name) and room(item.name) in ROOMS
        if ROOMS.index(room(item.name)) > ROOMS.index(room(module.name))
    )
    assert offences(climbing) == []


def test_what_trains_knows_nothing_of_boards() -> None:
    above = [f"lpa3bench.{name}" for name in NOT_FOR_TRAINING]
    trains = ROOMS[ROOMS.index("ops") : ROOMS.index("testing") + 1]
    below = tuple(m for m in modules(ENGINE) if room(m.name) in trains)
    assert offences((m, i) for m, i in pairs(below) if any(i.of(name) for name in above)) == []


def test_boards_know_only_what_comes_before_them() -> None:
    strays: list[str] = []
    for place, part in enumerate(BOARDS):
        mine = tuple(m for m in modules(ENGINE) if m.within(f"lpa3bench.{part}"))
        allowed = [f"lpa3bench.{name}" for name in (*BOARDS[place:], *GROUND)]
        ours = ((m, i) for m, i in pairs(mine, types_too=True) if i.of("lpa3bench"))
        strays += offences((m, i) for m, i in ours if not any(i.of(name) for name in allowed))
        strays += offences((m, i) for m, i in pairs(mine) if i.of("torch"))
    assert strays == []


def test_verbs_import_nothing_heavy_before_they_are_called() -> None:
    verbs = tuple(m for m in modules(ENGINE) if m.within("lpa3bench.cli"))
    found = ((m, i) for m, i in pairs(verbs) if i.at_import_time)
    assert offences((m, i) for m, i in found if any(i.of(library) for library in HEAVY)) == []


def test_these_modules_import_no_torch() -> None:
    """Nor does anything that they import: seen in a process of its own."""
    free = [f"lpa3bench.{name}" for name in TORCH_FREE]
    names = ["lpa3bench", *(m.name for m in modules(ENGINE) if m.within(*free))]
    assert {"lpa3bench.runtime.device", "lpa3bench.plugin.registry", "lpa3bench.cli.list"} <= {*names}
    code = (
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        "    assert 'torch' not in sys.modules, name"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr.splitlines()[-1]


# ----------------------------------------------------------------------------------------------- the house
def test_no_module_hides_the_function_lpa3() -> None:
    assert [str(m) for m in modules(ENGINE) if m.name == "lpa3bench.lpa3"] == []


def test_the_folder_of_gin_files_is_no_package() -> None:
    """Started from the root of a checkout, a package there would hide gin-config."""
    assert (ROOT / "gin").is_dir()
    assert [*(ROOT / "gin").rglob("*.py")] == []


def test_modules_only_define() -> None:
    """Importing one runs no statement but definitions: no call for its effect, no touching of others."""
    strays = [f"{m}:{node.lineno}" for m in everything() for node in m.tree.body if not _defines(node)]
    assert strays == []


def _defines(node: ast.stmt) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.FunctionDef() | ast.ClassDef():
            return True
        case ast.Expr(value=ast.Constant(value=str())):
            return True
        case ast.Assign(targets=targets):
            names = [n for t in targets for n in (t.elts if isinstance(t, ast.Tuple) else [t])]
            return all(isinstance(name, ast.Name) for name in names)
        case ast.AnnAssign(target=ast.Name()):
            return True
        case ast.If(test=test, orelse=[]):
            return ast.unparse(test) in ("TYPE_CHECKING", "__name__ == '__main__'")
    return False


# ----------------------------------------------------------------------------------------------- the words
SAME_EVERYWHERE = re.compile("command|main|register_[a-z]+|run|compare|load")
"""What every verb, program and registration module calls so; and verbs that Python code calls by their name,
`lpa3bench.run`, with the function that does the work behind them."""


def public_names(module: Module) -> Iterator[str]:
    """Functions, classes and constants that a module defines for others."""
    for node in module.tree.body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names = [name]
            case ast.Assign(targets=targets):
                parts = [part for t in targets for part in (t.elts if isinstance(t, ast.Tuple) else [t])]
                names = [part.id for part in parts if isinstance(part, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                names = [name]
            case _:
                continue
        yield from (name for name in names if not name.startswith("_"))


def test_a_public_name_has_one_meaning() -> None:
    """It is defined in one module, of engine and plugins together, and imported wherever else it is used."""
    places: dict[str, set[str]] = {}
    for module in everything():
        for name in public_names(module):
            places.setdefault(name, set()).add(str(module))
    several = {name: sorted(found) for name, found in places.items() if len(found) > 1}
    assert {name: found for name, found in several.items() if not SAME_EVERYWHERE.fullmatch(name)} == {}


def test_a_file_name_says_which_file() -> None:
    names = [module.path.name for module in modules(ENGINE) if module.path.name != "__init__.py"]
    assert {name for name in names if names.count(name) > 1} == set()
    tests = [path.name for path in (ROOT / "tests").rglob("test_*.py")]  # pytest takes one of a name
    assert {name for name in tests if tests.count(name) > 1} == set()


def test_files_are_short_and_say_what_they_are_for() -> None:
    lengths = {str(m): len(m.path.read_text().splitlines()) for m in everything()}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}
    assert [str(m) for m in everything() if len(m.tree.body) > 1 and not ast.get_docstring(m.tree)] == []


# ------------------------------------------------------------------------------------------------ the hooks
@pytest.mark.parametrize("kind", hookspecs.KINDS)
def test_every_hook_is_documented_and_tested(kind: str) -> None:
    hook = f"register_{kind}"
    specification = getattr(hookspecs, hook)
    assert inspect.getdoc(specification)
    assert [*inspect.signature(specification).parameters] == ["register"]
    assert f"def {hook}(register)" in (ROOT / "CONTRIBUTING.md").read_text()
    assert hook in (ROOT / "tests" / "plugin" / "test_registry.py").read_text()


def test_every_hook_is_of_a_kind() -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("register_")]
    assert hooks == [f"register_{kind}" for kind in hookspecs.KINDS]
