"""What W&B is to hold of a run or a board: plain values and paths, the same whenever they are read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """Files that W&B keeps versions of."""

    name: str
    type: str
    files: dict[str, str]
    """Path by name."""
    texts: dict[str, str] = field(default_factory=dict)
    """Of further files, what is in them by name."""


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """One run of W&B's, whole: whoever delivers it twice delivers the same."""

    id: str
    """Of W&B's run; the same at every delivery."""
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]
    config: dict[str, Any]
    rows: tuple[dict[str, Any], ...] = ()
    """Of the history, in order: the place of a row is its step."""
    times: tuple[float, ...] = ()
    """When each row came about, in seconds since 1970; (): W&B takes the time of delivery."""
    summary: dict[str, Any] = field(default_factory=dict)
    step_metrics: tuple[str, ...] = ()
    """Columns that may serve as x-axis; charts begin with the first."""
    images: dict[str, str] = field(default_factory=dict)
    """Path of a PNG by its key; shown in a row after the others."""
    tables: dict[str, dict[str, Any]] = field(default_factory=dict)
    """`{"columns": …, "data": …}` by key; shown in a row after the others."""
    artifact: Artifact | None = None

    def rows_digest(self, count: int) -> str:
        """Stands for what the first `count` rows hold."""
        return hashlib.sha256(json.dumps(self.rows[:count], sort_keys=True).encode()).hexdigest()[:16]

    def digest(self) -> str:
        """Stands for all of it: the content of files, not where they lie."""
        body = asdict(self)
        body["images"] = {key: _content(path) for key, path in self.images.items()}
        if self.artifact is not None:
            body["artifact"]["files"] = {key: _content(path) for key, path in self.artifact.files.items()}
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def _content(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
