"""Lineage events leave in order: to a file exactly once, elsewhere at least once."""

import os
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from include.core.errors import LedgerError, LedgerUnavailable
from include.core.events import LeaseReleased, LineageEmitted
from include.ledger import Ledger, delivery
from include.ledger.delivery import deliver, deliver_to_endpoint, deliver_to_file
from tests.ledger.processes import die_when_a_file_grows_to, in_child, start, wait


def emit(ledger: Ledger, *texts: str) -> None:
    for text in texts:
        ledger.receive("lineage", LineageEmitted(event=text))
        ledger.record("run/a", LeaseReleased(run_id="between"))


def test_each_event_is_sent_once_and_in_order(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_BATCH_EVENTS", 2)
    sent: list[bytes] = []
    emit(ledger, "1", "2", "3", "é")
    assert deliver(ledger, sent.append, name="test") == 4
    assert deliver(ledger, sent.append, name="test") == 0
    emit(ledger, "5")
    assert deliver(ledger, sent.append, name="test") == 1
    assert sent == [b"1", b"2", b"3", "é".encode(), b"5"]
    assert deliver(ledger, sent.append, name="another") == 5


def test_what_could_not_be_sent_is_sent_again(ledger: Ledger) -> None:
    emit(ledger, "1", "2", "3")
    sent: list[bytes] = []

    def send(event: bytes) -> None:
        sent.append(event)
        if event == b"2" and len(sent) == 2:
            raise ConnectionError

    with pytest.raises(ConnectionError):
        deliver(ledger, send, name="test")
    assert deliver(ledger, send, name="test") == 2
    assert sent == [b"1", b"2", b"2", b"3"]


def test_a_delivery_that_another_has_overtaken_stops_and_moves_no_mark_back(ledger: Ledger) -> None:
    emit(ledger, "1", "2", "3")
    sent: list[bytes] = []

    def slowly(event: bytes) -> None:
        sent.append(event)
        assert deliver(ledger, sent.append, name="test") == 3  # meanwhile

    assert deliver(ledger, slowly, name="test") == 1
    assert sent == [b"1", b"1", b"2", b"3"]
    emit(ledger, "4")
    assert deliver(ledger, sent.append, name="test") == 1


def test_a_mark_is_never_moved_back(ledger: Ledger) -> None:
    for position, size_bytes in ((5, 50), (3, 30), (5, 70)):
        ledger.mark_delivered("test", position=position, size_bytes=size_bytes)
    assert ledger.delivered("test") == (5, 70)
    ledger.mark_delivered("test", position=4)
    assert ledger.delivered("test") == (5, 70)


def test_a_file_gets_each_event_as_one_line(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "_BATCH_EVENTS", 2)
    path = tmp_path / "lineage.jsonl"
    emit(ledger, '{"a":1}', '{\n"b": 2}', "{}")
    assert deliver_to_file(ledger, path) == 3
    assert deliver_to_file(ledger, path) == 0
    assert path.read_text() == '{"a":1}\n{ "b": 2}\n{}\n'


@pytest.mark.parametrize("limit", [1, 10, 11, 12, 35, 54])
def test_a_delivery_killed_in_the_middle_of_its_write_leaves_each_line_once(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    path = tmp_path / "lineage.jsonl"
    emit(ledger, *(f'{{"event":{number}}}' for number in range(5)))
    ledger.read_all()

    def just_before_the_write(*_: object) -> None:
        die_when_a_file_grows_to(limit)

    def work() -> None:
        monkeypatch.setattr(delivery, "_require_prefix", just_before_the_write)
        deliver_to_file(ledger, path)

    assert in_child(work) == -signal.SIGXFSZ
    assert path.stat().st_size == limit
    emit(ledger, "{}")
    deliver_to_file(ledger, path)
    assert path.read_text().splitlines() == [*(f'{{"event":{number}}}' for number in range(5)), "{}"]


def test_a_delivery_killed_between_write_and_mark_leaves_each_line_once(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lineage.jsonl"
    emit(ledger, "1", "2")

    def work() -> None:
        monkeypatch.setattr(Ledger, "mark_delivered", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        deliver_to_file(ledger, path)

    assert in_child(work) == -signal.SIGKILL
    assert path.read_text() == "1\n2\n"
    emit(ledger, "3")
    assert deliver_to_file(ledger, path) == 3
    assert path.read_text() == "1\n2\n3\n"


def test_two_deliveries_at_once_write_each_line_once(ledger_url: str, ledger: Ledger, tmp_path: Path) -> None:
    emit(ledger, *(str(number) for number in range(30)))
    path = tmp_path / "lineage.jsonl"
    assert [wait(c) for c in [start(lambda: deliver_to_file(Ledger.open(ledger_url), path)) for _ in range(3)]] == [
        0
    ] * 3
    assert path.read_text().split() == [str(number) for number in range(30)]


def test_a_file_that_was_moved_away_goes_on_with_what_is_new(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "lineage.jsonl"
    emit(ledger, "1")
    deliver_to_file(ledger, path)
    path.rename(tmp_path / "old")
    emit(ledger, "2")
    deliver_to_file(ledger, path)
    assert path.read_text() == "2\n"


def test_a_file_that_somebody_else_wrote_to_is_refused_and_left_alone(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "lineage.jsonl"
    emit(ledger, "1")
    deliver_to_file(ledger, path)
    path.write_text("1\nforeign\n")
    for _ in range(2):
        with pytest.raises(LedgerError, match="not from this ledger"):
            deliver_to_file(ledger, path)
        emit(ledger, "2")
    assert path.read_text() == "1\nforeign\n"


def test_a_file_that_cannot_be_written_says_so(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailable, match="lineage file can be written"):
        deliver_to_file(ledger, tmp_path / "missing" / "lineage.jsonl")


class Endpoint(BaseHTTPRequestHandler):
    answers: list[int]
    posted: list[tuple[str | None, bytes]]

    def do_POST(self) -> None:  # the standard library's name
        self.posted.append((self.headers["Authorization"], self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.answers.pop(0) if self.answers else 201)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint() -> Iterator[str]:
    Endpoint.answers, Endpoint.posted = [], []
    server = HTTPServer(("127.0.0.1", 0), Endpoint)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/api/v1/lineage"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_endpoint_gets_each_event_and_a_busy_one_is_tried_again(ledger: Ledger, endpoint: str) -> None:
    emit(ledger, "1", "2")
    Endpoint.answers = [200, 503]
    with pytest.raises(LedgerUnavailable, match="status 503"):
        deliver_to_endpoint(ledger, endpoint, api_key="key")
    assert deliver_to_endpoint(ledger, endpoint) == 1
    assert Endpoint.posted == [("Bearer key", b"1"), ("Bearer key", b"2"), (None, b"2")]
    Endpoint.answers = [403]
    emit(ledger, "3")
    with pytest.raises(LedgerError, match="answered 403") as raised:
        deliver_to_endpoint(ledger, endpoint)
    assert not raised.value.retry_heals


def test_an_endpoint_that_is_not_there_is_said_to_be(ledger: Ledger) -> None:
    emit(ledger, "1")
    with pytest.raises(LedgerUnavailable, match="endpoint can be reached"):
        deliver_to_endpoint(ledger, "http://127.0.0.1:9/")
