import dataclasses

import lightgbm
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.canonical import encode
from include.core.errors import DataError
from include.core.records import DAY
from include.data.resampling import paired_interval
from include.training.evaluation import Rival, evaluate
from include.training.matrix import contents, learnt, rows_of
from include.training.metrics import metrics, row_losses
from tests.training import searches


@pytest.fixture(scope="module")
def searched(features, vault):
    return searches.searched(features, vault)


def _evaluate(searched, features, vault, **options):
    return evaluate(
        plan=searched[0],
        plan_digest="sha256:plan",
        features=features,
        best=searches.winner(searched, features),
        model=vault.put(searches.refitted(searched, features, vault)),
        opened=vault,
        **options,
    )


class Booster:
    """A model that was trained on the features' own columns, beside a bias that it adds."""

    def __init__(self, text, features, bias=0.0):
        self._booster, self.features, self._bias = lightgbm.Booster(model_str=text), features, bias

    def predict(self, table):
        from include.data.encoding import encode_features

        return np.clip(self._booster.predict(encode_features(table, self.features)) + self._bias, 0.001, 0.999)


def test_the_model_in_the_vault_gives_the_recorded_metrics_on_the_holdout(searched, features, vault):
    evaluation = _evaluate(searched, features, vault)
    rows = rows_of(features, features.split.holdout, vault, stretch="holdout")
    model = Booster(vault.bytes(evaluation.model).decode(), features.features)
    found = metrics(features.objective, rows.label, model._booster.predict(rows.matrix(features.features)))
    assert found == dict(evaluation.metrics)
    assert evaluation.rows == len(rows.label)
    assert evaluation.metrics["auc"] > 0.55


@pytest.mark.parametrize("kind", ["features", "delays"])
def test_skill_is_how_much_less_the_model_costs_than_the_mean_label_of_what_it_learnt(kind, vault, request):
    made = request.getfixturevalue(kind)
    found = request.getfixturevalue("searched") if kind == "features" else searches.searched(made, vault, trials=2)
    evaluation = _evaluate(found, made, vault)
    learnt_rows, _ = learnt(made, vault)
    rows = rows_of(made, made.split.holdout, vault, stretch="holdout")
    constant = np.full(len(rows.label), learnt_rows.label.mean())
    name = "log_loss" if kind == "features" else "mae"
    assert evaluation.constant_loss == pytest.approx(row_losses(made.objective, rows.label, constant).mean())
    assert evaluation.skill.estimate == pytest.approx(evaluation.constant_loss - evaluation.metrics[name])
    assert evaluation.skill.lower < evaluation.skill.estimate < evaluation.skill.upper
    assert evaluation.skill.days == len(made.split.holdout)


def test_a_plan_of_before_gives_an_evaluation_as_of_before(searched, features, vault):
    before = dataclasses.replace(searched[0], constant=None)
    evaluation = _evaluate((before, searched[1]), features, vault)
    assert (evaluation.constant_loss, evaluation.skill) == (None, None)
    assert b"constant" not in encode(before) + encode(evaluation)
    assert b"skill" not in encode(evaluation)


def test_the_same_inputs_give_the_same_evaluation_whatever_the_threads(searched, features, vault):
    one, again, two = (_evaluate(searched, features, vault, threads=threads) for threads in (1, 1, 2))
    assert encode(one) == encode(again) == encode(two)


def test_the_evaluation_opens_the_holdout_and_the_model_and_nothing_else(searched, features, vault):
    model = vault.put(searches.refitted(searched, features, vault))
    vault.opened.clear()
    evaluate(
        plan=searched[0],
        plan_digest="sha256:plan",
        features=features,
        best=searches.winner(searched, features),
        model=model,
        opened=vault,
    )
    assert set(vault.opened) == {model, *contents(features, features.split.holdout)}


def _rival(model, features, **changes):
    return Rival(version=3, model=model, **{"learnt_until": features.split.validation.last, **changes})


