"""A secret's file is made once, whole, for its owner alone; of racing makers one wins for all."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from include.core.errors import AuthorityError
from include.governance import secrets


def test_racing_makers_all_hold_the_same_secret_and_leave_nothing_else(tmp_path: Path) -> None:
    start = Barrier(8)

    def make(_: int) -> bytes:
        start.wait()
        return secrets.keep(tmp_path / "keys" / "key", secrets.random_key)

    with ThreadPoolExecutor(8) as pool:
        held = set(pool.map(make, range(8)))
    assert held == {(tmp_path / "keys" / "key").read_bytes()}
    assert [file.name for file in (tmp_path / "keys").iterdir()] == ["key"]


def test_a_key_is_read_as_it_was_made(tmp_path: Path) -> None:
    text = secrets.keep(tmp_path / "key", secrets.random_key)
    assert secrets.read_key(tmp_path / "key") == bytes.fromhex(text.decode())


def test_a_secret_that_cannot_be_written_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(AuthorityError, match="file/key: a secret can be written"):
        secrets.keep(tmp_path / "file" / "key", secrets.random_key)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_secret_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "key"
    secrets.keep(path, secrets.random_key)
    path.chmod(mode)
    with pytest.raises(AuthorityError, match="chmod 600"):
        secrets.read(path)


def test_a_missing_and_an_empty_secret_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AuthorityError, match="FileNotFoundError"):
        secrets.read(tmp_path / "key")
    (tmp_path / "key").touch(mode=0o600)
    with pytest.raises(AuthorityError, match="not empty"):
        secrets.read(tmp_path / "key")
