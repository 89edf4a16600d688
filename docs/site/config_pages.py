"""`.. configs:: FOLDER`: every shipped gin file of a folder, as it stands."""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from lpa3bench.runtime.paths import gin_root


class Configs(SphinxDirective):
    """Sections by the name that a command line calls the file; the id is `links.page_anchor` of it."""

    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        folder = gin_root() / (self.arguments[0] if self.arguments else ".")
        sections: list[nodes.Node] = []
        for path in sorted(folder.glob("*.gin")):
            self.env.note_dependency(str(path))
            name = path.relative_to(gin_root()).with_suffix("").as_posix()
            section = nodes.section(names=[nodes.fully_normalize_name(name)])
            section += nodes.title(name, name)
            text = path.read_text(encoding="utf-8")
            section += nodes.literal_block(text, text, language="python")
            self.state.document.note_implicit_target(section, section)
            sections.append(section)
        return sections


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("configs", Configs)
    return {"parallel_read_safe": True}
