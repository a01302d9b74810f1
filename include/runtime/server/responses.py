"""What the authority's routes answer: its records as JSON."""

from typing import Any

from include.core.records import DatasetScope, Grant
from include.governance.authority import Authority
from include.governance.history import HistoryLine
from include.governance.register import Register
from include.governance.registered import RegisteredGrant, RegisteredRequest


def scope(scope: DatasetScope) -> dict[str, Any]:
    return {
        "dataset": scope.dataset,
        "contract_digest": scope.contract_digest,
        "columns": {name: str(treatment) for name, treatment in scope.columns},
        "window_days": scope.window_days,
        "copy_model": scope.copy_model,
    }


def request(asked: RegisteredRequest) -> dict[str, Any]:
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
        **_denial(asked),
        "decided_before": str(asked.before) if asked.before else None,
        **scope(request.scope),
    }


def _denial(asked: RegisteredRequest) -> dict[str, Any]:
    """Who denied it and why, by name and by the names of before 0.1, which go with 0.2."""
    by, reason = (asked.denial.steward, asked.denial.reason) if asked.denial else (None, None)
    return {"denied_by": by, "denial": reason, "refused_by": by, "refusal": reason}


def held(held: RegisteredGrant) -> dict[str, Any]:
    use = held.use
    return {
        **grant(held.grant),
        "stewards": held.stewards,
        "revoked_by": held.revocation.steward if held.revocation else None,
        "revocation": held.revocation.reason if held.revocation else None,
        "revocation_kind": str(held.effect) if held.effect else None,
        "lifted_by": held.lift.steward if held.lift else None,
        "lift": held.lift.reason if held.lift else None,
        "uses": use.count if use else 0,
        "last_use_at": use.last_at.isoformat() if use else None,
        "last_use_run": use.last_run if use else None,
    }


def line(line: HistoryLine) -> dict[str, Any]:
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


def grant(grant: Grant) -> dict[str, Any]:
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
        **scope(grant.scope),
    }


def contract(dataset: str, authority: Authority, register: Register) -> dict[str, Any]:
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
