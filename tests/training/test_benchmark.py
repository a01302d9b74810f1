"""A benchmark is the same wherever it is trained, and stands beside a candidate on the same rows."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from include.core.canonical import encode
from include.core.errors import TrainingError
from include.core.project import Benchmark, Objective
from include.core.records import BenchmarkTrial, TrialState
from include.data.losses import row_losses
from include.training import benchmark, matrix
from include.training.evaluation import BenchmarkRival, evaluate
from include.training.meter import ShardMeter
from include.training.metrics import metrics
from include.training.trial import NOT_FINITE
from tests.registry.models import FEATURES
from tests.training import searches
from tests.training.flights import Folder
from tests.training.linear_rows import TRAINING_ROWS, labelled, plan_of


@pytest.fixture
def own(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize("objective", Objective)
def test_a_benchmark_learns_all_rows_with_the_penalty_that_costs_least_on_the_validation_rows(own, objective):
    rows = labelled(objective)
    plan = plan_of(rows, own, objective)
    fit = benchmark.train(plan.shard(0), opened=own)
    assert fit == benchmark.train(plan.shard(0), opened=own, threads=2)
    assert (fit.error, len(fit.losses)) == (None, len(benchmark.PENALTIES))
    best = benchmark.PENALTIES[fit.losses.index(min(fit.losses))]
    assert json.loads(fit.model)["params"] == {"l2": best}
    model = benchmark.load(fit.model.encode(), FEATURES)
    loss = row_losses(objective, rows.label, model.predict(rows.table)).mean()
    constant = row_losses(objective, rows.label, np.full(len(rows.label), rows.label.mean())).mean()
    assert loss < 0.9 * constant
    other = plan_of(replace(rows, label=np.roll(rows.label, TRAINING_ROWS)), own, objective)
    assert other.benchmark.trial_id != plan.benchmark.trial_id


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_benchmark_that_cannot_be_trained_says_so_and_is_no_error_of_the_shard(own):
    rows = labelled(Objective.REGRESSION)
    far = np.where(np.arange(len(rows.label)) < TRAINING_ROWS, rows.label, 1e308 * np.sign(rows.label))
    shard, meter = plan_of(replace(rows, label=far), own, Objective.REGRESSION).shard(0), ShardMeter()
    fit = benchmark.train(shard, opened=own, meter=meter)
    assert (fit.model, fit.error) == (None, NOT_FINITE)
    assert meter.of(shard.benchmark.trial_id).ended is TrialState.FAILED
    assert benchmark.verified(shard, benchmark.written(fit)) == fit


def test_a_result_that_a_benchmark_cannot_have_is_refused(own):
    shard = plan_of(labelled(), own).shard(0)
    fit = benchmark.train(shard, opened=own)
    assert benchmark.verified(shard, benchmark.written(fit)) == fit
    forged = [
        replace(fit, losses=fit.losses[:1]),
        replace(fit, penalties=(2.0, 3.0)),
        replace(fit, losses=tuple(reversed(sorted(fit.losses))), model=fit.model.replace('"l2":', '"l3":')),
        replace(fit, model=None),
        replace(fit, error="a value of the data", model=None),
        replace(fit, model='{"objective":"binary"}'),
    ]
    for each in [*map(benchmark.written, forged), b"{}", b"[]", benchmark.written(fit) + b" "]:
        with pytest.raises(TrainingError):
            benchmark.verified(shard, each)


@pytest.fixture(scope="module")
def searched(features, vault):
    return searches.searched(features, vault)


def _evaluated(searched, features, vault, rival):
    return evaluate(
        plan=searched[0],
        plan_digest="sha256:plan",
        features=features,
        best=searches.winner(searched, features),
        model=vault.put(searches.refitted(searched, features, vault)),
        opened=vault,
        benchmark=rival,
    )


def _trained(features, vault, plan):
    """The benchmark of the plan's rows: what is recorded of it, and its model."""
    rows, training_rows = matrix.learnt(features, vault)
    planned = benchmark.planned(Benchmark.LINEAR, rows, training_rows, features, vault)
    shard = replace(plan, benchmark=planned).shard(plan.benchmark_shard)
    fit = benchmark.train(shard, opened=vault)
    told = BenchmarkTrial(
        trial_id=planned.trial_id, penalties=fit.penalties, losses=fit.losses, model="sha256:m", error=fit.error
    )
    return BenchmarkRival(kind=planned.kind, trained=told, model=benchmark.load(fit.model.encode(), features.features))


def test_an_evaluation_holds_the_benchmark_beside_the_model_on_all_rows_of_the_holdout(searched, features, vault):
    alone = _evaluated(searched, features, vault, None)
    rival = _trained(features, vault, searched[0])
    found = _evaluated(searched, features, vault, rival)
    assert encode(replace(found, benchmark=None)) == encode(alone)
    assert b"benchmark" not in encode(alone)
    rows = matrix.rows_of(features, features.split.holdout, vault, stretch="holdout")
    figures, difference = found.benchmark, found.benchmark.difference
    assert figures.metrics == metrics(features.objective, rows.label, rival.model.predict(rows.table))
    assert figures.compared_metrics == {}
    assert difference.estimate == pytest.approx(found.metrics["log_loss"] - figures.metrics["log_loss"])
    assert difference.lower < difference.estimate < difference.upper
    assert difference.days == len(features.split.holdout)
    assert (figures.validation_loss, figures.error) == (min(rival.trained.losses), None)


def test_a_benchmark_without_a_model_has_no_figures_and_its_reason(searched, features, vault):
    rival = _trained(features, vault, searched[0])
    failed = replace(rival.trained, losses=(), model=None, error=NOT_FINITE)
    for trained, why in ((failed, NOT_FINITE), (rival.trained, "its model is not kept any more")):
        figures = _evaluated(searched, features, vault, replace(rival, trained=trained, model=None)).benchmark
        assert (figures.metrics, figures.compared_metrics, figures.difference, figures.error) == ({}, {}, None, why)
