"""The authority over HTTP: what stewards see and decide. The same routes alone, or mounted in Airflow's API server."""

from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from include.core.errors import TrainyardError
from include.governance.authority import Authority
from include.governance.register import Register
from include.runtime.server import responses
from include.runtime.server.bodies import (
    AdoptionBody,
    ApprovalBody,
    ErrorBody,
    HoldBody,
    OverrideBody,
    OverrideEndBody,
    ReasonBody,
    RevocationBody,
    RollbackBody,
    SigningBody,
    day_of,
    gate_of,
    gates_of,
    instant_of,
)
from include.runtime.server.refusals import status_of
from include.runtime.server.request_checks import json_route, own_page

if TYPE_CHECKING:
    from fastapi import APIRouter, FastAPI

    from include.registry.authority import PromotionAuthority


def authority_app(
    authority: Authority,
    register: Register,
    current_user: Callable[..., str],
    *,
    promotions: "PromotionAuthority | None" = None,
    wake: Callable[[], None] = lambda: None,
) -> "FastAPI":
    """The application. ``current_user`` is the FastAPI dependency that names who asks, or raises.

    Without *promotions* nobody can have one signed that was recorded before they were.

    It guards every route but ``/health``, which also calls *wake*: training asks it, so that what it registered is
    decided about without waiting. There are no pages of documentation. A refusal is a :class:`ErrorBody` in JSON:
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
        _add_overrides(decisions, promotions, current_user)
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
        told[status] = {"model": ErrorBody}
    return told


def _add_views(router: "APIRouter", authority: Authority, register: Register) -> None:
    from fastapi import Query

    before_position, at_most = Query(None, ge=1), Query(50, ge=1, le=500)

    @router.get("/requests")
    def requests(project: str | None = None) -> list[dict[str, Any]]:
        return [responses.request(one) for one in register.waiting() if project in (None, one.request.project)]

    @router.get("/requests/{request_id}")
    def request(request_id: str) -> dict[str, Any]:
        return responses.request(register.request(request_id))

    @router.get("/grants")
    def grants(project: str | None = None) -> list[dict[str, Any]]:
        return [responses.held(held) for held in register.grants(project, now=datetime.now(UTC))]

    @router.get("/grants/{grant_id}")
    def grant(grant_id: str) -> dict[str, Any]:
        return responses.held(register.grant(grant_id))

    @router.get("/history")
    def history(
        project: str | None = None, before: int | None = before_position, limit: int = at_most
    ) -> list[dict[str, Any]]:
        return [responses.line(line) for line in register.history(project=project, before=before, limit=limit)]

    @router.get("/contracts")
    def contracts() -> list[dict[str, Any]]:
        return [responses.contract(dataset, authority, register) for dataset in authority.contracts()]


def _add_decisions(router: "APIRouter", authority: Authority, current_user: Callable[..., str]) -> None:
    from fastapi import Depends

    user_dependency = Depends(current_user)

    @router.post("/requests/{request_id}/grant")
    def grant(request_id: str, body: ApprovalBody, user: str = user_dependency) -> dict[str, Any]:
        now = datetime.now(UTC)
        return responses.grant(authority.grant(request_id, user=user, reason=body.reason, days=body.days, now=now))

    @router.post("/requests/{request_id}/deny")
    @router.post("/requests/{request_id}/refuse", deprecated=True)  # its name before 0.1, until 0.2
    def deny(request_id: str, body: ReasonBody, user: str = user_dependency) -> dict[str, Any]:
        authority.deny(request_id, user=user, reason=body.reason)
        return {"request_id": request_id, "denied_by": user, "refused_by": user}

    @router.post("/grants/{grant_id}/revoke")
    def revoke(grant_id: str, body: RevocationBody, user: str = user_dependency) -> dict[str, Any]:
        authority.revoke(grant_id, user=user, reason=body.reason, effect=body.kind)
        return {"grant_id": grant_id, "revoked_by": user, "revocation_kind": str(body.kind)}

    @router.post("/grants/{grant_id}/lift")
    def lift(grant_id: str, body: ReasonBody, user: str = user_dependency) -> dict[str, Any]:
        authority.lift(grant_id, user=user, reason=body.reason)
        return {"grant_id": grant_id, "lifted_by": user}

    # The body is required even if empty: a form of another site, which cannot send JSON, adopts nothing.
    @router.post("/contracts/{dataset}/adopt")
    def adopt(dataset: str, body: AdoptionBody, user: str = user_dependency) -> dict[str, Any]:
        return {"dataset": dataset, "digest": authority.adopt(dataset, user=user, digest=body.digest)}


def _add_promotions(router: "APIRouter", promotions: "PromotionAuthority", current_user: Callable[..., str]) -> None:
    from fastapi import Depends

    user_dependency = Depends(current_user)

    @router.post("/promotions/{project}/sign")
    def sign(project: str, body: SigningBody, user: str = user_dependency) -> dict[str, Any]:
        decision = promotions.sign(project, user=user, gates=gates_of(body.gates))
        return {
            "project": project,
            "version": decision.version,
            "promoted": decision.verdict.promote,
            "reasons": decision.verdict.reasons,
        }

    @router.post("/promotions/{project}/roll-back")
    def roll_back(project: str, body: RollbackBody, user: str = user_dependency) -> dict[str, Any]:
        signed = promotions.rollbacks.roll_back(
            project,
            version=body.version,
            left=body.left,
            user=user,
            reason=body.reason,
            instant=instant_of(body.instant),
        )
        return {
            "project": project,
            "version": signed.version,
            "left": signed.left,
            "instant": signed.instant.isoformat(),
            "position": signed.position,
        }


def _add_overrides(router: "APIRouter", promotions: "PromotionAuthority", current_user: Callable[..., str]) -> None:
    from fastapi import Depends

    user_dependency = Depends(current_user)

    @router.post("/promotions/{project}/override")
    def override(project: str, body: OverrideBody, user: str = user_dependency) -> dict[str, Any]:
        gate, until = gate_of(body.gate), day_of(body.until)
        made = promotions.override(project, gate, until=until, user=user, reason=body.reason)
        return {"project": project, "gate": made.gate, "until": made.until.isoformat(), "by": made.by}

    @router.post("/promotions/{project}/override/end")
    def end_override(project: str, body: OverrideEndBody, user: str = user_dependency) -> dict[str, Any]:
        gate = gate_of(body.gate)
        promotions.end_override(project, gate, user=user, reason=body.reason)
        return {"project": project, "gate": gate, "ended_by": user}


def _add_holds(
    views: "APIRouter", decisions: "APIRouter", authority: Authority, current_user: Callable[..., str]
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
    def hold(body: HoldBody, user: str = user_dependency) -> dict[str, Any]:
        authority.hold(body.subject, user=user, reason=body.reason)
        return {"subject": body.subject, "held_by": user}

    @decisions.post("/holds/lift")
    def end_hold(body: HoldBody, user: str = user_dependency) -> dict[str, Any]:
        authority.end_hold(body.subject, user=user, reason=body.reason)
        return {"subject": body.subject, "lifted_by": user}


def _add_errors(app: "FastAPI") -> None:
    from fastapi import Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse

    @app.exception_handler(TrainyardError)
    def refused(_: Request, error: TrainyardError) -> JSONResponse:
        value, kind = str(error.value), type(error).__name__
        content = ErrorBody(error=kind, rule=error.rule, value=value, remedy=error.remedy)
        return JSONResponse(asdict(content), status_code=status_of(error))

    @app.exception_handler(RequestValidationError)
    def unreadable(_: Request, error: RequestValidationError) -> JSONResponse:
        """Where the body is wrong, without repeating it."""
        places = "; ".join(f"{'.'.join(str(part) for part in each['loc'])}: {each['type']}" for each in error.errors())
        rule = "the request has the fields that the route names"
        content = ErrorBody(error="InvalidBody", rule=rule, value=places, remedy="Send them as JSON.")
        return JSONResponse(asdict(content), status_code=422)
