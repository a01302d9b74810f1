"""Where an SQLite ledger may live: its write-ahead log needs memory that all its processes share."""

import sys
from pathlib import Path

from include.core.errors import LedgerError

_KERNEL = {
    "nfs",
    "nfs4",
    "cifs",
    "smb",
    "smb2",
    "smb3",
    "smbfs",
    "afpfs",
    "webdav",
    "davfs",
    "glusterfs",
    "ceph",
    "lustre",
    "gpfs",
    "beegfs",
    "afs",
    "ocfs2",
    "gfs2",
    "9p",
}
_FUSE = {"fuse.davfs2", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.rclone", "fuse.glusterfs", "fuse.ceph"}
_MOUNTS = Path("/proc/self/mountinfo")


def refuse_network_filesystem(path: Path) -> None:
    """Refuse *path* for an SQLite ledger if other machines may mount what it lies on.

    Raises:
        LedgerError: it lies on a network file system.
    """
    kind = filesystem_of(path, mounts())
    if kind in _KERNEL | _FUSE:
        raise LedgerError(
            "an SQLite ledger lies on a local disk",
            value=f"{path} is on a file system of type {kind}",
            remedy="Move it to a local disk, or keep the ledger in PostgreSQL.",
        )


def filesystem_of(path: Path, mounts: dict[Path, str]) -> str | None:
    """The type of the file system that holds *path*, of those in *mounts* (by mount point)."""
    resolved = path.resolve()
    return next((mounts[folder] for folder in (resolved, *resolved.parents) if folder in mounts), None)


def mounts() -> dict[Path, str]:
    """The type of every mounted file system by mount point; a later mount hides an earlier one."""
    if _MOUNTS.exists():
        return parse_mountinfo(_MOUNTS.read_text())
    if sys.platform == "darwin":
        import subprocess

        listing = subprocess.run(["/sbin/mount"], capture_output=True, text=True, check=True)
        return parse_mount_listing(listing.stdout)
    return {}


def parse_mountinfo(text: str) -> dict[Path, str]:
    """Linux: ``id parent device root MOUNTPOINT options … - TYPE source options``; blanks are escaped."""
    found = {}
    for line in text.splitlines():
        before, _, after = line.partition(" - ")
        mount_point = before.split()[4].replace("\\040", " ")
        found[Path(mount_point)] = after.split()[0]
    return found


def parse_mount_listing(text: str) -> dict[Path, str]:
    """macOS: ``source on MOUNTPOINT (TYPE, options)``."""
    found = {}
    for line in text.splitlines():
        place, _, options = line.rpartition(" (")
        found[Path(place.partition(" on ")[2])] = options.split(",")[0].rstrip(")")
    return found
