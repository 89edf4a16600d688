"""Whose locks a disk has, by what Linux says of how it is mounted."""

from __future__ import annotations

from pathlib import Path

import pytest

from lpa3bench.runtime.shared_locks import why_locks_are_local

LINES = r"""
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
23 22 0:5 / /home rw,relatime shared:9 - nfs4 fs:/home rw,vers=4.2,hard,proto=tcp,local_lock=none
24 22 0:6 / /old rw - nfs fs:/old rw,vers=3,nolock,local_lock=all
25 22 0:7 / /old/new\040disk rw - nfs4 fs:/new rw,local_lock=none
26 22 0:8 / /half rw - nfs fs:/half rw,local_lock=flock
27 22 0:9 / /posix rw - nfs fs:/posix rw,local_lock=posix
28 22 0:10 / /lustre rw - lustre mgs:/scratch rw,flock,lazystatfs
29 22 0:11 / /own rw - lustre mgs:/own rw,localflock
30 22 0:12 / /none rw - lustre mgs:/none rw,lazystatfs
31 22 0:13 / /twice rw - nfs4 fs:/a rw,nolock
32 31 0:14 / /twice rw - ext4 /dev/sdb rw
cut off
"""


@pytest.fixture
def mounts(tmp_path: Path) -> Path:
    path = tmp_path / "mountinfo"
    path.write_text(LINES)
    return path


@pytest.mark.parametrize(
    "folder", ["/tmp/runs", "/home/me/runs", "/old/new disk/runs", "/posix", "/lustre/runs", "/twice/runs"]
)
def test_locks_that_hold_for_all_machines_or_on_a_disk_of_one(mounts: Path, folder: str) -> None:
    assert why_locks_are_local(Path(folder), mounts) is None


@pytest.mark.parametrize(
    ("folder", "says"),
    [
        ("/old/runs", "/old is mounted with local_lock=all, so that each machine has locks of its own"),
        ("/half", "/half is mounted with local_lock=flock, so that each machine has locks of its own"),
        ("/own/a/b", "/own is mounted with localflock, so that each machine has locks of its own"),
        ("/none/a", "/none is mounted without flock, and has no locks"),
    ],
)
def test_locks_that_do_not(mounts: Path, folder: str, says: str) -> None:
    assert why_locks_are_local(Path(folder), mounts) == says


def test_where_nothing_is_known(tmp_path: Path) -> None:
    assert why_locks_are_local(tmp_path, tmp_path / "absent") is None
    assert why_locks_are_local(tmp_path) is None, "this machine's own"
