"""Where an upload goes, by the command line and the user's WANDB_… variables; and when it must be over."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from netrc import NetrcParseError, netrc
from pathlib import Path
from urllib.parse import urlsplit

IGNORED_VARIABLES = (
    "WANDB_RUN_ID", "WANDB_RESUME", "WANDB_SWEEP_ID", "WANDB_SERVICE", "WANDB_MODE", "WANDB_SILENT",
)  # fmt: skip
"""Variables that would turn the SDK's run into another one, or are read here instead."""
OFFLINE_MODES = ("offline", "dryrun")
"""Values of WANDB_MODE that mean: write, and upload nothing."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """What the command line says; None where it says nothing, so that WANDB_… variables are read."""

    project: str | None = None
    entity: str | None = None
    offline: bool = False

    @property
    def uploads(self) -> bool:
        """Whether anything is to be uploaded: neither `--offline` nor WANDB_MODE forbids it."""
        return not self.offline and os.environ.get("WANDB_MODE", "").lower() not in OFFLINE_MODES

    @property
    def key(self) -> str:
        """Server, entity and project: tells targets apart in the record of earlier uploads."""
        project = self.project or os.environ.get("WANDB_PROJECT", "")
        entity = self.entity or os.environ.get("WANDB_ENTITY", "")
        return f"{os.environ.get('WANDB_BASE_URL', '')} {entity}/{project}"


PUBLIC_SERVER = "https://api.wandb.ai"


def has_key() -> bool:
    """Whether a key for the server is where W&B's SDK looks first, without importing the SDK."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    return in_netrc(os.environ.get("WANDB_BASE_URL") or PUBLIC_SERVER)


def in_netrc(server: str) -> bool:
    """Whether the user's netrc file has a password for the server of that URL."""
    try:
        return netrc(_netrc_file()).authenticators(urlsplit(server).netloc) is not None
    except (OSError, NetrcParseError):
        return False


def _netrc_file() -> Path:
    if named := os.environ.get("NETRC"):
        return Path(named).expanduser()
    places = [Path.home() / ".netrc", Path.home() / "_netrc"]
    return next((place for place in places if place.exists()), places[0])


def is_disabled() -> bool:
    """Whether WANDB_MODE switches W&B off."""
    return os.environ.get("WANDB_MODE", "").lower() == "disabled"


def sdk_environment(home: Path) -> dict[str, str]:
    """For a process of the SDK's: it writes below `home` unless the user has said where."""
    kept: Mapping[str, str] = {n: text for n, text in os.environ.items() if n not in IGNORED_VARIABLES}
    return {
        "WANDB_DIR": str(home),
        "WANDB_DATA_DIR": str(home),
        "WANDB_CACHE_DIR": str(home / "cache"),
        "WANDB_ERROR_REPORTING": "false",
        **kept,
        "WANDB_CONSOLE": "off",
        "WANDB_SILENT": "true",
    }


def sdk_run_folders(home: Path) -> tuple[Path, ...]:
    """The folders, as the SDK may spell them, in which it keeps its runs with `sdk_environment`."""
    root = Path(sdk_environment(home)["WANDB_DIR"]).expanduser().absolute()
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
