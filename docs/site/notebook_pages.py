"""Notebooks as pages: their text and their code, as they are kept, without outputs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def as_markdown(notebook: str) -> str:
    """The cells of a notebook, code in fences."""
    cells = json.loads(notebook)["cells"]
    texts = (("".join(cell["source"]), cell["cell_type"]) for cell in cells)
    return "\n\n".join(f"```python\n{text}\n```" if kind == "code" else text for text, kind in texts)


def _convert(app: Sphinx, docname: str, content: list[str]) -> None:
    if Path(app.env.doc2path(docname)).suffix == ".ipynb":
        content[0] = as_markdown(content[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", _convert, priority=300)
    return {"parallel_read_safe": True}
