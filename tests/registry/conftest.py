import os

# MLflow reads it when it is imported, as in every process of ours: the environment that starts it says so.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
