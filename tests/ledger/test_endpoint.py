"""An endpoint that is away, ill or rude for a while gets everything afterwards: in order, each event at least once."""

import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest

from include.core.errors import LedgerError, LedgerUnavailable
from include.core.events import LeaseReleased, LineageEmitted
from include.ledger import Ledger, delivery, set_aside
from include.ledger.delivery import deliver_to_endpoint
from tests.ledger.processes import start, wait

EVENTS = [f'{{"event": {number}}}'.encode() for number in range(8)]


@dataclass
class Endpoint:
    """An HTTP server that comes and goes on one port. ``moods`` is how it takes the next requests, one each.

    A status, which it answers; ``cut``: it hangs up in the middle of the body; ``taken``: it takes all, and hangs up
    without an answer; ``half``: it hangs up in the middle of the answer; ``silent``: it never answers. After these it
    answers 201. ``received`` are the bodies that it took whole, in their order.
    """

    port: int
    moods: deque[str | int] = field(default_factory=deque)
    received: list[bytes] = field(default_factory=list)
    on_received: Callable[[], object] = lambda: None
    _server: ThreadingHTTPServer | None = None
    _closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v1/lineage"

    def come(self) -> None:
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # the standard library's name
                endpoint.answer(self)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._closing.clear()
        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def go(self) -> None:
        self._closing.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        mood = self.moods.popleft() if self.moods else 201
        length = int(handler.headers["Content-Length"])
        if mood == "cut":
            handler.rfile.read(length // 2)
            self._hang_up(handler)
            return
        body = handler.rfile.read(length)
        if mood in (201, "taken", "half", "silent"):
            self.received.append(body)
            self.on_received()
        if mood == "silent":
            self._closing.wait(10)
        elif mood == "taken":
            self._hang_up(handler)
        elif mood == "half":
            handler.wfile.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{")
            self._hang_up(handler)
        else:
            assert isinstance(mood, int)
            handler.send_response(mood)
            handler.send_header("Content-Length", "0")
            handler.end_headers()

    @staticmethod
    def _hang_up(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        handler.wfile.flush()
        handler.connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        made = Endpoint(port=probe.getsockname()[1])
    yield made
    made.go()


def emit(ledger: Ledger, events: list[bytes]) -> None:
    for event in events:
        ledger.receive("lineage", LineageEmitted(event=event.decode()))
        ledger.record("run/a", LeaseReleased(run_id="between"))


def firsts(received: list[bytes]) -> list[bytes]:
    """What arrived, without what had arrived before."""
    return list(dict.fromkeys(received))


def test_an_endpoint_that_was_away_ill_and_rude_has_everything_in_order_when_it_is_well(
    ledger: Ledger, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "_TIMEOUT_SECONDS", 0.5)
    monkeypatch.setattr(delivery, "_BATCH_EVENTS", 3)
    emit(ledger, EVENTS[:6])
    with pytest.raises(LedgerUnavailable, match="can be reached"):  # nobody listens
        deliver_to_endpoint(ledger, endpoint.url)
    endpoint.come()
    trouble: list[str | int] = [500, 502, 503, 429, 408, "cut", "taken", "half", "silent"]
    for mood in trouble:
        endpoint.moods.extend([201, mood])  # one more event gets through each time, the next does not
        before = len(endpoint.received)
        with pytest.raises(LedgerUnavailable, match="can be reached") as raised:
            deliver_to_endpoint(ledger, endpoint.url)
        assert raised.value.retry_heals
        assert len(endpoint.received) > before
        endpoint.moods.clear()
        emit(ledger, [f'{{"after": "{mood}"}}'.encode(), f'{{"and": "{mood}"}}'.encode()])
    endpoint.go()
    with pytest.raises(LedgerUnavailable):
        deliver_to_endpoint(ledger, endpoint.url)
    emit(ledger, EVENTS[6:])
    endpoint.come()
    assert deliver_to_endpoint(ledger, endpoint.url) > 0
    assert deliver_to_endpoint(ledger, endpoint.url) == 0
    wanted = [entry.event.event.encode() for entry in ledger.read("lineage") if isinstance(entry.event, LineageEmitted)]
    assert firsts(endpoint.received) == wanted
    again = [first == second for first, second in pairwise(endpoint.received)]
    assert len(endpoint.received) == len(wanted) + sum(again)  # the same event again, at once: no step back


@pytest.mark.parametrize("died", ["while it was posted", "before its mark", "after its mark"])
def test_a_delivery_that_is_killed_goes_on_at_the_event_at_which_it_died(
    ledger_url: str, ledger: Ledger, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch, died: str
) -> None:
    emit(ledger, EVENTS)
    ledger.read_all()
    endpoint.come()
    mark, marked = Ledger.mark_delivered, []

    def kill_at_the_third(self: Ledger, name: str, *, position: int, size_bytes: int = 0) -> None:
        marked.append(position)
        if len(marked) == 3 and died == "before its mark":
            os.kill(os.getpid(), signal.SIGKILL)
        mark(self, name, position=position, size_bytes=size_bytes)
        if len(marked) == 3 and died == "after its mark":
            os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        monkeypatch.setattr(Ledger, "mark_delivered", kill_at_the_third)
        deliver_to_endpoint(Ledger.open(ledger_url), endpoint.url)

    children: list[int] = []

    def kill_while_posting() -> None:
        if died == "while it was posted" and len(endpoint.received) == 3:
            os.kill(children[0], signal.SIGKILL)

    endpoint.on_received = kill_while_posting
    children.append(start(work))
    assert wait(children[0]) == -signal.SIGKILL
    assert endpoint.received == EVENTS[:3]

    endpoint.on_received = lambda: None
    repeated = 0 if died == "after its mark" else 1
    assert deliver_to_endpoint(Ledger.open(ledger_url), endpoint.url) == len(EVENTS) - 3 + repeated
    assert endpoint.received == EVENTS[:3] + EVENTS[3 - repeated :]


def test_an_event_that_an_endpoint_refuses_stops_the_delivery_there_and_says_who_can_help(
    ledger: Ledger, endpoint: Endpoint
) -> None:
    emit(ledger, EVENTS)
    endpoint.come()
    endpoint.moods.extend([201, 401])
    with pytest.raises(LedgerError, match="answered 401") as raised:
        deliver_to_endpoint(ledger, endpoint.url)
    assert not raised.value.retry_heals
    assert deliver_to_endpoint(ledger, endpoint.url) == len(EVENTS) - 1
    assert endpoint.received == EVENTS


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The three tries follow each other without a pause."""
    monkeypatch.setattr(delivery, "_PAUSES_SECONDS", (0.0, 0.0))


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_event_that_is_refused_for_good_is_set_aside_after_three_tries_by_its_position_and_later_ones_go_on(
    ledger: Ledger, endpoint: Endpoint, status: int
) -> None:
    emit(ledger, EVENTS)
    endpoint.come()
    endpoint.moods.extend([201, status, 201, *[status] * 3])  # one that is taken at its second try, and one that is not
    assert deliver_to_endpoint(ledger, endpoint.url) == len(EVENTS) - 1
    assert endpoint.received == [*EVENTS[:2], *EVENTS[3:]]
    (found,) = set_aside.all_set_aside(ledger, delivery.endpoint_name(endpoint.url))
    assert set_aside.text_of(ledger, found) == EVENTS[2]
    assert found.in_words().endswith(f"refused the lineage event at position {found.position} with status {status}")
    assert deliver_to_endpoint(ledger, endpoint.url) == 0
    assert not set_aside.all_set_aside(ledger, "endpoint another")


@pytest.mark.usefixtures("at_once")
def test_what_was_set_aside_is_sent_again_when_asked_and_once(ledger: Ledger, endpoint: Endpoint) -> None:
    emit(ledger, EVENTS[:3])
    endpoint.come()
    endpoint.moods.extend([400] * 3 + [422] * 3)
    assert deliver_to_endpoint(ledger, endpoint.url) == 1
    endpoint.moods.extend([400, 201])
    assert delivery.send_again(ledger, endpoint.url) == 1
    assert endpoint.received == [EVENTS[2], EVENTS[1]]
    assert [each.sent_again for each in set_aside.all_set_aside(ledger, delivery.endpoint_name(endpoint.url))] == [
        False,
        True,
    ]
    assert delivery.send_again(ledger, endpoint.url) == 1
    assert delivery.send_again(ledger, endpoint.url) == 0
    assert endpoint.received == [EVENTS[2], EVENTS[1], EVENTS[0]]


@pytest.mark.usefixtures("at_once")
def test_an_endpoint_that_refuses_everything_is_asked_about_three_events_a_delivery(
    ledger: Ledger, endpoint: Endpoint
) -> None:
    emit(ledger, EVENTS)
    endpoint.come()
    endpoint.moods.extend([422] * 9)
    assert deliver_to_endpoint(ledger, endpoint.url) == 0
    assert not endpoint.moods
    assert deliver_to_endpoint(ledger, endpoint.url) == len(EVENTS) - 3
    assert endpoint.received == EVENTS[3:]


@pytest.mark.usefixtures("at_once")
def test_an_event_that_was_set_aside_before_a_kill_is_not_tried_again(
    ledger_url: str, ledger: Ledger, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    emit(ledger, EVENTS[:2])
    ledger.read_all()
    endpoint.come()
    endpoint.moods.extend([400] * 3)

    def work() -> None:
        monkeypatch.setattr(Ledger, "mark_delivered", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        deliver_to_endpoint(Ledger.open(ledger_url), endpoint.url)

    assert wait(start(work)) == -signal.SIGKILL
    assert deliver_to_endpoint(ledger, endpoint.url) == 1
    assert endpoint.received == EVENTS[1:2]
    assert len(set_aside.all_set_aside(ledger, delivery.endpoint_name(endpoint.url))) == 1


def test_an_endpoint_is_the_same_whatever_key_its_query_has_and_the_key_is_not_remembered(
    ledger: Ledger, endpoint: Endpoint
) -> None:
    """A home of before remembers it with the key: nothing that it sent is sent again."""
    endpoint.come()
    emit(ledger, EVENTS)
    positions = [entry.position for entry in ledger.read_all(kinds=(LineageEmitted,))]
    ledger.mark_delivered(f"endpoint {endpoint.url}?key=first", position=positions[4])
    assert deliver_to_endpoint(ledger, f"{endpoint.url}?key=first") == 3
    assert deliver_to_endpoint(ledger, f"{endpoint.url}?key=second") == 0
    assert endpoint.received == EVENTS[5:]
    assert "first" not in delivery.endpoint_name(f"{endpoint.url}?key=first")


def test_an_address_that_is_none_is_refused_and_its_password_is_not_shown(ledger: Ledger) -> None:
    emit(ledger, EVENTS[:1])
    with pytest.raises(LedgerError) as raised:
        deliver_to_endpoint(ledger, "http://user:secret@[::1/lineage")
    assert "secret" not in str(raised.value)
    assert "has an address" in str(raised.value)
    with pytest.raises(LedgerError) as split:
        deliver_to_endpoint(ledger, "http://user:secret/more@127.0.0.1/lineage")
    assert "secret" not in str(split.value)
    with pytest.raises(LedgerUnavailable) as away:
        deliver_to_endpoint(ledger, "http://user:secret@127.0.0.1:9/lineage")
    assert "secret" not in str(away.value)
