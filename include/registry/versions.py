"""Registered models as MLflow shows them: a view that can be made again from ledger and vault."""

import fcntl
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.core.errors import RegistryError, RegistryUnavailable
from include.core.project import Project
from include.core.records import BenchmarkFigures, Evaluation, Promotion
from include.core.words import markdown
from include.governance.vault import OpenedArtifacts
from include.registry import mlflow_files, mlflow_nights
from include.registry.deleted_in_mlflow import (
    EVALUATION,
    VERSION,
    experiment_of,
    restore_version,
    restored_model,
    versions_of,
)
from include.registry.mlflow_nights import ShownNight

if TYPE_CHECKING:
    from mlflow import MlflowClient


ALIAS = "champion"


@dataclass(frozen=True, kw_only=True)
class MovedAlias:
    """The alias was not the champion's, and is again: ``text`` says so in a sentence.

    ``pointed_to`` is the version that it was at; ``None``: at none of ours.
    """

    pointed_to: int | None
    text: str


@dataclass(frozen=True, kw_only=True)
class Versions:
    """A tracking server and registry of MLflow.

    ``uri`` is a database (``sqlite:///…``, ``postgresql+psycopg://…``) or a server. ``artifacts`` is the folder of the
    model files beside a database; a server keeps them itself, and takes them as they are uploaded.
    """

    uri: str
    artifacts: Path

    def prepare(self) -> None:
        """Make the database, which takes some seconds once; harmless when it is there. Raises as :meth:`register`."""
        with _reaching("the MLflow registry can be opened"):
            self._client().search_registered_models(max_results=1)

    def _client(self) -> "MlflowClient":
        return _client_of(self.uri, None if self._is_server else self.artifacts.parent / "mlflow.opening")

    @property
    def _is_server(self) -> bool:
        return self.uri.startswith(("http://", "https://"))

    def register(
        self,
        *,
        project: Project,
        promotion: Promotion,
        evaluation: Evaluation,
        night: Callable[[], ShownNight],
        champion: int | None,
        opened: OpenedArtifacts | None,
    ) -> None:
        """Show the model as a version of the registered model ``project.name``, once per evaluation.

        The version's tags hold our version number and all digests, its run the parameters and metrics, the tables that
        it was made of, and the trials of the *night* as children; the night is asked for only while that is not all
        there. Its files are a pointer to the bundle, which opens under a grant; with *opened*, which holds
        ``evaluation.model``, they are the model itself. The alias ``champion`` goes to *champion*, the version in
        force. A call that was killed is completed by the next.

        Raises:
            RegistryError: MLflow refuses the version.
            RegistryUnavailable: MLflow cannot be reached, or failed.
        """
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self._register(project, promotion, evaluation, night, champion, opened)
        except (MlflowException, SQLAlchemyError, OSError) as error:
            # What MLflow answers to a request that it understood does not change by asking again.
            answered = isinstance(error, MlflowException) and error.get_http_status_code() < 500
            raise (RegistryError if answered else RegistryUnavailable)(
                f"the MLflow registry accepts version {promotion.version} of {project.name}",
                value=type(error).__name__,
                remedy="Check its database and artifact folder; the next night, or a repetition, completes it.",
            ) from error

    def show_plots(self, project: str, evaluation: str, plots: Mapping[str, str]) -> bool:
        """Add *plots* (SVG by file name) to the run of the night that made *evaluation*; whether it shows them.

        Not where the run is gone, or keeps its files where nobody here can write: in a folder of another machine, say.
        Repeated, they are the same files. Raises as :meth:`put_back`.
        """
        with _reaching(f"the MLflow registry takes the plots of {project}"):
            client = self._client()
            experiment = experiment_of(client, project)
            run = None if experiment is None else self._known(client, experiment, evaluation)
            return run is not None and mlflow_files.log_plots(client, run, plots)

    def put_back(self, project: str, champion: int | None) -> "MovedAlias | None":
        """Give the alias ``champion`` to version *champion*, or to none; what was found. ``None``: all is well.

        Raises:
            RegistryUnavailable: MLflow cannot be reached, or failed.
        """
        with _reaching(f"the MLflow registry shows which version of {project} is champion"):
            return self._put_back(project, champion)

    def _put_back(self, project: str, champion: int | None) -> "MovedAlias | None":
        client = self._client()
        experiment = experiment_of(client, project)
        if client.search_registered_models(f"name = '{project}'"):
            shown = versions_of(client, project)
        elif champion is None or experiment is None:
            return None
        else:
            shown = restored_model(client, project, experiment)
        if champion is not None and experiment is not None:
            restore_version(client, project, experiment, champion, shown)
        alias = client.get_registered_model(project).aliases.get(ALIAS)
        ours = next((each for each, theirs in shown.items() if str(theirs) == str(alias)), None)
        found = f"pointed to {f'version {ours}' if ours else 'something that no night registered'}"
        told = f"in MLflow the alias {ALIAS!r} of {project} {'was removed' if alias is None else found}"
        if champion is None and alias is not None:
            client.delete_registered_model_alias(project, ALIAS)
            return MovedAlias(pointed_to=ours, text=f"{told}: removed, since nothing is in force")
        if champion is None or champion not in shown or str(alias) == str(shown[champion]):
            return None
        client.set_registered_model_alias(project, ALIAS, shown[champion])
        return MovedAlias(pointed_to=ours, text=f"{told}: put back to version {champion}, the champion")

    def _register(
        self,
        project: Project,
        promotion: Promotion,
        evaluation: Evaluation,
        night: Callable[[], ShownNight],
        champion: int | None,
        opened: OpenedArtifacts | None,
    ) -> None:
        client = self._client()
        experiment = self._experiment(client, project.name)
        run = self._known(client, experiment, promotion.evaluation)
        tags = _tags(promotion, evaluation, copied=opened is not None)
        if run is None or run.info.status != "FINISHED":
            whole = night()
            run = run or _begin(client, experiment, promotion, whole)
            mlflow_nights.add_trials(client, run, whole)
            mlflow_nights.log_sources(client, run.info.run_id, whole)
            _log(client, run, evaluation, whole, {**tags, **mlflow_nights.tags_of(whole, promotion.verdict.reasons)})
            if opened is not None:
                mlflow_files.log_model(client, run, opened.bytes(evaluation.model).decode())
            else:
                mlflow_files.log_pointer(client, run, project, promotion)
            client.set_terminated(run.info.run_id)
        if client.search_registered_models(f"name = '{project.name}'"):
            shown = versions_of(client, project.name)
        else:
            shown = restored_model(client, project.name, experiment, description=markdown(project.ownership.purpose))
        if promotion.version not in shown:
            source = f"{run.info.artifact_uri}/model"
            created = client.create_model_version(project.name, source, run.info.run_id, tags=tags)
            shown[promotion.version] = created.version
        if champion is not None:
            restore_version(client, project.name, experiment, champion, shown)
        if champion in shown:
            client.set_registered_model_alias(project.name, ALIAS, shown[champion])

    def _experiment(self, client: "MlflowClient", name: str) -> str:
        found, here = experiment_of(client, name), (self.artifacts / name).absolute().as_uri()
        if found is not None and self._is_server and client.get_experiment(found).artifact_location == here:
            # As an earlier release made it; MLflow moves none elsewhere.
            client.rename_experiment(found, f"{name} (files on a worker, {found})")
            found = None
        if found is not None:
            return found
        # A server's files lie where the server says: a folder of this machine would be one of its own to the next.
        return str(client.create_experiment(name, artifact_location=None if self._is_server else here))

    def _known(self, client: "MlflowClient", experiment: str, evaluation: str) -> Any:
        found = client.search_runs([experiment], f"tags.`{EVALUATION}` = '{evaluation}'")
        return found[0] if found else None


