"""A night ends with a signed champion, the same everywhere; nothing is computed twice, and a backfill never leads."""

import json
from dataclasses import replace

import pytest
from mlflow import MlflowClient

from include.core import streams
from include.core.errors import RegistryError
from include.core.events import (
    ArtifactOpened,
    BenchmarkTrained,
    DataRead,
    FitRecorded,
    HoldoutDaysRecorded,
    ImportanceRecorded,
    ModelRegistered,
    PartitionsMade,
    ReferenceMade,
    StepFinished,
    StepReused,
    TrialRecorded,
)
from include.core.project import Objective, Severity
from include.core.records import ArtifactKind, FeatureSet, Plan, Validation, short_id
from include.ledger.costs import cost_of
from include.registry import bundle
from include.registry.versions import ALIAS
from include.runtime.code.commits import commit_of
from include.steps.references import References
from include.steps.showing import learnt_of
from include.steps.training import outcomes_of
from include.steps.uses import Uses
from include.training import engine
from tests.night.conftest import MakeYard
from tests.night.yard import FLIGHTS, INSTANT, LATER, NOW, STEPS, TEMPERATURE, Night, Yard


def opened_bytes(yard: Yard, night: Night, digest: str) -> bytes:
    from include import steps

    scope = steps.scope_of(yard.platform, night.run)
    return yard.platform.vault.open([digest], run=night.run, step="look", scope=scope, now=NOW).bytes(digest)


def test_a_night_ends_with_a_champion_whose_signature_holds(done: tuple[Yard, Night]) -> None:
    yard, night = done
    champion = yard.platform.champions.in_force(FLIGHTS.name)
    assert champion is not None
    assert (champion.number, champion.registered.bundle, champion.notes) == (1, night.promotion.bundle, ())
    manifest = bundle.verify(opened_bytes(yard, night, night.promotion.bundle), yard.platform.verifier)
    assert manifest.model == night.evaluation.model
    assert manifest.evaluation == night.digests["evaluate"]
    assert manifest.snapshot == night.digests["snapshot"]


def test_mlflow_shows_the_champion_under_its_alias_with_all_digests(done: tuple[Yard, Night]) -> None:
    yard, night = done
    client = MlflowClient(tracking_uri=yard.settings.mlflow, registry_uri=yard.settings.mlflow)
    shown = client.get_model_version_by_alias(FLIGHTS.name, ALIAS)
    assert shown.tags["trainyard.version"] == "1"
    assert shown.tags["trainyard.bundle"] == night.promotion.bundle
    assert shown.tags["trainyard.model"] == night.evaluation.model
    shown_night = client.get_run(shown.run_id).data
    assert shown_night.metrics["holdout.log_loss"] == night.evaluation.metrics["log_loss"]
    commit = commit_of(yard.settings.projects / FLIGHTS.name)
    assert shown_night.tags.get("mlflow.source.git.commit") == (commit.digest if commit else None)


def test_a_registered_model_has_the_shares_of_its_features_recorded_once(done: tuple[Yard, Night]) -> None:
    yard, night = done
    (told,) = yard.events(ImportanceRecorded)
    assert isinstance(told, ImportanceRecorded)
    assert (told.model_version, told.evaluation) == (1, night.digests["evaluate"])
    built = yard.platform.load(FeatureSet, night.digests["features"])
    assert set(told.importance) <= {feature.name for feature in built.features}
    assert sum(told.importance.values()) == pytest.approx(1)
    (drawn_from,) = yard.events(FitRecorded)
    assert isinstance(drawn_from, FitRecorded)
    assert (drawn_from.model_version, drawn_from.evaluation) == (1, night.promotion.evaluation)
    assert sum(group.rows for group in drawn_from.fit.groups) == night.evaluation.rows


