"""The reports of a run, on validation and on drift, to which its page leads; for whoever is signed in."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from include.ledger import Ledger
from include.runtime.airflow.names import project_of, run_of
from include.store import Store

if TYPE_CHECKING:
    from fastapi import FastAPI


#: The page is self-contained, and nothing in it may load or run anything.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"


def add_reports(app: "FastAPI", ledger: Ledger, store: Store, current_user: Callable[..., str]) -> None:
    """Serve ``/reports/<dag id>/<run id>`` to signed-in users, 404 where the run has no validation yet.

    ``/drift-reports/…`` likewise, for the runs of drift DAGs.
    """
    from fastapi import Depends
    from fastapi.responses import HTMLResponse

    def answer(page: bytes | None, *, policy: str, lacking: str) -> HTMLResponse:
        if page is None:
            text = f"<!doctype html><title>No report</title><p>{lacking}</p>"
            return HTMLResponse(text, status_code=404, headers={"Content-Security-Policy": _POLICY})
        return HTMLResponse(page, headers={"Content-Security-Policy": policy})

    @app.get("/reports/{dag_id}/{run_id:path}", dependencies=[Depends(current_user)])
    def report(dag_id: str, run_id: str) -> HTMLResponse:
        page = _page(ledger, store, project_of(dag_id), run_of(dag_id, run_id))
        return answer(page, policy=_POLICY, lacking="This run has not validated its data yet.")

    @app.get("/drift-reports/{dag_id}/{run_id:path}", dependencies=[Depends(current_user)])
    def drift_report(dag_id: str, run_id: str) -> HTMLResponse:
        from include.runtime.server.pages.drift import REPORT_POLICY
        from include.runtime.server.pages.drift_view import report_of

        page = report_of(ledger, store, project_of(dag_id), run_of(dag_id, run_id))
        return answer(page, policy=REPORT_POLICY, lacking="This run has judged no drift.")


def _page(ledger: Ledger, store: Store, project: str, run_id: str) -> bytes | None:
    """The report of the run's last validation, which is recorded also where it stopped the night."""
    from include.core.records import Validation
    from include.steps.platform import loaded
    from include.steps.showing import made_by

    digest = made_by(ledger, project, run_id).get("validate")
    return store.get(loaded(store, Validation, digest).report) if digest else None
