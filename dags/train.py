"""One training DAG for each declared project: adding a folder under `include/projects` adds a DAG.

Each task reads this file again. It builds only the DAG that Airflow asks for, so that a task pays for, and breaks on,
no project but its own.
"""

from airflow.sdk import get_parsing_context

from include.runtime.airflow.training_assembly import training_dags

for dag in training_dags(only=get_parsing_context().dag_id):
    globals()[dag.dag_id] = dag
