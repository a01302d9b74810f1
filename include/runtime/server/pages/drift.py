"""The page "Drift": what the watch judged, how the champion does over time, and what it had retrained.

Whoever is signed in may read it. It shows counts and figures of the ledger and of the open store, no artifact that
holds personal data.
"""

from collections.abc import Callable, Sequence

from fastapi import HTTPException, Query, Request
from fastapi.responses import HTMLResponse

from include.ledger import Ledger
from include.registry.champions import Champions
from include.runtime.airflow.names import PAGES
from include.runtime.server.pages import drift_view
from include.runtime.server.pages.application import Pages, Tab
from include.runtime.server.pages.drift_watches import Watches
from include.store import Store

#: Evidently's report draws itself by scripts that it holds. It can reach nothing, and has an origin of its own.
REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data: blob:; "
    "font-src data:; worker-src blob:; form-action 'none'; base-uri 'none'; frame-ancestors 'self'; "
    "sandbox allow-scripts"
)


def add_drift(
    pages: Pages, ledger: Ledger, store: Store, champions: Champions, projects: Callable[[], Sequence[str]]
) -> Callable[[], None]:
    """Serve the page under ``/drift``. *projects* are the declared ones.

    Returns what folds the past of them all, which the first look would wait for.
    """
    feature = Query("", max_length=200)
    section, watches = pages.section("/drift", Tab(title="Drift", path="/drift")), Watches(ledger, store, champions)

    def known(project: str) -> str:
        if project not in projects():
            raise HTTPException(404)
        return project

    @section.router.get("")
    def overview(request: Request, user: str = section.user) -> HTMLResponse:
        summaries = [drift_view.summary_of(name, watches.of(name)) for name in projects()]
        return section.draw(request, "drift/overview", user, summaries=summaries)

    @section.router.get("/{project}")
    def project_page(request: Request, project: str, user: str = section.user, feature: str = feature) -> HTMLResponse:
        view = drift_view.view_of(watches, known(project), wanted=feature)
        airflow = str(request.scope.get("root_path", "")).removesuffix(PAGES)
        shown = {"words": drift_view.WORDS, "opened": drift_view.OPEN, "airflow": airflow}
        return section.draw(request, "drift/project", user, view=view, **shown)

    @section.router.get("/{project}/report/{run_id:path}")
    def report(project: str, run_id: str) -> HTMLResponse:
        page = drift_view.report_of(ledger, store, known(project), run_id)
        if page is None:
            raise HTTPException(404)
        return HTMLResponse(page, headers={"Content-Security-Policy": REPORT_POLICY})

    def fold() -> None:
        for name in projects():
            watches.of(name)

    pages.include(section)
    return fold
