"""Where a delivery goes, by the command line and the user's WANDB_… variables; and when it must be over."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOREIGN = ("WANDB_RUN_ID", "WANDB_RESUME", "WANDB_SWEEP_ID", "WANDB_SERVICE", "WANDB_MODE", "WANDB_SILENT")
"""Variables that would turn the SDK's run into another one, or are minded here instead."""
OFFLINE = ("offline", "dryrun")
"""Values of WANDB_MODE that mean: write, and upload nothing."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the command line says; None where it says nothing, so that WANDB_… variables are asked."""

    project: str | None = None
    entity: str | None = None
    offline: bool = False

    @property
    def uploads(self) -> bool:
        """Whether anything is to be uploaded: neither `--offline` nor WANDB_MODE is against it."""
        return not self.offline and os.environ.get("WANDB_MODE", "").lower() not in OFFLINE

    @property
    def key(self) -> str:
        """Tells targets apart in what is remembered of deliveries."""
        project = self.project or os.environ.get("WANDB_PROJECT", "")
        entity = self.entity or os.environ.get("WANDB_ENTITY", "")
        return f"{os.environ.get('WANDB_BASE_URL', '')} {entity}/{project}"


def disabled() -> bool:
    """Whether the user has switched W&B off."""
    return os.environ.get("WANDB_MODE", "").lower() == "disabled"


def environment(home: Path) -> dict[str, str]:
    """For a process of the SDK's: what it writes goes below `home` unless the user has said where."""
    kept: Mapping[str, str] = {name: text for name, text in os.environ.items() if name not in FOREIGN}
    return {
        "WANDB_DIR": str(home),
        "WANDB_DATA_DIR": str(home),
        "WANDB_CACHE_DIR": str(home / "cache"),
        "WANDB_ERROR_REPORTING": "false",
        **kept,
        "WANDB_CONSOLE": "off",
        "WANDB_SILENT": "true",
    }


def writes_to(home: Path) -> tuple[Path, ...]:
    """The folders, as the SDK may spell them, in which it keeps its runs when started with `environment`."""
    root = Path(environment(home)["WANDB_DIR"]).expanduser().absolute()
    return (root / "wandb", root / ".wandb")


class Deadline:
    """So many seconds from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left, never less than 0."""
        return max(0.0, self._end - time.monotonic())
