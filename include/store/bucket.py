"""Artifacts in a bucket of S3, or of what speaks its protocol, through s3fs."""

import base64
import contextlib
import functools
import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from include.core.errors import AddressRefused
from include.core.records import ResultAddresses
from include.store.remote import Remote
from include.store.s3 import OPTIONS, S3, code_of
from include.store.shelf import ALTERED, WORKING, ShelfUnreachable, altered, place_of, working_place

#: What is larger goes up, and comes down, in parts of this size; parts of S3 have 5 MiB at least.
PART_BYTES = 16 << 20
#: This many parts of one upload are under way at once.
_UPLOADS = 4
_ABANDONED = timedelta(days=1)
_ATTEMPTS = 10


class Bucket(Remote):
    """A bucket. Each object is written under a condition, and with the SHA-256 that the server verifies.

    Credentials and the endpoint are those of the process (the ``AWS_`` variables, a profile, the machine's role).
    """

    unasked_bytes = 1 << 20  # the condition of a write asks

    def __init__(self, url: str) -> None:
        super().__init__(url, **OPTIONS)
        self._bucket, _, prefix = self._root.partition("/")
        self._s3 = S3(self._files, self._bucket, needs="list, read, write and delete")
        self._prefix = f"{prefix}/" if prefix else ""
        self._found = False
        self._cleared = threading.Event()

    def holds(self, digest: str) -> bool:
        found = self._head(self._key(digest))
        if found is None:
            return False
        kept = found.get("ChecksumSHA256")
        # Of what went up in parts the server keeps a checksum of checksums: that is read instead.
        return super().holds(digest) if kept is None or "-" in kept else kept == _base64(digest)

    def write(self, digest: str, data: bytes) -> None:
        if len(data) > PART_BYTES:
            self._write_parts(digest, (data[at : at + PART_BYTES] for at in range(0, len(data), PART_BYTES)))
            return
        put = {"Key": self._key(digest), "Body": data, "ChecksumSHA256": _base64(digest)}
        self._create(digest, lambda condition: self._s3.call("put_object", **put, **condition))

    def write_file(self, digest: str, path: Path) -> None:
        with path.open("rb") as source:
            self._write_parts(digest, iter(lambda: source.read(PART_BYTES), b""))

    def read(self, digest: str) -> bytes:
        return b"".join(self.chunks(digest))

    def chunks(self, digest: str) -> Iterator[bytes]:
        size = self.size_bytes(digest)
        if size is None:
            raise FileNotFoundError(digest)
        for start in range(0, size, PART_BYTES):
            with self._s3.translated():
                part = self._files.cat_file(self._place(digest), start=start, end=min(start + PART_BYTES, size))
            yield bytes(part)

    def size_bytes(self, digest: str) -> int | None:
        found = self._head(self._key(digest))
        return None if found is None else int(found["ContentLength"])

    def remove(self, digest: str) -> None:
        """A bucket that keeps versions keeps the removed one until its lifecycle ends it."""
        self._s3.call("delete_object", Key=self._key(digest))

    def read_address(self, digest: str, *, expires_at: datetime) -> str:
        """A presigned address of the artifact *digest*."""
        return self._address("get_object", self._key(digest), expires_at)

    def result_addresses(self, name: str, *, expires_at: datetime) -> ResultAddresses:
        """Presigned addresses of the result *name*."""
        key = self._result_key(name)
        return ResultAddresses(
            write=self._address("put_object", key, expires_at, IfNoneMatch="*"),
            read=self._address("get_object", key, expires_at),
        )

    def result(self, name: str, *, most_bytes: int) -> bytes | None:
        """The first *most_bytes* of the result *name*, as somebody wrote them; ``None``: nobody did."""
        key = self._result_key(name)
        found = self._head(key)
        if found is None:
            return None
        size = min(int(found["ContentLength"]), most_bytes)
        if size == 0:  # no range of bytes selects none
            return b""
        with self._s3.translated():
            try:
                return bytes(self._files.cat_file(f"{self._bucket}/{key}", start=0, end=size))
            except FileNotFoundError:
                return None

    def remove_result(self, name: str) -> None:
        """Let the result *name* be written again."""
        self._s3.call("delete_object", Key=self._result_key(name))

    def digests(self) -> Iterable[str]:
        with self._s3.translated():
            return super().digests()

    def write_working(self, name: str, data: bytes) -> None:
        self._s3.call("put_object", Key=self._working_key(name), Body=data)

    def read_working(self, name: str) -> bytes | None:
        key = self._working_key(name)
        if self._head(key) is None:
            return None
        with self._s3.translated():
            try:
                return bytes(self._files.cat_file(f"{self._bucket}/{key}"))
            except FileNotFoundError:
                return None

    def remove_working(self, name: str) -> None:
        self._s3.call("delete_object", Key=self._working_key(name))

    def clear_working(self, *, unused_since: datetime) -> int:
        """Of a thousand at a time."""
        found = self._s3.call("list_objects_v2", Prefix=f"{self._prefix}{WORKING}/").get("Contents", ())
        old = [each["Key"] for each in found if each["LastModified"] < unused_since]
        for key in old:
            self._s3.call("delete_object", Key=key)
        return len(old)

    def working_addresses(self, name: str, *, expires_at: datetime) -> ResultAddresses:
        """Presigned addresses of the working state of that *name*, which may be replaced."""
        key = self._working_key(name)
        return ResultAddresses(
            write=self._address("put_object", key, expires_at), read=self._address("get_object", key, expires_at)
        )

    def aside(self) -> Iterable[str]:
        found = self._s3.call("list_objects_v2", Prefix=f"{self._prefix}{ALTERED}/")
        return [each["Key"].removeprefix(self._prefix) for each in found.get("Contents", ())]

    def _move(self, digest: str, name: str) -> None:
        source = {"Bucket": self._bucket, "Key": self._key(digest)}
        self._s3.call("copy_object", Key=f"{self._prefix}{name}", CopySource=source)
        self._s3.call("delete_object", Key=self._key(digest))

    def _create(self, digest: str, write: Callable[[dict[str, str]], object]) -> bool:
        """Write what is not there, and set aside what is there if it is something else. Whether it was written."""
        for _ in range(_ATTEMPTS):
            try:
                write({"IfNoneMatch": "*"})
            except FileExistsError:
                if self.holds(digest):
                    return False
                self.set_aside(digest)
                continue
            except ShelfUnreachable:
                # A server that refuses may break off a long body instead of reading it before it says so.
                if self._head(self._key(digest)) is None:
                    raise
                if self.holds(digest):
                    return False
                self.set_aside(digest)
                continue
            except OSError as error:
                if code_of(error) != "ConditionalRequestConflict":  # another writer's upload is under way
                    raise
                continue
            return True
        raise ShelfUnreachable("others write the same artifact without end", remedy="Retry in a moment.")

    def _write_parts(self, digest: str, parts: Iterator[bytes]) -> None:
        first = next(parts, b"")
        if len(first) < PART_BYTES:
            _require_digest_of(hashlib.sha256(first).hexdigest(), digest, self.shown)
            self.write(digest, first)
            return
        self._clear_abandoned()
        key = self._key(digest)
        upload = self._s3.call("create_multipart_upload", Key=key, ChecksumAlgorithm="SHA256")["UploadId"]
        try:
            hashed, pending, sent = hashlib.sha256(), deque[Future[dict[str, Any]]](), list[dict[str, Any]]()
            with ThreadPoolExecutor(_UPLOADS) as pool:
                part = first
                while part:
                    hashed.update(part)
                    pending.append(pool.submit(self._send, key, upload, len(sent) + len(pending) + 1, part))
                    if len(pending) == _UPLOADS:
                        sent.append(pending.popleft().result())
                    part = next(parts, b"")
                sent += [each.result() for each in pending]
            _require_digest_of(hashed.hexdigest(), digest, self.shown)
            whole = {"Key": key, "UploadId": upload, "MultipartUpload": {"Parts": sent}}
            complete = functools.partial(self._s3.call, "complete_multipart_upload", **whole)
            if not self._create(digest, lambda condition: complete(**condition)):
                self._s3.call("abort_multipart_upload", Key=key, UploadId=upload)
        except BaseException:
            with contextlib.suppress(OSError):  # what cannot be taken back now is cleared a day later
                self._s3.call("abort_multipart_upload", Key=key, UploadId=upload)
            raise

    def _send(self, key: str, upload: str, number: int, part: bytes) -> dict[str, Any]:
        checksum = base64.b64encode(hashlib.sha256(part).digest()).decode()
        sent = self._s3.call(
            "upload_part", Key=key, UploadId=upload, PartNumber=number, Body=part, ChecksumSHA256=checksum
        )
        return {"PartNumber": number, "ETag": sent["ETag"], "ChecksumSHA256": checksum}

    def _clear_abandoned(self) -> None:
        """Take back the uploads of writers that were killed, once a process: nobody sees them, but they take room."""
        if self._cleared.is_set():
            return
        self._cleared.set()
        found = self._s3.call("list_multipart_uploads", Prefix=f"{self._prefix}sha256/")
        for each in found.get("Uploads", ()):
            if each["Initiated"] < datetime.now(UTC) - _ABANDONED:
                with contextlib.suppress(OSError):  # another process may have taken it back
                    self._s3.call("abort_multipart_upload", Key=each["Key"], UploadId=each["UploadId"])

    def _head(self, key: str) -> dict[str, Any] | None:
        try:
            return self._s3.call("head_object", Key=key, ChecksumMode="ENABLED")
        except FileNotFoundError:
            self._require_bucket()
            return None

    def _require_bucket(self) -> None:
        """A bucket that is not there is no empty store; an answer about an object does not tell which is missing."""
        if self._found:
            return
        try:
            self._s3.call("head_bucket")
        except FileNotFoundError:
            raise ShelfUnreachable(
                "there is no such bucket", remedy="Make the bucket, or correct TRAINYARD_STORE and TRAINYARD_VAULT."
            ) from None
        self._found = True

    def _address(self, method: str, key: str, expires_at: datetime, **signed: str) -> str:
        seconds = int((expires_at - datetime.now(UTC)).total_seconds())  # S3 counts them from now on
        if seconds <= 0:
            raise AddressRefused(
                "an address is signed before its life ends",
                value=f"{expires_at:%Y-%m-%d %H:%M:%S}Z",
                remedy="Order again; if the clock of this machine is wrong, set it.",
            )
        with self._s3.translated():
            return str(self._files.url(f"{self._bucket}/{key}", expires=seconds, client_method=method, **signed))

    def _key(self, digest: str) -> str:
        return f"{self._prefix}{place_of(digest)}"

    def _working_key(self, name: str) -> str:
        return f"{self._prefix}{working_place(name)}"

    def _result_key(self, name: str) -> str:
        return f"{self._prefix}results/{name.removeprefix('sha256:')}"


def _require_digest_of(found: str, digest: str, shown: str) -> None:
    if f"sha256:{found}" != digest:
        raise altered(f"what was to be kept in {shown}", digest)


def _base64(digest: str) -> str:
    return base64.b64encode(bytes.fromhex(digest.removeprefix("sha256:"))).decode()
