"""docs/lpa3-function.md as it stands: a training loop with `lpa3()` on a ResNet, a ConvNeXt and a ViT."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from lpa3bench.nn.batchnorm import DualBatchNorm2d

PAGE = Path(__file__).parents[2] / "docs" / "lpa3-function.md"
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.long
@pytest.mark.slow
def test_the_script_of_the_page_learns(capsys: pytest.CaptureFixture[str]) -> None:
    script = "\n".join(BLOCK.findall(PAGE.read_text()))
    names: dict[str, Any] = {}
    with torch.random.fork_rng():
        exec(compile(script, str(PAGE), "exec"), names)
    reached = names["reached"]
    assert [*reached] == ["ResNet", "ConvNeXt", "ViT"]
    assert min(reached.values()) > 0.6, reached  # of ten classes; on one machine 92, 87 and 81 %
    assert any(isinstance(m, DualBatchNorm2d) for m in names["resnet"].modules())
    assert capsys.readouterr().out.count("of 797 test images") == 3
