"""A declaration that cannot work is refused when it is made."""

import re
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.canonical import decode, encode
from include.core.errors import DeclarationError
from include.core.project import (
    Choice,
    Compute,
    DriftPolicy,
    FeatureGroup,
    FloatRange,
    Gates,
    IntRange,
    LearnerName,
    Operations,
    Project,
    Search,
    SkillPolicy,
    Window,
)
from include.projects.flight_delay import PROJECT

SPACE = {"learning_rate": FloatRange(low=0.01, high=0.1)}


@given(st.integers(-5, 40), st.integers(-5, 40), st.integers(-5, 40))
def test_a_window_has_a_day_for_each_of_its_parts_or_is_refused(days: int, validation: int, holdout: int) -> None:
    usable = validation >= 1 and holdout >= 1 and days - validation - holdout >= 1
    if usable:
        Window(days=days, validation_days=validation, holdout_days=holdout)
    else:
        with pytest.raises(DeclarationError):
            Window(days=days, validation_days=validation, holdout_days=holdout)


@pytest.mark.parametrize(
    "change",
    [{"trials": 0}, {"shards": 0}, {"trials": 2, "shards": 3}, {"rungs": ()}, {"rungs": (50, 50)}, {"rungs": (0, 5)},
     {"reduction": 0}, {"space": {}}, {"space": []}, {"fixed": None}, {"rungs": 50}],
)  # fmt: skip
def test_a_search_that_cannot_run_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DeclarationError):
        Search(**{"space": SPACE, **change})


@pytest.mark.parametrize("change", [{"name": "two words"}, {"lookback_days": -1}])
def test_a_feature_group_has_a_name_and_looks_back(change: dict[str, object]) -> None:
    with pytest.raises(DeclarationError):
        FeatureGroup(**{"name": "lags", "build": len, **change})


@pytest.mark.parametrize(
    "change",
    [{"accelerators": -1}, {"cpus": 0}, {"node_selector": {"two words": "x"}}, {"node_selector": {"sku": 1}},
     {"node_selector": "sku=gpu"}, {"tolerations": "sku=gpu"}, {"tolerations": ("sku:Never",)}, {"tolerations": (7,)},
     {"tolerations": ("=gpu",)}, {"queue": ""}, {"queue": "team a"}, {"queue": "q" * 64}],
)  # fmt: skip
def test_a_place_that_no_cluster_could_give_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(DeclarationError):
        Compute(**change)


SCALARS = st.one_of(st.integers(-9, 9), st.floats(-9, 9), st.booleans(), st.text(max_size=3))
OTHERS = st.one_of(st.none(), st.just(float("nan")), st.just(float("inf")), st.lists(SCALARS), st.sets(st.integers()))


@given(SCALARS, OTHERS)
def test_what_a_trial_may_be_given_is_one_finite_value_and_nothing_else(scalar: object, other: object) -> None:
    Search(space={"a": Choice(options=(scalar,))}, fixed={"b": scalar})
    for refused in ({"space": {"a": Choice(options=(scalar, other))}}, {"space": SPACE, "fixed": {"b": other}}):
        with pytest.raises(DeclarationError):
            Search(**refused)


@given(st.integers(-9, 9), st.integers(-9, 9), st.booleans(), st.sampled_from([IntRange, FloatRange]))
def test_a_range_rises_and_has_logarithms_or_is_refused(low: int, high: int, log: bool, kind: type) -> None:
    space = {"num_leaves": kind(low=low, high=high, log=log)}
    if low <= high and (low > 0 or not log):
        Search(space=space)
    else:
        with pytest.raises(DeclarationError, match="num_leaves"):
            Search(space=space)


@pytest.mark.parametrize("line", ["0 4 * * *", "*/30 6-18 * * mon-fri", "0 0 29 2 *", "@daily", "0 4 L * *"])
def test_a_schedule_is_a_cron_line_of_five_fields_whose_date_comes(line: str) -> None:
    Operations(schedule=line, watch_schedule=line)


@pytest.mark.parametrize(
    "line", ["0 15 6 * * *", "0 2 30 2 *", "61 4 * * *", "", "@once", "H 4 * * *", "0 R(1-5) * * *"]
)
def test_a_schedule_that_fires_by_seconds_or_never_or_by_chance_is_refused(line: str) -> None:
    for name in ("schedule", "watch_schedule"):
        with pytest.raises(DeclarationError, match=f"`{name}`"):
            Operations(**{name: line})


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Argentina/Ushuaia", "Etc/GMT+3"])
def test_a_schedules_zone_is_one_of_iana(zone: str) -> None:
    assert Operations(timezone=zone).timezone == zone


@pytest.mark.parametrize(
    "zone", ["", "europe/berlin", "Europe", "Berlin", "localtime", "right/UTC", "../UTC", "UTC+1", 3, ["UTC"]]
)
def test_a_zone_that_nobody_knows_or_that_depends_on_the_machine_is_refused(zone: str) -> None:
    with pytest.raises(DeclarationError, match="`timezone` is the name of a zone"):
        Operations(timezone=zone)


