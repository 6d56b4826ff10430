"""Mounted file systems whose locks exclude processes of the same computer only, as far as Linux shows it.

On such a file system a lock seems to be taken, while a process on another computer takes it, too. Two computers that
share a cache could then write one stage at the same time.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
# File system -> mount options that keep locks on the computer. nfs(5), mount.cifs(8), lustre's mount.lustre(8), Linux'
# Documentation/filesystems/afs.
LOCAL_OPTIONS: Mapping[str, frozenset[str]] = {
    "nfs": frozenset({"local_lock=all", "local_lock=flock"}),
    "nfs4": frozenset({"local_lock=all", "local_lock=flock"}),
    "cifs": frozenset({"nobrl"}),
    "smb3": frozenset({"nobrl"}),
    "lustre": frozenset({"localflock"}),
    "afs": frozenset({"flock=local"}),
}
# Programs that mount a remote folder and know no locks, so that Linux keeps them itself.
WITHOUT_LOCKS = frozenset(
    f"fuse.{name}"
    for name in ("blobfuse", "blobfuse2", "gcsfuse", "geesefs", "goofys", "mount-s3", "mountpoint-s3", "rclone", "s3fs",
                 "sshfs")
)  # fmt: skip


@dataclass(frozen=True)
class Mount:
    """A mounted file system: its type, such as `nfs4`, and its options."""

    kind: str
    options: frozenset[str]

    @property
    def local_locks(self) -> str:
        """Why locks hold on this computer only: `nfs with local_lock=all`; "" if nothing says so."""
        found = sorted(self.options & LOCAL_OPTIONS.get(self.kind, frozenset()))
        if found:
            return f"{self.kind} with {found[0]}"
        return self.kind if self.kind in WITHOUT_LOCKS else ""


def local_locks(folder: Path) -> str:
    """Return why locks of files in `folder` hold on this computer only; "" if they hold everywhere or it is unknown."""
    try:
        device = os.stat(folder).st_dev
    except OSError:
        return ""
    mount = _mounts().get(f"{os.major(device)}:{os.minor(device)}")
    return "" if mount is None else mount.local_locks


@functools.cache
def _mounts() -> Mapping[str, Mount]:
    """Return mounts by MAJOR:MINOR, read once; none on systems without /proc."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    return {words[2]: mount for line in lines if (mount := _parse(words := line.split())) is not None}


def _parse(words: list[str]) -> Mount | None:
    """Read a line of /proc/self/mountinfo: … MAJOR:MINOR ROOT PATH OPTIONS [FIELDS…] - TYPE SOURCE OPTIONS."""
    if "-" not in words[6:] or len(words) < (end := words.index("-", 6)) + 4:
        return None
    return Mount(words[end + 1], frozenset(f"{words[5]},{words[end + 3]}".split(",")))