def test_what_every_watch_reads_of_a_night_holds_no_figures_of_its_holdout(done: tuple[Yard, Night]) -> None:
    yard, _ = done
    recorded = [type(entry.event) for entry in yard.platform.ledger.read(streams.drift(FLIGHTS.name))]
    assert recorded == [ImportanceRecorded, ReferenceMade]
    kept = [type(entry.event) for entry in yard.platform.ledger.read(streams.holdout(FLIGHTS.name))]
    assert kept == [FitRecorded, HoldoutDaysRecorded]


def test_mlflow_shows_every_trial_below_its_night_as_the_ledger_recorded_it(done: tuple[Yard, Night]) -> None:
    yard, night = done
    client = MlflowClient(tracking_uri=yard.settings.mlflow, registry_uri=yard.settings.mlflow)
    run = client.get_run(client.get_model_version_by_alias(FLIGHTS.name, ALIAS).run_id)
    below = f"tags.`mlflow.parentRunId` = '{run.info.run_id}'"
    shown = {child.data.tags["trainyard.trial"]: child for child in client.search_runs([run.info.experiment_id], below)}
    recorded = [event.trial for event in yard.events(TrialRecorded) if isinstance(event, TrialRecorded)]
    assert shown.keys() == {trial.trial_id for trial in recorded}
    for trial in recorded:
        child = shown[trial.trial_id]
        curve = client.get_metric_history(child.info.run_id, "validation.log_loss")
        assert [point.value for point in curve] == list(trial.losses)
        assert child.data.tags["trainyard.state"] == trial.state
        assert child.info.start_time < child.info.end_time
    stopped = [
        each.data.tags["trainyard.ending"] for each in shown.values() if each.data.tags["trainyard.state"] == "pruned"
    ]
    assert stopped
    assert all(told.startswith("stopped after") for told in stopped)
    assert {each.dataset.name for each in run.inputs.dataset_inputs} >= {"flights", f"{FLIGHTS.name} features"}
    assert json.loads(run.data.tags["trainyard.digests"])["snapshot"] == night.digests["snapshot"]


def test_what_is_told_of_a_night_is_what_its_trials_reached_on_the_validation_days(done: tuple[Yard, Night]) -> None:
    yard, night = done
    told = learnt_of(yard.platform, night.run, night.evaluation)
    plan = yard.platform.load(Plan, night.digests["plan"])
    outcomes = outcomes_of(yard.platform, plan)
    assert told.days == yard.platform.load(FeatureSet, night.evaluation.features).split.validation
    assert told.trial == outcomes[night.evaluation.trial_id]
    assert plan.trials[told.number - 1].trial_id == told.trial.trial_id
    assert sum(told.ended.values()) == len(plan.trials)
    failed = yard.platform.load(Validation, night.digests["validate"]).failed(Severity.WARNING)
    assert [warning.split(":")[0] for warning in told.warnings] == [each.dataset for each in failed]
    assert night.promotion.verdict.refusals == ()


def test_training_that_is_all_recorded_has_no_round_left(done: tuple[Yard, Night]) -> None:
    from include import steps

    yard, night = done
    shards = steps.progress_of(yard.platform, night.digests["plan"])
    assert list(shards) == ["train-0", "train-1"]
    assert [(each.ended, each.trials, each.rounds, each.all_rounds) for each in shards.values()] == [(2, 2, 0, 0)] * 2


def test_a_night_in_another_empty_home_makes_the_same_bytes(done: tuple[Yard, Night], yard: Yard) -> None:
    first, night = done
    again = yard.night(run_id="another-name")
    assert again.digests == night.digests
    assert again.promotion == night.promotion
    model = night.evaluation.model
    assert opened_bytes(yard, again, model) == opened_bytes(first, night, model)


