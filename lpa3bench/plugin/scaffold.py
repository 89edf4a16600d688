"""A plugin to start from: the files of a small distribution, filled in from `templates/`.

`common` holds what every kind has; the folder of a kind its class, the test of it and a gin file. There are
several for an augmenter, of which `--template` takes one.
"""

from __future__ import annotations

import io
import keyword
import re
import tokenize
from pathlib import Path
from string import Template

from lpa3bench.errors import UsageError
from lpa3bench.plugin.hookspecs import API_VERSION

TEMPLATES = Path(__file__).with_name("templates")
SCAFFOLD_KINDS = {
    "augmenter": "augmenters",
    "task": "tasks",
    "backbone": "backbones",
    "dataset": "datasets",
    "labels": "labels",
    "metric": "metrics",
    "policy": "policies",
}
"""The kind of one plugin, and that of its hook."""
AUGMENTER_TEMPLATES = {
    "image": "augmenter",
    "model": "augmenter_model",
    "learned": "augmenter_learned",
    "transform": "augmenter_transform",
}
"""What an augmenter starts from: a function of images, of the network too, a part that learns, a transform of
another library; and the folder of each."""
_RUN = {"augmenter": "quickstart augmenters/none ", "task": "", "policy": "digits_fixmatch "}
"""The gin files that a kind's own goes over, where it is not the quickstart; a task's is a whole config."""
LONGEST_NAME = 32


class Names:
    """What the parts of a distribution are called, after its plugin.

    Raises:
        UsageError: the name is none for a class.
    """

    def __init__(self, plugin: str) -> None:
        if (
            not (plugin.isascii() and plugin.isidentifier())
            or plugin.startswith("_")
            or keyword.iskeyword(plugin)
        ):
            raise UsageError(f"{plugin!r} is no name for a plugin; one is a Python name such as SoftBlur")
        if len(plugin) > LONGEST_NAME:
            raise UsageError(f"{plugin!r} is too long for a name; {LONGEST_NAME} letters are enough")
        self.plugin = plugin
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plugin)
        self.snake = re.sub("_+", "_", words.lower()).strip("_")
        self.package = f"lpa3bench_{self.snake}"
        self.folder = self.snake.replace("_", "-")
        self.distribution = f"lpa3bench-{self.folder}"


def template_folder(kind: str, template: str | None) -> str:
    """Where the files of a kind are.

    Raises:
        UsageError: the kind has no templates to choose from.
    """
    if template is not None and kind != "augmenter":
        raise UsageError(
            f"--template {template}: is one of augmenters; of a {kind} there is one, so leave it out"
        )
    return AUGMENTER_TEMPLATES[template] if template else kind


def words(folder: str) -> set[str]:
    """The words of the code that is written from a folder of templates: a class can bear none of them."""
    found: set[str] = set()
    for source in (f"{folder}/class.py.txt", f"{folder}/test.py.txt"):
        text = (TEMPLATES / source).read_text().replace("${Name}", "_").replace("${package}", "_")
        tokens = tokenize.generate_tokens(io.StringIO(text).readline)
        found |= {token.string for token in tokens if token.type == tokenize.NAME}
    return found


def run_command(kind: str, gin: str) -> str:
    """What runs the plugin; `gin` is the path of its gin file."""
    return f"lpa3bench run {_RUN.get(kind, 'quickstart ')}{gin}"


def files(kind: str, names: Names, template: str | None = None) -> dict[str, str]:
    """Path below the distribution's folder → text."""
    folder = template_folder(kind, template)
    values = {
        "Name": names.plugin,
        "snake": names.snake,
        "package": names.package,
        "folder": names.folder,
        "distribution": names.distribution,
        "kind": kind,
        "kinds": SCAFFOLD_KINDS[kind],
        "run": run_command(kind, f"{names.snake}.gin"),
        "api": str(API_VERSION),
    }
    templates = {
        "pyproject.toml": "common/pyproject.toml.txt",
        "README.md": "common/readme.md.txt",
        f"{names.snake}.gin": f"{folder}/config.gin.txt",
        f"{names.package}/__init__.py": "common/init.py.txt",
        f"{names.package}/plugin.py": "common/plugin.py.txt",
        f"{names.package}/{kind}.py": f"{folder}/class.py.txt",
        f"tests/test_{names.snake}.py": f"{folder}/test.py.txt",
    }
    return {
        path: Template((TEMPLATES / source).read_text()).substitute(values)
        for path, source in templates.items()
    }
