"""Mounts the stewards' authority in Airflow's API server. Every task imports this file: it imports next to nothing."""

from airflow.plugins_manager import AirflowPlugin

from include.runtime.airflow.authority import MountedAuthority


class TrainyardPlugin(AirflowPlugin):
    """What Trainyard adds to Airflow: who may read what is decided under ``/trainyard``, as the signed-in user."""

    name = "trainyard"
    fastapi_apps = [  # noqa: RUF012  # Airflow reads a plain class attribute
        {"app": MountedAuthority(), "url_prefix": "/trainyard", "name": "Trainyard: access to data"}
    ]
    external_views = [  # noqa: RUF012  # Airflow reads a plain class attribute
        {
            "name": "Data validation",
            "href": "/trainyard/reports/{DAG_ID}/{RUN_ID}",
            "destination": destination,
            "url_route": f"trainyard_validation_{destination}",
        }
        for destination in ("dag_run", "task_instance")
    ]
