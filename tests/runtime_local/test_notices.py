"""Stewards, and those who asked, are told what they wait for, once each, whatever dies and however time moves."""

import json
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from include.core.errors import AuthorityError, DecisionConflict, DeclarationError
from include.core.events import DataOpened, MessageSent
from include.governance.notices import quoted
from include.ledger import Ledger
from include.runtime.upkeep import notices
from include.settings import Settings
from tests.governance.conftest import PURPOSE, STEWARD, House, build
from tests.ledger.processes import in_child, start, wait

DAY = timedelta(days=1)


@dataclass
class Sink:
    """A real HTTP server. ``took`` are the paths and messages that it took, in order; ``answer`` is its status."""

    port: int
    took: list[tuple[str, str, str]] = field(default_factory=list)
    answer: int = 200
    on_taken: Callable[[], object] = lambda: None

    def address(self, path: str) -> str:
        return f"json://127.0.0.1:{self.port}/{path}"

    def titles(self) -> list[str]:
        return [f"{path}: {title}" for path, title, _ in self.took]

    def ids(self) -> Counter[str]:
        """How often it took each message, by the id that its last line names."""
        return Counter(f"{path} {body.rsplit(' ', 1)[1]}" for path, _, body in self.took)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[ThreadingHTTPServer, list[Sink]]]:
    sinks: list[Sink] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the base class looks for this name
            sink, told = sinks[-1], json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if sink.answer < 300:
                sink.took.append((self.path.strip("/"), told["title"], told["message"]))
                sink.on_taken()
            self.send_response(sink.answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    yield made, sinks
    made.shutdown()
    made.server_close()


@pytest.fixture
def sink(server: tuple[ThreadingHTTPServer, list[Sink]]) -> Sink:
    made, sinks = server
    sinks.append(Sink(port=made.server_port))
    return sinks[-1]


@pytest.fixture
def house(tmp_path: Path) -> House:
    made = build(tmp_path, adopt=False)
    made.authority.adopt("flights", user=STEWARD)
    made.signer.publish(tmp_path / "keys" / "authority.pub")
    return made


@pytest.fixture
def settings(house: House, sink: Sink) -> Settings:
    file = house.folder / "addresses"
    file.write_text(
        f"# who is told\n{STEWARD} {sink.address('steward')}\nAda  Lovelace {sink.address('ada')}\n"
        f"* {sink.address('all')}\n"
    )
    file.chmod(0o600)
    return Settings.from_environment(
        {
            "TRAINYARD_HOME": str(house.folder),
            "TRAINYARD_CONTRACTS": str(house.folder / "contracts"),
            "TRAINYARD_ADDRESSES_FILE": str(file),
        }
    )


def with_threads() -> None:
    """Give a fork of this process threads of its own to send with: the library's are lost with it."""
    import apprise.apprise

    apprise.apprise._shared_executor = None


def asked(house: House, *, requester: str = "ada lovelace") -> str:
    (request_id,) = house.access.request(house.scope(project="p"), requester=requester, now=datetime.now(UTC))
    return request_id


def test_a_request_is_told_reminded_of_escalated_and_lapses_each_once_as_time_goes_by(
    house: House, settings: Settings, sink: Sink
) -> None:
    request_id, now = asked(house), datetime.now(UTC)
    expected: list[str] = []
    for days, more in (
        (0, ["steward: p asks for flights"]),
        (2.9, []),
        (3, ["steward: Reminder: p asks for flights"]),
        (5.9, []),
        (6, ["all: Nobody decides: p asks for flights"]),
        (13.9, []),
        (14, ["ada: p: flights was lapsed"]),
        (27, []),
    ):
        expected += more
        for _ in range(2):
            notices.tell(settings, now=now + days * DAY + timedelta(seconds=5))
        assert sink.titles() == expected, days
    assert set(sink.ids().values()) == {1}
    assert house.access.requests("p") == ()
    with pytest.raises(DecisionConflict, match="nobody decided within 14 days"):
        house.authority.grant(request_id, user=STEWARD, reason="Late", days=30, now=now)
    assert asked(house) != request_id, "the same may be asked again"


def test_the_contract_may_say_after_how_many_days_its_stewards_are_reminded_and_a_request_lapses(
    house: House, settings: Settings, sink: Sink
) -> None:
    file = house.folder / "contracts" / "flights.odcs.yaml"
    table = "    customProperties:\n"
    assert file.read_text().count(f"\n{table}") == 1
    more = "      - property: remindAfterDays\n        value: 1\n      - property: lapseAfterDays\n        value: 2\n"
    file.write_text(file.read_text().replace(f"\n{table}", f"\n{table}{more}"))
    house.authority.adopt("flights", user=STEWARD)
    asked(house)
    for days in (1, 2):
        notices.tell(settings, now=datetime.now(UTC) + days * DAY)
    assert sink.titles() == ["steward: Reminder: p asks for flights", "ada: p: flights was lapsed"]


def test_who_asked_is_told_the_decision_with_its_reason_and_a_repeated_request_what_was_decided_before(
    house: House, settings: Settings, sink: Sink
) -> None:
    now = datetime.now(UTC)
    house.authority.deny(asked(house), user=STEWARD, reason="Leave out\nthe tail numbers")
    notices.tell(settings, now=now)
    again = asked(house)
    notices.tell(settings, now=now)
    house.authority.grant(again, user=STEWARD, reason="Agreed", days=30, now=now)
    for _ in range(2):
        notices.tell(settings, now=now)
    assert sink.titles() == [
        "ada: p: flights was denied",
        "steward: p asks for flights",
        "ada: p: flights was granted",
    ]
    told = [body for _, _, body in sink.took]
    assert 'denied by steward: "Leave out the tail numbers"' in told[0]
    assert 'Before it, a request was denied by steward: "Leave out the tail numbers"' in told[1]
    assert PURPOSE in told[1]
    assert 'granted by steward: "Agreed"' in told[2]


def test_what_people_wrote_stands_on_one_line_in_quotation_marks_and_without_what_hides_or_turns_text() -> None:
    assert quoted('a\nb\x1b[31m \u202ec\u200b "d"') == "\"a b [31m c 'd'\""
    assert len(quoted("x" * 5_000)) < 600


def test_a_renewal_is_told_to_stewards_and_who_asked_once(house: House, settings: Settings, sink: Sink) -> None:
    now = datetime.now(UTC)
    house.authority.grant(asked(house), user=STEWARD, reason="Agreed", days=60, now=now)
    ledgers = sink.took
    notices.tell(settings, now=now + 45 * DAY)
    assert ledgers == []
    for _ in range(2):
        notices.tell(settings, now=now + 47 * DAY)
    assert [title.split(" on ")[0] for title in sink.titles()] == [
        "steward: p: its grant for flights ends",
        "ada: p: its grant for flights ends",
    ]


def test_no_renewal_is_told_of_a_grant_beside_which_a_later_one_holds(
    house: House, settings: Settings, sink: Sink
) -> None:
    now = datetime.now(UTC)
    house.authority.grant(asked(house), user=STEWARD, reason="Agreed", days=60, now=now)
    wider = house.scope(project="p", window_days=31)
    (request_id,) = house.access.request(wider, requester="ada lovelace", now=now)
    house.authority.grant(request_id, user=STEWARD, reason="Agreed", days=90, now=now)
    notices.tell(settings, now=now + 47 * DAY)
    assert sink.titles() == []
    notices.tell(settings, now=now + 77 * DAY)
    assert len(sink.titles()) == 2, "the later one ends"


def test_the_stewards_of_a_dataset_are_told_of_an_unusual_read_once_and_of_one_of_long_ago_not_at_all(
    house: House, settings: Settings, sink: Sink
) -> None:
    opened = DataOpened(
        project="p", run_id="night", grant_id="g-1", scope=house.dataset("flights"), first=None, last=None
    )
    house.ledger.record("receipt/p", opened)
    now = datetime.now(UTC)
    for moment in (now, now, now + timedelta(minutes=15)):
        notices.tell(settings, now=moment)
    assert sink.titles() == ["steward: p: an unusual read of flights"]
    assert "it is the first time that the project reads it" in sink.took[0][2]
    house.ledger.record("receipt/q", replace(opened, project="q"))
    notices.tell(settings, now=now + 15 * DAY)
    assert len(sink.took) == 1


@pytest.mark.parametrize("died", ["before it was sent", "after it was taken", "after it was recorded"])
def test_a_message_is_taken_once_wherever_its_sender_dies_but_between_the_answer_and_the_record_where_its_id_tells(
    house: House, settings: Settings, sink: Sink, monkeypatch: pytest.MonkeyPatch, died: str
) -> None:
    asked(house)
    now, send, append = datetime.now(UTC), notices._send, Ledger.append

    def dying_send(*given: object) -> bool:
        if died == "before it was sent":
            os.kill(os.getpid(), signal.SIGKILL)
        taken = send(*given)  # type: ignore[arg-type]
        if died == "after it was taken":
            os.kill(os.getpid(), signal.SIGKILL)
        return taken

    def dying_append(self: Ledger, stream: str, events: list[object], **named: object) -> int:
        version = append(self, stream, events, **named)  # type: ignore[arg-type]
        if isinstance(events[0], MessageSent):
            os.kill(os.getpid(), signal.SIGKILL)
        return version

    def work() -> None:
        with_threads()
        monkeypatch.setattr(notices, "_send", dying_send)
        monkeypatch.setattr(Ledger, "append", dying_append)
        notices.tell(settings, now=now)

    assert in_child(work) == -signal.SIGKILL
    notices.tell(settings, now=now + timedelta(minutes=1))
    assert len(sink.took) == (0 if died == "before it was sent" else 1), "the dead one's claim still holds"
    for minutes in (11, 12, 60):
        notices.tell(settings, now=now + timedelta(minutes=minutes))
    assert list(sink.ids().values()) == [2 if died == "after it was taken" else 1]


def test_of_many_that_tell_at_once_one_sends_each_message(house: House, settings: Settings, sink: Sink) -> None:
    house.authority.deny(asked(house), user=STEWARD, reason="No")
    asked(house)
    now = datetime.now(UTC)

    def work() -> None:
        with_threads()
        notices.tell(settings, now=now)

    children = [start(work) for _ in range(4)]
    assert [wait(child) for child in children] == [0] * 4
    assert len(sink.ids()) == 2
    assert set(sink.ids().values()) == {1}


def test_an_address_that_fails_is_tried_again_and_named_until_it_takes_a_message(
    house: House, settings: Settings, sink: Sink
) -> None:
    asked(house)
    now, sink.answer = datetime.now(UTC), 500
    assert notices.tell(settings, now=now).failed == 1
    assert notices.tell(settings, now=now + timedelta(minutes=9)).failed == 0, "not before its pause is over"
    assert notices.tell(settings, now=now + timedelta(minutes=11)).failed == 1
    (named,) = notices.not_reached(settings)
    assert (named.to, named.service, named.attempts) == (STEWARD, "json", 2)
    sink.answer = 200
    assert notices.tell(settings, now=now + timedelta(minutes=32)).sent == 1
    assert notices.not_reached(settings) == ()
    raw = (house.folder / "ledger.db").read_bytes()
    assert sink.address("steward").encode() not in raw, "an address may be a password"


def test_a_file_that_others_may_read_or_a_line_that_names_nobody_is_refused_and_no_address_is_shown(
    house: House, settings: Settings
) -> None:
    file = house.folder / "addresses"
    file.chmod(0o644)
    with pytest.raises(AuthorityError, match="mode 0644"):
        notices.tell(settings, now=datetime.now(UTC))
    for line in ("json://user:secret@host", "ada", "ada json://user:secret@host else"):
        file.write_text(line)
        file.chmod(0o600)
        with pytest.raises(DeclarationError, match="line 1") as raised:
            notices.tell(settings, now=datetime.now(UTC))
        assert "secret" not in str(raised.value)
