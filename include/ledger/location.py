"""Where an SQLite ledger may live: its write-ahead log needs memory that all its processes share."""

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
    import psutil  # type: ignore[import-untyped]  # it publishes no types

    return {Path(each.mountpoint): each.fstype for each in psutil.disk_partitions(all=True)}
