"""Whoever is not known decides and sees nothing; no response and no log holds a token or a key."""

import json
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.routing import Route

from include.core.canonical import encode
from include.core.errors import AuthorityError, DeclarationError, LedgerUnavailable
from include.governance.register import Register
from include.governance.registered import RegisteredRequest
from include.registry.overrides import Overrides
from include.runtime.embedded.environment import USERS, introduce, users_of
from include.runtime.server.api import authority_app
from include.runtime.server.service import Users, bearer_user, main, open_authority, token_file
from include.settings import Settings
from tests.governance.conftest import SHIPPED, STEWARD, House, build
from tests.registry.test_champions import GATES, P, Registry, unsigned
from tests.registry.test_going_back import LATER, stewarded
from tests.training.flights import Folder

ROOT = Path(__file__).parents[2]
BODY = {"reason": "Agreed", "days": 30, "digest": None}


@dataclass(frozen=True, kw_only=True)
class Served:
    """A house, its application, and a client for each who may ask."""

    house: House
    app: FastAPI
    tokens: dict[str, str]

    def client(self, user: str | None) -> TestClient:
        headers = {"Authorization": f"Bearer {self.tokens[user]}"} if user else {}
        return TestClient(self.app, headers=headers)

    def asked(self, requester: str = "ada") -> str:
        (request_id,) = self.house.access.request(self.house.scope(), requester=requester, now=datetime.now(UTC))
        return request_id


@pytest.fixture
def served(tmp_path: Path) -> Served:
    house = build(tmp_path)
    users = Users.load(tmp_path, [STEWARD, "ada"])
    tokens = {user: token_file(tmp_path, user).read_text() for user in (STEWARD, "ada")}
    return Served(
        house=house,
        app=authority_app(house.authority, Register(house.ledger, house.verifier), bearer_user(users)),
        tokens=tokens,
    )


def routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Every method and path that the application answers, with something in the place of its parameters."""
    for route in app.routes:
        assert isinstance(route, Route)
        for method in sorted(route.methods or ()):
            yield method, "/".join("x-1" if part.startswith("{") else part for part in route.path.split("/"))


def test_the_routes_are_the_known_ones(served: Served) -> None:
    assert set(routes(served.app)) == {
        ("GET", "/health"),
        ("GET", "/requests"),
        ("GET", "/requests/x-1"),
        ("GET", "/grants"),
        ("GET", "/grants/x-1"),
        ("GET", "/history"),
        ("GET", "/contracts"),
        ("POST", "/requests/x-1/grant"),
        ("POST", "/requests/x-1/deny"),
        ("POST", "/requests/x-1/refuse"),
        ("POST", "/grants/x-1/revoke"),
        ("POST", "/grants/x-1/lift"),
        ("POST", "/contracts/x-1/adopt"),
        ("GET", "/holds"),
        ("POST", "/holds"),
        ("POST", "/holds/lift"),
    }


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic {token}", "{token}", "Bearer {hash}", "Bearer {token}x"],
)
def test_every_route_but_health_refuses_whoever_is_not_known(served: Served, header: str | None) -> None:
    digest = (served.house.folder / "users" / STEWARD).read_text()
    headers = {} if header is None else {"Authorization": header.format(token=served.tokens[STEWARD], hash=digest)}
    client = TestClient(served.app, headers=headers)
    before = len(served.house.ledger.read_all())
    for method, path in routes(served.app):
        for body in (BODY, None):
            status = client.request(method, path, json=body).status_code
            assert status == (200 if path == "/health" else 401), (method, path)
    assert len(served.house.ledger.read_all()) == before


def test_no_route_has_a_page_of_documentation(served: Served) -> None:
    for path in ("/docs", "/redoc", "/openapi.json"):
        assert served.client(STEWARD).get(path).status_code == 404


def test_a_steward_sees_grants_and_revokes(served: Served) -> None:
    request_id, client = served.asked(), served.client(STEWARD)
    (request,) = client.get("/requests").json()
    assert (request["request_id"], request["requester"], request["stewards"]) == (request_id, "ada", [STEWARD])
    assert request["columns"]["tailnum"] == "token"
    granted = client.post(f"/requests/{request_id}/grant", json={"reason": "Agreed", "days": 30}).json()
    assert (granted["steward"], granted["reason"], granted["window_days"]) == (STEWARD, "Agreed", 30)
    assert client.get("/requests").json() == []
    (held,) = client.get("/grants").json()
    assert granted.items() <= held.items()
    assert (held["uses"], held["revoked_by"]) == (0, None)
    assert client.get(f"/requests/{request_id}").json()["grant_id"] == granted["grant_id"]
    assert client.get("/grants", params={"project": "other"}).json() == []
    revoked = client.post(f"/grants/{granted['grant_id']}/revoke", json={"reason": "Enough"})
    told = {"grant_id": granted["grant_id"], "revoked_by": STEWARD, "revocation_kind": "stop-running"}
    assert revoked.json() == told
    assert client.get("/grants").json() == []
    assert client.get(f"/grants/{granted['grant_id']}").json()["revocation"] == "Enough"
    history = client.get("/history", params={"project": request["project"]}).json()
    assert [(line["act"], line["who"]) for line in history] == [
        ("revoked", STEWARD),
        ("granted", STEWARD),
        ("requested", "ada"),
    ]
    older = client.get("/history", params={"project": request["project"], "before": history[0]["position"], "limit": 1})
    assert older.json() == [history[1]]


def test_a_quarantine_is_asked_for_by_its_name_and_lifted(served: Served) -> None:
    client = served.client(STEWARD)
    grant = client.post(f"/requests/{served.asked()}/grant", json={"reason": "Agreed", "days": 30}).json()["grant_id"]
    path = f"/grants/{grant}"
    assert client.post(f"{path}/revoke", json={"reason": "Enough", "kind": "gently"}).status_code == 422
    assert client.post(f"{path}/lift", json={"reason": "Fine"}).status_code == 409
    for kind in ("stop-new", "quarantine"):
        answer = client.post(f"{path}/revoke", json={"reason": "Enough", "kind": kind}).json()
        assert (answer["revocation_kind"], client.get(path).json()["revocation_kind"]) == (kind, kind)
    assert client.post(f"{path}/revoke", json={"reason": "Enough"}).status_code == 409, "no revocation is softened"
    assert client.post(f"{path}/lift", json={"reason": "Fine"}).json() == {"grant_id": grant, "lifted_by": STEWARD}
    held = client.get(path).json()
    assert (held["revocation_kind"], held["lifted_by"], held["lift"]) == ("stop-running", STEWARD, "Fine")


def test_who_is_known_but_no_steward_decides_nothing(served: Served) -> None:
    request_id, client = served.asked(), served.client("ada")
    for path in (f"/requests/{request_id}/grant", f"/requests/{request_id}/deny", "/contracts/flights/adopt"):
        answer = client.post(path, json=BODY)
        assert answer.status_code == 403
        assert "only a steward" in answer.json()["rule"]
    assert len(client.get("/requests").json()) == 1


def test_the_user_is_the_one_of_the_token_whatever_the_body_or_the_query_says(served: Served) -> None:
    request_id = served.asked()
    path = f"/requests/{request_id}/grant"
    answer = served.client("ada").post(path, json={**BODY, "user": STEWARD}, params={"user": STEWARD})
    assert answer.status_code == 403


def test_nobody_approves_their_own_request_over_http(served: Served) -> None:
    request_id = served.asked(requester=STEWARD)
    answer = served.client(STEWARD).post(f"/requests/{request_id}/grant", json=BODY)
    assert answer.status_code == 403
    assert answer.json()["remedy"]


def test_a_status_says_why_a_decision_was_refused(served: Served) -> None:
    (request_id,) = served.house.access.request(served.house.scope(project="p"), requester="ada", now=datetime.now(UTC))
    client = served.client(STEWARD)
    grant, revoke = "/requests/{}/grant", "/grants/{}/revoke"
    for path in ("/requests/r-0", "/grants/g-0"):
        assert client.get(path).status_code == 404
    for path in (grant.format("r-0"), "/requests/r-0/deny", revoke.format("g-0"), "/contracts/nothing/adopt"):
        assert client.post(path, json=BODY).status_code == 404, path
    for wrong in ({"days": 0}, {"days": 367}, {"reason": " "}):
        assert client.post(grant.format(request_id), json=BODY | wrong).status_code == 422, wrong
    (later,) = served.house.access.request(
        served.house.scope(project="p", window_days=60), requester="ada", now=datetime.now(UTC)
    )
    superseded = client.post(grant.format(request_id), json=BODY)
    assert (superseded.status_code, superseded.json()["error"]) == (409, "DecisionConflict")
    assert client.post(grant.format(later), json=BODY).status_code == 200
    assert client.post(grant.format(later), json=BODY).status_code == 409
    assert client.post(f"/requests/{later}/deny", json=BODY).status_code == 409


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_is_not_said_to_be_json_decides_nothing(served: Served, kind: str | None) -> None:
    request_id, client = served.asked(), served.client(STEWARD)
    headers = {} if kind is None else {"Content-Type": kind}
    (grant,) = served.house.granted(served.house.scope("planes"), now=datetime.now(UTC))
    before = len(served.house.ledger.read_all())
    for path in (
        f"/requests/{request_id}/grant",
        f"/requests/{request_id}/deny",
        f"/grants/{grant}/revoke",
        "/contracts/flights/adopt",
    ):
        answer = client.post(path, content=json.dumps(BODY).encode(), headers=headers)
        assert answer.status_code == 422, path
    assert len(served.house.ledger.read_all()) == before


@pytest.mark.parametrize("route", ["deny", "refuse"])  # the second for scripts that were written before 0.1
def test_a_denial_is_recorded_with_who_and_why_and_shown_by_both_names(served: Served, route: str) -> None:
    scope, client = served.house.scope(), served.client(STEWARD)
    (request_id,) = served.house.access.request(scope, requester="ada", now=datetime.now(UTC))
    answer = client.post(f"/requests/{request_id}/{route}", json={"reason": "Too much"}).json()
    assert answer == {"request_id": request_id, "denied_by": STEWARD, "refused_by": STEWARD}
    (denial,) = served.house.access.denied(scope)
    assert (denial.steward, denial.reason) == (STEWARD, "Too much")
    shown = client.get(f"/requests/{request_id}").json()
    assert (shown["denied_by"], shown["denial"]) == (shown["refused_by"], shown["refusal"]) == (STEWARD, "Too much")


def test_contracts_show_the_file_beside_the_version_in_effect_and_adopting_brings_them_together(served: Served) -> None:
    file = served.house.folder / "contracts" / "flights.odcs.yaml"
    file.write_text(file.read_text() + "# edited\n")
    client = served.client(STEWARD)
    shown = next(each for each in client.get("/contracts").json() if each["dataset"] == "flights")
    assert shown["digest"] != shown["adopted_digest"] == served.house.access.adopted("flights")
    stale = client.post("/contracts/flights/adopt", json={"digest": shown["adopted_digest"]})
    assert stale.status_code == 409
    adopted = client.post("/contracts/flights/adopt", json={"digest": shown["digest"]})
    assert adopted.json() == {"dataset": "flights", "digest": shown["digest"]}
    assert served.house.access.adopted("flights") == shown["digest"]


def test_a_steward_holds_a_dataset_and_lifts_that_over_http(served: Served) -> None:
    steward, body = served.client(STEWARD), {"subject": "flights", "reason": "A claim"}
    assert served.client("ada").post("/holds", json=body).status_code == 403
    assert steward.post("/holds", json=body | {"subject": "nothing"}).status_code == 404
    assert steward.post("/holds", json=body).json() == {"subject": "flights", "held_by": STEWARD}
    (held,) = served.client("ada").get("/holds").json()
    assert (held["subject"], held["steward"], held["reason"]) == ("flights", STEWARD, "A claim")
    assert steward.post("/holds/lift", json=body).status_code == 200
    assert steward.get("/holds").json() == []
    assert steward.post("/holds/lift", json=body).status_code == 404


def test_who_is_signed_in_and_a_steward_of_what_a_project_reads_rolls_back_over_http(served: Served) -> None:
    house = served.house
    registry = stewarded(Registry(house.ledger, Folder(house.folder), key=house.signer))
    registry.authority.begin()
    for loss, champion in ((0.5, None), (0.49, 1)):
        registry.night(loss=loss, champion=champion)
    users, seen = Users.load(house.folder, []), Register(house.ledger, house.verifier)
    app = authority_app(house.authority, seen, bearer_user(users), promotions=registry.authority)
    path, body = f"/promotions/{P}/roll-back", {"version": 1, "left": 2, "reason": "Late", "instant": LATER.isoformat()}
    assert ("POST", "/promotions/x-1/roll-back") in set(routes(app))

    def answer(user: str | None, **other: object) -> int:
        headers = {"Authorization": f"Bearer {served.tokens[user]}"} if user else {}
        return TestClient(app, headers=headers).post(path, json=body | other).status_code

    assert [answer(None), answer("ada"), answer(STEWARD, left=1), answer(STEWARD, version=9)] == [401, 403, 409, 404]
    for wrong in (
        {"instant": "2026-03-21"},
        {"instant": "soon"},
        {"instant": "2999-01-01T00:00Z"},
        {"reason": " "},
        {"version": "1"},
        {"left": True},
    ):
        assert answer(STEWARD, **wrong) == 422, wrong
    assert registry.in_force() == 2
    assert answer(STEWARD) == 200
    assert answer(STEWARD) == 200, "what is signed is not signed again"
    assert (registry.in_force(), house.ledger.version(f"promotion/{P}")) == (1, 3)


def test_who_is_signed_in_has_a_promotion_of_before_decided_by_the_gates_of_its_night_over_http(served: Served) -> None:
    house = served.house
    registry = unsigned(Registry(house.ledger, Folder(house.folder), key=house.signer))
    registry.authority.begin()
    users, seen = Users.load(house.folder, []), Register(house.ledger, house.verifier)
    app = authority_app(house.authority, seen, bearer_user(users), promotions=registry.authority)

    def answer(user: str | None, gates: str = encode(GATES).decode()) -> int:
        headers = {"Authorization": f"Bearer {served.tokens[user]}"} if user else {}
        return TestClient(app, headers=headers).post(f"/promotions/{P}/sign", json={"gates": gates}).status_code

    others = encode(replace(GATES, floor_loss=9.0)).decode()
    assert [answer(None), answer("ada", others), answer("ada", "{}")] == [401, 409, 422]
    assert house.ledger.version(f"promotion/{P}") == 0
    assert answer("ada") == 200
    (version,) = registry.champions.known(P).versions
    assert version.decision is not None
    assert version.decision.asked_by == "ada"
    assert answer("ada") == 409, "what is signed is not signed again"


def test_a_steward_of_what_a_project_reads_overrides_a_gate_over_http(served: Served) -> None:
    house = served.house
    registry = stewarded(Registry(house.ledger, Folder(house.folder), key=house.signer))
    users, seen = Users.load(house.folder, []), Register(house.ledger, house.verifier)
    app = authority_app(house.authority, seen, bearer_user(users), promotions=registry.authority)
    today = datetime.now(UTC).date().isoformat()
    body = {"gate": "skill", "until": today, "reason": "Holidays"}

    def answer(user: str | None, **other: object) -> int:
        headers = {"Authorization": f"Bearer {served.tokens[user]}"} if user else {}
        return TestClient(app, headers=headers).post(f"/promotions/{P}/override", json=body | other).status_code

    assert [answer(None), answer("ada")] == [401, 403]
    for wrong in ({"gate": "luck"}, {"until": "soon"}, {"until": "2999-01-01"}, {"reason": " "}):
        assert answer(STEWARD, **wrong) == 422, wrong
    overrides = Overrides(house.ledger, house.verifier)
    assert overrides.in_force(P, now=datetime.now(UTC)) == ()
    assert answer(STEWARD) == 200
    (placed,) = overrides.in_force(P, now=datetime.now(UTC))
    assert (placed.gate, placed.by, placed.reason) == ("skill", STEWARD, "Holidays")

    def ended(user: str, gate: str = "skill") -> int:
        headers, ending = {"Authorization": f"Bearer {served.tokens[user]}"}, {"gate": gate, "reason": "They are over"}
        return TestClient(app, headers=headers).post(f"/promotions/{P}/override/end", json=ending).status_code

    assert [ended("ada"), ended(STEWARD, "luck"), ended(STEWARD), ended(STEWARD)] == [403, 422, 200, 404]
    assert overrides.in_force(P, now=datetime.now(UTC)) == ()


def test_a_form_of_another_site_adopts_nothing(served: Served) -> None:
    file = served.house.folder / "contracts" / "flights.odcs.yaml"
    file.write_text(file.read_text() + "# edited\n")
    before = served.house.access.adopted("flights")
    client = served.client(STEWARD)
    for kind in ("application/x-www-form-urlencoded", "text/plain", "multipart/form-data"):
        answer = client.post("/contracts/flights/adopt", content=b"{}", headers={"Content-Type": kind})
        assert answer.status_code == 422
    assert client.post("/contracts/flights/adopt").status_code == 422
    assert served.house.access.adopted("flights") == before


def test_a_body_that_cannot_be_read_is_refused_without_being_repeated(served: Served) -> None:
    for body in ({"reason": "SENTINEL"}, {"reason": "SENTINEL", "days": "SENTINEL"}, ["SENTINEL"]):
        answer = served.client(STEWARD).post("/requests/r-1/grant", json=body)
        assert answer.status_code == 422
        assert "SENTINEL" not in answer.text
        assert answer.json()["remedy"]


@pytest.mark.parametrize(
    "body",
    [
        rb'{"reason": "\ud800", "days": 30, "digest": "\udfff"}',
        rb'{"reason": "Agreed", "days": 30, "digest": null, "\ud800": 1}',
        b'{"reason": "\xff", "days": 30}',
        json.dumps(BODY).encode("utf-16"),
        b"[" * 100_000,
        b'{"reason":' * 100_000,
        b'{"reason": "Agreed", "days": ' + b"9" * 5_000 + b"}",
        b"{",
        b"",
    ],
    ids=["surrogate", "surrogate key", "latin-1", "utf-16", "deep list", "deep object", "long number", "cut", "empty"],
)
def test_a_body_that_is_no_json_of_whole_characters_is_refused_as_documented(served: Served, body: bytes) -> None:
    request_id, client = served.asked(), served.client(STEWARD)
    (grant,) = served.house.granted(served.house.scope("planes"), now=datetime.now(UTC))
    before = len(served.house.ledger.read_all())
    for path in (
        f"/requests/{request_id}/grant",
        f"/requests/{request_id}/deny",
        f"/grants/{grant}/revoke",
        "/contracts/flights/adopt",
    ):
        answer = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["error"]) == (422, "InvalidBody"), path
    assert len(served.house.ledger.read_all()) == before


@pytest.mark.parametrize("days", [True, 30.0, "30", None])
def test_days_are_a_whole_number_and_nothing_that_could_be_taken_for_one(served: Served, days: object) -> None:
    request_id = served.asked()
    answer = served.client(STEWARD).post(f"/requests/{request_id}/grant", json=BODY | {"days": days})
    assert (answer.status_code, answer.json()["value"]) == (422, "body.days: int_type")
    assert served.house.access.grants(now=datetime.now(UTC)) == ()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "http://testserver:8080"},
        {"Origin": "null"},
        {"Origin": "http://testserver", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_page_of_another_site_decides_nothing_by_json(served: Served, headers: dict[str, str]) -> None:
    request_id, client = served.asked(), served.client(STEWARD)
    (grant,) = served.house.granted(served.house.scope("planes"), now=datetime.now(UTC))
    before = len(served.house.ledger.read_all())
    for path in (
        f"/requests/{request_id}/grant",
        f"/requests/{request_id}/deny",
        f"/grants/{grant}/revoke",
        "/contracts/flights/adopt",
    ):
        answer = client.post(path, json=BODY, headers=headers)
        assert (answer.status_code, answer.json()["value"]) == (403, "a page of another site"), path
    assert len(served.house.ledger.read_all()) == before


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://testserver"},
        {"Origin": "https://public.example", "Sec-Fetch-Site": "same-origin"},  # behind a proxy
    ],
)
def test_a_page_of_ours_and_a_program_decide_by_json(served: Served, headers: dict[str, str]) -> None:
    answer = served.client(STEWARD).post(f"/requests/{served.asked()}/deny", json=BODY, headers=headers)
    assert answer.status_code == 200


def test_whoever_is_not_known_gets_no_further_with_a_broken_body(served: Served) -> None:
    for method, path in routes(served.app):
        if method == "POST":
            answer = TestClient(served.app).post(path, content=b"{", headers={"Content-Type": "application/json"})
            assert answer.status_code in (401, 422)
            assert set(answer.json()) in ({"detail"}, {"error", "rule", "value", "remedy"})


def test_a_ledger_that_is_gone_is_said_to_come_back(served: Served) -> None:
    class Gone(Register):
        """A register whose ledger cannot be reached."""

        def waiting(self) -> tuple[RegisteredRequest, ...]:
            raise LedgerUnavailable("the ledger can be reached", value="no connection", remedy="Try again.")

    house = served.house
    app = authority_app(house.authority, Gone(house.ledger, house.verifier), lambda: STEWARD)
    answer = TestClient(app).get("/requests")
    assert (answer.status_code, answer.json()["error"]) == (503, "LedgerUnavailable")


def test_a_contract_that_cannot_be_read_is_named_to_who_adopts_it(served: Served) -> None:
    (served.house.folder / "contracts" / "flights.odcs.yaml").write_text("[")
    answer = served.client(STEWARD).post("/contracts/flights/adopt", json={"digest": "sha256:" + "1" * 64})
    assert answer.status_code == 409
    assert "flights.odcs.yaml" in answer.json()["rule"]


def test_no_token_and_no_key_stands_in_any_response_or_log(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    request_id = served.asked()
    texts = []
    for user in (STEWARD, "ada", None):
        client = served.client(user)
        for method, path in routes(served.app):
            for body in (BODY, {}, None):
                answer = client.request(method, path.replace("x-1", request_id), json=body)
                texts.append(answer.text + str(answer.headers))
    texts.append(caplog.text)
    key = (served.house.folder / "authority.key").read_text().splitlines()[1]
    hashes = [file.read_text() for file in (served.house.folder / "users").iterdir()]
    for secret in (*served.tokens.values(), *hashes, key):
        assert not any(secret in text for text in texts)


def test_it_serves_the_same_under_the_path_of_another_application(served: Served) -> None:
    outer = FastAPI()
    outer.mount("/trainyard", served.app)
    assert TestClient(outer).get("/trainyard/health").json() == {"status": "ok"}
    assert TestClient(outer).get("/trainyard/requests").status_code == 401
    token = {"Authorization": f"Bearer {served.tokens['ada']}"}
    assert TestClient(outer, headers=token).get("/trainyard/requests").json() == []


def test_tokens_are_made_once_for_their_owners_alone_and_may_be_taken_away(tmp_path: Path) -> None:
    token = token_file(tmp_path, "ada")
    Users.load(tmp_path, ["ada"])
    held = token.read_text()
    assert Users.load(tmp_path, ["ada"]).who(held) == "ada"
    assert token.read_text() == held
    token.unlink()
    assert Users.load(tmp_path, ["ada", "bob"]).who(held) == "ada"
    assert not token.exists()
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 3
    assert {file.stat().st_mode & 0o777 for file in files} == {0o600}
    (tmp_path / "users" / "ada").unlink()
    assert Users.load(tmp_path, []).who(held) is None


def test_users_that_others_may_read_or_that_name_no_file_are_refused(tmp_path: Path) -> None:
    Users.load(tmp_path, ["ada"])
    (tmp_path / "users" / "ada").chmod(0o644)
    with pytest.raises(AuthorityError, match="owner"):
        Users.load(tmp_path, [])
    for name in ("../ada", ".ada", "", "a/b"):
        with pytest.raises(DeclarationError, match="name a file"):
            Users.load(tmp_path / "other", [name])
    assert not (tmp_path / "other").exists()


def test_a_file_that_nobody_adopted_makes_no_user(tmp_path: Path) -> None:
    contracts = shutil.copytree(SHIPPED, tmp_path / "contracts", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    home = {"TRAINYARD_HOME": str(tmp_path / "home"), "TRAINYARD_CONTRACTS": str(contracts)}
    settings = Settings.from_environment(home)
    opened = open_authority(settings)
    planes, airports = (contracts / f"{name}.odcs.yaml" for name in ("planes", "airports"))
    opened.authority.adopt("planes", user=STEWARD)
    for file, name in ((planes, "mallory"), (airports, "maria")):  # an edit, and a file that was never adopted
        file.write_text(file.read_text().replace("firstLevelApprovers: steward", f"firstLevelApprovers: {name}"))
    assert users_of(settings).keys() == USERS.keys()
    for name in ("mallory", "maria"):
        introduce(settings, name)
    assert users_of(settings).keys() - USERS.keys() == {"maria"}, "who adopts a new contract is introduced, nobody else"
    opened.authority.adopt("airports", user="maria")
    opened.authority.adopt("planes", user=STEWARD)
    assert users_of(settings).keys() - USERS.keys() == {"maria", "mallory"}


# ── the process ───────────────────────────────────────────────────────────────────────────────────────────────────────


def command(folder: Path, port: int = 0) -> list[str]:
    return [
        *("--authority-keys", str(folder / "authority"), "--keys", str(folder / "keys")),
        *("--contracts", str(SHIPPED), "--port", str(port), "--port-file", str(folder / "port"), "--user", STEWARD),
    ]


def environment(folder: Path) -> dict[str, str]:
    ledger = f"sqlite:///{folder / 'ledger.db'}"
    return {"PATH": os.environ["PATH"], "TRAINYARD_LEDGER": ledger, "TRAINYARD_CHECKPOINTS": str(folder / "signed")}


def start(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-m", "include.runtime.server.service", *command(folder)],
        cwd=ROOT,
        env=environment(folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not (folder / "port").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    return process


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_the_process_serves_on_loopback_and_ends_on_a_signal(tmp_path: Path, ending: signal.Signals) -> None:
    process = start(tmp_path)
    try:
        port = int((tmp_path / "port").read_text())
        address = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{address}/health", timeout=30).json() == {"status": "ok"}
        assert httpx.get(f"{address}/requests", timeout=30).status_code == 401
        token = token_file(tmp_path / "authority", STEWARD).read_text()
        headers = {"Authorization": f"Bearer {token}"}
        adopted = httpx.post(f"{address}/contracts/flights/adopt", json={}, headers=headers, timeout=30)
        assert adopted.status_code == 200
    finally:
        process.send_signal(ending)
        output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    assert not (tmp_path / "port").exists()
    private = [file for file in (tmp_path / "authority").rglob("*") if file.is_file()]
    assert {file.stat().st_mode & 0o777 for file in private} == {0o600}
    assert {file.name for file in private} == {"authority.key", STEWARD}
    assert (tmp_path / "keys" / "authority.pub").exists()
    key = (tmp_path / "authority" / "authority.key").read_text().splitlines()[1]
    assert token not in output
    assert key not in output


#: Asks an authority of its own, as a command does, and stays.
ASKING = """
import sys, time
from include.runtime.server.client import authority
from include.settings import Settings
with authority(Settings.from_environment(), sys.argv[1], introduce=True) as client:
    print(client._http.base_url, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_a_command_that_is_killed_leaves_no_authority_behind(tmp_path: Path, ending: signal.Signals) -> None:
    environment = {"PATH": os.environ["PATH"], "TRAINYARD_HOME": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", ASKING, STEWARD], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as asking:
        try:
            assert asking.stdout is not None
            address = asking.stdout.readline().strip()
            assert httpx.get(f"{address}/health", timeout=30).is_success
        finally:
            asking.send_signal(ending)
    deadline = time.monotonic() + 20
    while listens(address) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not listens(address)


def listens(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health", timeout=30).is_success
    except httpx.TransportError:
        return False


def test_a_second_start_keeps_keys_tokens_and_adoptions(tmp_path: Path) -> None:
    kept = []
    for _ in range(2):
        process = start(tmp_path)
        process.terminate()
        process.communicate(timeout=30)
        kept.append([file.read_bytes() for file in sorted((tmp_path / "authority").rglob("*")) if file.is_file()])
    assert kept[0] == kept[1]


#: Sends itself SIGTERM as soon as its port can be read, when uvicorn does not listen to signals yet.
ENDED_AT_ONCE = """
import os, signal, sys
from include.runtime.server.service import main
def ends(frame, event, _):
    if event == "return" and frame.f_code.co_name == "_write_whole":
        os.kill(os.getpid(), signal.SIGTERM)
sys.setprofile(ends)
sys.exit(main(sys.argv[1:]))
"""


def test_a_process_that_is_ended_while_it_starts_leaves_no_port_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ENDED_AT_ONCE, *command(tmp_path)],
        cwd=ROOT, env=environment(tmp_path), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert not (tmp_path / "port").exists()


def test_a_port_in_use_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(command(tmp_path, port)) == 1
    assert str(port) in capsys.readouterr().err
    assert not (tmp_path / "port").exists()


def test_the_modules_import_without_the_web_framework_or_any_cryptography() -> None:
    code = (
        "import sys, include.runtime.server.api, include.runtime.server.service, include.governance.signing\n"
        "heavy = {'fastapi', 'uvicorn', 'cryptography', 'securesystemslib', 'pyarrow', 'pydantic', 'yaml'}\n"
        "sys.exit(' '.join(sorted(heavy & set(sys.modules))) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
