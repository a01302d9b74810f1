"""What a project is called in Airflow, and where our pages are. Imports no Airflow, which would make its home here."""

import re
from datetime import datetime
from urllib.parse import quote

#: Where the authority's API and the pages are mounted in Airflow's API server.
MOUNT = "/trainyard"
PAGES = f"{MOUNT}/pages"
#: The page "Data access", and the name of its place in Airflow's UI.
ACCESS_PAGE = f"{PAGES}/access"
ACCESS_ROUTE = "trainyard_access"

_TRAIN, _WATCH = "train_", "watch_"
#: What a watch's run is called in the ledger begins with this; one by the command line goes on so, and is no run here.
_WATCHES = "watch__"
_BY_HAND = re.compile(r"watch__manual__\d{4}-\d\d-\d\dT\d\d:\d\d__[0-9a-f]{8}")


def dag_id_of(project: str) -> str:
    """The id of the project's training DAG."""
    return f"{_TRAIN}{project}"


def watch_dag_id_of(project: str) -> str:
    """The id of the project's drift DAG."""
    return f"{_WATCH}{project}"


def is_watch(dag_id: str) -> bool:
    """Whether this is a drift DAG."""
    return dag_id.startswith(_WATCH)


def project_of(dag_id: str) -> str:
    """The project whose DAG this is."""
    return dag_id.removeprefix(_WATCH if is_watch(dag_id) else _TRAIN)


def run_of(dag_id: str, run_id: str) -> str:
    """What the ledger calls the run *run_id* of a DAG: both DAGs of a project may have runs of one id."""
    return f"{_WATCHES}{run_id}" if is_watch(dag_id) else run_id


def watch_by_hand(instant: datetime, declared_digest: str) -> str:
    """What the ledger calls the command line's watch at *instant*: the same as long as code and contracts are."""
    return f"{_WATCHES}manual__{instant:%Y-%m-%dT%H:%M}__{declared_digest.removeprefix('sha256:')[:8]}"


def watch_in_airflow(run_id: str) -> str | None:
    """What Airflow calls the watch that the ledger calls *run_id*.

    ``None``: it is a night, or a watch by the command line, of which Airflow knows nothing.
    """
    known = run_id.startswith(_WATCHES) and not _BY_HAND.fullmatch(run_id)
    return run_id.removeprefix(_WATCHES) if known else None


def watch_path(project: str, run_id: str) -> str:
    """The path, below where Airflow's UI is served, of the watch that the ledger calls *run_id*.

    Empty for one that was made by the command line: Airflow does not know it.
    """
    run = watch_in_airflow(run_id)
    return "" if run is None else f"/dags/{quote(watch_dag_id_of(project), safe='')}/runs/{quote(run, safe='')}"


#: A training night that the reconciler starts in place of a lost event has an id that begins with this.
RETRAINING = "retraining__"


def access_path(dag_id: str, run_id: str) -> str:
    """The path, in Airflow's UI, of what the run's project waits for: the UI shows our page of the path's tail."""
    return f"/plugin/{ACCESS_ROUTE}{ACCESS_PAGE}/runs/{quote(dag_id, safe='')}/{quote(run_id, safe='')}"
