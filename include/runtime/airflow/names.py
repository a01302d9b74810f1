"""What a project is called in Airflow. Imports no Airflow, which would make its home wherever it is imported."""

_PREFIX = "train_"


def dag_id_of(project: str) -> str:
    """The id of the project's training DAG."""
    return f"{_PREFIX}{project}"


def project_of(dag_id: str) -> str:
    """The project whose DAG this is."""
    return dag_id.removeprefix(_PREFIX)
