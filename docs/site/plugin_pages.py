"""`.. plugins:: KIND`: every shipped plugin of a kind, with its paper and what its class says."""

from __future__ import annotations

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from lpa3bench.plugin.description import paper_of
from lpa3bench.plugin.registry import Entry, load_registry


class Plugins(SphinxDirective):
    """Sections by name; the heading's id is `links.page_anchor` of it, which boards link to."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        kind = self.arguments[0]
        ours = [entry for entry in load_registry().kind(kind) if entry.is_ours]
        sections = self.parse_text_to_nodes("\n".join(map(_section, ours)), allow_section_headings=True)
        for described in (node for section in sections for node in section.findall(addnodes.desc)):
            described["no-contents-entry"] = True  # the section is one already
        return sections


def _section(entry: Entry) -> str:
    module, _, name = str(entry.target).partition(":")
    reference = f"@{entry.kind}.{entry.name}{'' if entry.kind == 'backbones' else '()'}"
    paper = paper_of(entry)
    told = [f"In a config: ``{reference}``.", f"Paper: {paper} (:doc:`/citing`)." if paper else ""]
    return "\n".join(
        [
            entry.name,
            "-" * len(entry.name),
            "",
            *(f"{line}\n" for line in told if line),
            f".. autoclass:: {module}.{name}",
            "",
        ]
    )


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("plugins", Plugins)
    return {"parallel_read_safe": True}
