"""What a store in a bucket keeps beside the contract of all stores: conditions, checksums, parts, addresses."""

import base64
import hashlib
import http.server
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from include.core.canonical import digest_of
from include.core.errors import AddressRefused, DeclarationError, StoreError, StoreUnavailable
from include.store import Store
from include.store.bucket import PART_BYTES
from tests import buckets
from tests.object_server import ObjectServer

UNKNOWN = f"sha256:{'0' * 64}"
NAME = f"sha256:{'1' * 64}"
#: Three parts, the last of them short.
LARGE = hashlib.shake_256(b"large").digest(2 * PART_BYTES + 12_345)
MINUTE = timedelta(minutes=1)


def object_of(url: str, digest: str) -> dict[str, str]:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    name = digest.removeprefix("sha256:")
    return {"Bucket": bucket, "Key": f"{prefix}/sha256/{name[:2]}/{name[2:]}"}


def uploads(url: str) -> list[object]:
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    return list(buckets.client().list_multipart_uploads(Bucket=bucket, Prefix=prefix).get("Uploads", ()))


def test_an_object_carries_the_checksum_that_the_server_verified(s3_url: str) -> None:
    digest = Store(s3_url).put(b"data")
    found = buckets.client().head_object(**object_of(s3_url, digest), ChecksumMode="ENABLED")
    assert base64.b64decode(found["ChecksumSHA256"]).hex() == digest.removeprefix("sha256:")


