"""The tab "Outcome" of a run in Airflow: what the night decided and why, or what the watch judged."""

from fastapi import Request
from fastapi.responses import HTMLResponse

from include.core.records import TrialState
from include.core.runs import RunKind
from include.ledger import Ledger
from include.runtime.airflow.names import kind_of, project_of, run_of
from include.runtime.server.pages.application import Pages
from include.runtime.server.pages.drift_view import WORDS
from include.runtime.server.pages.outcome import outcome_of
from include.store import Store


def add_runs(pages: Pages, ledger: Ledger, store: Store) -> None:
    """Serve ``/runs/<dag id>/<run id>``, for whoever is signed in; 404 where no such run has begun.

    It stands under Airflow's row of tabs and has no menu of its own. Beside the pages' mount lie the reports that it
    leads to, each only where there is one.
    """
    section = pages.section("/runs")

    @section.router.get("/{dag_id}/{run_id:path}")
    def outcome(request: Request, dag_id: str, run_id: str, user: str = section.user) -> HTMLResponse:
        project = project_of(dag_id)
        found = outcome_of(ledger, store, project, run_of(dag_id, run_id))
        beside = str(request.scope.get("root_path", "")).removesuffix("/pages")
        return section.draw(
            request,
            "run/outcome",
            user,
            status=404 if found is None else 200,
            menu=False,
            outcome=found,
            project=project,
            dag_id=dag_id,
            run_id=run_id,
            watch=kind_of(dag_id) is RunKind.WATCH,
            beside=beside,
            words=WORDS,
            states=list(TrialState),
        )

    pages.include(section)
