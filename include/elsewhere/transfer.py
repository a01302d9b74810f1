"""Reading and writing at addresses of limited life, by HTTP. No address is part of an error or a line of output."""

import errno
import hashlib
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

from include.core.errors import AccessDenied, AddressRefused, StoreError, StoreUnavailable, TrainingError

_TIMEOUT_SECONDS = 60
_CHUNK_BYTES = 1 << 20
#: Answers after which the same request may succeed.
_TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
#: Answers to an address that was right when it was signed; 400 is S3's word for a session token that has ended.
_LAPSED = frozenset({400, 401, 403})

Answer = TypeVar("Answer")


class Exchange:
    """Requests that are repeated with growing pauses for *patience_seconds* where the store is out of reach.

    What has more than *largest_bytes* is no result.

    Every method raises:
        StoreUnavailable: it stayed out of reach, or the bucket is not there.
        AddressRefused: the life of the address has ended, or that of the credentials that signed it.
        AccessDenied: the store refuses the request for another reason.
    """

    def __init__(self, *, patience_seconds: float, largest_bytes: int) -> None:
        self._patience_seconds, self._largest_bytes = patience_seconds, largest_bytes

    def download(self, address: str, path: Path, *, digest: str) -> None:
        """Write what lies at *address* to *path*.

        Raises:
            StoreError: it is not what *digest* names, or is not there.
        """

        def fetch() -> bool:
            hashed = hashlib.sha256()
            with _answer("GET", address) as answer, path.open("wb") as file:
                while chunk := answer.read(_CHUNK_BYTES):
                    hashed.update(chunk)
                    file.write(chunk)
                if answer.length:  # urllib takes a body that breaks off for a whole one
                    raise http.client.IncompleteRead(b"")
            if f"sha256:{hashed.hexdigest()}" != digest:
                raise StoreError(
                    "an input's bytes are those of its digest",
                    value=f"{digest} was altered",
                    remedy="Run the step `plan` again, and find out who writes in the vault.",
                )
            return True

        if self._repeated(fetch) is None:
            raise StoreError("an input is in the vault", value=f"no {digest}", remedy="Run the step `plan` again.")

    def result(self, address: str) -> bytes | None:
        """The result at *address*, of one that is too large for a result its beginning; ``None``: none was written."""

        def fetch() -> bytes:
            with _answer("GET", address) as answer:
                data = answer.read(self._largest_bytes + 1)
                if answer.length and len(data) <= self._largest_bytes:
                    raise http.client.IncompleteRead(b"")
                return bytes(data)

        return self._repeated(fetch)

    def write_result(self, address: str, data: bytes, *, read: str) -> None:
        """Write *data* as the result at *address*, which is that of *read*. One that is there already stays.

        Raises:
            TrainingError: the one that is there is another.
        """

        def send() -> bool:
            try:
                with _answer("PUT", address, data):
                    return True
            except urllib.error.HTTPError as error:
                if error.code == 412:
                    return False
                if error.code == 404:
                    raise _no_bucket() from None
                raise

        if self._repeated(send) is not True and self.result(read) != data:
            raise TrainingError(
                "the same training has the same result wherever it is done",
                value="another result of it is stored",
                remedy="Compare the images and processors that trained it: one of them computes otherwise.",
            )

    def replace(self, address: str, data: bytes) -> None:
        """Put *data* in the place of what lies at *address*: whole, or what was there stays."""

        def send() -> bool:
            with _answer("PUT", address, data, condition={}):
                return True

        if self._repeated(send) is None:
            raise _no_bucket()

    def _repeated(self, request: Callable[[], Answer]) -> Answer | None:
        """What *request* returns; ``None`` where nothing lies at its address."""
        pause, end = 0.5, time.monotonic() + self._patience_seconds
        while True:
            try:
                return request()
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    if b"NoSuchBucket" in error.read(_CHUNK_BYTES):
                        raise _no_bucket() from None
                    return None
                if error.code not in _TRANSIENT:
                    raise _refusal(error.code) from None
                why = f"HTTP {error.code}"
            except (OSError, http.client.HTTPException) as error:
                if isinstance(error, OSError) and error.errno == errno.ENOSPC:
                    raise StoreUnavailable(
                        "there is room for the inputs where they are trained on",
                        value=os.strerror(errno.ENOSPC),
                        remedy="Raise `ephemeral_storage_mib` of the project's Compute.",
                    ) from None
                # A name, never the text: it may hold the address.
                why = type(getattr(error, "reason", error)).__name__
            left = end - time.monotonic()
            if left <= 0:
                raise StoreUnavailable(
                    "the store can be reached from where the training is done",
                    value=why,
                    remedy="Check that it runs, and that the namespace's network policy lets training pods reach it.",
                ) from None
            time.sleep(min(pause, left))
            pause = min(2 * pause, 15)


def _refusal(status: int) -> AddressRefused | AccessDenied:
    kind = AddressRefused if status in _LAPSED else AccessDenied
    again = "It is ordered again by itself." if kind is AddressRefused else "Order it again: clear its task."
    return kind("the store accepts the addresses of the order", value=f"HTTP {status}", remedy=again)


def _no_bucket() -> StoreUnavailable:
    return StoreUnavailable(
        "the bucket of the vault is there", value="HTTP 404", remedy="Make the bucket, or correct TRAINYARD_VAULT."
    )


#: Of a result: one that is there already stays.
_ONCE: Mapping[str, str] = {"If-None-Match": "*"}


def _answer(
    method: str, address: str, data: bytes | None = None, *, condition: Mapping[str, str] = _ONCE
) -> http.client.HTTPResponse:
    if not address.startswith(("http://", "https://")):
        raise StoreError("an address is one of HTTP", value="another scheme", remedy="Order it again: clear its task.")
    headers = {} if data is None else {**condition, "Content-Type": "application/octet-stream"}
    request = urllib.request.Request(address, data=data, method=method, headers=headers)  # noqa: S310  # checked above
    answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)  # noqa: S310
    return answer
