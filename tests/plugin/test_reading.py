"""What a Python file says and imports, by its syntax tree."""

from __future__ import annotations

from textwrap import dedent

import pytest

from lpa3bench.plugin.reading import SourceImport, absolute, read_source

SOURCE = '''
import math  # a comment

class Wavy:
    """What it does."""

    strength = 0.5

    def generate(self, x):
        """Views."""
        if x:
            return None
        return f"{x!r} of {self.strength:.2f}", b"", 1_000, {**x}
'''


def means(source: str) -> str:
    return read_source(dedent(source).encode()).meaning


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("# a comment", "# another, and longer one"),
        ('"""What it does."""', '"""Something else."""'),
        ('"""What it does."""', ""),
        ('"""Views."""', ""),
        ("strength = 0.5", "strength = (\n        0.50\n    )"),
        ("class Wavy", "\n\n\nclass Wavy"),
        ("1_000", "1000"),
    ],
)
def test_comments_docstrings_and_layout_mean_nothing(before: str, after: str) -> None:
    changed = SOURCE.replace(before, after)
    assert changed != SOURCE
    assert means(changed) == means(SOURCE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("strength = 0.5", "strength = 0.6"),
        ("strength = 0.5", "strength = 1"),
        ("if x:", "if not x:"),
        ("return None", "return"),
        ("return None", "return 0"),
        ("import math", "import cmath"),
        (":.2f", ":.3f"),
        ("1_000", "1000.0"),
    ],
)
def test_anything_else_means_something(before: str, after: str) -> None:
    assert means(SOURCE.replace(before, after)) != means(SOURCE)


def test_the_text_does_not_depend_on_the_version_of_python() -> None:
    """`ast.dump` writes empty lists and fields that later versions have added."""
    assert means("def f(x=0):\n    'doc'\n    return x") == (
        "Module(body=[FunctionDef(name='f',args=arguments(args=[arg(arg='x')],defaults=[Constant(value=0)]),"
        "body=[Return(value=Name(id='x',ctx=Load()))])])"
    )


def test_what_is_no_python_counts_to_the_byte() -> None:
    assert read_source(b"def (").meaning != read_source(b"def ( ").meaning
    assert read_source(b"\x7fELF\x00").imports == ()


@pytest.mark.parametrize(
    ("statement", "imports"),
    [
        ("import a.b as c, d", [SourceImport(0, "a.b"), SourceImport(0, "d")]),
        ("from a import b as c", [SourceImport(0, "a", ("b",))]),
        ("from . import b", [SourceImport(1, "", ("b",))]),
        ("def later():\n    from ..a.b import *", [SourceImport(2, "a.b", ("*",))]),
        ("importlib.import_module('..a', __package__)", [SourceImport(2, "a")]),
        ("__import__('a.b')", [SourceImport(0, "a.b")]),
        ("if typing.TYPE_CHECKING:\n    import a", []),
        ("if TYPE_CHECKING:\n    import a\nelse:\n    import b", [SourceImport(0, "b")]),
    ],
)  # fmt: skip
def test_imports_are_found_wherever_they_stand(statement: str, imports: list[SourceImport]) -> None:
    found = read_source(statement.encode())
    assert [*found.imports] == imports
    assert not found.opaque


@pytest.mark.parametrize(
    "statement",
    [
        "import_module(name)",
        "importlib.import_module(f'.{name}', __package__)",
        "__import__(name)",
        "exec(open('helper.py').read())",
        "pkgutil.iter_modules(__path__)",
        "importlib.util.spec_from_file_location(name, path)",
        "runpy.run_path('helper.py')",
    ],
)
def test_a_name_that_only_running_it_tells_is_seen_as_such(statement: str) -> None:
    assert read_source(statement.encode()).opaque


def test_a_method_that_is_called_like_it_imports_nothing() -> None:
    assert not read_source(b"cursor.exec(query)\nmodel.eval()").opaque


@pytest.mark.parametrize(
    ("item", "package", "name"),
    [
        (SourceImport(0, "a.b"), "wavy", "a.b"),
        (SourceImport(1, "b"), "wavy.parts", "wavy.parts.b"),
        (SourceImport(2, ""), "wavy.parts", "wavy"),
        (SourceImport(3, "b"), "wavy.parts", ""),
        (SourceImport(1, "b"), "", ""),
    ],
)
def test_relative_imports_start_from_the_package(item: SourceImport, package: str, name: str) -> None:
    assert absolute(item, package) == name


def test_versions_are_read_from_classes() -> None:
    classes = {"A": "version = 2", "B": "version: ClassVar[int] = 3", "C": "version = 1", "D": "versions = 4"}
    source = "version = 9\n" + "\n".join(f"class {name}:\n  {said}" for name, said in classes.items())
    assert read_source(source.encode()).versions == "A=2 B=3"
