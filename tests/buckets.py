"""Buckets in the object store that the environment names."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def client() -> Any:
    """The plain client of the protocol, without any of our own code."""
    import botocore.session

    return botocore.session.get_session().create_client("s3")


def copy(source: str, target: str) -> None:
    """All that lies under the address *source*, under *target* too."""
    s3 = client()
    (bucket, prefix), (other, place) = (each.removeprefix("s3://").split("/", 1) for each in (source, target))
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{prefix}/"):
        for each in page.get("Contents", ()):
            key = each["Key"].removeprefix(prefix)
            s3.copy_object(Bucket=other, Key=f"{place}{key}", CopySource={"Bucket": bucket, "Key": each["Key"]})


@contextmanager
def temporary() -> Iterator[str]:
    """A bucket that is emptied and removed in the end: its URL."""
    name, s3 = f"trainyard-{uuid.uuid4().hex}", client()
    s3.create_bucket(Bucket=name)
    try:
        yield f"s3://{name}"
    finally:
        for upload in s3.list_multipart_uploads(Bucket=name).get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=name, Key=upload["Key"], UploadId=upload["UploadId"])
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
            for each in page.get("Contents", ()):
                s3.delete_object(Bucket=name, Key=each["Key"])
        s3.delete_bucket(Bucket=name)
