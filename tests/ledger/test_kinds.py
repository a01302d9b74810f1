"""Kinds: whatever was ever written can be read, and what is not known is refused."""

import json
from typing import Any

import pytest

from include.core.canonical import encode
from include.core.errors import LedgerError
from include.core.events import Event, LineageEmitted, RunLate
from include.core.events.event import RunEvent
from include.ledger import Ledger, kinds
from tests.ledger.golden_files import FOLDER, example, path_of

VERSIONS = [(name, version) for name, kind in kinds.KINDS.items() for version in range(1, kind.version + 1)]


@pytest.mark.parametrize(("kind", "version"), VERSIONS)
def test_every_version_of_every_kind_has_a_golden_file_that_still_decodes(kind: str, version: int) -> None:
    path = path_of(kind, version)
    assert path.exists(), f"run `python -m tests.ledger.golden_files` and commit {path.name}"
    body = path.read_bytes().removesuffix(b"\n")
    event = kinds.decode_event(kind, version, body)
    assert isinstance(event, kinds.KINDS[kind])
    if version == event.version:
        assert encode(event) == body
        assert encode(example(type(event))) == body, f"{kind} changed under version {version}: raise its version"


def test_every_golden_file_is_of_a_known_kind_and_version() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(path_of(*known).name for known in VERSIONS)


def test_no_two_kinds_share_a_name() -> None:
    made = {*Event.__subclasses__(), *RunEvent.__subclasses__()} - {RunEvent}
    assert len(kinds.KINDS) == len({kind.__name__ for kind in kinds.KINDS.values()}) == len(made)


@pytest.mark.parametrize(("kind", "version"), [("rumour", 1), ("lineage_emitted", 2), ("lineage_emitted", 0)])
def test_an_unknown_kind_or_version_is_refused(kind: str, version: int) -> None:
    with pytest.raises(LedgerError, match="is known"):
        kinds.decode_event(kind, version, b'{"event":"x"}')


@pytest.mark.parametrize("body", [b"", b"{}", b'{"event":1}', b"nonsense", b'{"evens":"x"}'])
def test_bytes_that_are_no_such_event_are_refused_without_being_quoted(body: bytes) -> None:
    with pytest.raises(LedgerError, match="decodes as its kind") as raised:
        kinds.decode_event("lineage_emitted", 1, body)
    assert "nonsense" not in str(raised.value)


def test_an_older_version_is_brought_up_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    class Third(LineageEmitted, kind="lineage_emitted", version=3):
        producer: str

    def rename(fields: dict[str, Any]) -> dict[str, Any]:
        return {"event": fields["text"]}

    def add(fields: dict[str, Any]) -> dict[str, Any]:
        return fields | {"producer": "unknown"}

    monkeypatch.setattr(kinds, "KINDS", {"lineage_emitted": Third})
    monkeypatch.setattr(kinds, "UPCASTERS", {("lineage_emitted", 1): rename, ("lineage_emitted", 2): add})
    for version, fields in ((1, {"text": "x"}), (2, {"event": "x"}), (3, {"event": "x", "producer": "unknown"})):
        decoded = kinds.decode_event("lineage_emitted", version, json.dumps(fields).encode())
        assert decoded == Third(event="x", producer="unknown")


def test_a_whole_number_in_the_place_of_a_float_is_the_same_fact(ledger: Ledger) -> None:
    late = [RunLate(project="p", run_id="r", own_minutes=minutes, waited_minutes=0) for minutes in (3, 3.0)]
    entries = [ledger.record("run/p/r", event, key="late/p/r") for event in (*late, *late)]
    assert entries == entries[:1] * 4
    assert entries[0].event == late[1]
