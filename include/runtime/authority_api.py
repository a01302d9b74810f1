"""The authority over HTTP: what stewards see and decide. The same routes alone, or mounted in Airflow's API server."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

from include.core.canonical import decode
from include.core.errors import DecisionUnusable, DeclarationError, TrainyardError
from include.core.project import Gates
from include.core.records import Gate, RevocationKind
from include.runtime.incoming import Whole, json_route, own_page
from include.runtime.instants import require_past
from include.runtime.refusals import status_of

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI

    from include.core.records import DatasetScope, Grant
    from include.governance.authority import Authority
    from include.governance.history import Line
    from include.governance.register import Asked, Held, Register
    from include.registry.authority import PromotionAuthority


@dataclass(frozen=True, kw_only=True)
class Approval:
    """Body of ``POST /requests/{id}/grant``."""

    reason: str
    days: Annotated[int, Whole()]


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Body of ``POST /requests/{id}/refuse`` and ``POST /grants/{id}/lift``."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Ending:
    """Body of ``POST /grants/{id}/revoke``."""

    reason: str
    kind: RevocationKind = RevocationKind.STOP_RUNNING


@dataclass(frozen=True, kw_only=True)
class Signing:
    """Body of ``POST /promotions/{project}/sign``: the gates that the project declares, as canonical JSON text."""

    gates: str


@dataclass(frozen=True, kw_only=True)
class GoingBack:
    """Body of ``POST /promotions/{project}/roll-back``: from ``left`` to ``version``, or ``None`` to retire ``left``.

    ``instant`` is an ISO time with its zone: from when on, of what the data knew.
    """

    version: Annotated[int, Whole()] | None
    left: Annotated[int, Whole()]
    reason: str
    instant: str


@dataclass(frozen=True, kw_only=True)
class Overriding:
    """Body of ``POST /promotions/{project}/override``: a gate by name, and the last day (``YYYY-MM-DD``, UTC)."""

    gate: str
    until: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class OverrideEnding:
    """Body of ``POST /promotions/{project}/override/end``: a gate by name."""

    gate: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Holding:
    """Body of ``POST /holds`` and ``POST /holds/lift``."""

    subject: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Body of ``POST /contracts/{dataset}/adopt``: the digest of the version that the steward has read."""

    digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Body of every refusal but 401."""

    error: str
    rule: str
    value: str
    remedy: str


def authority_app(
    authority: "Authority",
    register: "Register",
    current_user: Callable[..., str],
    *,
    promotions: "PromotionAuthority | None" = None,
    wake: Callable[[], None] = lambda: None,
) -> "FastAPI":
    """The application. ``current_user`` is the FastAPI dependency that names who asks, or raises.

    Without *promotions* nobody can have one signed that was recorded before they were.

    It guards every route but ``/health``, which also calls *wake*: training asks it, so that what it registered is
    decided about without waiting. There are no pages of documentation. A refusal is a :class:`Refusal` in JSON:
    403 not allowed or sent by a page of another site, 404 no such id, 409 conflict, 422 unusable, 503 later.
    """
    from fastapi import APIRouter, Depends, FastAPI

    app = FastAPI(title="Trainyard authority", docs_url=None, redoc_url=None, openapi_url=None)
    known = Depends(current_user)
    views = APIRouter(dependencies=[known], responses=_refusals())
    decisions = APIRouter(dependencies=[known, Depends(own_page())], responses=_refusals(), route_class=json_route())
    _add_views(views, authority, register)
    _add_decisions(decisions, authority, current_user)
    if promotions is not None:
        _add_promotions(decisions, promotions, current_user)
    _add_holds(views, decisions, authority, current_user)
    app.include_router(views)
    app.include_router(decisions)
    _add_errors(app)

    @app.get("/health")
    def health() -> dict[str, str]:
        wake()
        return {"status": "ok"}

    return app


def _refusals() -> dict[int | str, dict[str, Any]]:
    """What the application's own OpenAPI document says of refusals."""
    told: dict[int | str, dict[str, Any]] = {401: {"description": "Nobody is signed in"}}
    for status in (403, 404, 409, 422, 503):
        told[status] = {"model": Refusal}
    return told


def _add_views(router: "APIRouter", authority: "Authority", register: "Register") -> None:
    from fastapi import Query

    before_position, at_most = Query(None, ge=1), Query(50, ge=1, le=500)

    @router.get("/requests")
    def requests(project: str | None = None) -> list[dict[str, Any]]:
        return [_shown_request(one) for one in register.waiting() if project in (None, one.request.project)]

    @router.get("/requests/{request_id}")
    def request(request_id: str) -> dict[str, Any]:
        return _shown_request(register.request(request_id))

    @router.get("/grants")
    def grants(project: str | None = None) -> list[dict[str, Any]]:
        return [_shown_held(held) for held in register.grants(project, now=datetime.now(UTC))]

    @router.get("/grants/{grant_id}")
    def grant(grant_id: str) -> dict[str, Any]:
        return _shown_held(register.grant(grant_id))

    @router.get("/history")
    def history(
        project: str | None = None, before: int | None = before_position, limit: int = at_most
    ) -> list[dict[str, Any]]:
        return [_shown_line(line) for line in register.history(project=project, before=before, limit=limit)]

    @router.get("/contracts")
    def contracts() -> list[dict[str, Any]]:
        return [_shown_contract(dataset, authority, register) for dataset in authority.contracts()]


