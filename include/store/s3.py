"""A bucket of S3, or of what speaks its protocol, through s3fs: bounded retries, and errors that quote nothing."""

import contextlib
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from typing import TYPE_CHECKING, Any

from include.core.addresses import without_credentials
from include.store.shelf import ShelfUnreachable

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

#: ``s3v4``: only its signatures cover headers, and so the condition under which an address may be written.
OPTIONS: dict[str, Any] = {
    "use_listings_cache": False,
    "config_kwargs": {
        "signature_version": "s3v4",
        "request_checksum_calculation": "when_required",
        "connect_timeout": 5,
        "read_timeout": 60,
        "max_pool_connections": 32,
        "retries": {"mode": "standard", "max_attempts": 4},
    },
}
#: So often a body is asked for that breaks off: the client itself does not ask again for what it has begun to read.
_BODIES = 3


class S3:
    """The bucket *name*, through *files*; ``needs`` are the rights that a remedy names."""

    def __init__(self, files: "AbstractFileSystem", name: str, *, needs: str) -> None:
        self._files, self._name, self._needs = files, name, needs
        files.retries = 1  # botocore retries by itself

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """What the server answers to *method*. Raises as :meth:`translated`, FileNotFoundError too."""
        with self.translated():
            answer: dict[str, Any] = self._files.call_s3(method, Bucket=self._name, **arguments)
            return answer

    def read(self, key: str, **asked: str) -> bytes:
        """The bytes of *key* that are *asked* for (``Range``, ``IfMatch``), by one request. Raises as :meth:`call`."""
        from fsspec.asyn import sync

        with self.translated():
            return bytes(sync(self._files.loop, self._read, key, asked))

    async def _read(self, key: str, asked: Mapping[str, str]) -> bytes:
        from aiohttp import ClientError
        from botocore.exceptions import BotoCoreError

        left = _BODIES
        while True:
            left -= 1
            answer = await self._files._call_s3("get_object", Bucket=self._name, Key=key, **asked)
            try:
                async with answer["Body"] as body:
                    data: bytes = await body.read()
                    return data
            except (BotoCoreError, ClientError):
                if not left:
                    raise

    @contextlib.contextmanager
    def translated(self) -> Iterator[None]:
        """What s3fs leaves of botocore and aiohttp, as OSError; none of their text, which may hold an address."""
        from aiohttp import ClientError
        from botocore.exceptions import BotoCoreError, NoCredentialsError, PartialCredentialsError

        try:
            yield
        except (NoCredentialsError, PartialCredentialsError) as error:
            raise ShelfUnreachable(
                "no credentials for it",
                remedy="Give this process credentials: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or the "
                "machine's role.",
            ) from error
        except (BotoCoreError, ClientError, HTTPException) as error:  # aiohttp's: a body that breaks off
            raise ShelfUnreachable(
                f"{type(error).__name__} at {self._endpoint()}",
                remedy="Check that it runs and is reachable, then retry.",
            ) from error
        except PermissionError as error:
            raise ShelfUnreachable(
                f"its answer is {code_of(error) or 'a refusal'}",
                remedy=f"Check the credentials of this process, and that they may {self._needs} there.",
            ) from error

    def _endpoint(self) -> str:
        client = self._files._s3
        return "the endpoint" if client is None else without_credentials(str(client.meta.endpoint_url))


def code_of(error: OSError) -> str:
    """The S3 error code behind what s3fs raised."""
    response = getattr(error.__cause__, "response", None)
    return str(response["Error"].get("Code", "")) if response else ""
