import fcntl
import re
from dataclasses import replace

import lightgbm
import mlflow
import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from include.core.errors import RegistryError, RegistryUnavailable
from include.registry import mlflow_files, mlflow_nights, versions
from include.registry.versions import Versions
from tests.registry.models import BENCHMARK, NO_BENCHMARK, PROJECT, evaluation, model_text, night, promotion
from tests.training.flights import Folder


class Killed(BaseException):
    """The process died here."""


@pytest.fixture(scope="module")
def vault(tmp_path_factory):
    return Folder(tmp_path_factory.mktemp("vault"))


def _register(registry, vault, version, *, promote=True, champion=None, in_force=None, copied=True):
    registry.register(
        project=PROJECT,
        promotion=promotion(version, promote=promote),
        evaluation=evaluation(vault, seed=version, champion=champion),
        night=lambda: night(version),
        champion=in_force or (version if promote else champion),
        opened=vault if copied else None,
    )


def _client(registry):
    return MlflowClient(tracking_uri=registry.uri, registry_uri=registry.uri)


def _shown(registry):
    """Our version numbers in MLflow's order, and ours of the champion."""
    client = _client(registry)
    found = sorted(client.search_model_versions(f"name='{PROJECT.name}'"), key=lambda version: int(version.version))
    alias = client.get_registered_model(PROJECT.name).aliases.get("champion")
    ours = {str(version.version): int(version.tags["trainyard.version"]) for version in found}
    return list(ours.values()), ours.get(str(alias))


def test_a_registered_version_has_its_digests_metrics_and_alias(registries, vault):
    registry = registries()
    _register(registry, vault, 1)
    _register(registry, vault, 2, champion=1)
    client = _client(registry)
    version = client.get_model_version_by_alias(PROJECT.name, "champion")
    assert version.tags["trainyard.version"] == "2"
    assert version.tags["trainyard.bundle"] == "sha256:bundle2"
    assert version.tags["trainyard.model"] == evaluation(vault, seed=2).model
    data = client.get_run(version.run_id).data
    assert data.metrics["holdout.auc"] == 0.7
    assert data.metrics["champion.log_loss"] == 0.51
    assert data.metrics["difference.upper"] == 0.0
    assert data.params == {"learning_rate": "0.1", "num_leaves": "31"}


@pytest.mark.parametrize("made", [BENCHMARK, NO_BENCHMARK])
def test_a_version_shows_the_benchmark_beside_the_champion_or_that_there_is_none_to_show(registries, vault, made):
    registry = registries()
    registry.register(
        project=PROJECT,
        promotion=promotion(1),
        evaluation=replace(evaluation(vault), benchmark=made),
        night=lambda: night(1),
        champion=1,
        opened=None,
    )
    client = _client(registry)
    version = client.get_model_version_by_alias(PROJECT.name, "champion")
    shown = {name: value for name, value in client.get_run(version.run_id).data.metrics.items() if "benchmark" in name}
    if made.error:
        assert version.tags["trainyard.benchmark"] == "linear benchmark, NOT SHOWN: it could not be trained"
        assert shown == {}
    else:
        assert version.tags["trainyard.benchmark"] == "linear benchmark"
        assert shown["benchmark.log_loss"] == made.metrics["log_loss"]
        assert shown["benchmark.validation_loss"] == made.validation_loss
        assert shown["benchmark_difference.upper"] == made.difference.upper


def test_the_shown_model_predicts_as_the_evaluated_one(registries, vault):
    registry = registries()
    _register(registry, vault, 1)
    mlflow.set_tracking_uri(registry.uri)
    mlflow.set_registry_uri(registry.uri)
    rows = np.array([[20, 2], [3, 0]], dtype=np.float32)
    expected = lightgbm.Booster(model_str=model_text(1)).predict(rows)
    loaded = mlflow.lightgbm.load_model(f"models:/{PROJECT.name}@champion")
    assert loaded.predict(rows).tolist() == expected.tolist()


def test_registering_an_evaluation_again_changes_nothing(registries, vault):
    registry = registries()
    for _ in range(2):
        _register(registry, vault, 1)
    assert _shown(registry) == ([1], 1)
    (experiment,) = [e for e in _client(registry).search_experiments() if e.name == PROJECT.name]
    assert len(_client(registry).search_runs([experiment.experiment_id])) == 1 + len(night().trials)


def test_a_candidate_that_is_not_promoted_leaves_the_alias(registries, vault):
    registry = registries()
    _register(registry, vault, 1)
    _register(registry, vault, 2, promote=False, champion=1)
    assert _shown(registry) == ([1, 2], 1)


