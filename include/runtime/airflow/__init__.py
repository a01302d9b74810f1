"""Trainyard's nights as Airflow DAGs, and the control of an embedded Airflow: the only room that knows Airflow.

``assembly`` turns declared projects into DAGs, ``tasks`` is what its tasks do, ``approval`` the gate that waits for
data stewards. ``process`` starts and stops an embedded Airflow, ``client`` speaks to it. Nothing is imported here:
every task pays for what a DAG file or a plugin imports.
"""
