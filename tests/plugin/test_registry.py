"""The plugin door: what is found, what is isolated, what is refused."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner

from lpa3bench.cli import main
from lpa3bench.errors import PluginError, UsageError
from lpa3bench.plugin import hookspecs
from lpa3bench.plugin.registry import Entry, Registry, load_registry

Install = Callable[..., None]

WORKING = """
    from lpa3bench import hookimpl

    @hookimpl
    def register_augmenters(register):
        register("Wavy", "wavy_parts:Wavy")
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """`install("wavy", source)`: a distribution "wavy 1.0" with one module, gone after the test."""
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)

    def call(name: str, source: str, version: str = "1.0") -> None:
        info = tmp_path / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[{hookspecs.GROUP}]\n{name} = {name}_module\n")
        (tmp_path / f"{name}_module.py").write_text(dedent(source))

    yield call
    for name in set(sys.modules) - before:
        if getattr(sys.modules[name], "__file__", None) and str(tmp_path) in str(sys.modules[name].__file__):
            del sys.modules[name]


def ours(registry: Registry) -> int:
    return sum(entry.distribution.startswith("lpa3bench ") for entry in registry.entries)


def test_our_own_plugins_enter_through_the_door() -> None:
    registry = load_registry()
    assert registry.broken == ()
    assert {entry.kind for entry in registry.entries} == set(hookspecs.KINDS)
    assert ours(registry) == len(registry.entries) > 20


def test_another_distribution_is_found_with_name_and_version(install: Install) -> None:
    install("wavy", WORKING)
    registry = load_registry()
    entry = registry.get("Wavy")
    assert entry is not None
    assert (entry.kind, entry.distribution) == ("augmenters", "wavy 1.0")
    assert ours(registry) == len(registry.entries) - 1


def test_every_hook_registers_its_kind(install: Install) -> None:
    hooks = "".join(
        f"@hookimpl\ndef {hook}(register):\n    register('New_{kind}', 'nowhere:New')\n"
        for hook, kind in [
            ("register_tasks", "tasks"),
            ("register_augmenters", "augmenters"),
            ("register_backbones", "backbones"),
            ("register_datasets", "datasets"),
            ("register_labels", "labels"),
            ("register_metrics", "metrics"),
            ("register_policies", "policies"),
        ]
    )
    install("seven", f"from lpa3bench import hookimpl\n{hooks}")
    registry = load_registry()
    assert registry.broken == ()
    for kind in hookspecs.KINDS:
        assert f"New_{kind}" in [entry.name for entry in registry.kind(kind)]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_library", "No module named 'no_such_library'"),
        ("def f(:\n", "SyntaxError"),
        ("raise RuntimeError('first line\\nsecond line')", "RuntimeError: first line"),
        ("x = 1", "registers nothing"),
        (
            "from lpa3bench import hookimpl\n@hookimpl\ndef register_augmentors(register):\n    pass",
            "there is no hook register_augmentors; hooks are register_tasks, register_augmenters",
        ),
        (
            "from lpa3bench import hookimpl\n@hookimpl\ndef register_augmenters(registry):\n    pass",
            "registry",
        ),
        (
            "from lpa3bench import hookimpl\n@hookimpl\ndef register_labels(register):\n    1 / 0",
            "ZeroDivisionError",
        ),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
    ids=[
        "import",
        "syntax",
        "raises",
        "empty",
        "misspelt-hook",
        "misspelt-argument",
        "raising-hook",
        "exits",
    ],
)
def test_a_broken_plugin_is_kept_apart_and_explained(install: Install, source: str, reason: str) -> None:
    install("abroken", source)  # sorts before our own: it must not keep the others from loading
    install("wavy", WORKING)
    registry = load_registry()
    (broken,) = registry.broken
    assert broken.distribution == "abroken 1.0"
    assert reason in broken.error
    assert "\n" not in broken.error
    assert registry.get("Wavy") is not None
    assert ours(registry) > 20


def test_a_plugin_registers_all_or_nothing(install: Install) -> None:
    raising = """
        @hookimpl
        def register_labels(register):
            raise ValueError("half way")
    """
    install("half", dedent(WORKING) + dedent(raising))
    registry = load_registry()
    assert registry.get("Wavy") is None
    assert [b.distribution for b in registry.broken] == ["half 1.0"]


@pytest.mark.parametrize(
    ("version", "told"),
    [
        ("3", "made for plugin API 3, and this is lpa3bench .* with plugin API 2; upgrade lpa3bench"),
        ("1", "made for plugin API 1, .*; install a newer release of the plugin"),
        ("'1'", "made for plugin API '1', .*; LPA3BENCH_API is a whole number"),
    ],
)
def test_a_plugin_for_another_api_is_named_and_refused(install: Install, version: str, told: str) -> None:
    install("wavy", f"LPA3BENCH_API = {version}\n{dedent(WORKING)}", version="3.1")
    registry = load_registry()
    (broken,) = registry.broken
    assert broken.distribution == "wavy 3.1"
    assert re.search(told, broken.error)
    assert registry.get("Wavy") is None
    assert registry.broken_with("Wavy") is broken, "what it would have registered is known"
    assert ours(registry) > 20


def test_a_plugin_for_our_api_or_silent_about_it_is_taken(install: Install) -> None:
    install("wavy", f"LPA3BENCH_API = {hookspecs.API_VERSION}\n{dedent(WORKING)}")
    install("curly", WORKING.replace("Wavy", "Curly"))
    assert load_registry().broken == ()
    assert hookspecs.API_VERSION == 2, "raised: then docs/plugins.md and CHANGELOG.md say why"


