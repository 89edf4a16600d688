"""In a Jupyter kernel: the tour runs to its end, and the stop button ends a run that then goes on."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lpa3bench

nbformat = pytest.importorskip("nbformat", reason="nbclient is not installed: pip install 'lpa3bench[dev]'")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install 'lpa3bench[dev]'")
pytest.importorskip("ipykernel", reason="ipykernel is not installed: pip install 'lpa3bench[dev]'")
pytest.importorskip("pandas", reason="pandas is not installed: pip install 'lpa3bench[data]'")

TOUR = Path(__file__).parents[2] / "docs" / "tour.ipynb"
SECONDS = 240


def texts(cell: Any) -> str:
    """All that a cell printed and returned, as text."""
    return "".join(out.get("text", "") + out.get("data", {}).get("text/plain", "") for out in cell.outputs)


def test_the_tour(tmp_path: Path) -> None:
    notebook = nbformat.read(TOUR, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "it is kept without what it printed"
    resources = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=SECONDS, resources=resources).execute()
    first, scores, shapes, _, table, by_cell, curves, compared, shipped = (
        texts(cell) for cell in notebook.cells if cell.cell_type == "code"
    )
    assert "epoch 2/2" in first, "progress, on stderr"
    assert "<digits-supervised-lpa3-" in first
    assert "accuracy.last" in scores
    assert "torch.Size([2, 10])" in shapes
    assert table.count("digits-supervised-fade") == 2
    assert re.search(r"digits-supervised-fade +2 ", by_cell)
    assert "digits-supervised-lpa3" in curves
    assert "verdict       not testable: 2 pairs" in compared
    assert "digits-fixmatch" in shipped
    assert len([*(tmp_path / "runs").glob("*/result.json")]) == 5
    copy = next((tmp_path / "runs").glob("*/plugins/*-Fade/Fade.py"))
    again = lpa3bench.run(
        "quickstart",
        params={"run.epochs": 2, "run.positives": "@augmenters.Fade()", "Fade.most": 0.3},
        out=tmp_path / "runs",
        plugins=[copy],
    )
    assert again.already_done, "what the cell defined is the plugin file that it was written down in"


RUN = """
import lpa3bench
done = lpa3bench.run("quickstart", "augmenters/none", params={"run.epochs": %d}, limit=64)
print(done.already_done, done.record.data.resumed_from)
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Any]:
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3", cwd=str(tmp_path))
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def _reply(client: Any, asked: str) -> Any:
    while (reply := client.get_shell_msg(timeout=SECONDS))["parent_header"]["msg_id"] != asked:
        pass
    return reply


def test_the_stop_button_ends_a_run_and_the_same_cell_goes_on(kernel: Any, tmp_path: Path) -> None:
    manager, client = kernel
    # else the kernel aborts what is sent while it still ends the interrupted cell
    asked = client.execute(RUN % 100_000, stop_on_error=False)
    deadline = time.monotonic() + SECONDS
    while not any((tmp_path / "runs").glob("*/checkpoint-*.pt")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    manager.interrupt_kernel()
    reply = _reply(client, asked)
    assert reply["content"]["ename"] == "KeyboardInterrupt"
    assert "the same command goes on from its start" in reply["content"]["evalue"]
    told: list[str] = []
    reply = client.execute_interactive(
        RUN % 2, timeout=SECONDS, output_hook=lambda m: told.append(m["content"].get("text", ""))
    )
    assert reply["content"]["status"] == "ok"
    assert "False ()" in "".join(told), "another run works in the same process"
    reply = _reply(client, client.execute("lpa3bench.run('quickstrat')"))
    assert reply["content"]["traceback"] == [
        "error: quickstrat: there is no such file, nor a shipped one of that name; did you mean quickstart?"
    ]
