"""What keeps a deployment in order between the nights."""

from include.runtime.upkeep.stewardship import stewardship_dag

dag = stewardship_dag()
