"""What keeps a deployment in order between the nights."""

from include.runtime.airflow.stewardship import stewardship_dag

dag = stewardship_dag()
