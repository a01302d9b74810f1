"""Content-addressed artifacts: bytes are named by their digest, written once, and verified when they are read.

A store is a local folder or an object store (through fsspec). The bytes of ``sha256:abcdef…`` lie at
``<root>/sha256/ab/cdef…``; whatever lies there under that name is complete.
"""

import contextlib
import hashlib
import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from include.core.errors import StoreError, StoreUnavailable

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHUNK_BYTES = 1 << 20
_ABANDONED_SECONDS = 24 * 3600
#: Object stores: an upload becomes visible when it is complete, or never.
_ATOMIC_PROTOCOLS = frozenset({"memory", "s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"})


class Store:
    """Artifacts by digest (``sha256:<64 hex digits>``), shared by threads, processes and machines.

    Every method raises :class:`~include.core.errors.StoreUnavailable` when the store cannot be reached or written.
    """

    def __init__(self, url: str | os.PathLike[str], *, cache: Path | None = None) -> None:
        """*url* is a local folder, ``file://`` or an object store's URL; nothing is touched yet.

        *cache* is a local folder for :meth:`path` of a remote store.

        Raises:
            StoreError: no such kind of store.
        """
        self._shelf = _shelf(os.fspath(url))
        self._cache = None if cache is None else _Folder(cache)

    def put(self, data: bytes) -> str:
        """Keep *data*; its digest. Keeping the same bytes again changes nothing, unless what lay there was altered."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        with _reachable(self._shelf.shown):
            if not self._shelf.holds(digest):
                self._shelf.write(digest, data)
        return digest

    def put_file(self, path: Path) -> str:
        """Keep the bytes of the local file *path*, read in chunks; their digest. As :meth:`put`.

        Raises:
            StoreError: the file cannot be read, or changed while it was.
        """
        try:
            with path.open("rb") as source:
                digest = _digest_of(source)
        except OSError as error:
            raise StoreError(
                "a file to keep can be read", value=f"{path}: {error.strerror}", remedy="Check its path and mode."
            ) from error
        with _reachable(self._shelf.shown):
            if not self._shelf.holds(digest):
                self._shelf.write_file(digest, path)
        return digest

    def get(self, digest: str) -> bytes:
        """The bytes of *digest*, verified.

        Raises:
            StoreError: they are not there, or not what was kept.
        """
        with self._reading(digest):
            data = self._shelf.read(digest)
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            raise _altered(self._shelf.shown, digest)
        return data

    def path(self, digest: str) -> Path:
        """A local file with the bytes of *digest*, verified now; not to be written. A remote store fills its cache.

        Raises:
            StoreError: they are not there, not what was kept, or the store is remote and has no cache.
        """
        if isinstance(self._shelf, _Folder):
            with self._reading(digest):
                path = self._shelf.place(digest)
                with path.open("rb") as file:
                    found = _digest_of(file)
            if found != digest:
                raise _altered(self._shelf.shown, digest)
            return path
        return self._cached(digest, self._shelf)

    def has(self, digest: str) -> bool:
        """Whether bytes lie under *digest*; reading them verifies them."""
        _require_digest(digest)
        with _reachable(self._shelf.shown):
            return self._shelf.size_bytes(digest) is not None

    def size_bytes(self, digest: str) -> int:
        """The size of what lies under *digest*.

        Raises:
            StoreError: nothing does.
        """
        with self._reading(digest):
            size = self._shelf.size_bytes(digest)
        if size is None:
            raise _missing(self._shelf.shown, digest)
        return size

    def _cached(self, digest: str, shelf: "_Remote") -> Path:
        if self._cache is None:
            raise StoreError(
                "a remote store needs a cache to give a local path", value=shelf.shown, remedy="Pass `cache`."
            )
        _require_digest(digest)
        with _reachable(f"{shelf.shown} through the cache {self._cache.shown}"):
            if not self._cache.holds(digest):
                if shelf.size_bytes(digest) is None:
                    raise _missing(shelf.shown, digest)
                self._cache.write_from(digest, shelf.chunks(digest), origin=shelf.shown)
            return self._cache.place(digest)

    @contextlib.contextmanager
    def _reading(self, digest: str) -> Iterator[None]:
        _require_digest(digest)
        with _reachable(self._shelf.shown):
            try:
                yield
            except FileNotFoundError as error:
                raise _missing(self._shelf.shown, digest) from error


class _Shelf(Protocol):
    """Where bytes lie. Everything may raise OSError; reading what is not there raises FileNotFoundError."""

    shown: str

    def holds(self, digest: str) -> bool:
        """Whether the right bytes lie there already."""

    def write(self, digest: str, data: bytes) -> None: ...

    def write_file(self, digest: str, path: Path) -> None: ...

    def read(self, digest: str) -> bytes: ...

    def size_bytes(self, digest: str) -> int | None: ...


class _Folder:
    """A local folder. A file is written aside, forced to disk, made read-only and renamed into place."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self.shown = str(root)

    def place(self, digest: str) -> Path:
        name = digest.removeprefix("sha256:")
        return self._root / "sha256" / name[:2] / name[2:]

    def holds(self, digest: str) -> bool:
        try:
            with self.place(digest).open("rb") as file:
                return _digest_of(file) == digest
        except FileNotFoundError:
            return False

    def write(self, digest: str, data: bytes) -> None:
        self.write_from(digest, iter((data,)), origin=self.shown)

    def write_file(self, digest: str, path: Path) -> None:
        with path.open("rb") as source:
            self.write_from(digest, _chunks(source), origin=str(path))

    def write_from(self, digest: str, chunks: Iterator[bytes], *, origin: str) -> None:
        place = self.place(digest)
        self._make_folders(place.parent)
        handle, name = tempfile.mkstemp(dir=self._incoming)
        aside = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                hashed = hashlib.sha256()
                for chunk in chunks:
                    hashed.update(chunk)
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            if f"sha256:{hashed.hexdigest()}" != digest:
                raise _altered(origin, digest)
            aside.chmod(0o440)  # artifacts may hold personal data: never readable by all
            aside.replace(place)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        _force_to_disk(place.parent)

    def read(self, digest: str) -> bytes:
        return self.place(digest).read_bytes()

    def size_bytes(self, digest: str) -> int | None:
        try:
            return self.place(digest).stat().st_size
        except FileNotFoundError:
            return None

    def _make_folders(self, folder: Path) -> None:
        """The root's parent must be there: a disk that is not mounted is no empty store."""
        for each in (self._root, self._incoming, folder.parent, folder):
            if not each.is_dir():
                each.mkdir(exist_ok=True)
                _force_to_disk(each.parent)
        for leftover in self._incoming.iterdir():  # of writers that were killed
            with contextlib.suppress(FileNotFoundError):
                if leftover.stat().st_mtime < time.time() - _ABANDONED_SECONDS:
                    leftover.unlink()


