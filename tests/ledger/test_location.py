"""An SQLite ledger is refused on network file systems."""

import sys
from pathlib import Path

import pytest

from include.core.errors import LedgerError
from include.ledger import Ledger, location

MOUNTS = {
    Path("/"): "ext4",
    Path("/proc"): "proc",
    Path("/mnt/share"): "nfs4",
    Path("/mnt/my disk"): "cifs",
    Path("/mnt/share/local"): "xfs",
}


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
    assert location.filesystem_of(Path(path), MOUNTS) == kind


@pytest.mark.skipif(sys.platform != "linux", reason="has no /proc")
def test_what_is_mounted_here_is_known_by_its_type() -> None:
    assert location.mounts()[Path("/proc")] == "proc"


def test_a_ledger_on_a_network_file_system_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(location, "mounts", lambda: {Path("/"): "ext4", tmp_path: "nfs4"})
    with pytest.raises(LedgerError, match="of type nfs4"):
        Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}")
    assert not list(tmp_path.iterdir())
