"""Trainyard's nights as Airflow DAGs: what Airflow runs.

``assembly`` turns declared projects into DAGs, ``tasks`` is what its tasks do, ``approval`` the gate that waits for
data stewards. Class paths of triggers, operators and the lineage transport stay: Airflow's database and deployments
hold them. Nothing is imported here: every task pays for what a DAG file or a plugin imports.
"""