@contextmanager
def _reaching(rule: str) -> Iterator[None]:
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as error:
        remedy = "Check its database or server: TRAINYARD_MLFLOW."
        raise RegistryUnavailable(rule, value=type(error).__name__, remedy=remedy) from error


@cache
def _client_of(uri: str, lock: Path | None) -> "MlflowClient":
    """A client of *uri*. A database is opened under *lock*, by one process at a time: two that make its tables at once
    leave each other half of them. ``None``: a server sees to that.
    """
    from mlflow import MlflowClient

    for chatty in ("mlflow", "alembic"):  # every migration of a new database is a line in a task's log
        logging.getLogger(chatty).setLevel(logging.WARNING)
    if lock is None:
        return MlflowClient(tracking_uri=uri, registry_uri=uri)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        client = MlflowClient(tracking_uri=uri, registry_uri=uri)
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
    return client


def _begin(client: "MlflowClient", experiment: str, promotion: Promotion, night: ShownNight) -> Any:
    return client.create_run(
        experiment,
        start_time=int(night.began.timestamp() * 1000),
        tags={EVALUATION: promotion.evaluation},
        run_name=f"version {promotion.version}, night of {night.run.instant:%Y-%m-%d}",
    )


def _tags(promotion: Promotion, evaluation: Evaluation, *, copied: bool) -> Mapping[str, str]:
    benchmark = evaluation.benchmark
    beside = {} if benchmark is None else {"trainyard.benchmark": benchmark.in_words}
    return {
        **beside,
        VERSION: str(promotion.version),
        EVALUATION: promotion.evaluation,
        "trainyard.bundle": promotion.bundle,
        "trainyard.model": evaluation.model,
        "trainyard.files": "model" if copied else "pointer",
        "trainyard.plan": evaluation.plan,
        "trainyard.features": evaluation.features,
        "trainyard.trial": evaluation.trial_id,
        "trainyard.promoted": str(promotion.verdict.promote).lower(),
        "trainyard.reasons": "; ".join(promotion.verdict.reasons),
    }


