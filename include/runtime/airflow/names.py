"""What a project is called in Airflow. Imports no Airflow, which would make its home wherever it is imported."""

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
