"""The file of LaTeX tables is one that LaTeX takes."""

from __future__ import annotations

import subprocess
from pathlib import Path
from shutil import which

import pytest
from support.made_up_boards import wide_board

from lpa3bench.report.latex import PACKAGES, latex_tables

EVIL = r"[1ex] 50 % & a_b ~^\\ #1 {x} α ≤ β → “c” <d> | *e"
COMMANDS = {
    "pdflatex": ("-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape"),
    "tectonic": ("--keep-logs",),
}


def test_the_file_compiles_and_its_tables_fit_the_page(tmp_path: Path) -> None:
    program = next((name for name in COMMANDS if which(name)), None)
    if program is None:
        pytest.skip("neither pdflatex nor tectonic is here (apt-get install texlive-latex-recommended)")
    (tmp_path / "board.tex").write_text(latex_tables(wide_board(7, EVIL)), encoding="utf-8")
    head = rf"\documentclass[twocolumn]{{article}}\usepackage[T1]{{fontenc}}{PACKAGES}"
    (tmp_path / "paper.tex").write_text(
        f"{head}\n\\begin{{document}}\n\\input{{board}}\n\\end{{document}}\n", encoding="utf-8"
    )
    command = [program, *COMMANDS[program], "paper.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=300)
    log = (tmp_path / "paper.log").read_text(encoding="latin-1")
    assert done.returncode == 0, log[-2000:]
    assert (tmp_path / "paper.pdf").stat().st_size > 10_000
    assert "Overfull" not in log
    assert "Float too large" not in log
