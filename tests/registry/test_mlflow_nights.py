"""What MLflow shows of a night: its trials, where they stopped and why, and what the model was made of."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from include.registry import mlflow_nights
from include.registry.versions import Versions
from tests.registry.models import PROJECT, evaluation, night, promotion
from tests.training.flights import Folder

Registries = Callable[[], Versions]


def show(registry: Versions, folder: Folder, version: int = 1, *, trials: int = 4) -> tuple[MlflowClient, Run]:
    """The run of the version's night."""
    registry.register(
        project=PROJECT,
        promotion=promotion(version),
        evaluation=evaluation(folder, seed=version),
        night=lambda: night(version, trials=trials),
        champion=version,
        opened=None,
    )
    client = MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)
    shown = client.get_model_version_by_alias(PROJECT.name, "champion")
    return client, client.get_run(str(shown.run_id))


def children(client: MlflowClient, run: Run) -> list[Run]:
    wanted = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    found = client.search_runs([run.info.experiment_id], wanted)
    return sorted(found, key=lambda child: str(child.info.run_name))


@pytest.fixture(params=["a database", "a server"])
def registry(request: pytest.FixtureRequest, registries: Registries, monkeypatch: pytest.MonkeyPatch) -> Versions:
    """Where the store takes all trials at once, and where only MLflow's own interface is there."""
    if request.param == "a server":
        monkeypatch.setattr(mlflow_nights, "_add_at_once", lambda store, *told: mlflow_nights._add_one_by_one(*told))
    return registries()


def test_each_trial_is_a_child_with_its_parameters_its_losses_by_rung_and_why_it_ended(
    registry: Versions, tmp_path: object
) -> None:
    client, run = show(registry, Folder(tmp_path))  # type: ignore[arg-type]
    told = night().trials
    for child, each in zip(children(client, run), told, strict=True):
        assert child.info.run_name == f"trial {each.number}"
        assert child.info.status == ("FAILED" if each.trial.state == "failed" else "FINISHED")
        assert child.info.end_time - child.info.start_time == 1000 * each.number
        assert child.data.params == {name: str(value) for name, value in each.trial.params.items()}
        assert child.data.tags["trainyard.trial"] == each.trial.trial_id
        assert child.data.tags["trainyard.state"] == each.trial.state
        assert child.data.tags["trainyard.ending"] == each.ending
        curve = client.get_metric_history(child.info.run_id, "validation.log_loss")
        assert [(point.step, point.value) for point in curve] == list(zip((50, 200), each.trial.losses, strict=False))
    shown = client.search_runs([run.info.experiment_id], "metrics.`validation.log_loss` < 0.55")
    assert sorted(str(each.info.run_name) for each in shown) == ["trial 1", str(run.info.run_name)], (
        "the trial that made the model, and the night with its curve"
    )


def test_a_night_says_its_window_its_instant_its_code_its_tables_and_all_digests_in_one_tag(
    registries: Registries, tmp_path: object
) -> None:
    _, run = show(registries(), Folder(tmp_path))  # type: ignore[arg-type]
    made = night()
    assert json.loads(run.data.tags["trainyard.digests"]) == dict(made.digests)
    assert run.data.tags["trainyard.window"] == f"{made.split.train.first} to {made.split.holdout.last}"
    assert run.data.tags["trainyard.instant"] == "2013-05-01T00:00:00+00:00"
    assert run.data.tags["trainyard.code"] == "sha256:code"
    assert "for a reason" in run.data.tags["mlflow.note.content"]
    assert run.data.metrics["trials.pruned"] == 2
    inputs = {each.dataset.name: each for each in run.inputs.dataset_inputs}
    assert sorted(inputs) == ["features", "flights"]
    assert json.loads(inputs["flights"].dataset.source)["digest"] == f"sha256:{'a' * 64}"
    assert json.loads(inputs["features"].dataset.profile)["rows"] == 8000
    assert [tag.value for tag in inputs["features"].tags] == ["training, evaluation"]


def test_a_night_shows_its_commit_as_mlflow_does_and_whether_that_is_all() -> None:
    at = replace(night(), commit=mlflow_nights.Commit(digest="1f2e", changed=True))
    tags = mlflow_nights.tags_of(at, [])
    assert (tags["mlflow.source.git.commit"], tags["trainyard.uncommitted"]) == ("1f2e", "true")
    assert "mlflow.source.git.commit" not in mlflow_nights.tags_of(night(), [])


def test_a_reason_that_somebody_wrote_stands_in_the_note_as_it_was_written_and_not_as_markdown() -> None:
    note = mlflow_nights.tags_of(night(), ["let through by ada: [look](x) <b>here</b>\n# now"])["mlflow.note.content"]
    assert note.endswith(r"- let through by ada\: \[look\]\(x\) \<b\>here\<\/b\> \# now")


def test_trials_that_were_shown_before_a_kill_are_not_shown_again(registry: Versions, tmp_path: object) -> None:
    client, run = show(registry, Folder(tmp_path))  # type: ignore[arg-type]
    client.delete_tag(run.info.run_id, "trainyard.trials")
    mlflow_nights._add_one_by_one(client, client.get_run(run.info.run_id), night())
    assert len(children(client, run)) == 4


def test_a_night_that_is_shown_is_not_asked_for_again(registries: Registries, tmp_path: object) -> None:
    registry, folder = registries(), Folder(tmp_path)  # type: ignore[arg-type]
    show(registry, folder)

    def asked() -> mlflow_nights.ShownNight:
        raise AssertionError("the night was asked for")

    evaluated = evaluation(folder, seed=1)
    registry.register(
        project=PROJECT, promotion=promotion(1), evaluation=evaluated, night=asked, champion=1, opened=None
    )
