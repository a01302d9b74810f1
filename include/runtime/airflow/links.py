"""The button on a gate that leads to the request it waits for."""

from typing import ClassVar
from urllib.parse import urlsplit

from airflow.sdk import BaseOperator
from airflow.sdk.bases.operatorlink import BaseOperatorLink
from airflow.sdk.types import TaskInstanceKey

from include.runtime.airflow.approval import DataStewardApprovalSensor
from include.runtime.airflow.names import access_path


class AccessRequestLink(BaseOperatorLink):
    """Made by Airflow's API server when somebody looks, from the run alone: it works while the gate waits."""

    operators: ClassVar[list[type[BaseOperator]]] = [DataStewardApprovalSensor]

    @property
    def name(self) -> str:
        return "Data access request"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """A path below where Airflow's UI is served."""
        from airflow.configuration import conf

        below = urlsplit(conf.get("api", "base_url", fallback="/")).path.rstrip("/")
        return below + access_path(ti_key.dag_id, ti_key.run_id)
