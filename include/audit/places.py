"""Where checkpoints and the tree's hashes are published: folders, and buckets of S3, in the same layout.

A place should be one that whoever can write to the ledger's database cannot rewrite. In a bucket with object lock and a
default retention every version that was published stays until its time is over.
"""

import base64
import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from include.core.addresses import without_credentials
from include.core.errors import DeclarationError


class Place(Protocol):
    """Names and what lies under them. Every method raises OSError where the place cannot be reached."""

    shown: str

    def read(self, name: str) -> bytes | None:
        """What lies under *name*; ``None``: nothing does."""

    def keep(self, name: str, data: bytes) -> None:
        """Let *data* lie under *name*, for good. FileExistsError: something else lies there."""

    def replace(self, name: str, data: bytes) -> None:
        """Let *data* lie under *name*, whatever lay there before."""

    def names(self, folder: str) -> list[str]:
        """The names of what lies directly in *folder*, in order."""

    def forget(self, folder: str) -> None:
        """All of *folder* is needed no more."""

    def alone(self) -> AbstractContextManager[None]:
        """Keep other processes that ask for it out, where the place can."""


def place_at(address: str) -> Place:
    """The place at *address*: a folder, or ``s3://bucket/folder``. Nothing is touched yet.

    Raises:
        DeclarationError: it is neither.
    """
    protocol, separator, rest = address.partition("://")
    if not separator:
        return FolderPlace(Path(address))
    if protocol == "file" and rest.startswith("/"):
        return FolderPlace(Path(rest))
    if protocol != "s3":
        raise DeclarationError(
            "checkpoints are published in folders and buckets of S3",
            value=without_credentials(address),
            remedy="Set TRAINYARD_CHECKPOINTS to absolute folders or s3://<bucket>/<folder>, separated by commas.",
        )
    return BucketPlace(address)


class FolderPlace:
    """A local folder, or one that is mounted."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.shown = str(root)

    def read(self, name: str) -> bytes | None:
        try:
            return (self._root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def keep(self, name: str, data: bytes) -> None:
        before = self.read(name)
        if before is None:
            self._write(name, data)
        elif before != data:
            raise FileExistsError(f"{self.shown}/{name}")

    def replace(self, name: str, data: bytes) -> None:
        self._write(name, data, durable=True)

    def names(self, folder: str) -> list[str]:
        try:
            return sorted(each.name for each in (self._root / folder).iterdir() if each.name[0] != ".")
        except (FileNotFoundError, NotADirectoryError):
            return []

    def forget(self, folder: str) -> None:
        shutil.rmtree(self._root / folder, ignore_errors=True)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / ".lock").open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _write(self, name: str, data: bytes, *, durable: bool = False) -> None:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        with aside.open("wb") as file:
            file.write(data)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        aside.replace(path)


class BucketPlace:
    """A bucket of S3. What is kept is written under the condition that nothing lies there."""

    def __init__(self, address: str) -> None:
        from fsspec.core import url_to_fs  # deferred, as what speaks S3 is

        from include.store.s3 import OPTIONS, S3

        files, root = url_to_fs(address, **OPTIONS)
        bucket, _, prefix = root.rstrip("/").partition("/")
        self._s3 = S3(files, bucket, needs="list, read and write")
        self._prefix = f"{prefix}/" if prefix else ""
        self.shown = f"s3://{bucket}/{prefix}".rstrip("/")

    def read(self, name: str) -> bytes | None:
        try:
            return self._s3.read(f"{self._prefix}{name}")
        except FileNotFoundError:
            return None

    def keep(self, name: str, data: bytes) -> None:
        try:
            self._put(name, data, IfNoneMatch="*")
        except FileExistsError:
            if self.read(name) != data:
                raise

    def replace(self, name: str, data: bytes) -> None:
        self._put(name, data)

    def names(self, folder: str) -> list[str]:
        prefix, found, more = f"{self._prefix}{folder}/", list[str](), dict[str, str]()
        while True:
            answer = self._s3.call("list_objects_v2", Prefix=prefix, Delimiter="/", **more)
            found += [each["Key"].removeprefix(prefix) for each in answer.get("Contents", ())]
            if not answer.get("IsTruncated"):
                return sorted(found)
            more = {"ContinuationToken": answer["NextContinuationToken"]}

    def forget(self, folder: str) -> None:
        """What a bucket may have locked stays; its lifecycle may end it."""

    def alone(self) -> AbstractContextManager[None]:
        return contextlib.nullcontext()

    def _put(self, name: str, data: bytes, **condition: Any) -> None:
        checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
        self._s3.call("put_object", Key=f"{self._prefix}{name}", Body=data, ChecksumSHA256=checksum, **condition)
