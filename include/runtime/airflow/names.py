"""What a project is called in Airflow, and where our pages are. Imports no Airflow, which would make its home here."""

from urllib.parse import quote

#: Where the authority's API and the pages are mounted in Airflow's API server.
MOUNT = "/trainyard"
PAGES = f"{MOUNT}/pages"
#: The page "Data access", and the name of its place in Airflow's UI.
ACCESS_PAGE = f"{PAGES}/access"
ACCESS_ROUTE = "trainyard_access"

_TRAIN, _WATCH = "train_", "watch_"


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
    return f"watch__{run_id}" if is_watch(dag_id) else run_id


#: A training night that the reconciler starts in place of a lost event has an id that begins with this.
RETRAINING = "retraining__"


def access_path(dag_id: str, run_id: str) -> str:
    """The path, in Airflow's UI, of what the run's project waits for: the UI shows our page of the path's tail."""
    return f"/plugin/{ACCESS_ROUTE}{ACCESS_PAGE}/runs/{quote(dag_id, safe='')}/{quote(run_id, safe='')}"
