"""Artifacts in an object store, through fsspec."""

import contextlib
import hashlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.store.shelf import ALTERED, WORKING, chunks, name_aside, place_of, working_place

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

#: An upload becomes visible when it is complete, or never; and what speaks them is installed.
ATOMIC_PROTOCOLS = frozenset({"memory", "s3", "s3a"})


class Remote:
    """Where bytes lie: an object store. Everything may raise OSError; reading what is not there FileNotFoundError."""

    #: So few bytes are written without asking :meth:`holds` first.
    unasked_bytes = -1

    def __init__(self, url: str, **options: object) -> None:
        from fsspec.core import url_to_fs  # deferred: a tenth of a second that local stores need not pay

        self._files: AbstractFileSystem
        self._files, root = url_to_fs(url, **options)
        self._root = root.rstrip("/")
        self.shown = f"{url.partition('://')[0]}://{self._root.lstrip('/')}"

    def holds(self, digest: str) -> bool:
        """Whether the right bytes lie there already."""
        return self.size_bytes(digest) is not None and self._reads_right(digest)

    def write(self, digest: str, data: bytes) -> None:
        self.set_aside(digest)
        self._files.pipe_file(self._place(digest), data)

    def write_file(self, digest: str, path: Path) -> None:
        self.set_aside(digest)
        self._files.put_file(str(path), self._place(digest))

    def read(self, digest: str) -> bytes:
        return bytes(self._files.cat_file(self._place(digest)))

    def chunks(self, digest: str) -> Iterator[bytes]:
        with self._files.open(self._place(digest), "rb") as source:
            yield from chunks(source)

    def size_bytes(self, digest: str) -> int | None:
        try:
            return int(self._files.info(self._place(digest))["size"])
        except FileNotFoundError:
            return None

    def set_aside(self, digest: str) -> str | None:
        """Keep what lies there under another name, if it was altered, so that *digest* is missing; that name.

        ``None``: nothing lies there, or the right bytes do.
        """
        if self.size_bytes(digest) is None or self._reads_right(digest):
            return None
        name = name_aside(digest)
        self._move(digest, name)
        return name

    def aside(self) -> Iterable[str]:
        """The names under which what was altered lies."""
        try:
            found = self._files.ls(f"{self._root}/{ALTERED}", detail=False)
        except FileNotFoundError:
            return []
        return [f"{ALTERED}/{path.rpartition('/')[2]}" for path in found]

    def digests(self) -> Iterable[str]:
        """The digests under which something lies."""
        found = self._files.find(f"{self._root}/sha256")
        return ["sha256:" + "".join(path.split("/")[-2:]) for path in found]

    def _move(self, digest: str, name: str) -> None:
        """Copied before it is removed: a kill in between leaves it there to be found again."""
        self._files.copy(self._place(digest), f"{self._root}/{name}")
        self._files.rm_file(self._place(digest))

    def _reads_right(self, digest: str) -> bool:
        hashed = hashlib.sha256()
        for chunk in self.chunks(digest):
            hashed.update(chunk)
        return f"sha256:{hashed.hexdigest()}" == digest

    def remove(self, digest: str) -> None:
        """Remove the bytes; nothing happens if they are not there."""
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._place(digest))

    def write_working(self, name: str, data: bytes) -> None:
        """Put *data* in the place of what lies under that *name*."""
        self._files.pipe_file(f"{self._root}/{working_place(name)}", data)

    def read_working(self, name: str) -> bytes | None:
        try:
            return bytes(self._files.cat_file(f"{self._root}/{working_place(name)}"))
        except FileNotFoundError:
            return None

    def remove_working(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._files.rm_file(f"{self._root}/{working_place(name)}")

    def clear_working(self, *, unused_since: datetime) -> int:
        """Remove what was not written since; how much."""
        try:
            found = self._files.ls(f"{self._root}/{WORKING}", detail=True, refresh=True)
        except FileNotFoundError:
            return 0
        old = [each for each in found if _written_at(each) < unused_since]
        for each in old:
            with contextlib.suppress(FileNotFoundError):
                self._files.rm_file(each["name"])
        return len(old)

    def _place(self, digest: str) -> str:
        return f"{self._root}/{place_of(digest)}"


def _written_at(found: dict[str, Any]) -> datetime:
    """When an object was written, as its file system says it."""
    moment: datetime | float = found.get("LastModified") or found["created"]
    return moment if isinstance(moment, datetime) else datetime.fromtimestamp(moment, UTC)