def test_the_alias_goes_to_the_version_in_force_whichever_is_shown(registries, vault):
    registry = registries()
    for version, in_force in ((1, 1), (3, 3), (2, 3), (1, 3)):
        _register(registry, vault, version, in_force=in_force)
    assert _shown(registry)[1] == 3


def test_a_copy_that_nobody_declared_is_a_pointer_without_the_model(registries, vault):
    registry = registries()
    _register(registry, vault, 1, copied=False)
    version = _client(registry).get_model_version_by_alias(PROJECT.name, "champion")
    assert version.tags["trainyard.files"] == "pointer"
    (file,) = [file for file in registry.artifacts.rglob("*") if file.is_file()]
    assert file.name == "pointer.md"
    assert {"sha256:bundle1", "load_champion"} <= set(re.findall(r"sha256:\w+|load_champion", file.read_text()))
    assert _client(registry).get_run(version.run_id).data.metrics["holdout.auc"] == 0.7, "the figures are there"
    mlflow.set_tracking_uri(registry.uri)
    mlflow.set_registry_uri(registry.uri)
    with pytest.raises(MlflowException):
        mlflow.lightgbm.load_model(f"models:/{PROJECT.name}@champion")


def test_a_purpose_is_described_in_mlflow_as_it_was_written_and_not_as_markdown(registries, vault):
    registry = registries()
    registry.register(
        project=PROJECT.varied(purpose="[free](https://elsewhere.example) <b>now</b>"),
        promotion=promotion(1),
        evaluation=evaluation(vault, seed=1),
        night=lambda: night(1),
        champion=1,
        opened=None,
    )
    shown = _client(registry).get_registered_model(PROJECT.name).description
    assert shown == r"\[free\]\(https\:\/\/elsewhere\.example\) \<b\>now\<\/b\>"


@pytest.mark.parametrize("moved", [1, None])
def test_an_alias_that_was_moved_by_hand_is_told_and_put_back(registries, vault, moved):
    registry = registries()
    for version in (1, 2):
        _register(registry, vault, version, copied=False)
    assert registry.put_back(PROJECT.name, 2) is None
    if moved:
        _client(registry).set_registered_model_alias(PROJECT.name, "champion", moved)
    else:
        _client(registry).delete_registered_model_alias(PROJECT.name, "champion")
    found = registry.put_back(PROJECT.name, 2)
    assert found.pointed_to == moved
    told = found.text
    assert ("pointed to version 1" if moved else "was removed") in told
    assert "put back to version 2" in told
    assert _shown(registry)[1] == 2
    assert registry.put_back(PROJECT.name, 2) is None
    assert registry.put_back("never_shown", 1) is None


def test_an_experiment_that_was_deleted_in_mlflow_is_restored_by_the_next_night(registries, vault):
    registry = registries()
    _register(registry, vault, 1, copied=False)
    client = _client(registry)
    experiment = client.get_experiment_by_name(PROJECT.name)
    client.delete_experiment(experiment.experiment_id)
    _register(registry, vault, 2, champion=1, copied=False)
    assert _shown(registry) == ([1, 2], 2)
    assert client.get_experiment(experiment.experiment_id).lifecycle_stage == "active"
    names = [run.info.run_name[:9] for run in client.search_runs([experiment.experiment_id])]
    assert names.count("version 1") == names.count("version 2") == 1


def test_a_registered_model_that_was_deleted_in_mlflow_comes_back_with_all_versions_and_its_alias_at_once(
    registries, vault
):
    registry = registries()
    for version in (1, 2, 3):
        _register(registry, vault, version, promote=version != 3, in_force=min(version, 2), copied=False)
    client = _client(registry)
    client.delete_registered_model(PROJECT.name)
    assert "was removed: put back to version 2" in registry.put_back(PROJECT.name, 2).text
    assert _shown(registry) == ([1, 2, 3], 2)
    version = client.get_model_version_by_alias(PROJECT.name, "champion")
    run = client.get_run(version.run_id)
    assert version.source == f"{run.info.artifact_uri}/model"
    assert version.tags == {key: run.data.tags[key] for key in version.tags}
    assert {"trainyard.bundle", "trainyard.evaluation", "trainyard.reasons"} <= set(version.tags)

    client.delete_registered_model(PROJECT.name)  # and a night that promotes nothing finds it so
    _register(registry, vault, 4, promote=False, champion=2, copied=False)
    assert _shown(registry) == ([1, 2, 3, 4], 2)
    assert client.get_registered_model(PROJECT.name).description


