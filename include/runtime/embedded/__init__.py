"""An Airflow of our own: its processes, their environment and health, and what it is asked over REST."""