def test_the_same_night_again_computes_nothing_and_a_change_of_code_computes_it_again(past: tuple[Yard, Night]) -> None:
    yard, night = past
    facts = (StepFinished, PartitionsMade, TrialRecorded, ModelRegistered)
    known = yard.events(*facts)
    opened = len(yard.events(ArtifactOpened))
    again = yard.night(run_id="again")
    assert again.digests == night.digests
    assert yard.events(*facts) == known
    reused = [event.step for event in yard.events(StepReused, run_id="again")]
    assert set(reused) == {"declare", *STEPS}
    cost = cost_of(yard.platform.ledger, FLIGHTS.name, "again")
    assert cost is not None
    assert set(cost.steps) == set(reused)
    assert cost.trials == {}
    first = cost_of(yard.platform.ledger, FLIGHTS.name, night.run.run_id)
    assert first is not None
    chosen = short_id(night.evaluation.trial_id)
    assert {trial: spent.times for trial, spent in first.trials.items() if spent.times != 1} == {chosen: 2}
    assert len(first.trials) == FLIGHTS.learning.search.trials + 1  # and the benchmark
    assert [(event.files, event.rows) for event in yard.events(DataRead, run_id="again")] == [(0, 0)] * 3
    assert len(yard.events(ArtifactOpened)) == opened, "MLflow gets a pointer, and no model is opened for it"

    yard.code = "sha256:" + "d" * 64
    changed = yard.night(run_id="changed")
    finished = {event.step for event in yard.events(StepFinished, run_id="changed")}
    assert finished == {"declare", *STEPS} - {"snapshot"}  # its bytes are a function of source, scope and instant
    assert changed.digests | {"validate": ""} == night.digests | {"validate": ""}
    assert len(yard.events(ModelRegistered)) == 1
    client = MlflowClient(tracking_uri=yard.settings.mlflow, registry_uri=yard.settings.mlflow)
    assert len(client.search_model_versions(f"name = '{FLIGHTS.name}'")) == 1
    assert yard.events(TrialRecorded, run_id="changed") == []  # the code that trains is what it was


