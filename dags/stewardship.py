"""What keeps a deployment in order between the nights. Airflow looks for DAGs only in a file that names it."""

from include.runtime.upkeep.stewardship import stewardship_dag

dag = stewardship_dag()
