"""docs/plugins.md, from its first command to its last, in an environment of its own."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
from support.executed_page import blocks, own_environment, run_page

PAGE = "plugins.md"


@pytest.mark.long
@pytest.mark.slow
def test_every_command_runs(tmp_path: Path) -> None:
    environment, folder = own_environment(tmp_path / "environment"), tmp_path / "here"
    folder.mkdir()
    outputs = run_page(PAGE, environment, folder)
    assert sys.prefix not in environment["PATH"].split(os.pathsep)[0]
    listed = outputs["lpa3bench list augmenters"]
    assert re.search(r"^  SoftBlur +lpa3bench-soft-blur 0\.1\.0  Blends each image", listed, re.MULTILINE)
    assert "FAILED" not in outputs["lpa3bench test-plugin SoftBlur"]
    assert len([*folder.glob("runs/*/result.json")]) == 15


def test_the_tree_of_files_is_the_one_that_is_written() -> None:
    from lpa3bench.plugin.scaffold import Names, files

    (tree,) = [text for language, text in blocks(PAGE) if language == "" and text.startswith("soft-blur/")]
    for path in files("augmenter", Names("SoftBlur")):
        assert path in tree or path.endswith("__init__.py"), path