class _Remote:
    """An object store."""

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs  # deferred: a tenth of a second that local stores need not pay

        self._files: AbstractFileSystem
        self._files, root = url_to_fs(url)
        self._root = root.rstrip("/")
        self.shown = f"{url.partition('://')[0]}://{self._root.lstrip('/')}"

    def holds(self, digest: str) -> bool:
        if self.size_bytes(digest) is None:
            return False
        hashed = hashlib.sha256()
        for chunk in self.chunks(digest):
            hashed.update(chunk)
        return f"sha256:{hashed.hexdigest()}" == digest

    def write(self, digest: str, data: bytes) -> None:
        self._files.pipe_file(self._place(digest), data)

    def write_file(self, digest: str, path: Path) -> None:
        self._files.put_file(str(path), self._place(digest))

    def read(self, digest: str) -> bytes:
        return bytes(self._files.cat_file(self._place(digest)))

    def chunks(self, digest: str) -> Iterator[bytes]:
        with self._files.open(self._place(digest), "rb") as source:
            yield from _chunks(source)

    def size_bytes(self, digest: str) -> int | None:
        try:
            return int(self._files.info(self._place(digest))["size"])
        except FileNotFoundError:
            return None

    def _place(self, digest: str) -> str:
        name = digest.removeprefix("sha256:")
        return f"{self._root}/sha256/{name[:2]}/{name[2:]}"


def _shelf(url: str) -> _Folder | _Remote:
    protocol, separator, rest = url.partition("://")
    if not separator:
        return _Folder(Path(url).absolute())
    if protocol in ("file", "local"):
        return _Folder(Path(rest).absolute())
    if protocol not in _ATOMIC_PROTOCOLS:
        raise StoreError(
            "a store is a local folder or an object store",
            value=f"protocol {protocol!r}",
            remedy=f"Use a folder, file:// or one of {', '.join(sorted(_ATOMIC_PROTOCOLS))}.",
        )
    return _Remote(url)


@contextlib.contextmanager
def _reachable(shown: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            "the store can be reached and has room",
            value=f"{shown}: {error.strerror or type(error).__name__}",
            remedy="Check that it is mounted or reachable, writable and not full, then retry.",
        ) from error


def _require_digest(digest: str) -> None:
    if not _DIGEST.fullmatch(digest):
        raise StoreError("an artifact is named by its digest", value=digest, remedy="Pass sha256:<64 hex digits>.")


def _missing(shown: str, digest: str) -> StoreError:
    return StoreError(
        "an artifact is in the store", value=f"no {digest} in {shown}", remedy="Restore it, or run the step again."
    )


def _altered(shown: str, digest: str) -> StoreError:
    return StoreError(
        "an artifact's bytes are those of its digest",
        value=f"{digest} in {shown} was altered",
        remedy="Run the step that made it again, and find out who writes there.",
    )


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK_BYTES):
        yield chunk


def _digest_of(source: IO[bytes]) -> str:
    return f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}"  # type: ignore[arg-type]


def _force_to_disk(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
