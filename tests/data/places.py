"""The places in which a source's files may lie, each real, filled file by file."""

import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from include.data.sources import Source, source_of
from tests import buckets
from tests.data.sales import sales_contract


@dataclass(frozen=True)
class SalesPlace:
    """Where the sales of a test lie: ``location``, as their contract says it, and how files come and go there."""

    location: str
    put: Callable[[str, bytes], object]
    remove: Callable[[str], object]
    credentials: Path | None = None

    def source(self, **changes: Any) -> Source:
        contract = sales_contract(**{"location": self.location, **changes})
        return source_of(contract, Path("/nowhere"), self.credentials)


def in_folder(root: Path, files: Mapping[str, bytes]) -> SalesPlace:
    def put(name: str, data: bytes) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)

    return _filled(SalesPlace(str(root), put, lambda name: (root / name).unlink()), files)


def in_bucket(url: str, credentials: Path, files: Mapping[str, bytes]) -> SalesPlace:
    """A folder of its own in the bucket *url*."""
    client, location = _client(os.environ["AWS_ENDPOINT_URL"]), f"{url}/{uuid.uuid4().hex}/sales"
    bucket, _, prefix = location.removeprefix("s3://").partition("/")

    def put(name: str, data: bytes) -> None:
        client.put_object(Bucket=bucket, Key=f"{prefix}/{name}", Body=data)

    def remove(name: str) -> None:
        client.delete_object(Bucket=bucket, Key=f"{prefix}/{name}")

    return _filled(SalesPlace(location, put, remove, credentials), files)


@cache
def _client(endpoint: str) -> Any:
    """That of the object store at *endpoint*, which the environment names: making one takes longer than a test."""
    return buckets.client()


def credentials_file(folder: Path, environment: Mapping[str, str], section: str = "default") -> Path:
    """The reader's file, with what *environment* says of the object store."""
    names = {
        "aws_access_key_id": "AWS_ACCESS_KEY_ID",
        "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
        "aws_session_token": "AWS_SESSION_TOKEN",
        "endpoint_url": "AWS_ENDPOINT_URL",
        "region": "AWS_REGION",
    }
    lines = [f"{name} = {environment[variable]}" for name, variable in names.items() if variable in environment]
    file = folder / "sources.ini"
    file.write_text("\n".join([f"[{section}]", *lines, ""]))
    file.chmod(0o600)
    return file


def _filled(place: SalesPlace, files: Mapping[str, bytes]) -> SalesPlace:
    for name, data in files.items():
        place.put(name, data)
    return place
