"""The weights of a run as safetensors, with a card; and the network taken up again from them.

`load` is imported when it is first used: whoever only writes cards needs no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lpa3bench.export.finished_run import Exported as Exported
    from lpa3bench.export.finished_run import load_exported as load

__all__ = ["EXPORTED_WEIGHTS", "Exported", "load"]

EXPORTED_WEIGHTS = "model.safetensors"
"""The file that is enough by itself."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from lpa3bench.export import finished_run

    return finished_run.load_exported if name == "load" else finished_run.Exported
