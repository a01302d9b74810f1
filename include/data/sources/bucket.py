"""Parquet files in a bucket of S3, or of what speaks its protocol.

All bytes of a day are read: its digest is that of a folder with the same files, so that a project computes the same
wherever they lie. Each file is asked for in the very version that was listed.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

from include.contracts.folders import LOGS, format_error, path_values, table_keys
from include.contracts.patterns import pattern_of, root_of
from include.contracts.servers import bucket_of
from include.core.errors import DataError, SourceUnavailable
from include.data.sources.credentials import credentials_of
from include.data.sources.day_files import ATTEMPTS, PARQUET, DayFile, Footer, copy_day_files, never_rests
from include.store.s3 import OPTIONS, S3, code_of
from include.store.shelf import ShelfUnreachable

#: What a section of the reader's file may say, and what s3fs calls it. Without a key the process's own credentials are
#: meant: a profile, or the machine's role.
_KEYS = {
    "aws_access_key_id": "key",
    "aws_secret_access_key": "secret",
    "aws_session_token": "token",
    "endpoint_url": "endpoint_url",
    "region": "region",
}
#: That many files of a day are read at once.
_READS = 8
#: In so many last bytes of a file nearly every footer lies; its length stands in the last eight.
_FOOTER_BYTES, _TAIL_BYTES = 1 << 16, 8


class _FileChanged(Exception):
    """A file is no longer the one that was listed."""


class _NotAllowed(SourceUnavailable):
    """The server answers, and does not let the reader do that."""


@dataclass(frozen=True, kw_only=True)
class _ListedFile:
    """A file below the root, its whole key, and the version of it that was seen."""

    path: PurePosixPath
    key: str
    version: str


class DayPrefix:
    """The folders of days below the bucket and folder that *location* names.

    Each method may raise SourceUnavailable.
    """

    def __init__(self, dataset: str, location: str, credentials: Path | None) -> None:
        """Raises DeclarationError, AuthorityError: the file *credentials* does not say how to sign in."""
        self._dataset, self.shown, self.days = dataset, root_of(location), pattern_of(location)
        name, folder = bucket_of(location)
        self._root = f"{folder}/" if folder else ""
        self._bucket = S3(_files(credentials_of(credentials, name, known=_KEYS)), name, needs="list and read")

    def is_empty(self) -> bool:
        return not self._any_key(self._root)

    def folders(self) -> Iterator[str]:
        return self._below("", 0)

    def _below(self, above: str, level: int) -> Iterator[str]:
        """Those whose names begin with *above*, which is as many levels; nothing else is listed."""
        for page in self._pages(f"{self._root}{above}{self.days.begins(level)}", Delimiter="/"):
            for each in page.get("CommonPrefixes", ()):
                folder = each["Prefix"].removeprefix(self._root)
                if level + 1 == len(self.days.levels):
                    yield folder.rstrip("/")
                elif self.days.may_hold(level, folder.rstrip("/")):
                    yield from self._below(folder, level + 1)

    def read(self, folder: str) -> list[DayFile]:
        return self._of_one_moment(folder, self._whole)

    def footers(self, folder: str) -> list[Footer]:
        return [(file.shown, file.said, BytesIO(file.data)) for file in self._of_one_moment(folder, self._tail)]

    def _of_one_moment(self, folder: str, read: Callable[[_ListedFile], bytes]) -> list[DayFile]:
        """What *read* gives of the files of *folder*, all as they were when they were listed."""
        for _ in range(ATTEMPTS):
            listed = self._listed(folder)
            try:
                with ThreadPoolExecutor(_READS) as pool:
                    data = list(pool.map(read, listed))
            except _FileChanged:
                continue
            return [
                DayFile(
                    shown=self._shown(file),
                    name=str(file.path.relative_to(folder)),
                    said=path_values(file.path, PurePosixPath(folder)),
                    data=each,
                )
                for file, each in zip(listed, data, strict=True)
            ]
        raise never_rests(self._dataset, f"{self.shown}/{folder}".rstrip("/"))

    def _listed(self, folder: str) -> list[_ListedFile]:
        root = f"{self._root}{folder}/" if folder else self._root
        versions = {each["Key"].removeprefix(root): each["ETag"] for each in self._objects(root)}
        shown = f"{self.shown}/{folder}".rstrip("/")
        return [
            _ListedFile(path=PurePosixPath(folder, path), key=f"{root}{path}", version=versions[str(path)])
            for path in table_keys(versions, PARQUET, shown)
        ]

    def _whole(self, file: _ListedFile) -> bytes:
        return self._bytes(file)

    def _tail(self, file: _ListedFile) -> bytes:
        """The last bytes of *file*, its footer among them: a reader of footers finds all that it looks for."""
        tail = self._bytes(file, Range=f"bytes=-{_FOOTER_BYTES}")
        footer = int.from_bytes(tail[-_TAIL_BYTES:][:4], "little") + _TAIL_BYTES
        return tail if footer <= len(tail) else self._bytes(file)

    def _bytes(self, file: _ListedFile, **part: str) -> bytes:
        try:
            with self._reachable():
                return self._bucket.read(file.key, IfMatch=file.version, **part)
        except FileNotFoundError:
            raise _FileChanged from None

    def _objects(self, prefix: str) -> Iterator[dict[str, Any]]:
        return (each for page in self._pages(prefix) for each in page.get("Contents", ()))

    def _any_key(self, prefix: str) -> bool:
        return "Contents" in next(self._pages(prefix, MaxKeys=1))

    def _pages(self, prefix: str, **asked: Any) -> Iterator[dict[str, Any]]:
        following: dict[str, str] = {}
        while True:
            try:
                with self._reachable():
                    page = self._bucket.call("list_objects_v2", Prefix=prefix, **asked, **following)
            except FileNotFoundError:
                raise DataError(
                    f"{self._dataset}: the bucket of the data is there",
                    value=f"none for {self.shown}",
                    remedy="Correct `servers[0].location` of the contract, or `endpoint_url` of the credentials.",
                ) from None
            yield page
            if not page.get("IsTruncated"):
                return
            following = {"ContinuationToken": page["NextContinuationToken"]}

    def refuse_table_format(self) -> None:
        root = PurePosixPath(self._root)
        for each in (root, *root.parents):
            is_whole = each == root or (each == root.parent and root.name == "data")
            # Who may list no more than the folder of the data cannot look above it.
            with suppress(*() if each == root else (_NotAllowed,)):
                if kind := self._table_format("" if each == PurePosixPath() else f"{each}/", is_whole=is_whole):
                    raise format_error(self.shown, kind)

    def _table_format(self, prefix: str, *, is_whole: bool) -> str | None:
        """Whose log lies at *prefix*; *is_whole*: a table of Iceberg that begins there would be the data."""
        for log, kind in LOGS.items():
            if self._any_key(f"{prefix}{log}/"):
                return kind
        metadata = self._objects(f"{prefix}metadata/") if is_whole else ()
        return "Iceberg" if any(each["Key"].endswith(".metadata.json") for each in metadata) else None

    @contextmanager
    def _reachable(self) -> Iterator[None]:
        """What goes wrong with the bucket in our words: of its own, only the code."""
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            if code_of(error) == "PreconditionFailed":
                raise _FileChanged from None
            told = error.strerror if isinstance(error, ShelfUnreachable) else code_of(error) or type(error).__name__
            kind = _NotAllowed if isinstance(error.__cause__, PermissionError) else SourceUnavailable
            raise kind(
                f"{self._dataset}: the server of the data answers, and lets the reader read",
                value=f"{self.shown}: {told}",
                remedy=getattr(
                    error, "remedy", "Check the bucket, its region and the reader's credentials, then retry."
                ),
            ) from None

    def _shown(self, file: _ListedFile) -> str:
        return f"{self.shown}/{file.path}"


def copy_files(location: str, target: Path, credentials: Path | None) -> None:
    """Copy all files that nights read of the data at *location* under *target*, those of days in ``day=YYYY-MM-DD``.

    Raises as a source does, and DataError where there are none.
    """
    copy_day_files(DayPrefix(location, location, credentials), target)


def _files(said: Mapping[str, str]) -> Any:
    import fsspec

    given = {_KEYS[key]: value for key, value in said.items()}
    region = given.pop("region", None)
    config = OPTIONS["config_kwargs"] | {
        "ignore_configured_endpoint_urls": "key" in given
    }  # the store's may be another
    return fsspec.filesystem(
        "s3", **{**OPTIONS, "config_kwargs": config}, **given, client_kwargs={"region_name": region} if region else {}
    )
