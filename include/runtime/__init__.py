"""Where the steps run: ``local`` in this process, ``airflow`` as tasks. The only room that knows Airflow."""
