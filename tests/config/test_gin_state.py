"""What others of the process do with gin, and we, do not meet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gin
import pytest
from support import config_plugins

from lpa3bench.config import load_config
from lpa3bench.config.gin_state import empty_gin

WHOLE = """
run.task = @tasks.ToyTask()
run.dataset = @datasets.ToyData()
run.backbone = @backbones.ToyNet
run.epochs = 1
"""


def run(epochs: int = 1) -> int:
    """Somebody's own configurable, of the name of ours."""
    return epochs


@pytest.fixture
def somebodys() -> Iterator[Any]:
    before = gin.config._REGISTRY.copy()
    gin.clear_config()
    configurable = gin.external_configurable(run, name="run", module="somebodys")
    gin.parse_config("somebodys.run.epochs = 7")
    gin.finalize()
    yield configurable
    gin.clear_config()
    gin.config._REGISTRY = before


def test_building_leaves_others_bindings_alone(somebodys: Any, tmp_path: Path) -> None:
    (tmp_path / "a.gin").write_text(WHOLE)
    registered = [*gin.config._REGISTRY.items()]
    built = load_config([tmp_path / "a.gin"], registry=config_plugins.registry()).experiment()
    assert built.epochs == 1
    assert somebodys() == 7
    assert gin.config_is_locked()
    assert [*gin.config._REGISTRY.items()] == registered, "nothing of ours is left"


def test_inside_nothing_of_others_is_there(somebodys: Any) -> None:
    with empty_gin():
        assert gin.config_str() == ""
        with pytest.raises(ValueError, match="No configurable"):
            gin.bind_parameter("run.epochs", 3)
    with pytest.raises(KeyError, match="torn"), empty_gin():
        raise KeyError("torn")
    assert somebodys() == 7
