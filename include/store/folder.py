"""Artifacts in a local folder."""

import contextlib
import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path

from include.store.shelf import (
    ALTERED,
    WORKING,
    Write,
    altered,
    chunks,
    digest_of_file,
    name_aside,
    place_of,
    working_place,
)

_ABANDONED_SECONDS = 24 * 3600


class Folder:
    """A local folder. A file is written aside, forced to disk, made read-only and renamed into place.

    What lies aside belongs to a writer that works, or was killed: no other user may enter there, and the next writer
    that is alone clears what is a day old. Whoever works holds a lock, so that no clock that is wrong can take what it
    writes. One that is not *durable*, a cache, forces nothing to disk: what is read is verified.
    What was altered is overwritten in a cache alone.
    """

    unasked_bytes = -1  # as all names here that Remote has, too

    def __init__(self, root: Path, *, durable: bool = True) -> None:
        self._root, self._durable = root, durable
        self._incoming = root / "incoming"
        self.shown = str(root)

    def place(self, digest: str) -> Path:
        return self._root / place_of(digest)

    def holds(self, digest: str) -> bool:
        try:
            with self.place(digest).open("rb") as file:
                return digest_of_file(file) == digest
        except FileNotFoundError:
            return False

    def touch(self, digest: str) -> None:
        """Note that *digest* is used now; nothing happens if it is not there."""
        with contextlib.suppress(FileNotFoundError):
            os.utime(self.place(digest))

    def forget(self, *, unused_since: datetime) -> int:
        """Remove what was neither written nor touched since; how many files. Who has one open reads on."""
        forgotten = 0
        for file in self._root.glob("sha256/*/*"):
            with contextlib.suppress(FileNotFoundError):  # another forgot it
                if file.stat().st_mtime < unused_since.timestamp():
                    file.unlink()
                    forgotten += 1
        return forgotten

    def write(self, digest: str, data: bytes) -> None:
        self.write_from(digest, iter((data,)), origin=self.shown)

    def write_file(self, digest: str, path: Path) -> None:
        with path.open("rb") as source:
            self.write_from(digest, chunks(source), origin=str(path))

    def write_from(self, digest: str, parts: Iterator[bytes], *, origin: str) -> None:
        with self._working(self.place(digest).parent):
            handle, name = tempfile.mkstemp(dir=self._incoming)
            aside = Path(name)
            try:
                with os.fdopen(handle, "wb") as file:
                    hashed = hashlib.sha256()
                    for chunk in parts:
                        hashed.update(chunk)
                        file.write(chunk)
                    file.flush()
                    self._force(file.fileno())
                if f"sha256:{hashed.hexdigest()}" != digest:
                    raise altered(origin, digest)
                self._shelve(aside, digest)
            except BaseException:
                aside.unlink(missing_ok=True)
                raise

    def write_made(self, write: Write) -> str:
        """Keep the file that *write* makes aside; its digest."""
        with self._working(self._root / "sha256"):
            aside = self._incoming / uuid.uuid4().hex
            try:
                write(aside)
                with aside.open("rb") as file:
                    self._force(file.fileno())
                    digest = digest_of_file(file)
                self._make_folders(self.place(digest).parent)
                self._shelve(aside, digest)
            except BaseException:
                aside.unlink(missing_ok=True)
                raise
            return digest

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """An empty folder aside, which is removed afterwards."""
        with self._working(self._root / "sha256"):
            place = self._incoming / uuid.uuid4().hex
            place.mkdir(mode=0o700)
            try:
                yield place
            finally:
                shutil.rmtree(place, ignore_errors=True)

    def read(self, digest: str) -> bytes:
        return self.place(digest).read_bytes()

    def size_bytes(self, digest: str) -> int | None:
        try:
            return os.stat(f"{self.shown}/{place_of(digest)}").st_size  # noqa: PTH116  # asked for each day of a night
        except FileNotFoundError:
            return None

    def set_aside(self, digest: str) -> str | None:
        place = self.place(digest)
        if self.size_bytes(digest) is None or self.holds(digest):
            return None
        name = name_aside(digest)
        moved = self._root / name
        moved.parent.mkdir(mode=0o700, exist_ok=True)
        try:
            place.rename(moved)
        except FileNotFoundError:  # another process was quicker
            return None
        with moved.open("rb") as file:
            if digest_of_file(file) == digest:  # another writer has just replaced it by the right bytes
                moved.replace(place)
                return None
        self._force_folder(moved.parent)
        self._force_folder(place.parent)
        return name

    def aside(self) -> Iterable[str]:
        return [str(path.relative_to(self._root)) for path in (self._root / ALTERED).glob("*")]

    def digests(self) -> Iterable[str]:
        return [f"sha256:{path.parent.name}{path.name}" for path in self._root.glob("sha256/*/*")]

    def remove(self, digest: str) -> None:
        self.place(digest).unlink(missing_ok=True)

    def write_working(self, name: str, data: bytes) -> None:
        place = self._root / working_place(name)
        with self._working(self._root / "sha256"):
            place.parent.mkdir(mode=0o700, exist_ok=True)
            handle, aside = tempfile.mkstemp(dir=self._incoming)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    self._force(file.fileno())
                Path(aside).chmod(0o440)
                Path(aside).replace(place)
            except BaseException:
                Path(aside).unlink(missing_ok=True)
                raise

    def read_working(self, name: str) -> bytes | None:
        try:
            return (self._root / working_place(name)).read_bytes()
        except FileNotFoundError:
            return None

    def remove_working(self, name: str) -> None:
        (self._root / working_place(name)).unlink(missing_ok=True)

    def clear_working(self, *, unused_since: datetime) -> int:
        cleared = 0
        for file in (self._root / WORKING).glob("*"):
            with contextlib.suppress(FileNotFoundError):  # another process removed it
                if file.stat().st_mtime < unused_since.timestamp():
                    file.unlink()
                    cleared += 1
        return cleared

    def _shelve(self, aside: Path, digest: str) -> None:
        place = self.place(digest)
        if self._durable:  # of what a cache holds the store has the original
            self.set_aside(digest)
        aside.chmod(0o440)  # artifacts may hold personal data: never readable by all
        aside.replace(place)
        self._force_folder(place.parent)

    def _make_folders(self, folder: Path) -> None:
        """The root's parent must be there: a disk that is not mounted is no empty store."""
        for each in (self._root, self._incoming, folder.parent, folder):
            if not each.is_dir():
                each.mkdir(mode=0o700, exist_ok=True)
                self._force_folder(each.parent)
        if stat.S_IMODE(self._incoming.stat().st_mode) != 0o700:  # an earlier release left it open
            self._incoming.chmod(0o700)

    @contextlib.contextmanager
    def _working(self, folder: Path) -> Iterator[None]:
        """Make the folders down to *folder*, and hold the writers' lock: what lies aside is then cleared by nobody."""
        self._make_folders(folder)
        handle = os.open(self._incoming, os.O_RDONLY)
        try:
            with contextlib.suppress(OSError):  # others work, or this file system has no locks: nothing is cleared
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._clear()
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_SH)
            yield
        finally:
            os.close(handle)

    def _clear(self) -> None:
        """Remove what writers that were killed left."""
        for leftover in self._incoming.iterdir():
            with contextlib.suppress(FileNotFoundError):
                if leftover.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                    if leftover.is_dir():
                        shutil.rmtree(leftover, ignore_errors=True)
                    else:
                        leftover.unlink()

    def _force(self, handle: int) -> None:
        if self._durable:
            os.fsync(handle)

    def _force_folder(self, folder: Path) -> None:
        handle = os.open(folder, os.O_RDONLY)
        try:
            self._force(handle)
        finally:
            os.close(handle)