def test_other_code_of_training_trains_every_trial_again(
    past: tuple[Yard, Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    yard, night = past
    trained = yard.events(TrialRecorded)
    yard.code = "sha256:" + "d" * 64
    monkeypatch.setattr(engine, "digest", lambda *_: "sha256:" + "e" * 64)
    changed = yard.night(run_id="changed")
    assert len(yard.events(TrialRecorded, run_id="changed")) == len(trained)
    assert changed.digests["plan"] != night.digests["plan"]
    assert changed.evaluation.model == night.evaluation.model


def test_a_night_on_the_champion_s_next_day_compares_and_may_replace_it(past: tuple[Yard, Night]) -> None:
    yard, _ = past
    second = yard.night(run_id="second", instant=INSTANT + LATER)
    assert second.evaluation.champion == 1
    assert second.evaluation.champion_metrics.keys() == second.evaluation.metrics.keys()
    assert second.evaluation.compared == second.evaluation.holdout
    assert yard.platform.load(Plan, second.digests["plan"]).warm != ()
    assert second.promotion.version == 2
    assert second.promotion.verdict.promote  # the gates of these tests are wide


def test_a_longer_holdout_is_compared_on_the_days_that_the_champion_has_not_learnt(past: tuple[Yard, Night]) -> None:
    yard, first = past
    longer = FLIGHTS.varied(window=replace(FLIGHTS.learning.window, holdout_days=8))
    second = yard.night(longer, run_id="longer", instant=INSTANT + LATER)
    assert len(second.evaluation.holdout) == 8
    compared = second.evaluation.compared
    assert compared is not None
    assert (compared.first, compared.last) == (first.evaluation.holdout.first, second.evaluation.holdout.last)
    assert second.evaluation.difference is not None
    assert second.evaluation.difference.days == 5
    assert f"5 holdout days after {compared.first - LATER}" in second.promotion.verdict.reasons[0]


def test_trials_of_another_label_warm_no_search_and_its_champion_is_not_compared(past: tuple[Yard, Night]) -> None:
    yard, _ = past
    key = FLIGHTS.learning.target.key
    late = replace(
        FLIGHTS.learning.target, label=lambda flights: flights.select(*key, label=flights.arrival_delay >= 45)
    )
    other = yard.night(FLIGHTS.varied(target=late), run_id="other", instant=INSTANT + LATER)
    assert yard.platform.load(Plan, other.digests["plan"]).warm == ()
    assert (other.evaluation.champion, other.evaluation.compared) == (1, None)
    assert not other.promotion.verdict.promote
    assert "the label is defined otherwise" in other.promotion.verdict.reasons[0]
    assert "Gates(supersedes=1)" in other.promotion.verdict.reasons[0]


def test_a_model_is_decided_about_once_and_gates_that_would_decide_otherwise_are_not_passed_over(
    past: tuple[Yard, Night],
) -> None:
    yard, night = past
    stricter = FLIGHTS.varied(gates=replace(FLIGHTS.quality.gates, floor_loss=1e-9))
    with pytest.raises(RegistryError, match=r"version 1 was promoted; the gates .* not promoted.* another --instant"):
        yard.night(stricter, run_id="stricter")
    assert len(yard.events(ModelRegistered)) == 1
    wider = FLIGHTS.varied(gates=replace(FLIGHTS.quality.gates, floor_loss=200.0))
    assert yard.night(wider, run_id="wider").promotion == night.promotion


def test_a_backfill_never_replaces_the_champion_of_a_later_night(past: tuple[Yard, Night]) -> None:
    yard, _ = past
    backfill = yard.night(run_id="backfill", instant=INSTANT - LATER)
    assert backfill.promotion.version == 2
    assert not backfill.promotion.verdict.promote
    assert "champion version 1 stays: its holdout ends on 2013-05-29" in backfill.promotion.verdict.reasons[-1]
    champion = yard.platform.champions.in_force(FLIGHTS.name)
    assert champion is not None
    assert champion.number == 1
    client = MlflowClient(tracking_uri=yard.settings.mlflow, registry_uri=yard.settings.mlflow)
    assert client.get_model_version_by_alias(FLIGHTS.name, ALIAS).tags["trainyard.version"] == "1"


def test_a_backfill_draws_the_trials_that_it_would_have_drawn_on_its_day(done: tuple[Yard, Night], yard: Yard) -> None:
    yard.night(run_id="later", instant=INSTANT + LATER)
    backfill = yard.night(run_id="backfill")
    _, night = done
    assert backfill.digests["plan"] == night.digests["plan"]
    assert backfill.evaluation.model == night.evaluation.model


def test_a_regression_on_other_tables_trains_through_the_same_steps(make_yard: MakeYard) -> None:
    yard = make_yard()
    yard.grant(TEMPERATURE)
    night = yard.night(TEMPERATURE)
    assert night.evaluation.objective is Objective.REGRESSION
    assert set(night.evaluation.metrics) >= {"mae", "rmse"}
    assert night.promotion.verdict.promote
    again = yard.night(TEMPERATURE, run_id="again")
    assert again.digests == night.digests


def test_a_night_holds_its_model_against_the_declared_benchmark_which_is_recorded_beside_the_trials(
    done: tuple[Yard, Night],
) -> None:
    yard, night = done
    figures = night.evaluation.benchmark
    assert figures is not None
    (event,) = yard.events(BenchmarkTrained)
    assert isinstance(event, BenchmarkTrained)
    told = event.benchmark
    assert (figures.trial_id, figures.model, figures.validation_loss) == (told.trial_id, told.model, told.loss)
    assert figures.difference is not None
    expected = night.evaluation.metrics["log_loss"] - figures.metrics["log_loss"]
    assert figures.difference.estimate == pytest.approx(expected)
    assert any("of the linear benchmark" in reason for reason in night.promotion.verdict.reasons)
    cost = cost_of(yard.platform.ledger, FLIGHTS.name, night.run.run_id)
    assert cost is not None
    assert cost.trials[short_id(told.trial_id)].times == 1
    rows = yard.platform.load(Plan, night.digests["plan"]).benchmark
    assert rows is not None
    known = References(yard.platform, Uses.of(yard.platform.ledger), now=NOW).living
    kinds = {each.artifact: each.kind for each in known}
    assert (kinds[told.model or ""], kinds[rows.rows]) == (ArtifactKind.MODEL, ArtifactKind.TRAINING)