def test_what_is_large_goes_up_in_parts_with_a_checksum_each_and_comes_back_whole(s3_url: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(LARGE)
    store = Store(s3_url, cache=tmp_path / "cache")
    assert store.put_file(source) == store.put(LARGE) == digest_of(LARGE)
    found = buckets.client().head_object(**object_of(s3_url, digest_of(LARGE)), ChecksumMode="ENABLED")
    assert found["ChecksumSHA256"].endswith("-3")
    assert store.get(digest_of(LARGE)) == store.path(digest_of(LARGE)).read_bytes() == LARGE
    assert uploads(s3_url) == []


@pytest.mark.parametrize("size_bytes", [1000, len(LARGE)])
def test_a_file_that_changes_while_it_goes_up_is_refused_and_not_kept(
    s3_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size_bytes: int
) -> None:
    source = tmp_path / "source"
    source.write_bytes(LARGE[:size_bytes])

    def change(*_: object) -> bool:
        source.write_bytes(b"x" * size_bytes)
        return False

    with monkeypatch.context() as patch:
        patch.setattr("include.store.bucket.Bucket.holds", change)
        with pytest.raises(StoreError, match="altered"):
            Store(s3_url).put_file(source)
    assert not Store(s3_url).has(digest_of(LARGE[:size_bytes]))
    assert uploads(s3_url) == []


def test_what_is_large_and_was_altered_is_set_aside_before_it_goes_up_again(s3_url: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(LARGE)
    store = Store(s3_url)
    digest = store.put_file(source)
    buckets.client().put_object(**object_of(s3_url, digest), Body=LARGE[:-1])
    assert store.put_file(source) == digest
    assert store.get(digest) == LARGE
    (aside,) = store.altered()
    place = {**object_of(s3_url, digest), "Key": f"{s3_url.removeprefix('s3://').partition('/')[2]}/{aside.name}"}
    assert buckets.client().head_object(**place)["ContentLength"] == len(LARGE) - 1
    assert uploads(s3_url) == []


@pytest.mark.parametrize("data", [b"small", LARGE])
def test_many_writers_of_the_same_bytes_leave_one_artifact(s3_url: str, data: bytes) -> None:
    with ThreadPoolExecutor(3) as pool:
        digests = set(pool.map(lambda _: Store(s3_url).put(data), range(3)))
    assert digests == {digest_of(data)}
    assert Store(s3_url).get(digest_of(data)) == data
    assert uploads(s3_url) == []


def test_writers_of_different_bytes_do_not_wait_for_each_other(s3_url: str) -> None:
    store = Store(s3_url)
    parts = [bytes([number]) * 20_000 for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        began = time.monotonic()
        digests = list(pool.map(store.put, parts))
        assert time.monotonic() - began < 10
    assert digests == [digest_of(part) for part in parts]


def get(address: str) -> bytes:
    """What lies there.

    Raises:
        httpx.HTTPStatusError: the store refuses.
    """
    return httpx.get(address).raise_for_status().content


def within(time: timedelta) -> datetime:
    return datetime.now(UTC) + time


def put(address: str, data: bytes, **headers: str) -> int:
    """The status of the answer."""
    return httpx.put(address, content=data, headers=headers).status_code


def test_an_address_reads_its_artifact_and_no_other_until_its_life_ends(s3_url: str) -> None:
    store = Store(s3_url)
    one, two = store.put(b"one"), store.put(b"two")
    address = store.read_address(one, expires_at=within(timedelta(seconds=3)))
    began = time.monotonic()
    assert get(address) == b"one"
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        get(address.replace(one.removeprefix("sha256:")[2:], two.removeprefix("sha256:")[2:]))
    assert put(address, b"other") == 403
    time.sleep(max(0.0, 4.5 - (time.monotonic() - began)))
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        get(address)


def test_a_result_is_written_once_and_read_by_its_own_addresses_only(s3_url: str) -> None:
    store = Store(s3_url)
    addresses = store.result_addresses(NAME, expires_at=within(MINUTE))
    assert store.result(NAME, most_bytes=9) is None
    assert put(addresses.write, b"unconditional") == 403
    assert put(addresses.write, b"first", **{"If-None-Match": "*"}) == 200
    assert put(addresses.write, b"second", **{"If-None-Match": "*"}) == 412
    assert store.result(NAME, most_bytes=9) == get(addresses.read) == b"first"
    with pytest.raises(httpx.HTTPStatusError, match="403"):
        get(addresses.write)
    store.remove_result(NAME)
    assert store.result(NAME, most_bytes=9) is None
    assert put(addresses.write, b"second", **{"If-None-Match": "*"}) == 200


def test_of_a_result_no_more_than_was_asked_for_is_read(s3_url: str) -> None:
    store = Store(s3_url)
    for data in (b"", b"first"):
        addresses = store.result_addresses(NAME, expires_at=within(MINUTE))
        assert put(addresses.write, data, **{"If-None-Match": "*"}) == 200
        for most_bytes in (1, 4, 5, 6):
            assert store.result(NAME, most_bytes=most_bytes) == data[:most_bytes]
        store.remove_result(NAME)


def test_of_many_writers_of_a_result_exactly_one_wins(s3_url: str) -> None:
    store = Store(s3_url)
    addresses = [store.result_addresses(NAME, expires_at=within(MINUTE)).write for _ in range(12)]
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda address: put(address, address.encode(), **{"If-None-Match": "*"}), addresses))
    assert sorted(answers) == [200, *[412] * 11]


def test_a_folder_gives_no_addresses_and_says_what_does(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    digest = store.put(b"data")
    for issue in (store.read_address, store.result_addresses):
        with pytest.raises(DeclarationError, match="TRAINYARD_VAULT to s3://"):
            issue(digest, expires_at=within(MINUTE))


def test_an_address_that_would_outlive_what_s3_signs_is_refused() -> None:
    with pytest.raises(DeclarationError, match="7 days at most"):
        Store("s3://bucket/store").read_address(UNKNOWN, expires_at=within(timedelta(days=8)))


def test_an_address_ends_when_it_was_to_end_however_late_it_is_signed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "signs without a server")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    store, expires_at = Store("s3://bucket/store"), within(MINUTE)
    addresses = store.result_addresses(NAME, expires_at=expires_at)
    for address in (store.read_address(UNKNOWN, expires_at=expires_at), addresses.read, addresses.write):
        signed = httpx.URL(address).params
        began = datetime.strptime(signed["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        ends = began + timedelta(seconds=int(signed["X-Amz-Expires"]))
        assert expires_at - timedelta(seconds=3) <= ends <= expires_at
    for over in (timedelta(0), -MINUTE):
        for issue in (store.read_address, store.result_addresses):
            with pytest.raises(AddressRefused, match="before its life ends"):
                issue(NAME, expires_at=within(over))


def every_use(url: str) -> Iterator[Callable[[], object]]:
    store = Store(url)
    yield lambda: store.put(b"data")
    yield lambda: store.has(UNKNOWN)
    yield lambda: store.get(UNKNOWN)
    yield lambda: store.result(UNKNOWN, most_bytes=9)


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment without any credentials, from which machines of the cloud cannot be asked for some."""
    from s3fs import S3FileSystem

    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    S3FileSystem.clear_instance_cache()
    return monkeypatch


def test_a_bucket_that_is_not_there_is_no_empty_store(s3_url: str) -> None:
    for use in every_use(f"{s3_url.partition('/artifacts')[0].rpartition('/')[0]}-none/store"):
        with pytest.raises(StoreUnavailable):
            use()


def test_wrong_credentials_are_named(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from s3fs import S3FileSystem

    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    S3FileSystem.clear_instance_cache()
    try:
        for use in every_use(s3_url):
            with pytest.raises(StoreUnavailable, match="Check the credentials"):
                use()
    finally:
        S3FileSystem.clear_instance_cache()


def test_missing_credentials_are_named(nobody: pytest.MonkeyPatch) -> None:
    nobody.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for use in every_use("s3://bucket/store"):
        with pytest.raises(StoreUnavailable, match="AWS_ACCESS_KEY_ID") as raised:
            use()
        assert raised.value.retry_heals


@pytest.fixture
def overloaded() -> Iterator[str]:
    """A server that has no time."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # a client that asks before it sends a body is told to go on

        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(503)
            self.send_header("Content-Length", "0")
            self.send_header("Connection", "close")
            self.end_headers()

        do_GET = do_PUT = do_HEAD = answer  # noqa: N815  # the names that the library calls

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("how", ["refused", "overloaded"])
def test_a_store_out_of_reach_is_unavailable_and_heals(
    how: str, overloaded: str, nobody: pytest.MonkeyPatch, s3_patience: None
) -> None:
    nobody.setenv("AWS_ENDPOINT_URL", overloaded if how == "overloaded" else "http://127.0.0.1:9")
    nobody.setenv("AWS_ACCESS_KEY_ID", "someone")
    nobody.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    for use in every_use("s3://bucket/store"):
        with pytest.raises(StoreUnavailable) as raised:
            use()
        assert raised.value.retry_heals


@pytest.fixture
def breaking() -> Iterator[str]:
    """A server that ends each body in its middle."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            ranged = self.headers.get("Range")
            self.send_response(206 if ranged else 200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(b"x" * 500)
            self.close_connection = True

        do_GET = do_HEAD = answer  # noqa: N815  # the names that the library calls

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_body_that_breaks_off_is_a_store_out_of_reach_of_which_only_the_kind_is_told(
    breaking: str, nobody: pytest.MonkeyPatch, s3_patience: None
) -> None:
    nobody.setenv("AWS_ENDPOINT_URL", breaking)
    nobody.setenv("AWS_ACCESS_KEY_ID", "someone")
    nobody.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    store = Store("s3://bucket/store")
    for use in (lambda: store.get(UNKNOWN), lambda: store.result(UNKNOWN, most_bytes=1000)):
        with pytest.raises(StoreUnavailable, match=f"ClientPayloadError at {breaking}") as raised:
            use()
        assert raised.value.retry_heals
        assert "not completed" not in str(raised.value)


@pytest.mark.long
@pytest.mark.parametrize("data", [LARGE[:PART_BYTES], LARGE], ids=["one put", "parts"])
def test_a_server_killed_in_the_middle_of_a_write_leaves_it_whole_or_absent(
    own_s3: ObjectServer, s3_patience: None, data: bytes
) -> None:
    buckets.client().create_bucket(Bucket="own")
    failures = 0
    for number, delay in enumerate((0.0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2)):
        mine = number.to_bytes(1, "big") + data[1:]
        store = Store("s3://own/store")
        store.has(UNKNOWN)  # connected
        killer = threading.Timer(delay, own_s3.kill)
        killer.start()
        try:
            store.put(mine)
        except StoreUnavailable:
            failures += 1
        killer.join()
        own_s3.start()
        again = Store("s3://own/store")
        if again.has(digest_of(mine)):
            assert again.get(digest_of(mine)) == mine
        assert again.put(mine) == digest_of(mine)
        assert again.get(digest_of(mine)) == mine
    assert failures > 2