def _add_decisions(router: "APIRouter", authority: "Authority", current_user: Callable[..., str]) -> None:
    from fastapi import Depends

    user_dependency = Depends(current_user)

    @router.post("/requests/{request_id}/grant")
    def grant(request_id: str, body: Approval, user: str = user_dependency) -> dict[str, Any]:
        now = datetime.now(UTC)
        return _shown_grant(authority.grant(request_id, user=user, reason=body.reason, days=body.days, now=now))

    @router.post("/requests/{request_id}/refuse")
    def refuse(request_id: str, body: Reason, user: str = user_dependency) -> dict[str, Any]:
        authority.refuse(request_id, user=user, reason=body.reason)
        return {"request_id": request_id, "refused_by": user}

    @router.post("/grants/{grant_id}/revoke")
    def revoke(grant_id: str, body: Ending, user: str = user_dependency) -> dict[str, Any]:
        authority.revoke(grant_id, user=user, reason=body.reason, effect=body.kind)
        return {"grant_id": grant_id, "revoked_by": user, "revocation_kind": str(body.kind)}

    @router.post("/grants/{grant_id}/lift")
    def lift(grant_id: str, body: Reason, user: str = user_dependency) -> dict[str, Any]:
        authority.lift(grant_id, user=user, reason=body.reason)
        return {"grant_id": grant_id, "lifted_by": user}

    # The body is required even if empty: a form of another site, which cannot send JSON, adopts nothing.
    @router.post("/contracts/{dataset}/adopt")
    def adopt(dataset: str, body: Reading, user: str = user_dependency) -> dict[str, Any]:
        return {"dataset": dataset, "digest": authority.adopt(dataset, user=user, digest=body.digest)}


def _add_promotions(router: "APIRouter", promotions: "PromotionAuthority", current_user: Callable[..., str]) -> None:
    from fastapi import Depends

    user_dependency = Depends(current_user)

    @router.post("/promotions/{project}/sign")
    def sign(project: str, body: Signing, user: str = user_dependency) -> dict[str, Any]:
        try:
            gates = decode(Gates, body.gates.encode())
        except ValueError as error:
            remedy = "Send the canonical JSON of the project's gates."
            raise DecisionUnusable("gates are those of a project", value=type(error).__name__, remedy=remedy) from None
        decision = promotions.sign(project, user=user, gates=gates)
        return {
            "project": project,
            "version": decision.version,
            "promoted": decision.verdict.promote,
            "reasons": decision.verdict.reasons,
        }

    @router.post("/promotions/{project}/override")
    def override(project: str, body: Overriding, user: str = user_dependency) -> dict[str, Any]:
        gate, until = _gate(body.gate), _day(body.until)
        made = promotions.override(project, gate, until=until, user=user, reason=body.reason)
        return {"project": project, "gate": made.gate, "until": made.until.isoformat(), "by": made.by}

    @router.post("/promotions/{project}/override/end")
    def end_override(project: str, body: OverrideEnding, user: str = user_dependency) -> dict[str, Any]:
        gate = _gate(body.gate)
        promotions.end_override(project, gate, user=user, reason=body.reason)
        return {"project": project, "gate": gate, "ended_by": user}

    @router.post("/promotions/{project}/roll-back")
    def roll_back(project: str, body: GoingBack, user: str = user_dependency) -> dict[str, Any]:
        signed = promotions.rollbacks.roll_back(
            project,
            version=body.version,
            left=body.left,
            user=user,
            reason=body.reason,
            instant=_instant(body.instant),
        )
        return {
            "project": project,
            "version": signed.version,
            "left": signed.left,
            "instant": signed.instant.isoformat(),
            "position": signed.position,
        }


