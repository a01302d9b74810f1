"""The store itself, over whatever keeps its bytes."""

import contextlib
import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from include.core.errors import DeclarationError, StoreError, StoreUnavailable
from include.core.records import ResultAddresses
from include.store.bucket import Bucket
from include.store.folder import Folder
from include.store.remote import ATOMIC_PROTOCOLS, Remote
from include.store.shelf import (
    AlteredArtifact,
    Write,
    altered,
    digest_of_file,
    found_aside,
    missing,
    reachable,
    require_digest,
)

#: The longest life of an address that S3 signs.
LONGEST_LIFETIME = timedelta(days=7)


class Store:
    """Artifacts by digest (``sha256:<64 hex digits>``), shared by threads, processes and machines.

    What is found altered, by whatever call, is set aside: kept under another name, never read again, and missing from
    then on, so that who made it makes it again.

    Every method raises :class:`~include.core.errors.StoreUnavailable` when the store cannot be reached or written.
    """

    def __init__(self, url: str | os.PathLike[str], *, cache: Path | None = None) -> None:
        """*url* is a local folder, ``file://`` or an object store's URL; nothing is touched yet.

        *cache* is a local folder for :meth:`path` and :meth:`put_made` of a remote store.

        Raises:
            StoreError: no such kind of store.
        """
        self._shelf = _shelf(os.fspath(url))
        self._cache = None if cache is None else Folder(cache, durable=False)

    def put(self, data: bytes) -> str:
        """Keep *data*; its digest. Keeping the same bytes again changes nothing."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        with reachable(self._shelf.shown):
            if len(data) <= self._shelf.unasked_bytes or not self._shelf.holds(digest):
                self._shelf.write(digest, data)
        if self._cache is not None and not isinstance(self._shelf, Folder):
            with reachable(f"the cache {self._cache.shown}"):  # what is kept is soon read
                self._cache.write(digest, data)
        return digest

    def put_file(self, path: Path) -> str:
        """Keep the bytes of the local file *path*, read in chunks; their digest. As :meth:`put`.

        Raises:
            StoreError: the file cannot be read, or changed while it was.
        """
        try:
            with path.open("rb") as source:
                digest = digest_of_file(source)
        except OSError as error:
            raise StoreError(
                "a file to keep can be read", value=f"{path}: {error.strerror}", remedy="Check its path and mode."
            ) from error
        with reachable(self._shelf.shown):
            if not self._shelf.holds(digest):
                self._shelf.write_file(digest, path)
        return digest

    def put_made(self, write: Write) -> str:
        """Keep the file that *write* makes at the path that it is given; its digest. As :meth:`put`.

        Nothing lies at that path yet. It is in the store's own folder (of a remote store: its cache), so that what a
        kill leaves there is closed to others, and cleared.

        Raises:
            StoreError: the store is remote and has no cache.
        """
        if isinstance(self._shelf, Folder):
            with reachable(self._shelf.shown):
                return self._shelf.write_made(write)
        cache = self._require_cache(self._shelf)
        with reachable(f"{self._shelf.shown} through the cache {cache.shown}"):
            digest = cache.write_made(write)
            if not self._shelf.holds(digest):
                self._shelf.write_file(digest, cache.place(digest))
        return digest

    @contextlib.contextmanager
    def workspace(self) -> Iterator[Path]:
        """An empty folder for what is made of artifacts on the way; it is removed afterwards.

        It is in the store's own folder (of a remote store: its cache), so that what a kill leaves there is closed to
        others, and cleared.

        Raises:
            StoreError: the store is remote and has no cache.
        """
        folder = self._shelf if isinstance(self._shelf, Folder) else self._require_cache(self._shelf)
        with contextlib.ExitStack() as open_:
            with reachable(folder.shown):
                place = open_.enter_context(folder.workspace())
            yield place

    def get(self, digest: str) -> bytes:
        """The bytes of *digest*, verified.

        Raises:
            StoreError: they are not there, or not what was kept.
        """
        with self._reading(digest):
            data = self._shelf.read(digest)
        if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
            raise self._set_aside(digest)
        return data

    def path(self, digest: str) -> Path:
        """A local file with the bytes of *digest*, verified now; not to be written. A remote store fills its cache.

        Raises:
            StoreError: they are not there, not what was kept, or the store is remote and has no cache.
        """
        if isinstance(self._shelf, Folder):
            with self._reading(digest):
                path = self._shelf.place(digest)
                with path.open("rb") as file:
                    found = digest_of_file(file)
            if found != digest:
                raise self._set_aside(digest)
            return path
        return self._cached(digest, self._shelf)

    def remove(self, digest: str) -> None:
        """Remove the bytes of *digest*, from the cache too; nothing happens if they are not there."""
        require_digest(digest)
        if self._cache is not None:
            with reachable(f"the cache {self._cache.shown}"):
                self._cache.remove(digest)
        with reachable(self._shelf.shown):
            self._shelf.remove(digest)

    def trim_cache(self, *, unused_since: datetime) -> int:
        """Remove from the cache what nobody read or kept since; how many artifacts. A local store has none.

        *unused_since* lies so long ago that whoever got a :meth:`path` before it reads it no more.
        """
        if self._cache is None or isinstance(self._shelf, Folder):
            return 0
        with reachable(f"the cache {self._cache.shown}"):
            return self._cache.forget(unused_since=unused_since)

    def verify(self, digest: str) -> None:
        """Read the bytes of *digest* through, and hand out none of them.

        Raises:
            StoreError: they are not there, or not what was kept.
        """
        with self._reading(digest):
            found = self._shelf.holds(digest)
        if not found:
            raise self._set_aside(digest)

    def digests(self) -> Iterator[str]:
        """The digests under which something lies there, in order."""
        with reachable(self._shelf.shown):
            yield from sorted(self._shelf.digests())

    def altered(self) -> tuple[AlteredArtifact, ...]:
        """What was ever found altered and set aside, in the order in which it was; of a bucket a thousand at most."""
        with reachable(self._shelf.shown):
            return tuple(sorted(found_aside(name) for name in self._shelf.aside()))

    def has(self, digest: str) -> bool:
        """Whether bytes lie under *digest*; reading them verifies them."""
        with self._reading(digest):
            return self._shelf.size_bytes(digest) is not None

    def size_bytes(self, digest: str) -> int:
        """The size of what lies under *digest*.

        Raises:
            StoreError: nothing does.
        """
        with self._reading(digest):
            size = self._shelf.size_bytes(digest)
        if size is None:
            raise missing(self._shelf.shown, digest)
        return size

    def require_issuing(self, lifetime: timedelta) -> None:
        """Check that :meth:`read_address` and :meth:`result_addresses` give addresses that live so long.

        Raises:
            DeclarationError: this kind of store gives no addresses, or none of that life.
        """
        self._issuing(lifetime)

    def read_address(self, digest: str, *, expires_at: datetime) -> str:
        """An address from which whoever holds it reads the artifact *digest*, until *expires_at* (UTC): a secret.

        Raises:
            DeclarationError: this kind of store gives no addresses, or none of that life.
            AddressRefused: *expires_at* is not a second away when it is signed.
        """
        with self._reading(digest):
            return self._issuing(expires_at - datetime.now(UTC)).read_address(digest, expires_at=expires_at)

    def result_addresses(self, name: str, *, expires_at: datetime) -> ResultAddresses:
        """Addresses at which whoever holds them writes the result *name* (a digest), once, and reads it.

        Raises:
            DeclarationError, AddressRefused: as :meth:`read_address`.
        """
        with self._reading(name):
            return self._issuing(expires_at - datetime.now(UTC)).result_addresses(name, expires_at=expires_at)

    def result(self, name: str, *, most_bytes: int) -> bytes | None:
        """The first *most_bytes* of what was written as the result *name*, unverified; ``None``: nothing was.

        Raises:
            DeclarationError: this kind of store has no results.
        """
        with self._reading(name):
            return self._issuing().result(name, most_bytes=most_bytes)

    def remove_result(self, name: str) -> None:
        """Let the result *name* be written again."""
        with self._reading(name):
            self._issuing().remove_result(name)

    def working_addresses(self, name: str, *, expires_at: datetime) -> ResultAddresses:
        """Addresses at which whoever holds them replaces and reads the working state of that *name* (a digest).

        Raises:
            DeclarationError, AddressRefused: as :meth:`read_address`.
        """
        with self._reading(name):
            return self._issuing(expires_at - datetime.now(UTC)).working_addresses(name, expires_at=expires_at)

    def keep_working(self, name: str, data: bytes) -> None:
        """Put *data* in the place of the working state of that *name* (a digest): whole, or what was there stays.

        It is no artifact: bytes of something under way, which its maker verifies.
        """
        require_digest(name)
        with reachable(self._shelf.shown):
            self._shelf.write_working(name, data)

    def working(self, name: str) -> bytes | None:
        """What :meth:`keep_working` kept last, unverified; ``None``: nothing is there."""
        require_digest(name)
        with reachable(self._shelf.shown):
            return self._shelf.read_working(name)

    def remove_working(self, name: str) -> None:
        """Remove the working state of that *name*; nothing happens if there is none."""
        require_digest(name)
        with reachable(self._shelf.shown):
            self._shelf.remove_working(name)

    def clear_working(self, *, unused_since: datetime) -> int:
        """Remove all working state that was not written since (UTC); of how many names."""
        with reachable(self._shelf.shown):
            return self._shelf.clear_working(unused_since=unused_since)

    def _issuing(self, lifetime: timedelta = timedelta(0)) -> Bucket:
        if not isinstance(self._shelf, Bucket):
            raise DeclarationError(
                "a store that others reach by addresses of limited life is a bucket of S3",
                value=self._shelf.shown,
                remedy="Set TRAINYARD_VAULT to s3://<bucket>/<folder>.",
            )
        if lifetime > LONGEST_LIFETIME:
            raise DeclarationError(
                f"an address lives {LONGEST_LIFETIME.days} days at most",
                value=lifetime,
                remedy="Lower `maximum_minutes` of the project's Compute.",
            )
        return self._shelf

    def _set_aside(self, digest: str) -> StoreError:
        """Set aside what was read otherwise than *digest* says; the error that says so."""
        shown = self._shelf.shown
        try:
            with reachable(shown):
                name = self._shelf.set_aside(digest)
                there = name is None and self._shelf.size_bytes(digest) is not None
        except StoreUnavailable as error:
            return altered(shown, digest, f", and cannot be set aside: {error.value}")
        if there:
            return StoreUnavailable(
                "what is read is what lies there",
                value=f"{digest} in {shown} was read otherwise than it lies there",
                remedy="It is read again by itself; if that repeats itself, check the disk or the network.",
            )
        return missing(shown, digest) if name is None else altered(shown, digest, f", and is set aside as {name}")

    def _require_cache(self, shelf: Remote) -> Folder:
        if self._cache is None:
            raise StoreError(
                "a remote store needs a cache to give a local path", value=shelf.shown, remedy="Pass `cache`."
            )
        return self._cache

    def _cached(self, digest: str, shelf: Remote) -> Path:
        cache = self._require_cache(shelf)
        require_digest(digest)
        with reachable(f"{shelf.shown} through the cache {cache.shown}"):
            cache.touch(digest)  # before it is verified: if it is forgotten in between, it is fetched
            if not cache.holds(digest):
                if shelf.size_bytes(digest) is None:
                    raise missing(shelf.shown, digest)
                try:
                    cache.write_from(digest, shelf.chunks(digest), origin=shelf.shown)
                except StoreError:
                    raise self._set_aside(digest) from None
            return cache.place(digest)

    @contextlib.contextmanager
    def _reading(self, digest: str) -> Iterator[None]:
        require_digest(digest)
        with reachable(self._shelf.shown):
            try:
                yield
            except FileNotFoundError as error:
                raise missing(self._shelf.shown, digest) from error


def _shelf(url: str) -> Folder | Remote:
    protocol, separator, rest = url.partition("://")
    if not separator:
        return Folder(Path(url).absolute())
    if protocol in ("file", "local"):
        if not rest.startswith("/"):
            raise StoreError(
                "a file:// address holds an absolute path", value=url, remedy="Write file:///… or the path."
            )
        return Folder(Path(rest))
    if protocol not in ATOMIC_PROTOCOLS:
        raise StoreError(
            "a store is a local folder or an object store",
            value=f"protocol {protocol!r}",
            remedy=f"Use a folder, file:// or one of {', '.join(sorted(ATOMIC_PROTOCOLS))}.",
        )
    return Bucket(url) if protocol in ("s3", "s3a") else Remote(url)
