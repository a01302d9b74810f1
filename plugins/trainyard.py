"""Mounts the stewards' authority and the pages in Airflow's API server.

Every task imports this file: it imports next to nothing that Airflow's SDK has not.
"""

from airflow.plugins_manager import AirflowPlugin

from include.runtime.airflow.links import AccessRequestLink
from include.runtime.airflow.names import ACCESS_PAGE, ACCESS_ROUTE, PAGES
from include.runtime.airflow.one_writer import OneWriter
from include.runtime.embedded.sign_in import StewardsSignIn
from include.runtime.server.mounted import MountedAuthority


class TrainyardPlugin(AirflowPlugin):
    """What Trainyard adds to Airflow: who may read what is decided under ``/trainyard``, as the signed-in user."""

    name = "trainyard"
    fastapi_apps = [  # noqa: RUF012  # Airflow reads a plain class attribute
        {"app": MountedAuthority(), "url_prefix": "/trainyard", "name": "Trainyard: access to data"}
    ]
    fastapi_root_middlewares = [  # noqa: RUF012  # Airflow reads a plain class attribute
        {"middleware": StewardsSignIn, "args": [], "kwargs": {}, "name": "Trainyard: stewards sign in"},
        {"middleware": OneWriter, "args": [], "kwargs": {}, "name": "Trainyard: one writer on SQLite"},
    ]
    operator_extra_links = [AccessRequestLink()]  # noqa: RUF012  # Airflow reads a plain class attribute
    external_views = [  # noqa: RUF012  # Airflow reads a plain class attribute
        *(
            {
                "name": name,
                "href": href,
                "destination": "nav",
                "url_route": route,
                "nav_top_level": True,
                "icon": f"{PAGES}/static/icon.svg",
            }
            for name, href, route in (
                ("Data access", ACCESS_PAGE, ACCESS_ROUTE),
                ("Drift", f"{PAGES}/drift", "trainyard_drift"),
            )
        ),
        *(
            {"name": name, "href": href, "destination": destination, "url_route": f"{route}_{destination}"}
            for name, href, route in (
                ("Data access", f"{ACCESS_PAGE}/runs/{{DAG_ID}}/{{RUN_ID}}", ACCESS_ROUTE),
                ("Outcome", f"{PAGES}/runs/{{DAG_ID}}/{{RUN_ID}}", "trainyard_outcome"),
            )
            for destination in ("dag_run", "task_instance")
        ),
    ]
