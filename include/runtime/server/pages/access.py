"""The page "Data access": what waits for a steward, one request on one screen, grants in force, history.

Whoever is signed in may read it. Every decision goes through the authority, which knows who is a steward.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from include.core.errors import DecisionUnusable, TrainyardError
from include.core.records import RevocationKind
from include.governance.authority import LONGEST_GRANT_DAYS, Authority
from include.governance.register import Register
from include.governance.registered import RegisteredGrant, RegisteredRequest
from include.runtime.airflow.names import project_of
from include.runtime.server.evidence import Evidence
from include.runtime.server.impact import Impacts
from include.runtime.server.pages.application import Pages, Section, Tab
from include.runtime.server.pages.sheets import cases_of, days_left, sheet_of

Ids = Annotated[list[str], Form(min_length=1, max_length=100)]
Reason = Annotated[str, Form()]

#: How many lines of the history stand on a page.
PAGE_LINES = 50
#: A grant that ends within this many days is marked.
SOON_DAYS = 14
#: What the form proposes.
USUAL_DAYS = 90

#: What a page says after a form was taken, by the word in its address: nobody can make it say anything else.
_DONE = {
    "approved": "Approved. A waiting night goes on within seconds.",
    "denied": "Denied, with your reason. A waiting night ends with it.",
    "revoked": "Revoked. Nothing is read under it any more; training that is running ends within half a minute.",
    "stopped-new": "Revoked. No read and no night begins under it any more; a night that is running goes on.",
    "quarantined": "Revoked, and what was made under it is in quarantine: neither promoted nor served until lifted.",
    "lifted": "The quarantine is lifted: what was made under it may be promoted and serve. The grant stays revoked.",
    "adopted": "The contract is in effect. Grants for its earlier version ended.",
}


#: What each kind of a revocation ends, as the form says it, and the word of what was done.
_KINDS = {
    RevocationKind.STOP_NEW: ("No read and no night begins under it. A night that is running goes on.", "stopped-new"),
    RevocationKind.STOP_RUNNING: ("Training that is running under it ends within half a minute, too.", "revoked"),
    RevocationKind.QUARANTINE: (
        "What was made under it is neither promoted nor served until you lift it, too.",
        "quarantined",
    ),
}


def add_access(pages: Pages, authority: Authority, register: Register, evidence: Evidence, impacts: Impacts) -> None:
    """Serve the page under ``/access``."""
    section = pages.section(
        "/access",
        Tab(title="Requests", path="/access"),
        Tab(title="Grants", path="/access/grants"),
        Tab(title="History", path="/access/history"),
    )
    _Routes(section, authority, register, evidence, impacts).add()
    pages.include(section)


class _Routes:
    def __init__(
        self, section: Section, authority: Authority, register: Register, evidence: Evidence, impacts: Impacts
    ) -> None:
        self._section, self._draw = section, section.draw
        self._authority, self._register, self._evidence = authority, register, evidence
        self._impacts = impacts

    def add(self) -> None:
        self._add_waiting()
        self._add_reviews()
        self._add_grants()
        self._add_history()
        self._add_decisions()
        self._add_rulings()

    def _add_waiting(self) -> None:
        @self._section.router.get("")
        def waiting(request: Request, user: str = self._section.user, done: str = "") -> HTMLResponse:
            now = datetime.now(UTC)
            cases, grants = cases_of(self._register.waiting()), self._register.grants(now=now)
            soon = [held for held in grants if days_left(held.grant.expires_at, now) < SOON_DAYS]
            return self._draw(
                request,
                "access/waiting",
                user,
                mine=[case for case in cases if case.waits_for(user)],
                others=[case for case in cases if not case.waits_for(user)],
                in_force=len(grants),
                soon=len(soon),
                done=_DONE.get(done),
            )

    def _add_reviews(self) -> None:
        @self._section.router.get("/projects/{project}")
        def project(request: Request, project: str, user: str = self._section.user) -> HTMLResponse:
            return self._project(request, project, user, run_id=None)

        @self._section.router.get("/runs/{dag_id}/{run_id:path}")
        def run(request: Request, dag_id: str, run_id: str, user: str = self._section.user) -> HTMLResponse:
            return self._project(request, project_of(dag_id), user, run_id=run_id)

        @self._section.router.get("/requests/{request_id}")
        def one(request: Request, request_id: str, user: str = self._section.user) -> HTMLResponse:
            return self._review(request, (self._register.request(request_id),), user, run_id=None)

    def _project(self, request: Request, project: str, user: str, run_id: str | None) -> HTMLResponse:
        latest = self._register.latest(project)
        waiting = tuple(one for one in latest if one.waits)
        if waiting:
            return self._review(request, waiting, user, run_id=run_id)
        grants = self._register.grants(project, now=datetime.now(UTC))
        shown = {"project": project, "latest": latest, "grants": grants, "run_id": run_id}
        return self._draw(request, "access/settled", user, menu=run_id is None, **shown)

    def _review(
        self, request: Request, asked: Sequence[RegisteredRequest], user: str, run_id: str | None
    ) -> HTMLResponse:
        project = asked[0].request.project
        run = self._register.run(project)
        features = self._evidence.features(run) if run else {}
        sheets = [
            sheet_of(
                one,
                contract=self._authority.asked_under(one.request.scope),
                features=features,
                overlapping=self._authority.overlapping(one.request.scope),
                user=user,
            )
            for one in asked
        ]
        decidable = [sheet for sheet in sheets if sheet.may_deny]
        approvable = [sheet for sheet in sheets if sheet.may_approve]
        return self._draw(
            request,
            "access/review",
            user,
            menu=run_id is None,
            project=project,
            sheets=sheets,
            siblings=[one for one in self._register.latest(project) if one.waits and one not in asked],
            code=self._evidence.code(project, run),
            run=run,
            run_id=run_id,
            decidable=decidable,
            approvable=approvable,
            ticked=approvable or decidable,
            days=USUAL_DAYS,
            longest_days=LONGEST_GRANT_DAYS,
            impacts={
                sheet.asked.request.scope.dataset: self._impacts.of(sheet.asked.request.scope.dataset)
                for sheet in sheets
                if sheet.adopt
            },
        )

    def _add_grants(self) -> None:
        @self._section.router.get("/grants")
        def grants(request: Request, user: str = self._section.user) -> HTMLResponse:
            now = datetime.now(UTC)
            held = self._register.grants(now=now)
            left = {one.grant.grant_id: days_left(one.grant.expires_at, now) for one in held}
            return self._draw(request, "access/grants", user, held=held, left=left, soon=SOON_DAYS)

        @self._section.router.get("/grants/{grant_id}")
        def grant(request: Request, grant_id: str, user: str = self._section.user) -> HTMLResponse:
            held, now = self._register.grant(grant_id), datetime.now(UTC)
            ended = held.revocation is not None or now >= held.grant.expires_at
            steward = user in held.stewards
            return self._draw(
                request,
                "access/grant",
                user,
                held=held,
                ended=ended,
                kinds=_kinds(held, ended=ended) if steward else (),
                impact=self._impacts.of(grant_id),
                may_lift=steward and held.effect is RevocationKind.QUARANTINE,
            )

    def _add_history(self) -> None:
        position = Query(None, ge=1)

        @self._section.router.get("/history")
        def history(
            request: Request, user: str = self._section.user, project: str = "", before: int | None = position
        ) -> HTMLResponse:
            lines = self._register.history(project=project or None, before=before, limit=PAGE_LINES + 1)
            return self._draw(
                request,
                "access/history",
                user,
                lines=lines[:PAGE_LINES],
                older=lines[PAGE_LINES - 1].position if len(lines) > PAGE_LINES else None,
                before=before,
                project=project,
                projects=self._register.projects(),
            )

    def _add_decisions(self) -> None:
        @self._section.router.post("/decide")
        def decide(
            request: Request,
            request_id: Ids,
            decision: Annotated[Literal["approve", "deny"], Form()],
            user: str = self._section.form,
            reason: Reason = "",
            days: Annotated[int, Form()] = USUAL_DAYS,
        ) -> RedirectResponse:
            """Decide about each of the requests; what is refused stops there, and names what was decided before."""
            now, word = datetime.now(UTC), "approved" if decision == "approve" else "denied"
            for place, each in enumerate(request_id):
                try:
                    if decision == "approve":
                        self._authority.grant(each, user=user, reason=reason, days=days, now=now)
                    else:
                        self._authority.deny(each, user=user, reason=reason)
                except TrainyardError as error:
                    raise _after(error, request_id[:place], word) from error
            return _on(request, word)

    def _add_rulings(self) -> None:
        @self._section.router.post("/grants/{grant_id}/revoke")
        def revoke(
            request: Request,
            grant_id: str,
            user: str = self._section.form,
            reason: Reason = "",
            kind: Annotated[RevocationKind, Form()] = RevocationKind.STOP_RUNNING,
        ) -> RedirectResponse:
            self._authority.revoke(grant_id, user=user, reason=reason, effect=kind)
            return _on(request, _KINDS[kind][1])

        @self._section.router.post("/grants/{grant_id}/lift")
        def lift(
            request: Request, grant_id: str, user: str = self._section.form, reason: Reason = ""
        ) -> RedirectResponse:
            self._authority.lift(grant_id, user=user, reason=reason)
            return _on(request, "lifted")

        @self._section.router.post("/contracts/{dataset}/adopt")
        def adopt(
            request: Request,
            dataset: str,
            digest: Annotated[str, Form(max_length=100)],
            user: str = self._section.form,
        ) -> RedirectResponse:
            if not digest:
                remedy = "Go back and load the page again."
                raise DecisionUnusable(f"{dataset}: the version that is adopted is named", value="none", remedy=remedy)
            self._authority.adopt(dataset, user=user, digest=digest)
            return _on(request, "adopted")


def _kinds(held: RegisteredGrant, *, ended: bool) -> Sequence[tuple[RevocationKind, str]]:
    """How the grant may still be revoked: one that has ended only in a quarantine of what was made under it."""
    open_ = [RevocationKind.QUARANTINE] if ended else list(RevocationKind)
    return [(kind, _KINDS[kind][0]) for kind in open_ if kind.exceeds(held.effect)]


def _on(request: Request, done: str) -> RedirectResponse:
    """Where the browser goes on after a form, so that loading the page again sends nothing twice."""
    base = str(request.scope.get("root_path", ""))
    return RedirectResponse(f"{base}/access?done={done}", status_code=303)


def _after(error: TrainyardError, decided: Sequence[str], word: str) -> TrainyardError:
    """*error*, saying which requests were decided before it: they stay so."""
    if not decided:
        return error
    remedy = f"{error.remedy} Before that, {', '.join(decided)} {'was' if len(decided) == 1 else 'were'} {word}."
    return type(error)(error.rule, value=error.value, remedy=remedy)