def _beside_benchmark(benchmark: BenchmarkFigures | None) -> Mapping[str, float]:
    if benchmark is None:
        return {}
    figures = {f"benchmark.{name}": value for name, value in benchmark.metrics.items()}
    if benchmark.validation_loss is not None:
        figures["benchmark.validation_loss"] = benchmark.validation_loss
    difference = benchmark.difference
    if difference is not None:
        names = ("estimate", "lower", "upper")
        figures |= {f"benchmark_difference.{name}": getattr(difference, name) for name in names}
    return figures


def _log(client: "MlflowClient", run: Any, evaluation: Evaluation, night: ShownNight, tags: Mapping[str, str]) -> None:
    """All figures, dated as the run or the night: logged again after a kill, they are the same rows."""
    from mlflow.entities import Metric, Param, RunTag

    figures = {"holdout.rows": float(evaluation.rows)}
    figures |= {f"holdout.{name}": value for name, value in evaluation.metrics.items()}
    figures |= {f"compared.{name}": value for name, value in evaluation.compared_metrics.items()}
    figures |= {f"champion.{name}": value for name, value in evaluation.champion_metrics.items()}
    if evaluation.difference is not None:
        figures |= {
            f"difference.{name}": getattr(evaluation.difference, name) for name in ("estimate", "lower", "upper")
        }
    figures |= _beside_benchmark(evaluation.benchmark)
    dated = [Metric(name, value, run.info.start_time, 0) for name, value in figures.items()]
    client.log_batch(
        run.info.run_id,
        metrics=[*dated, *mlflow_nights.curve_of(night)],
        params=[Param(name, str(value)) for name, value in evaluation.params.items()],
        tags=[RunTag(name, value) for name, value in tags.items()],
    )
