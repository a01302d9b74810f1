"""What the authority signs about an event is all that it says and its place, in the bytes of every release."""

import base64
import json
from dataclasses import replace
from datetime import date

import pytest

from include.core.events import (
    AccessRevoked,
    ContractAdopted,
    Event,
    GateOverridden,
    GateOverrideEnded,
    HoldLifted,
    HoldPlaced,
    QuarantineLifted,
    RequestDenied,
)
from include.core.records import Gate, Override, RevocationKind
from include.governance.claims import TYPES, is_signed, signed
from tests.governance.conftest import House

QUARANTINE = RevocationKind.QUARANTINE
PLACE = {"project": "p", "dataset": "d"}
OVERRIDE = Override(project="p", gate=Gate.SKILL, until=date(2013, 9, 1), by="s", reason="No")
EVENTS: dict[str, tuple[Event, dict[str, str]]] = {
    '{"dataset":"d","position":3,"project":"p","reason":"No","request_id":"r","steward":"s"}': (
        RequestDenied(request_id="r", steward="s", reason="No", envelope=None),
        PLACE,
    ),
    '{"dataset":"d","effect":"quarantine","grant_id":"g","position":3,"project":"p","reason":"No","steward":"s"}': (
        AccessRevoked(grant_id="g", steward="s", reason="No", envelope=None, effect=QUARANTINE),
        PLACE,
    ),
    '{"dataset":"d","grant_id":"g","position":3,"project":"p","reason":"No","steward":"s"}': (
        QuarantineLifted(grant_id="g", steward="s", reason="No", envelope=""),
        PLACE,
    ),
    '{"position":3,"reason":"No","steward":"s","subject":"p/1"}': (
        HoldPlaced(subject="p/1", steward="s", reason="No", envelope=""),
        {},
    ),
    '{"position":3,"reason":"No","steward":"s","subject":"p/2"}': (
        HoldLifted(subject="p/2", steward="s", reason="No", envelope=""),
        {},
    ),
    '{"adopted_by":"s","contract_version":"1","dataset":"d","digest":"sha256:0","position":3,"stewards":["s","t"]}': (
        ContractAdopted(
            dataset="d", contract_version="1", digest="sha256:0", stewards=("s", "t"), adopted_by="s", envelope=""
        ),
        {},
    ),
    '{"override":{"by":"s","gate":"skill","project":"p","reason":"No","until":"2013-09-01"},"position":3}': (
        GateOverridden(override=OVERRIDE, envelope=""),
        {},
    ),
    '{"by":"s","gate":"skill","position":3,"project":"p","reason":"No"}': (
        GateOverrideEnded(project="p", gate=Gate.SKILL, by="s", reason="No", envelope=""),
        {},
    ),
}


@pytest.mark.parametrize("said", EVENTS)
def test_an_event_is_signed_in_the_bytes_of_before_and_for_its_own_place_alone(house: House, said: str) -> None:
    event, place = EVENTS[said]
    made = signed(event, house.signer, position=3, **place)
    assert base64.b64decode(json.loads(vars(made)["envelope"])["payload"]).decode() == said
    assert is_signed(made, house.signer.verifier, position=3, **place)
    assert not is_signed(made, house.signer.verifier, position=4, **place)
    if place:
        assert not is_signed(made, house.signer.verifier, position=3, **{**place, "project": "another"})


def test_what_an_event_says_otherwise_than_was_signed_is_not_proven(house: House) -> None:
    told = AccessRevoked(grant_id="g", steward="s", reason="No", envelope=None, effect=QUARANTINE)
    made = signed(told, house.signer, position=3, **PLACE)
    for other in ({"reason": "Yes"}, {"steward": "eve"}, {"grant_id": "h"}, {"effect": RevocationKind.STOP_NEW}):
        assert not is_signed(replace(made, **other), house.signer.verifier, position=3, **PLACE)  # type: ignore[arg-type]


def test_a_revocation_that_was_signed_without_an_effect_ends_what_runs(house: House) -> None:
    payload = b'{"dataset":"d","grant_id":"g","position":3,"project":"p","reason":"No","steward":"s"}'
    envelope = house.signer.sign(TYPES[AccessRevoked], payload)
    told = AccessRevoked(grant_id="g", steward="s", reason="No", envelope=envelope)
    assert is_signed(told, house.signer.verifier, position=3, **PLACE)
    assert not is_signed(replace(told, effect=QUARANTINE), house.signer.verifier, position=3, **PLACE)
