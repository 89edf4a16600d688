"""What a run at W&B is to hold: plain values and paths, the same whenever they are read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

TAG_LENGTH = 64
"""Characters of a tag or a group that W&B takes."""
NAME_LENGTH = 128
"""Likewise of a run's or an artifact's name."""


def cut(text: str, length: int) -> str:
    """The text where it is no longer than that; else its beginning and a digest: two texts stay two."""
    if len(text) <= length:
        return text
    return f"{text[: length - 9]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


@dataclass(frozen=True, kw_only=True)
class WandbImage:
    """A picture."""

    path: str
    """Of the PNG file."""
    caption: str | None


@dataclass(frozen=True, kw_only=True)
class WandbTable:
    """A table, or what a chart is drawn of."""

    columns: tuple[str, ...]
    data: tuple[tuple[Any, ...], ...]
    """Row by row: text, numbers and None."""
    chart: str | None = None
    """The name of a chart of W&B's whose fields are called as the columns are."""


@dataclass(frozen=True, kw_only=True)
class WandbArtifact:
    """Files that W&B keeps versions of."""

    name: str
    type: str
    files: dict[str, str]
    """Path by name."""
    texts: dict[str, str] = field(default_factory=dict)
    """Content by name, of further files."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", cut(self.name, NAME_LENGTH))


@dataclass(frozen=True, kw_only=True)
class WandbRun:
    """One run of W&B's, whole: to upload it twice is to upload the same.

    Names, groups and tags that are too long for W&B are cut here.
    """

    id: str
    """At W&B; the same at every upload."""
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]
    config: dict[str, Any]
    rows: tuple[dict[str, Any], ...] = ()
    """Of the history, in order: the place of a row is its step."""
    times: tuple[float, ...] = ()
    """When each row was written, in seconds since 1970; (): W&B takes the time of the upload."""
    seconds: tuple[float, ...] = ()
    """How long the run had been under way at each row; (): W&B takes what the upload took."""
    summary: dict[str, Any] = field(default_factory=dict)
    """Beside the last value of each column."""
    step_metrics: tuple[str, ...] = ()
    """Columns that may serve as x-axis and have no chart of their own; charts begin with the first."""
    images: dict[str, WandbImage] = field(default_factory=dict)
    """By key; logged in a row after the others, as all media are."""
    tables: dict[str, WandbTable] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    """Path of an HTML file by its key."""
    artifact: WandbArtifact | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", cut(self.name, NAME_LENGTH))
        object.__setattr__(self, "group", cut(self.group, TAG_LENGTH))
        object.__setattr__(self, "tags", tuple(cut(tag, TAG_LENGTH) for tag in self.tags))

    def rows_digest(self, count: int) -> str:
        """16 hexadecimal digits of the first `count` rows."""
        return hashlib.sha256(json.dumps(self.rows[:count], sort_keys=True).encode()).hexdigest()[:16]

    def digest(self) -> str:
        """16 hexadecimal digits of everything: of files their content, not their path."""
        body = asdict(self)
        body["images"] = {key: (_file_digest(one.path), one.caption) for key, one in self.images.items()}
        body["pages"] = {key: _file_digest(path) for key, path in self.pages.items()}
        if self.artifact is not None:
            body["artifact"]["files"] = {k: _file_digest(path) for k, path in self.artifact.files.items()}
        return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def _file_digest(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()