def test_a_champion_is_scored_on_the_same_rows(searched, features, vault):
    first = _evaluate(searched, features, vault)
    same = Booster(vault.bytes(first.model).decode(), features.features)
    evaluation = _evaluate(searched, features, vault, champion=_rival(same, features))
    assert evaluation.champion == 3
    assert evaluation.champion_metrics == pytest.approx(dict(evaluation.metrics), abs=1e-12)
    assert abs(evaluation.difference.upper) < 1e-12
    assert evaluation.difference.days == len(features.split.holdout)
    assert evaluation.compared == features.split.holdout
    assert evaluation.compared_metrics == evaluation.metrics
    biased = Booster(vault.bytes(first.model).decode(), features.features, bias=0.3)
    evaluation = _evaluate(searched, features, vault, champion=_rival(biased, features))
    difference = evaluation.difference
    assert difference.lower < difference.estimate < min(0, difference.upper)
    assert difference.estimate == pytest.approx(
        evaluation.metrics["log_loss"] - evaluation.champion_metrics["log_loss"]
    )


def test_a_champion_of_something_else_is_not_compared(searched, features, vault):
    same = Booster(vault.bytes(_evaluate(searched, features, vault).model).decode(), features.features)
    otherwise = ("the label is defined otherwise",)
    evaluation = _evaluate(searched, features, vault, champion=_rival(same, features, changed=otherwise))
    assert (evaluation.champion, evaluation.compared) == (3, None)
    assert (evaluation.compared_metrics, evaluation.champion_metrics, evaluation.difference) == ({}, {}, None)


def test_days_that_the_champion_learnt_are_left_out_of_the_comparison(searched, features, vault):
    model = Booster(vault.bytes(_evaluate(searched, features, vault).model).decode(), features.features, bias=0.1)
    holdout = features.split.holdout
    learnt = holdout.first + DAY
    cut = _evaluate(searched, features, vault, champion=_rival(model, features, learnt_until=learnt))
    assert cut.compared == dataclasses.replace(holdout, first=learnt + DAY)
    assert cut.difference.days == len(holdout) - 2
    rows = rows_of(features, cut.compared, vault, stretch="holdout")
    assert cut.champion_metrics == pytest.approx(metrics(features.objective, rows.label, model.predict(rows.table)))
    assert cut.compared_metrics["log_loss"] != cut.metrics["log_loss"]

    none = _evaluate(searched, features, vault, champion=_rival(model, features, learnt_until=holdout.last))
    assert len(none.compared) == 0
    assert (none.compared_metrics, none.champion_metrics, none.difference) == ({}, {}, None)
    assert none.metrics == cut.metrics


def test_a_regression_is_evaluated_in_minutes(delays, vault):
    evaluation = _evaluate(searches.searched(delays, vault, trials=2, shards=1), delays, vault)
    assert set(evaluation.metrics) == {"mae", "rmse"}
    assert 5 < evaluation.metrics["mae"] < evaluation.metrics["rmse"] < 100


def test_a_holdout_without_rows_is_refused(searched, features, vault):
    partitions = tuple(part for part in features.partitions if part.day not in features.split.holdout)
    with pytest.raises(DataError, match="none in the holdout days"):
        _evaluate(searched, dataclasses.replace(features, partitions=partitions), vault)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 5), st.floats(-2, 2)), min_size=2, max_size=15),
    st.floats(-3, 3),
    st.integers(0, 2**31),
)
def test_the_interval_moves_with_the_difference_and_holds_its_mean(days, shift, seed):
    day = np.repeat(np.arange(len(days), dtype=np.int32), [rows for rows, _ in days])
    difference = np.repeat([value for _, value in days], [rows for rows, _ in days])
    found, moved = (paired_interval(values, day, seed=seed) for values in (difference, difference + shift))
    assert found.estimate == pytest.approx(difference.mean(), abs=1e-9)
    assert found.lower <= found.upper
    assert found.days == len(days)
    for bound in ("estimate", "lower", "upper"):
        assert getattr(moved, bound) - getattr(found, bound) == pytest.approx(shift, abs=1e-9)


def test_one_day_gives_no_interval():
    assert paired_interval(np.ones(5), np.zeros(5, dtype=np.int32), seed=1) is None


def test_the_bounds_exclude_the_true_difference_in_a_twentieth_of_the_nights():
    """3 weeks of 100 flights whose day shifts them all: the bound must hold against that, at its declared level."""
    generator = np.random.default_rng(20130101)
    day = np.repeat(np.arange(21, dtype=np.int32), 100)
    nights = 400
    missed = 0
    for night in range(nights):
        difference = np.repeat(generator.normal(0, 1, 21), 100) + generator.normal(0, 1, len(day))
        interval = paired_interval(difference, day, seed=night)
        missed += interval.upper < 0
    assert 0.02 < missed / nights < 0.085