@pytest.mark.parametrize("text", ["no", "False", 0, None])
def test_yes_and_no_are_true_and_false_since_the_text_no_would_count_as_yes(text: object) -> None:
    with pytest.raises(DeclarationError, match="`copy_model` is True or False"):
        Operations(copy_model=text)  # type: ignore[arg-type]
    with pytest.raises(DeclarationError, match="`beats_benchmark` is True or False"):
        Gates(margin=0.0, floor_loss=1.0, beats_benchmark=text)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value", "rule"),
    [
        ("threads", "2", "`threads` is"),
        ("threads", 0, "`threads` is"),
        ("gate_patience_minutes", "60", "minutes are"),
        ("late_after_minutes", -1, "minutes are"),
        ("compute", {"cpus": 2}, "`operations.compute` is one Compute"),
    ],
)
def test_what_a_run_may_take_is_of_its_kind(field: str, value: object, rule: str) -> None:
    with pytest.raises(DeclarationError, match=rule):
        Operations(**{field: value})  # type: ignore[arg-type]


def test_a_limit_of_drift_is_a_finite_number() -> None:
    with pytest.raises(DeclarationError):
        DriftPolicy(excess_loss=float("inf"), calibration_gap=None)


def test_one_name_of_the_calendar_is_listed_too() -> None:
    with pytest.raises(DeclarationError, match="calendar"):
        DriftPolicy(excess_loss=0.1, calibration_gap=None, calendar="weekday")  # type: ignore[arg-type]


def test_a_drift_policy_of_before_skill_keeps_its_bytes_and_is_read_with_its_skill_watched() -> None:
    before = (
        b'{"baseline_weeks":8,"calendar":[],"calibration_gap":null,"cooldown_days":20,"days":28,"excess_loss":0.1,'
        b'"minimum_days":20,"monthly_budget":1,"psi":0.1,"psi_factor":1.5}'
    )
    assert encode(DriftPolicy(excess_loss=0.1, calibration_gap=None)) == before
    assert decode(DriftPolicy, before).skill == SkillPolicy()
    changed = DriftPolicy(excess_loss=0.1, skill=SkillPolicy(drop=0.05), stops_promotion=False)
    assert decode(DriftPolicy, encode(changed)) == changed


@pytest.mark.parametrize("change", [{"drop": 0.0}, {"usual_days": 27}, {"false_asks": 0.0}, {"false_asks": 0.6}])
def test_a_skill_policy_that_cannot_be_kept_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(DeclarationError):
        SkillPolicy(**change)  # type: ignore[arg-type]


def test_a_policy_by_which_nothing_decides_is_refused() -> None:
    with pytest.raises(DeclarationError, match="a figure decides"):
        DriftPolicy(skill=None)


def test_a_project_is_varied_in_fields_of_any_group_and_stays_what_it_was_in_all_others() -> None:
    window, gates = Window(days=50), Gates(margin=0.5, floor_loss=1.0)
    made = PROJECT.varied(name="later", window=window, gates=gates, owner="others", schedule="0 5 * * *")
    assert made == Project(
        name="later",
        ownership=replace(PROJECT.ownership, owner="others"),
        learning=replace(PROJECT.learning, window=window),
        quality=replace(PROJECT.quality, gates=gates),
        operations=replace(PROJECT.operations, schedule="0 5 * * *"),
    )
    assert PROJECT.varied() == PROJECT
    whole = PROJECT.varied(operations=Operations(threads=2), schedule="0 5 * * *")
    assert whole.operations == Operations(threads=2, schedule="0 5 * * *")


def test_a_project_is_varied_in_no_field_that_it_does_not_have() -> None:
    with pytest.raises(DeclarationError, match=r"found: windows\. Name one of name, owner"):
        PROJECT.varied(windows=Window())


def test_no_two_groups_of_a_project_share_a_fields_name_and_each_has_ten_fields_at_most() -> None:
    groups = [getattr(PROJECT, each.name) for each in fields(PROJECT) if each.name != "name"]
    names = [[each.name for each in fields(group)] for group in groups]
    assert all(len(each) <= 10 for each in names)
    together = [name for each in names for name in each] + [each.name for each in fields(PROJECT)]
    assert len(together) == len(set(together))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"features": PROJECT.learning.features[0]},
            "`learning.features` is a tuple of FeatureGroup; found: one Feature",
        ),
        ({"features": (len,)}, "found: one builtin_function_or_method. Write (FeatureGroup(...),), with a comma"),
        ({"target": {}}, "`learning.target` is one Target; found: one dict. Write target=Target(...)."),
        ({"window": 90}, "`learning.window` is one Window; found: one int."),
        ({"search": None}, "`learning.search` is one Search; found: one NoneType."),
        ({"gates": 0.1}, "`quality.gates` is one Gates; found: one float."),
        ({"drift": True}, "`quality.drift` is one DriftPolicy; found: one bool."),
        ({"expectations": PROJECT.quality.expectations[0]}, "`quality.expectations` is a tuple of Expectation"),
    ],
)
def test_a_group_holds_what_it_says_or_names_the_field(change: dict[str, Any], said: str) -> None:
    with pytest.raises(DeclarationError, match=re.escape(said)):
        PROJECT.varied(**change)


def test_a_search_of_trees_is_the_declaration_that_it_was_before_another_learner_could_be_named() -> None:
    assert b"learner" not in encode(Search(space=SPACE))
    assert encode(Search(space=SPACE, learner=LearnerName.BOOSTED_TREES)) == encode(Search(space=SPACE))
    assert encode(Search(space=SPACE, learner=LearnerName.LINEAR)) != encode(Search(space=SPACE))


def test_a_learner_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(DeclarationError, match=r"LearnerName\.BOOSTED_TREES, LearnerName\.LINEAR"):
        Search(space=SPACE, learner="linear")  # type: ignore[arg-type]
