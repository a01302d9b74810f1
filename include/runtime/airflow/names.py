"""What a project is called in Airflow, and where our pages are. Imports no Airflow, which would make its home here."""

from urllib.parse import quote

from include.core import runs
from include.core.runs import RunKind

#: Where the authority's API and the pages are mounted in Airflow's API server.
MOUNT = "/trainyard"
PAGES = f"{MOUNT}/pages"
#: The page "Data access", and the name of its place in Airflow's UI.
ACCESS_PAGE = f"{PAGES}/access"
ACCESS_ROUTE = "trainyard_access"

_TRAIN, _WATCH = "train_", "watch_"


def dag_id_of(project: str) -> str:
    return f"{_TRAIN}{project}"


def watch_dag_id_of(project: str) -> str:
    return f"{_WATCH}{project}"


def kind_of(dag_id: str) -> RunKind:
    return RunKind.WATCH if dag_id.startswith(_WATCH) else RunKind.NIGHT


def project_of(dag_id: str) -> str:
    return dag_id.removeprefix(_TRAIN if kind_of(dag_id) is RunKind.NIGHT else _WATCH)


def run_of(dag_id: str, run_id: str) -> str:
    """What the ledger calls the run *run_id* of a DAG."""
    return runs.run_id_of(kind_of(dag_id), run_id)


def watch_in_airflow(run_id: str) -> str | None:
    """What Airflow calls the watch that the ledger calls *run_id*.

    ``None``: it is a night, or a watch by the command line, of which Airflow knows nothing.
    """
    known = runs.kind_of(run_id) is RunKind.WATCH and not runs.is_by_hand(run_id)
    return runs.name_of(run_id) if known else None


def watch_path(project: str, run_id: str) -> str:
    """The path, below where Airflow's UI is served, of the watch that the ledger calls *run_id*.

    Empty for one that was made by the command line: Airflow does not know it.
    """
    run = watch_in_airflow(run_id)
    return "" if run is None else f"/dags/{quote(watch_dag_id_of(project), safe='')}/runs/{quote(run, safe='')}"


def access_path(dag_id: str, run_id: str) -> str:
    """The path, in Airflow's UI, of what the run's project waits for: the UI shows our page of the path's tail."""
    return f"/plugin/{ACCESS_ROUTE}{ACCESS_PAGE}/runs/{quote(dag_id, safe='')}/{quote(run_id, safe='')}"