def _gate(text: str) -> Gate:
    if text not in set(Gate):
        raise DecisionUnusable("a gate that is overridden is one", value=text, remedy=f"Name one of {', '.join(Gate)}.")
    return Gate(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise DecisionUnusable("a day is a date", value=text, remedy="Write YYYY-MM-DD.") from None


def _instant(text: str) -> datetime:
    """The moment that *text* names, which has come."""
    try:
        moment = datetime.fromisoformat(text)
        found = moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        found = None
    if found is None:
        remedy = "Write an ISO time with its zone."
        raise DecisionUnusable("an instant is a time with its zone", value="something else", remedy=remedy)
    try:
        return require_past(found, now=datetime.now(UTC))
    except DeclarationError as error:
        raise DecisionUnusable(error.rule, value=error.value, remedy="Name an earlier instant.") from None


def _add_holds(
    views: "APIRouter", decisions: "APIRouter", authority: "Authority", current_user: Callable[..., str]
) -> None:
    from fastapi import Depends

    user_dependency = Depends(current_user)

    @views.get("/holds")
    def holds() -> list[dict[str, Any]]:
        return [
            {"subject": hold.subject, "steward": hold.steward, "reason": hold.reason, "since": hold.since.isoformat()}
            for _, hold in sorted(authority.holds().items())
        ]

    @decisions.post("/holds")
    def hold(body: Holding, user: str = user_dependency) -> dict[str, Any]:
        authority.hold(body.subject, user=user, reason=body.reason)
        return {"subject": body.subject, "held_by": user}

    @decisions.post("/holds/lift")
    def end_hold(body: Holding, user: str = user_dependency) -> dict[str, Any]:
        authority.end_hold(body.subject, user=user, reason=body.reason)
        return {"subject": body.subject, "lifted_by": user}


def _add_errors(app: "FastAPI") -> None:
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse

    def refused(_: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, TrainyardError):
            raise error
        status = status_of(error)
        content = {
            "error": type(error).__name__,
            "rule": error.rule,
            "value": str(error.value),
            "remedy": error.remedy,
        }
        return JSONResponse(content, status_code=status)

    def unreadable(_: Request, error: Exception) -> JSONResponse:
        """Where the body is wrong, without repeating it."""
        if not isinstance(error, RequestValidationError):
            raise error
        places = [f"{'.'.join(str(part) for part in each['loc'])}: {each['type']}" for each in error.errors()]
        content = {
            "error": "InvalidBody",
            "rule": "the request has the fields that the route names",
            "value": "; ".join(places),
            "remedy": "Send them as JSON.",
        }
        return JSONResponse(content, status_code=422)

    app.add_exception_handler(TrainyardError, refused)
    app.add_exception_handler(RequestValidationError, unreadable)


def _shown_scope(scope: "DatasetScope") -> dict[str, Any]:
    return {
        "dataset": scope.dataset,
        "contract_digest": scope.contract_digest,
        "columns": {name: str(treatment) for name, treatment in scope.columns},
        "window_days": scope.window_days,
        "copy_model": scope.copy_model,
    }


def _shown_request(asked: "Asked") -> dict[str, Any]:
    request = asked.request
    return {
        "request_id": request.request_id,
        "project": request.project,
        "purpose": request.purpose,
        "requester": request.requester,
        "asked_at": asked.at.isoformat(),
        "standing": str(asked.standing),
        "stewards": asked.stewards,
        "last_grant_id": asked.last.grant_id if asked.last else None,
        "grant_id": asked.grant.grant.grant_id if asked.grant else None,
        "refused_by": asked.refusal.steward if asked.refusal else None,
        "refusal": asked.refusal.reason if asked.refusal else None,
        "decided_before": str(asked.before) if asked.before else None,
        **_shown_scope(request.scope),
    }


def _shown_held(held: "Held") -> dict[str, Any]:
    use = held.use
    return {
        **_shown_grant(held.grant),
        "stewards": held.stewards,
        "revoked_by": held.revoked_by,
        "revocation": held.revocation,
        "revocation_kind": str(held.effect) if held.effect else None,
        "lifted_by": held.lifted_by,
        "lift": held.lift,
        "uses": use.count if use else 0,
        "last_use_at": use.last_at.isoformat() if use else None,
        "last_use_run": use.last_run if use else None,
    }


def _shown_line(line: "Line") -> dict[str, Any]:
    return {
        "position": line.position,
        "at": line.at.isoformat(),
        "act": str(line.act),
        "project": line.project,
        "dataset": line.dataset,
        "who": line.who,
        "reason": line.reason,
        "subject": line.subject,
        "request_id": line.request_id,
        "proof": str(line.proof),
        "revocation_kind": line.effect,
    }


def _shown_grant(grant: "Grant") -> dict[str, Any]:
    return {
        "grant_id": grant.grant_id,
        "request_id": grant.request_id,
        "project": grant.project,
        "purpose": grant.purpose,
        "requester": grant.requester,
        "steward": grant.steward,
        "reason": grant.reason,
        "not_before": grant.not_before.isoformat(),
        "expires_at": grant.expires_at.isoformat(),
        **_shown_scope(grant.scope),
    }


def _shown_contract(dataset: str, authority: "Authority", register: "Register") -> dict[str, Any]:
    contract, adoption = authority.contract(dataset), register.adoption(dataset)
    return {
        "dataset": dataset,
        "version": contract.version,
        "digest": contract.digest,
        "stewards": adoption.stewards if adoption else contract.stewards,
        "adopted_digest": adoption.digest if adoption else None,
        "adopted_version": adoption.contract_version if adoption else None,
        "adopted_by": adoption.adopted_by if adoption else None,
    }