def test_of_single_versions_that_were_deleted_in_mlflow_only_the_champion_comes_back(registries, vault):
    registry = registries()
    for version in (1, 2):
        _register(registry, vault, version, copied=False)
    client = _client(registry)
    for version in ("1", "2"):
        client.delete_model_version(PROJECT.name, version)
    assert registry.put_back(PROJECT.name, 2)
    assert _shown(registry) == ([2], 2)


def test_a_version_whose_tag_somebody_wrote_over_is_none_of_ours_and_the_champion_comes_back(registries, vault):
    registry = registries()
    for version in (1, 2):
        _register(registry, vault, version, copied=False)
    client = _client(registry)
    client.set_model_version_tag(PROJECT.name, "2", "trainyard.version", "the second")
    assert "put back to version 2" in registry.put_back(PROJECT.name, 2).text
    assert client.get_model_version_by_alias(PROJECT.name, "champion").version == 3
    (run,) = client.search_runs(
        [client.get_experiment_by_name(PROJECT.name).experiment_id], "tags.`trainyard.version` = '1'"
    )
    client.set_tag(run.info.run_id, "trainyard.version", "")
    client.delete_registered_model(PROJECT.name)
    _register(registry, vault, 3, copied=False)
    assert _shown(registry) == ([2, 3], 3)


def test_one_process_at_a_time_opens_a_database_so_that_two_first_nights_make_it_once(registries, monkeypatch):
    registry, real, asked = registries(), MlflowClient.__init__, []

    def opens(self, *given, **named):
        with (registry.artifacts.parent / "mlflow.opening").open("a") as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        asked.append(self)
        real(self, *given, **named)

    monkeypatch.setattr(MlflowClient, "__init__", opens)
    registry.prepare()
    assert asked
    with (registry.artifacts.parent / "mlflow.opening").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize(
    ("owner", "call"),
    [
        (mlflow_nights, "add_trials"),
        (mlflow_nights, "log_sources"),
        (versions, "_log"),
        (mlflow_files, "log_model"),
        (MlflowClient, "create_run"),
        (MlflowClient, "set_terminated"),
        (MlflowClient, "create_registered_model"),
        (MlflowClient, "create_model_version"),
        (MlflowClient, "set_registered_model_alias"),
    ],
)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_registration_that_is_killed_is_completed_by_the_next(registries, vault, monkeypatch, owner, call, moment):
    registry = registries()
    real = getattr(owner, call)

    def dies(*arguments, **options):
        if moment == "after":
            real(*arguments, **options)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(owner, call, dies)
        with pytest.raises(Killed):
            _register(registry, vault, 1)
    _register(registry, vault, 1)
    assert _shown(registry) == ([1], 1)
    version = _client(registry).get_model_version_by_alias(PROJECT.name, "champion")
    run = _client(registry).get_run(version.run_id)
    assert run.info.status == "FINISHED"
    assert len(_client(registry).get_metric_history(version.run_id, "holdout.auc")) == 1
    assert [entry.path for entry in _client(registry).list_artifacts(version.run_id)] == ["model"]
    assert len(_client(registry).search_runs([run.info.experiment_id])) == 1 + len(night().trials)
    assert len(run.inputs.dataset_inputs) == len(night().sources)


def test_a_lost_registry_is_made_again_from_what_was_recorded(registries, vault):
    registry, models = registries(), [
        (promotion(version, promote=version != 3), evaluation(vault, seed=version)) for version in (1, 2, 3)
    ]  # fmt: skip
    for _ in range(2):
        for promoted, evaluated in models:
            registry.register(
                project=PROJECT,
                promotion=promoted,
                evaluation=evaluated,
                night=lambda: night(promoted.version),  # noqa: B023
                champion=min(promoted.version, 2),
                opened=vault,
            )
        assert _shown(registry) == ([1, 2, 3], 2)


def test_a_registry_that_is_not_there_is_named_and_may_be_asked_again(vault, tmp_path):
    (tmp_path / "file").write_text("no folder")
    nowhere = Versions(uri=f"sqlite:///{tmp_path}/file/mlflow.db", artifacts=tmp_path)
    with pytest.raises(RegistryUnavailable, match="accepts version 1 of flight_delay") as raised:
        _register(nowhere, vault, 1)
    assert raised.value.retry_heals


def test_a_version_that_mlflow_refuses_is_not_tried_again(registries, vault):
    odd = PROJECT.varied(name="p" * 5000)
    with pytest.raises(RegistryError) as raised:
        registries().register(
            project=odd, promotion=promotion(1), evaluation=evaluation(vault), night=night, champion=1, opened=vault
        )
    assert not raised.value.retry_heals
