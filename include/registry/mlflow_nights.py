"""A night as MLflow shows it: a run, its trials as the run's children, and what they were made of."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.core.project import Objective
from include.core.records import Days, Run, Split, Trial, TrialState
from include.core.words import markdown

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

LOSS: Mapping[Objective, str] = {Objective.BINARY: "validation.log_loss", Objective.REGRESSION: "validation.mae"}
#: How many trials stand below the run: written with them, so that a run that has it has them all.
_TRIALS = "trainyard.trials"
_TRIAL = "trainyard.trial"
_PARENT, _NAME, _NOTE = "mlflow.parentRunId", "mlflow.runName", "mlflow.note.content"
#: MLflow's own tag, and whether there were changes that are not in the commit.
_COMMIT, _UNCOMMITTED = "mlflow.source.git.commit", "trainyard.uncommitted"
#: This many characters of a data set's digest MLflow takes.
_DIGEST_LENGTH = 36


@dataclass(frozen=True, kw_only=True)
class ShownTrial:
    """A trial of the night, its place in the plan, how it ended in words, and when it ran. ``best`` made the model."""

    number: int
    trial: Trial
    ending: str
    best: bool
    began: datetime
    ended: datetime


@dataclass(frozen=True, kw_only=True)
class SourceTable:
    """A table that the night read or made. ``digest`` names all its rows, ``uses`` says which days served for what."""

    name: str
    digest: str
    rows: int
    uses: Mapping[str, Days]


@dataclass(frozen=True, kw_only=True)
class Commit:
    """The commit that a project's folder stood at; ``changed``: with changes that are not in it."""

    digest: str
    changed: bool


@dataclass(frozen=True, kw_only=True)
class ShownNight:
    """What MLflow shows of a night beside its model: nothing in it is a value of the data, or names a person.

    ``digests`` say by name what the model was made of and by. ``rungs`` are the rounds after which losses were taken.
    ``commit`` is that of the project's code; ``None``: it lies in no checkout, or is another by now.
    """

    run: Run
    began: datetime
    objective: Objective
    split: Split
    digests: Mapping[str, str]
    sources: Sequence[SourceTable]
    rungs: Sequence[int]
    trials: Sequence[ShownTrial]
    commit: Commit | None = None


def tags_of(night: ShownNight, reasons: Sequence[str]) -> Mapping[str, str]:
    """The tags of the night's run; *reasons* are the verdict's."""
    split = night.split
    stretches = {"train": split.train, "validation": split.validation, "holdout": split.holdout}
    lines = [
        f"Data as known at {night.run.instant:%Y-%m-%d %H:%M} UTC.",
        "",
        *(f"- {name}: {days.first} to {days.last}" for name, days in stretches.items()),
        "",
        *(f"- {markdown(reason)}" for reason in reasons),
    ]
    commit = {_COMMIT: night.commit.digest, _UNCOMMITTED: str(night.commit.changed).lower()} if night.commit else {}
    return {
        **commit,
        _NOTE: "\n".join(lines),
        "trainyard.run": night.run.run_id,
        "trainyard.instant": night.run.instant.isoformat(),
        "trainyard.window": f"{split.train.first} to {split.holdout.last}",
        "trainyard.code": night.run.code_digest,
        "trainyard.digests": json.dumps(dict(sorted(night.digests.items()))),
    }


def curve_of(night: ShownNight) -> Sequence["Metric"]:
    """The losses by rung of the trial that made the model, and what became of all trials."""
    from mlflow.entities import Metric

    began = _milliseconds(night.began)
    states = [each.trial.state for each in night.trials]
    counts = [Metric(f"trials.{state.value}", states.count(state), began, 0) for state in TrialState]
    best = next((each for each in night.trials if each.best), None)
    return [*counts, *(_curve(night, best, began) if best else ())]


