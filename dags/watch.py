"""One drift DAG for each declared project, built as `dags/train.py` builds the training DAG."""

from airflow.sdk import get_parsing_context

from include.runtime.airflow.watch_assembly import watch_dags

for dag in watch_dags(only=get_parsing_context().dag_id):
    globals()[dag.dag_id] = dag
