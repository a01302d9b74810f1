"""The register of access: what waits, what is in force and was used when, and all that was ever asked and decided.

It shows; it decides nothing. What may be read is asked of :class:`~include.governance.access.Access`, and what may be
decided of the authority, which both fold a whole stream each time. The register folds what is new since it last looked.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from include.core import streams
from include.core.events import (
    AccessGranted,
    AccessRequested,
    ArtifactOpened,
    ContractAdopted,
    DataOpened,
    DataRead,
    RunStarted,
)
from include.core.records import Grant, Run
from include.governance.claims import AdoptionClaim
from include.governance.decisions import Decisions, Proof, place_of
from include.governance.fold import KINDS, AccessFold, unknown
from include.governance.history import HistoryLine, adoption_line, decision_line
from include.governance.registered import GrantUse, RegisteredGrant, RegisteredRequest, RequestStatus
from include.governance.signing import Verifier
from include.ledger import Entry, Ledger
from include.ledger.projection import Projection


@dataclass(kw_only=True)
class _State:
    access: AccessFold
    uses: dict[str, GrantUse] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)
    separation: str = "NOT SHOWN: no run has begun yet, and only the process of one can see it"
    lines: list[HistoryLine] = field(default_factory=list)


class Register:
    """The register of one ledger, for the threads of one process. What it returns is true at the moment of the call."""

    def __init__(self, ledger: Ledger, verifier: Verifier) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._projection = Projection(
            _State(access=AccessFold(verifier=verifier)),
            _fold,
            kinds=(*KINDS, DataOpened, DataRead, ArtifactOpened, RunStarted),
        )

    def catch_up(self) -> int:
        """Fold what is new; the position of the ledger that is folded to. Every other call does it first."""
        with self._now():
            return self._projection.position

    def adoption(self, dataset: str) -> AdoptionClaim | None:
        with self._now() as state:
            return state.access.adoption(dataset)

    def waiting(self) -> tuple[RegisteredRequest, ...]:
        """The requests that wait for a decision, by project and dataset."""
        with self._now() as state:
            asked = [
                _asked(state, decisions, request)
                for _, decisions in sorted(state.access.decided.items(), key=lambda item: item[0])
                for request in decisions.open
            ]
        return tuple(one for one in asked if one.standing is not RequestStatus.SUPERSEDED)

    def request(self, request_id: str) -> RegisteredRequest:
        """The request of that id.

        Raises:
            UnknownId: there is none.
        """
        with self._now() as state:
            decisions = state.access.find(AccessRequested, request_id)
            return _asked(state, decisions, decisions.requests[request_id])

    def latest(self, project: str) -> tuple[RegisteredRequest, ...]:
        """The latest request of the project for each dataset that it ever asked for, by dataset."""
        with self._now() as state:
            ours = sorted((key, found) for key, found in state.access.decided.items() if key[0] == project)
            return tuple(
                _asked(state, found, next(reversed(found.requests.values()))) for _, found in ours if found.requests
            )

    def decided(self, *, since: datetime, project: str | None = None) -> tuple[RegisteredRequest, ...]:
        """The requests about which something was decided *since* then (UTC), of one project or of all, oldest first."""
        with self._now() as state:
            asked = [
                _asked(state, decisions, request)
                for (owner, _), decisions in state.access.decided.items()
                if project in (None, owner)
                for request in decisions.requests.values()
                if (decided := decisions.decided(request.request_id)) is not None and decided.at >= since
            ]
        return tuple(sorted(asked, key=lambda one: (one.decided.at if one.decided else since, one.request.request_id)))

    def grants(self, project: str | None = None, *, now: datetime) -> tuple[RegisteredGrant, ...]:
        """The grants in force *now* (UTC), of one project or of all, by project and dataset."""
        with self._now() as state:
            return tuple(
                _held(state, decisions, grant)
                for (owner, _), decisions in sorted(state.access.decided.items(), key=lambda item: item[0])
                if project in (None, owner)
                for grant in decisions.in_force(now)
            )

    def grant(self, grant_id: str) -> RegisteredGrant:
        """The proven grant of that id, whether or not it still holds.

        Raises:
            UnknownId: there is none.
        """
        with self._now() as state:
            decisions = state.access.find(AccessGranted, grant_id)
            grant = decisions.grants.get(grant_id)
            if grant is None:
                raise unknown(AccessGranted, grant_id)
            return _held(state, decisions, grant)

    def history(
        self, *, project: str | None = None, before: int | None = None, limit: int = 50
    ) -> tuple[HistoryLine, ...]:
        """At most *limit* lines, newest first: those of positions under *before*, of one project or of all."""
        with self._now() as state:
            return tuple(_newest(state.lines, project=project, before=before, limit=limit))

    def run(self, project: str) -> Run | None:
        """The last run of the project that began: what it reads is what its requests ask for."""
        with self._now() as state:
            return state.runs.get(project)

    def separation_of_duties(self) -> str:
        """Whether the process of the last run that began could sign grants itself, as it recorded then."""
        with self._now() as state:
            return state.separation

    def projects(self) -> tuple[str, ...]:
        """Who ever asked."""
        with self._now() as state:
            return tuple(sorted({project for (project, _), found in state.access.decided.items() if found.requests}))

    @contextmanager
    def _now(self) -> Iterator[_State]:
        with self._lock:
            yield self._projection.catch_up(self._ledger)


def _fold(state: _State, entry: Entry) -> _State:
    event = entry.event
    if isinstance(event, DataOpened | DataRead | ArtifactOpened):
        _used(state, entry, event)
    elif isinstance(event, RunStarted):
        state.runs[event.run.project] = event.run
        state.separation = event.separation_of_duties
    else:
        proof = state.access.take(entry)
        if isinstance(event, ContractAdopted):
            dataset = streams.subject(entry.stream)
            adoption = state.access.adoption(dataset) if proof is Proof.SIGNED else None
            state.lines.append(adoption_line(entry, dataset, event.digest, adoption))
        elif (place := place_of(entry)) is not None and proof is not None:
            state.lines.append(decision_line(entry, state.access.of(*place), proof))
    return state


def _used(state: _State, entry: Entry, event: DataOpened | DataRead | ArtifactOpened) -> None:
    """A :class:`DataRead` tells of an opening that was counted already."""
    step = event.step if isinstance(event, ArtifactOpened) else "snapshot"
    for grant_id in event.grants if isinstance(event, ArtifactOpened) else (event.grant_id,):
        last = state.uses.get(grant_id)
        count = (last.count if last else 0) + (0 if last and isinstance(event, DataRead) else 1)
        rows = event.rows if isinstance(event, DataRead) else (last.rows if last else None)
        state.uses[grant_id] = GrantUse(
            count=count, last_at=entry.recorded_at, last_run=event.run_id, last_step=step, rows=rows
        )


def _asked(state: _State, decisions: Decisions, request: AccessRequested) -> RegisteredRequest:
    adoption = state.access.adoption(decisions.dataset)
    granted = decisions.granted.get(request.request_id)
    last = decisions.before(request.request_id)
    use = state.uses.get(last.grant_id) if last else None
    return RegisteredRequest(
        request=request,
        askers=decisions.askers(request.request_id),
        at=decisions.asked_at[request.request_id],
        standing=_standing(state, decisions, request),
        stewards=adoption.stewards if adoption else (),
        adopted=adoption.digest if adoption else None,
        last=last,
        rows=use.rows if use else None,
        grant=_held(state, decisions, decisions.grants[granted]) if granted else None,
        denial=decisions.denials.get(request.request_id),
        decided=decisions.decided(request.request_id),
        before=decisions.decided_before(request.request_id),
    )


def _standing(state: _State, decisions: Decisions, request: AccessRequested) -> RequestStatus:
    if request.request_id in decisions.granted:
        return RequestStatus.GRANTED
    if request.request_id in decisions.denials:
        return RequestStatus.DENIED
    if request.request_id in decisions.lapsed:
        return RequestStatus.LAPSED
    ever = [adoption.digest for adoption in state.access.adoptions.get(decisions.dataset, ())]
    if request not in decisions.open or (
        request.scope.contract_digest in ever[:-1] and (request.scope.contract_digest != ever[-1])
    ):
        return RequestStatus.SUPERSEDED
    return RequestStatus.WAITING if ever and request.scope.contract_digest == ever[-1] else RequestStatus.UNADOPTED


def _held(state: _State, decisions: Decisions, grant: Grant) -> RegisteredGrant:
    adoption = state.access.adoption(decisions.dataset)
    return RegisteredGrant(
        grant=grant,
        use=state.uses.get(grant.grant_id),
        stewards=adoption.stewards if adoption else (),
        revocation=decisions.revocations.get(grant.grant_id),
        effect=decisions.effects.get(grant.grant_id),
        lift=decisions.lifts.get(grant.grant_id),
    )


def _newest(
    lines: Sequence[HistoryLine], *, project: str | None, before: int | None, limit: int
) -> Iterator[HistoryLine]:
    for line in reversed(lines):
        if limit <= 0:
            return
        if (before is None or line.position < before) and project in (None, line.project):
            limit -= 1
            yield line