def log_sources(client: "MlflowClient", run_id: str, night: ShownNight) -> None:
    """Show the tables as inputs of the run; repeated, they are the same."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    client.log_inputs(
        run_id,
        datasets=[
            DatasetInput(
                Dataset(
                    name=source.name,
                    digest=source.digest.removeprefix("sha256:")[:_DIGEST_LENGTH],
                    source_type="trainyard",
                    source=json.dumps({"digest": source.digest, "snapshot": night.digests["snapshot"]}),
                    profile=json.dumps(
                        {"rows": source.rows} | {use: f"{days.first} to {days.last}" for use, days in uses.items()}
                    ),
                ),
                tags=[InputTag("mlflow.data.context", ", ".join(uses))],
            )
            for source in night.sources
            if (uses := source.uses)
        ],
    )


def add_trials(client: "MlflowClient", parent: Any, night: ShownNight) -> None:
    """Show the night's trials as children of the run *parent*, once; a call that was killed is completed by the next.

    A database takes them all in one transaction: one by one they cost a tenth of a second each, half of a short night.
    """
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    if _TRIALS in parent.data.tags:
        return
    store = client._tracking_client.store
    if isinstance(store, SqlAlchemyStore):
        _add_at_once(store, client, parent, night)
    else:
        _add_one_by_one(client, parent, night)


def _add_at_once(store: "SqlAlchemyStore", client: "MlflowClient", parent: Any, night: ShownNight) -> None:
    from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag
    from sqlalchemy import insert

    place = client.get_experiment(parent.info.experiment_id).artifact_location.rstrip("/")
    runs, tags, params, metrics, latest = [], [], [], [], []
    for each in night.trials:
        run_id = uuid.uuid4().hex
        runs.append(
            {
                "run_uuid": run_id,
                "name": _name(each),
                "source_type": "UNKNOWN",
                "source_name": "",
                "entry_point_name": "",
                "user_id": parent.info.user_id,
                "status": _status(each),
                "start_time": _milliseconds(each.began),
                "end_time": _milliseconds(each.ended),
                "source_version": "",
                "lifecycle_stage": "active",
                "artifact_uri": f"{place}/{run_id}/artifacts",
                "experiment_id": int(parent.info.experiment_id),
            }
        )
        own = {"run_uuid": run_id}
        tags += [own | {"key": key, "value": value} for key, value in _trial_tags(each, parent).items()]
        params += [own | {"key": name, "value": str(value)} for name, value in each.trial.params.items()]
        curve = [
            own | {"key": it.key, "value": it.value, "timestamp": it.timestamp, "step": it.step, "is_nan": False}
            for it in _curve(night, each, _milliseconds(each.ended))
        ]
        metrics += curve
        latest += curve[-1:]
    tags.append({"run_uuid": parent.info.run_id, "key": _TRIALS, "value": str(len(night.trials))})
    rows = ((SqlRun, runs), (SqlTag, tags), (SqlParam, params), (SqlMetric, metrics), (SqlLatestMetric, latest))
    with store.ManagedSessionMaker(read_only=False) as session:
        for table, its in rows:
            if its:
                session.execute(insert(table), its)


def _add_one_by_one(client: "MlflowClient", parent: Any, night: ShownNight) -> None:
    from mlflow.entities import Param

    known = {run.data.tags.get(_TRIAL): run for run in _children(client, parent)}
    for each in night.trials:
        run = known.get(each.trial.trial_id)
        if run is None:
            run = client.create_run(
                parent.info.experiment_id,
                start_time=_milliseconds(each.began),
                tags=_trial_tags(each, parent),
                run_name=_name(each),
            )
        if run.info.status == "RUNNING":
            client.log_batch(
                run.info.run_id,
                metrics=_curve(night, each, _milliseconds(each.ended)),
                params=[Param(name, str(value)) for name, value in each.trial.params.items()],
            )
            client.set_terminated(run.info.run_id, _status(each), _milliseconds(each.ended))
    client.set_tag(parent.info.run_id, _TRIALS, str(len(night.trials)))


def _children(client: "MlflowClient", parent: Any) -> Iterator[Any]:
    token = None
    while True:
        wanted = f"tags.`{_PARENT}` = '{parent.info.run_id}'"
        found = client.search_runs([parent.info.experiment_id], wanted, page_token=token)
        yield from found
        token = found.token
        if not token:
            return


def _trial_tags(each: ShownTrial, parent: Any) -> dict[str, str]:
    return {
        _PARENT: parent.info.run_id,
        _NAME: _name(each),
        _NOTE: each.ending,
        _TRIAL: each.trial.trial_id,
        "trainyard.state": each.trial.state.value,
        "trainyard.ending": each.ending,
        "trainyard.best": str(each.best).lower(),
    }


def _curve(night: ShownNight, each: ShownTrial, at: int) -> list["Metric"]:
    from mlflow.entities import Metric

    rungs = zip(night.rungs, each.trial.losses, strict=False)
    return [Metric(LOSS[night.objective], loss, at, rounds) for rounds, loss in rungs]


def _name(each: ShownTrial) -> str:
    return f"trial {each.number}"


def _status(each: ShownTrial) -> str:
    return "FAILED" if each.trial.state is TrialState.FAILED else "FINISHED"


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
