"""What every task inherits already imported.

The scheduler's executor forks a process for each task, and a fork shares what its parent has imported: two seconds of
imports are paid once, here, and not by every task. Import, never compute: a thread pool (OpenMP, BLAS, Arrow, an
engine's) that the parent has used is dead in its children, and they would wait for it for ever. What needs no thread
and costs every task the same is computed here too (:mod:`include.runtime.airflow.warm`).
"""

import importlib
import os
import pkgutil
import sys

__all__: list[str] = []  # nothing here overrides a setting of Airflow

#: What the steps import, and what Airflow itself imports in a task.
PRELOADED = (
    "airflow.sdk.api.client",
    "airflow.sdk.execution_time.supervisor",
    "airflow.sdk.execution_time.task_runner",
    "airflow.providers.openlineage.plugins.listener",
    "airflow.providers.standard.operators.trigger_dagrun",
    "croniter",
    "great_expectations",
    "ibis.expr.types.groupby",
    "joblib",
    "lightgbm",
    "mlflow.pyfunc",
    "mlflow.store.model_registry.sqlalchemy_store",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.tracking",
    "numpy",
    "open_data_contract_standard.model",
    "optuna",
    "pandas",
    "psutil",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "scipy.stats",
    "securesystemslib.dsse",
    "sqlalchemy",
    "sqlglot.optimizer.qualify",
    "include.runtime.airflow.due_runs",
    "include.runtime.upkeep.reconciliation",
    "include.runtime.airflow.training_assembly",
    "include.runtime.airflow.watch_assembly",
    "include.runtime.upkeep.lateness",
    "include.runtime.airflow.tasks",
    "include.runtime.airflow.transport",
    "include.runtime.nights.local",
)
#: Beside them, where artifacts lie in a bucket: what s3fs imports when it is first used is among them.
PRELOADED_FOR_BUCKETS = ("aiobotocore.session", "fsspec.core", "s3fs")
#: All modules of these rooms, which import each other only when a step runs.
ROOMS = (
    "contracts",
    "core",
    "data",
    "declared",
    "elsewhere",
    "engines",
    "governance",
    "ledger",
    "lineage",
    "monitoring",
    "registry",
    "retraining",
    "steps",
    "training",
)

#: Read by libraries when they are loaded: one thread each, and no thread of their own in the background. What wants
#: more threads (a refit with two) asks for them where it computes, in the child.
THREADS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "GOMP_SPINCOUNT": "20000",  # a thread that waits for one without a core gives way sooner than by default
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}

for variable, value in THREADS.items():
    os.environ.setdefault(variable, value)


def _preload() -> None:
    # MLflow's store configures every mapper that SQLAlchemy knows, Airflow's half-imported ones among them.
    importlib.import_module("airflow.models").import_all_models()
    from include import engines
    from include.runtime.trainers import trainer_of
    from include.settings import Settings

    settings = Settings.from_environment()
    buckets = PRELOADED_FOR_BUCKETS if "s3://" in (settings.vault[:5], settings.store[:5]) else ()
    for name in (*PRELOADED, *engines.PRELOADED, *trainer_of(settings).preloaded, *buckets):
        importlib.import_module(name)
    for room in ROOMS:
        package = importlib.import_module(f"include.{room}")
        for module in pkgutil.iter_modules(package.__path__, prefix=f"{package.__name__}."):
            importlib.import_module(module.name)
    importlib.import_module("include.runtime.airflow.warm").warm()


if sys.argv[1:2] == ["scheduler"]:
    _preload()
