"""State that survives a kill: what an object saves, and checkpoint files that are whole or absent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lpa3bench.errors import RunFailed
from lpa3bench.runtime.files import write_atomically


class Stateful:
    """Saves the attributes it names in `saved`, and nothing else.

    An attribute that has a `state_dict` of its own (an optimiser, a memory bank, a module) is saved through
    it and must exist again when the state is loaded; any other value must be plain: tensors, numbers,
    strings, None, and lists, tuples or dicts of them, because checkpoints load with `weights_only=True`.
    """

    saved: tuple[str, ...] = ()

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next epoch depends on, by attribute name."""
        values = {name: getattr(self, name) for name in self.saved}
        return {name: v.state_dict() if hasattr(v, "state_dict") else v for name, v in values.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what `state_dict` returned, into an object that has been set up the same way.

        Raises:
            KeyError: a saved attribute is not in `state`.
        """
        from torch import Tensor

        for name in self.saved:
            held = getattr(self, name)
            if hasattr(held, "load_state_dict"):
                held.load_state_dict(state[name])
            else:  # checkpoints are read to the CPU; a tensor goes where the one it replaces lives
                value = state[name]
                both = isinstance(held, Tensor) and isinstance(value, Tensor)
                setattr(self, name, value.to(held.device) if both else value)


class Checkpoints:
    """The checkpoints of one run directory: `checkpoint-00012.pt` after twelve epochs, the last two kept."""

    def __init__(self, folder: Path, keep: int = 2) -> None:
        self.folder = folder
        self.keep = keep

    def paths(self) -> list[Path]:
        """Checkpoint files, oldest first."""
        return sorted(self.folder.glob("checkpoint-*.pt"))

    def save(self, epochs_done: int, state: dict[str, Any]) -> Path:
        """Write the state after `epochs_done` epochs, then drop all but the last `keep` files.

        Raises:
            RunFailed: the file could not be written; the earlier checkpoints are left as they were.
        """
        import torch

        path = self.folder / f"checkpoint-{epochs_done:05d}.pt"
        write_atomically(path, lambda temporary: torch.save(state, temporary))
        for old in self.paths()[: -self.keep]:
            old.unlink(missing_ok=True)
        return path

    def load(self) -> dict[str, Any] | None:
        """The newest checkpoint that can be read, on the CPU; None where there is none.

        Raises:
            RunFailed: there are checkpoints and none of them can be read.
        """
        import torch

        paths = self.paths()
        for path in reversed(paths):
            try:
                state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
            except Exception:  # a torn file fails in many ways, and the one before it may be whole
                continue
            return state
        if paths:
            raise RunFailed(f"{paths[-1]}: no readable checkpoint; start over with --fresh", kind="damaged")
        return None

    def clear(self) -> None:
        for path in self.paths():
            path.unlink()
