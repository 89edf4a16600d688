"""The whole GPU benchmark, on a CPU at toy sizes, so that it is ready when there is a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import gpu
import pytest
from gpu_parts import cells, precision

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.mark.long
@pytest.mark.slow
def test_everything_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "gpu.json"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--device", "cpu", "--quick", "--out", str(out)],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    report = json.loads(out.read_text())
    assert report["toy"]
    assert report["failed"] == []
    assert {*report["left_out"]} <= {"rivals, RandAugment, kornia: it is not installed"}
    results = report["results"]
    assert list(results) == [*gpu.PARTS]

    assert results["checks"]["golden"]["G"]["passed"] > 10
    runs = results["repeats"]["runs, deterministic"]
    assert runs["same_seed"]["bit_equal"]
    assert runs["resumed"]["bit_equal"]
    assert runs["resumed_from"] == [1]
    assert runs["resumed"]["tensors"] > 20

    assert [*results["waits"]] == [*results["steps"]]
    steps = results["steps"] | results["other steps"]
    assert len(steps) == 2 * len(cells.one_of_each_task())
    for name, row in steps.items():
        # Which of the two is larger is for the device to say: they are measured one after the other, and on a
        # busy machine the floor may come out as the slower.
        assert min(row["step_seconds"], row["floor"]["seconds"]) > 0, name
        assert ("counted_over_plain" in row) == name.endswith(cells.LPA3)
        assert row.get("counted_over_plain", 2) > 1

    errors = {name: results["precision"][name]["length_error_mean"] for name in precision.PRECISIONS}
    assert 0 < errors["float32"] < 0.05
    assert errors["float32"] < errors["TF32"]
    assert errors["float32"] < errors["bfloat16"]
    assert len(results["growth"]) == 4
    assert all(row["ratio"] > 0 for row in results["rivals"].values())
    (side_by_side,) = results["together"].values()
    assert side_by_side["processes"] == [1, 2]
    assert min(side_by_side["images_per_second"]) > 0

    lines = done.stdout.splitlines()
    assert "TOY SIZES" in lines[0]
    assert len(lines) < 60
    assert all(len(line) < 120 for line in lines)
