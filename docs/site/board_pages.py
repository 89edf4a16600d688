"""The packaged boards, made beside the documentation by `lpa3bench leaderboard site`, and a list of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FOLDER = "boards"


def _build(app: Sphinx) -> None:
    """Write the boards where the pages go to, and keep what their index says."""
    if app.builder.format != "html":
        app.env.board_summaries = []  # type: ignore[attr-defined]
        return
    command = [sys.executable, "-m", "lpa3bench", "leaderboard", "site", str(Path(app.outdir) / FOLDER)]
    command += ["--docs", "..", "--json"]
    if app.config.commit:
        command += ["--commit", app.config.commit]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    app.env.board_summaries = json.loads(done.stdout)["boards"]  # type: ignore[attr-defined]


class Boards(SphinxDirective):
    """Title, question, answer and how much was measured."""

    def run(self) -> list[nodes.Node]:
        return [node for board in self.env.board_summaries for node in _told(board)]  # type: ignore[attr-defined]


def _told(board: dict[str, Any]) -> list[nodes.Node]:
    title = nodes.paragraph()
    link = nodes.reference(
        "", board["title"], refuri=f"site:{FOLDER}/{board['key']}/index.html", internal=True
    )
    title += nodes.strong("", "", link)
    facts = f"{board['measured']} of {board['cells']} cells measured, {board['records']} records"
    if board["newest"]:
        facts += f", the newest of {board['newest']}"
    texts = filter(None, (board["question"] or board["about"], board["answer"], f"{facts}."))
    return [title, nodes.block_quote("", *(nodes.paragraph("", text) for text in texts))]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("commit", "", "html")
    app.add_directive("boards", Boards)
    app.connect("builder-inited", _build)
    return {"parallel_read_safe": True}
