"""What a trainer's requests mean for the shard, by the answers of a server that gives any answer."""

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from include.core.errors import AccessDenied, AddressRefused, StoreError, StoreUnavailable, TrainingError
from include.elsewhere.results import LARGEST_BYTES
from include.elsewhere.transfer import Exchange

DIGEST = f"sha256:{'0' * 64}"
EXCHANGE = Exchange(patience_seconds=0.0, largest_bytes=LARGEST_BYTES)


@contextmanager
def answering(status: int, body: bytes = b"", *, length: int | None = None, seconds: float = 0.0) -> Iterator[str]:
    """The address of a server that answers each request so; *length* is that of the body that it promises.

    Each answer takes *seconds*.
    """

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            time.sleep(seconds)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body) if length is None else length))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = answer  # noqa: N815  # the names that the library calls

        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/secret"
        server.shutdown()


def every_request(address: str, folder: Path) -> Iterator[Callable[[], object]]:
    yield lambda: EXCHANGE.result(address)
    yield lambda: EXCHANGE.download(address, folder / "input", digest=DIGEST)
    yield lambda: EXCHANGE.write_result(address, b"mine", read=address)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_an_address_that_the_store_refuses_heals_by_another_order(status: int, tmp_path: Path) -> None:
    with answering(status, b"<Code>ExpiredToken</Code>") as address:
        for request in every_request(address, tmp_path):
            with pytest.raises(AddressRefused, match="ordered again by itself") as raised:
                request()
            assert raised.value.retry_heals
            assert "secret" not in str(raised.value)


def test_a_request_that_the_store_takes_amiss_does_not_heal(tmp_path: Path) -> None:
    with answering(405) as address:
        for request in every_request(address, tmp_path):
            with pytest.raises(AccessDenied) as raised:
                request()
            assert not raised.value.retry_heals


def test_a_bucket_that_is_not_there_is_a_store_out_of_reach(tmp_path: Path) -> None:
    with answering(404, b"<Error><Code>NoSuchBucket</Code></Error>") as address:
        for request in every_request(address, tmp_path):
            with pytest.raises(StoreUnavailable, match="bucket"):
                request()


def test_what_is_not_there_is_no_result_and_no_input_but_nothing_is_written_into_nowhere(tmp_path: Path) -> None:
    with answering(404, b"<Error><Code>NoSuchKey</Code></Error>") as address:
        read, download, write = every_request(address, tmp_path)
        assert read() is None
        with pytest.raises(StoreError, match="in the vault") as raised:
            download()
        assert not raised.value.retry_heals
        with pytest.raises(StoreUnavailable, match="bucket"):
            write()


def test_patience_counts_the_time_that_a_store_takes_to_say_that_it_cannot() -> None:
    with answering(503, seconds=0.6) as address:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable):
            Exchange(patience_seconds=1.0, largest_bytes=LARGEST_BYTES).result(address)
    assert time.monotonic() - began < 2.8  # two answers; pauses alone would allow three


def test_another_result_of_the_same_trial_is_told_and_an_equal_one_is_fine() -> None:
    with answering(412) as write, answering(200, b"mine") as read:
        EXCHANGE.write_result(write, b"mine", read=read)
        with pytest.raises(TrainingError, match="the same result wherever it is done"):
            EXCHANGE.write_result(write, b"other", read=read)


def test_a_result_that_breaks_off_is_a_store_out_of_reach_and_one_too_large_is_read_no_further() -> None:
    with answering(200, b"half", length=8) as address, pytest.raises(StoreUnavailable, match="IncompleteRead"):
        EXCHANGE.result(address)
    with answering(200, b" " * (2 * LARGEST_BYTES)) as address:
        assert len(EXCHANGE.result(address) or b"") == LARGEST_BYTES + 1
