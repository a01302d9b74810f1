"""What stewards meet: their authority over HTTP, alone or in Airflow's API server, and the pages there."""