def test_the_hooks_of_another_api_may_be_anything(install: Install) -> None:
    strange = """
        LPA3BENCH_API = 7
        def register_augmenters(registry, more):
            raise SystemExit
        register_tasks = 3
        def register_labels(register):
            register("Odd", target=None, colour="blue")
    """
    install("strange", strange)
    (broken,) = load_registry().broken
    assert broken.names == ("Odd",)


def test_a_config_that_names_a_refused_plugin_says_so(install: Install) -> None:
    # RandAugmented looks like RandAugment: the broken module is named, not the lookalike
    install("wavy", "LPA3BENCH_API = 3\n" + dedent(WORKING).replace('"Wavy"', '"RandAugmented"'))
    words = ["show", "quickstart", "-p", "run.view = @augmenters.RandAugmented()", "--no-forecast"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 5
    assert "augmenters.RandAugmented comes from wavy 1.0, made for plugin API 3" in result.stderr
    tested = CliRunner().invoke(main, ["test-plugin", "RandAugmented"])
    assert tested.exit_code == 5
    assert "made for plugin API 3" in tested.stderr
    listed = CliRunner().invoke(main, ["list"])
    assert listed.exit_code == 0
    assert "wavy 1.0  made for plugin API 3" in listed.stdout
    assert CliRunner().invoke(main, ["show", "quickstart", "--no-forecast"]).exit_code == 0


def test_a_name_claimed_twice_names_both_distributions(install: Install) -> None:
    install("one", WORKING)
    install("two", WORKING.replace("register_augmenters", "register_tasks"), version="2.5")
    with pytest.raises(
        PluginError, match=r"Wavy is claimed twice.*one 1\.0 \(aug.*two 2\.5 \(tasks"
    ) as caught:
        load_registry()
    assert caught.value.exit_code == 5


def test_a_module_named_twice_names_both_entry_points(install: Install) -> None:
    install("one", WORKING)
    install("two", "from one_module import *")
    (next(Path(sys.path[0]).glob("two-*")) / "entry_points.txt").write_text(
        f"[{hookspecs.GROUP}]\ntwo = one_module\n"
    )
    with pytest.raises(
        PluginError, match=r"^one_module is named twice: by one 1\.0 \(one\) and by two 1\.0 \(two\)"
    ):
        load_registry()


def test_our_names_cannot_be_taken(install: Install) -> None:
    install("usurper", WORKING.replace("Wavy", "LPA3"))
    with pytest.raises(PluginError, match=r"LPA3 is claimed twice.*usurper 1\.0"):
        load_registry()


def test_a_target_is_imported_when_it_is_loaded_and_not_before(install: Install, tmp_path: Path) -> None:
    install("wavy", WORKING)
    (tmp_path / "wavy_parts.py").write_text("class Wavy: pass\n")
    entry = load_registry().get("Wavy")
    assert entry is not None
    assert "wavy_parts" not in sys.modules
    assert entry.load().__name__ == "Wavy"
    assert "wavy_parts" in sys.modules


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ("import no_such_library", "No module named 'no_such_library'"),
        ("class Wave: pass", "has no attribute 'Wavy'"),
        ("Wavy = 3", "is not a class"),
    ],
)
def test_a_target_that_cannot_be_loaded_names_its_distribution(
    install: Install, tmp_path: Path, parts: str, reason: str
) -> None:
    install("wavy", WORKING)
    (tmp_path / "wavy_parts.py").write_text(parts)
    entry = load_registry().get("Wavy")
    assert entry is not None
    with pytest.raises(PluginError, match=r"Wavy \(wavy 1\.0\): wavy_parts:Wavy") as caught:
        entry.load()
    assert reason in str(caught.value)


def test_a_file_is_a_plugin(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(dedent(WORKING).replace('"wavy_parts:Wavy"', "Wavy") + "\n\nclass Wavy:\n    pass\n")
    entry = load_registry((path,)).get("Wavy")
    assert entry is not None
    assert entry.distribution == str(path)
    assert entry.load().__name__ == "Wavy"
    assert load_registry().get("Wavy") is None, "the file counts only where it is given"


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("import no_such_library")
    (broken,) = load_registry((path,)).broken
    assert broken.distribution == str(path)
    assert "no_such_library" in broken.error


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--plugin .*absent\.py: no such file"):
        load_registry((tmp_path / "absent.py",))


def test_nearest_names_of_a_kind() -> None:
    registry = load_registry()
    assert registry.nearest("lpa")[0] == "LPA3"
    assert registry.nearest("CIFAR-100")[0] == "CIFAR100"
    assert registry.nearest("pes", "tasks") == ["PES"]
    assert registry.nearest("PES", "backbones") == []


def test_each_of_our_plugins_loads_and_is_of_its_kind() -> None:
    from lpa3bench import api

    bases = {
        "tasks": api.Task,
        "augmenters": api.Augmenter,
        "backbones": api.Backbone,
        "datasets": api.Dataset,
        "labels": api.Labels,
        "metrics": api.Metric,
        "policies": api.Policy,
    }
    strays = [e.name for e in load_registry().entries if not issubclass(e.load(), bases[e.kind])]
    assert strays == []


@pytest.mark.parametrize("target", [len, 3])
def test_what_is_no_class_is_refused_when_it_is_loaded(target: object) -> None:
    entry = Entry("augmenters", "Odd", target, "somebody 1.0")  # type: ignore[arg-type]
    with pytest.raises(PluginError, match=r"^Odd \(somebody 1\.0\): .* is not a class"):
        entry.load()


def test_a_name_that_is_no_string_breaks_the_module(tmp_path: Path) -> None:
    path = tmp_path / "odd.py"
    path.write_text(
        "from lpa3bench import hookimpl\n@hookimpl\ndef register_tasks(register):\n    register(3, dict)\n"
    )
    (broken,) = load_registry((path,)).broken
    assert "a plugin's name is a string, not 3" in broken.error
