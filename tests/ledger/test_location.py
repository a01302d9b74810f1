"""An SQLite ledger is refused on network file systems."""

from pathlib import Path

import pytest

from include.core.errors import LedgerError
from include.ledger import Ledger, location

MOUNTINFO = r"""24 30 0:22 / /proc rw,nosuid shared:12 - proc proc rw
30 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 30 0:40 / /mnt/share rw,relatime shared:2 master:3 - nfs4 server:/export rw,vers=4.2
32 30 0:41 / /mnt/my\040disk rw - cifs //server/disk rw
33 31 0:42 / /mnt/share/local rw - xfs /dev/vdb rw
"""
MOUNT_LISTING = """/dev/disk3s1s1 on / (apfs, sealed, local, read-only)
devfs on /dev (devfs, local, nobrowse)
//me@server/disk on /Volumes/my disk (smbfs, nodev, nosuid)
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/ledger.db", "ext4"),
        ("/mnt/share/deep/ledger.db", "nfs4"),
        ("/mnt/my disk/ledger.db", "cifs"),
        ("/mnt/share/local/ledger.db", "xfs"),
    ],
)
def test_a_path_lies_on_the_file_system_mounted_nearest_above_it(path: str, kind: str) -> None:
    assert location.filesystem_of(Path(path), location.parse_mountinfo(MOUNTINFO)) == kind


def test_the_listing_of_macos_is_understood() -> None:
    assert location.parse_mount_listing(MOUNT_LISTING) == {
        Path("/"): "apfs",
        Path("/dev"): "devfs",
        Path("/Volumes/my disk"): "smbfs",
    }


def test_a_ledger_on_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(location, "mounts", lambda: {Path("/"): "ext4", tmp_path: "nfs4"})
    with pytest.raises(LedgerError, match="of type nfs4"):
        Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    assert not list(tmp_path.iterdir())
