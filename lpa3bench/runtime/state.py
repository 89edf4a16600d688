"""State that survives a kill: what an object saves, and checkpoint files that are whole or absent."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lpa3bench.errors import DamagedWarning, DataError, RunFailed
from lpa3bench.runtime.files import write_atomically
from lpa3bench.runtime.sealed_files import open_whole, seal

FormCheck = Callable[[Path, Mapping[str, Any]], None]
"""Raises DataError where a state, read from this file, is not of the form that it should have."""


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


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state with its digest, all or nothing.

    Raises:
        RunFailed: the disk refused it.
    """

    import torch

    def write(temporary: Path) -> None:
        torch.save(state, temporary)
        seal(temporary)

    write_atomically(path, write)


def load_state(path: Path) -> dict[str, Any]:
    """What `save_state` wrote, on the CPU, after its digest was found right.

    Raises:
        FileNotFoundError: there is none.
        DataError: it is damaged.
    """
    import torch

    with open_whole(path) as file:
        state = torch.load(file, map_location="cpu", weights_only=True)
    if not isinstance(state, dict):
        raise DataError("damaged (it holds no state)", path=path)
    return state


def _any_form(path: Path, state: Mapping[str, Any]) -> None:
    """Takes every state."""


class Checkpoints:
    """The checkpoints of one run directory: `checkpoint-00012.pt` after twelve epochs, the last two kept.

    Args:
        check: says of a state that was read whether it is a checkpoint of this kind of run.
    """

    def __init__(self, folder: Path, keep: int = 2, check: FormCheck = _any_form) -> None:
        self.folder = folder
        self.keep = keep
        self._check = check

    def paths(self) -> list[Path]:
        """Checkpoint files, oldest first."""
        return sorted(self.folder.glob("checkpoint-*.pt"))

    def save(self, epochs_done: int, state: Mapping[str, Any]) -> Path:
        """Write the state after `epochs_done` epochs, then drop all but the last `keep` files.

        Raises:
            RunFailed: the file could not be written; the earlier checkpoints are left as they were.
        """
        path = self.folder / f"checkpoint-{epochs_done:05d}.pt"
        save_state(path, state)
        for old in self.paths()[: -self.keep]:
            old.unlink(missing_ok=True)
        return path

    def load(self) -> dict[str, Any] | None:
        """The state of the newest checkpoint that is whole, on the CPU; None where there is no checkpoint."""
        newest = self.newest()
        return newest and newest[1]

    def newest(self) -> tuple[Path, dict[str, Any]] | None:
        """The newest checkpoint that is whole, and its state; None where there is no checkpoint.

        A `DamagedWarning` names one that is newer and damaged.

        Raises:
            RunFailed: there are checkpoints and none of them is whole.
        """
        damaged: list[DataError] = []
        for path in reversed(self.paths()):
            try:
                state = load_state(path)
                self._check(path, state)
            except DataError as error:
                damaged.append(error)
                continue
            if damaged:
                warnings.warn(f"{damaged[0]}; {path.name} is used instead", DamagedWarning, stacklevel=3)
            return path, state
        if damaged:
            first = damaged[0]
            raise RunFailed(
                f"{first.path}: no readable checkpoint: {first.reason}; start over with --fresh",
                kind="damaged",
            )
        return None

    def clear(self) -> None:
        for path in self.paths():
            path.unlink()
