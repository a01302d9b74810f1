"""Lineage is handed on to where the settings say, with the key that they name."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from include.cli import night
from include.core.errors import AuthorityError
from include.core.events import LineageEmitted
from include.ledger import Ledger, delivery
from include.runtime.doctor import reach
from include.runtime.doctor.examination import Health
from include.runtime.upkeep.lineage import deliver, send_again, set_aside, tell_set_aside
from include.settings import Settings


@pytest.fixture
def answers() -> list[int]:
    """What the endpoint answers next; then 201."""
    return []


@pytest.fixture
def settings(tmp_path: Path, answers: list[int], monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Of a deployment whose lineage goes to an endpoint, with an event to deliver."""

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the standard library's name
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(answers.pop(0) if answers else 201)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    monkeypatch.setattr(delivery, "_PAUSES_SECONDS", (0.0, 0.0))
    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        url = f"http://me:secret@127.0.0.1:{server.server_port}/api/v1/lineage"
        made = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path), "TRAINYARD_LINEAGE": url})
        Ledger.open(made.ledger).receive("lineage", LineageEmitted(event="{}"))
        yield made
        server.shutdown()


def test_ops_are_told_once_of_what_an_endpoint_refused_for_good_and_again_where_no_address_took_that(
    settings: Settings, answers: list[int]
) -> None:
    answers += [422] * 3
    told: list[str] = []

    def takes(_title: str, text: str) -> bool:
        told.append(text)
        return True

    assert deliver(settings) == 0
    assert tell_set_aside(settings, lambda _title, _text: False) == 0
    assert [tell_set_aside(settings, takes) for _ in range(2)] == [1, 0]
    assert "position 1 with status 422" in told[0]
    assert "secret" not in told[0]
    Ledger.open(settings.ledger).receive("lineage", LineageEmitted(event='{"second": 1}'))
    answers += [413] * 3
    deliver(settings)
    assert [tell_set_aside(settings, takes) for _ in range(2)] == [1, 0]
    assert "position 1 " not in told[1]
    advice = [each.text for each in reach.lineage(settings) if each.sign is Health.ADVICE]
    assert ["2 events" in told and "with status 413" in told for told in advice] == [True]
    assert send_again(settings) == 2
    assert not set_aside(settings)


def test_of_a_round_that_an_endpoint_refused_throughout_ops_get_one_message_with_the_first_and_how_many(
    settings: Settings, answers: list[int]
) -> None:
    ledger, told = Ledger.open(settings.ledger), list[tuple[str, str]]()
    for number in range(7):
        ledger.receive("lineage", LineageEmitted(event=f'{{"number": {number}}}'))
    answers += [422] * 3 * 8

    def takes(title: str, text: str) -> bool:
        told.append((title, text))
        return True

    for _ in range(2):
        deliver(settings)
        tell_set_aside(settings, takes)
    assert [title for title, _ in told] == ["lineage: 3 events were refused and set aside"] * 2
    firsts = [each.position for each in set_aside(settings)][::3]
    for first, by_now, (_, text) in zip(firsts, (3, 6), told, strict=True):
        assert f"at position {first} with status 422, as the first of 3; {by_now} are set aside by now" in text
        assert text.count("position") == 1


@pytest.mark.parametrize(
    ("status", "said"), [(403, "answered 403"), (422, "set aside: endpoint http://127"), (503, "status 503")]
)
def test_a_night_by_hand_says_what_an_endpoint_refuses_and_goes_on(
    settings: Settings, answers: list[int], capsys: pytest.CaptureFixture[str], status: int, said: str
) -> None:
    answers += [status] * 3
    night._deliver(settings)
    assert said in capsys.readouterr().out


def test_an_endpoint_is_shown_the_key_in_the_file_that_a_setting_names(tmp_path: Path) -> None:
    shown: list[str | None] = []

    class Endpoint(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the standard library's name
            self.rfile.read(int(self.headers["Content-Length"]))
            shown.append(self.headers["Authorization"])
            self.send_response(201)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    key = tmp_path / "key"
    key.write_text("an API key\n")
    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        threading.Thread(target=server.serve_forever).start()
        settings = Settings.from_environment(
            {
                "TRAINYARD_HOME": str(tmp_path),
                "TRAINYARD_LINEAGE": f"http://127.0.0.1:{server.server_port}/api/v1/lineage",
                "TRAINYARD_LINEAGE_KEY_FILE": str(key),
            }
        )
        Ledger.open(settings.ledger).receive("lineage", LineageEmitted(event="{}"))
        key.chmod(0o644)
        with pytest.raises(AuthorityError, match="mode 0644") as refused:
            deliver(settings)
        key.chmod(0o600)
        assert deliver(settings) == 1
        server.shutdown()
    assert shown == ["Bearer an API key"]
    assert "an API key" not in str(refused.value)
