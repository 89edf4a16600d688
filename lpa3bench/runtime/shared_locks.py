"""Whether a lock that is taken on one machine holds on the others that share the disk. Imports no torch."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
ESCAPED = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True)
class Mount:
    """A line of Linux's mountinfo."""

    point: Path
    kind: str
    """Of file system: `nfs4`, `lustre`, `ext4`, …"""
    options: frozenset[str]


def why_locks_are_local(folder: Path, mounts: Path = MOUNTS) -> str | None:
    """For people: why locks of files in this folder say nothing to other machines; None where they do, as far
    as Linux tells.

    Linux passes `flock` on to an NFS server, unless the disk is mounted with `nolock` or `local_lock`; to
    Lustre's, only if it is mounted with `flock`.
    """
    mount = _mount_of(folder, mounts)
    if mount is None:
        return None
    own = mount.options & {"nolock", "local_lock=all", "local_lock=flock", "localflock"}
    if mount.kind in ("nfs", "nfs4", "lustre") and own:
        return f"{mount.point} is mounted with {min(own)}, so that each machine has locks of its own"
    if mount.kind == "lustre" and "flock" not in mount.options:
        return f"{mount.point} is mounted without flock, and has no locks"
    return None


def _mount_of(folder: Path, mounts: Path) -> Mount | None:
    try:
        lines = mounts.read_text(errors="replace").splitlines()
    except OSError:  # not Linux
        return None
    place = folder.resolve()
    holding = [mount for line in lines if (mount := _read(line)) and place.is_relative_to(mount.point)]
    # Of two at the same point the later one lies on top.
    return max(reversed(holding), key=lambda mount: len(mount.point.parts), default=None)


def _read(line: str) -> Mount | None:
    before, _, after = line.partition(" - ")
    fields, rest = before.split(" "), after.split(" ")
    if len(fields) < 6 or len(rest) < 3:
        return None
    point = ESCAPED.sub(lambda found: chr(int(found[1], 8)), fields[4])
    return Mount(Path(point), rest[0], frozenset((*fields[5].split(","), *rest[2].split(","))))
