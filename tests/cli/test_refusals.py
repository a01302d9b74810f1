"""`explain` refuses what `run` refuses, in the same words, and neither reads anything first."""

from datetime import date
from pathlib import Path

import pytest

from include.cli.explain import explain
from include.cli.night import run
from include.cli.scaffold import new
from include.core.errors import AccessDenied, DeclarationError
from include.core.events import ModelEvaluated
from include.core.project import Objective
from include.core.records import Days, Evaluation, Interval
from include.governance.signing import Signer, create_key
from include.runtime import deployment
from include.runtime.nights.platform import open_platform
from include.settings import Settings

CONTRACT = """
apiVersion: v3.1.0
kind: DataContract
id: urn:trainyard:contract:orders
version: 1.0.0
status: active
servers: [{server: production, type: local, format: parquet, path: "${TRAINYARD_PRODUCTION}/orders"}]
roles: [{role: data-steward, access: read, firstLevelApprovers: maria}]
slaProperties: [{property: retention, element: snapshot, value: 400, unit: d}]
schema:
  - name: orders
    physicalType: parquet
    customProperties: [{property: maturesAfterDays, value: 1}]
    properties:
"""
COLUMN = """
      - {{name: {name}, logicalType: {type}, classification: {classification}, {more}
         customProperties: [{{property: knownAt, value: "{known}"}}]}}
"""
KEY, DIVIDES = "primaryKey: true, required: true, ", "partitioned: true, required: true, "
COLUMNS = (
    ("id", "integer", "internal", KEY, "at"),
    ("at", "timestamp", "internal", DIVIDES, "at"),
    ("shop", "string", "restricted", "", "at"),
    ("x", "number", "internal", "", "at"),
    ("delay", "number", "internal", "", "at + P1D"),
)

PROJECT = """
import ibis
from include.core.project import *

def population(orders):
    return orders.select("id", "at", predicted_at=orders.at)

def label(orders):
    return orders.select("id", label=orders.delay)

def known(orders):
    return orders.select("id", x=orders.x)

PROJECT = Project(
    name="{name}",
    ownership=Ownership(
        owner="the tests",
        purpose="Shows what is refused",
    ),
    learning=Learning(
        target=Target(
            dataset="orders", key=("id",), population=population, label=label, objective=Objective.REGRESSION
        ),
        features=(FeatureGroup(name="known", build=known),),
        window=Window(days=30),
        search=Search(space={"learning_rate": FloatRange(low=0.1, high=0.2)}, trials=4, fixed={}),
    ),
    quality=Quality(
        gates=Gates(margin=0.0, floor_loss=9.0),
        expectations=(),
    ),
    operations=Operations(),
)
"""
SPACE, FIXED, SCHEDULE = '"learning_rate": FloatRange(low=0.1, high=0.2)', "fixed={}", "Operations()"
EXPECTED, FEATURE, LABEL = "expectations=()", 'select("id", x=orders.x)', 'select("id", label=orders.delay)'


def expecting(kind: str, arguments: str, dataset: str = "orders") -> str:
    return f'expectations=(Expectation(dataset="{dataset}", kind="{kind}", arguments={arguments}),)'


#: What is written instead of which part of the project, and what is said to that.
REFUSED = {
    "a misspelt parameter": (SPACE, '"learnin_rate": FloatRange(low=0.1, high=1)', r"learnin_rate \(learning_rate\?\)"),
    "an alias": (SPACE, '"eta": FloatRange(low=0.1, high=1)', "canonical name .*eta"),
    "a parameter of the platform's": (FIXED, 'fixed={"objective": "huber"}', "leaves to the platform.*objective"),
    "the platform's seed": (FIXED, 'fixed={"seed": 3}', "leaves to the platform.*seed"),
    "bins that are searched": (SPACE, '"max_bin": IntRange(low=15, high=255)', "max_bin.*Move it to `fixed`"),
    "what is of another objective": (FIXED, 'fixed={"alpha": 0.9}', "changes the model of a regression.*alpha"),
    "what is of classes": (FIXED, 'fixed={"is_unbalance": True}', "changes the model of a regression.*is_unbalance"),
    "bagging without a frequency": (
        SPACE, '"bagging_fraction": FloatRange(low=0.5, high=1)', "bagging_fraction without bagging_freq"
    ),
    "a frequency of 0": (
        FIXED, 'fixed={"bagging_freq": 0, "bagging_fraction": 0.5}', "bagging_fraction without bagging_freq"
    ),
    "GOSS that bags": (
        FIXED, 'fixed={"data_sample_strategy": "goss", "bagging_freq": 1, "bagging_fraction": 0.5}',
        "Cannot use bagging in GOSS",
    ),
    "monotone by an absolute error": (FIXED, 'fixed={"monotone_constraints": "1"}', "monotone_constraints.*regression"),
    "a value that LightGBM refuses": (SPACE, '"num_leaves": IntRange(low=1, high=9)', "num_leaves=1.*num_leaves"),
    "a text that LightGBM refuses": (SPACE, '"boosting": Choice(options=("gbdt", "gbdx"))', "boosting='gbdx'"),
    "nothing as an option": (SPACE, '"max_depth": Choice(options=(None, 5))', "a choice has options.*max_depth"),
    "a set of options": (SPACE, '"max_depth": Choice(options={4, 5})', "a choice has options.*max_depth"),
    "one option twice": (SPACE, '"extra_trees": Choice(options=(1, True))', "a choice has options.*extra_trees"),
    "fractions of whole numbers": (SPACE, '"max_depth": IntRange(low=2.5, high=9)', "whole numbers.*max_depth"),
    "a range without an end": (SPACE, '"lambda_l2": FloatRange(low=0, high=float("inf"))', "finite.*lambda_l2"),
    "a range that falls": (SPACE, '"max_depth": IntRange(low=9, high=8)', "a range rises.*max_depth"),
    "a logarithm of 0": (SPACE, '"lambda_l2": FloatRange(low=0, high=1, log=True)', "a range rises.*lambda_l2"),
    "a list as a value": (FIXED, 'fixed={"monotone_constraints": [1, 0]}', "one finite number.*monotone_constraints"),
    "searched and fixed": (FIXED, 'fixed={"learning_rate": 0.1}', "either searched or fixed.*learning_rate"),
    "half a trial": ("trials=4", "trials=4.5", "whole numbers"),
    "six fields": (SCHEDULE, 'Operations(schedule="0 15 6 * * *")', "`schedule` is a cron line of five fields"),
    "a date that never comes": (SCHEDULE, 'Operations(watch_schedule="0 2 30 2 *")', "`watch_schedule`.*30 2"),
    "no cron line": (SCHEDULE, 'Operations(schedule="nightly")', "cron line.*nightly"),
    "a minute that is drawn": (SCHEDULE, 'Operations(schedule="R 4 * * *")', "cron line.*R 4"),
    "a gate that is no number": ("floor_loss=9.0", 'floor_loss=float("nan")', "gates are finite numbers"),
    "a key that is no list": ('key=("id",)', 'key="id"', "names its key columns.*id"),
    "an objective in words": ("Objective.REGRESSION", '"regression"', "one of Objective.*regression"),
    "half a day": ("Window(days=30)", "Window(days=30.5)", "whole days"),
    "half a day back": ("build=known", "build=known, lookback_days=0.5", "lookback_days"),
    "no day to train": ("Window(days=30)", "Window(days=28)", "at least one day each"),
    "no time column": ('"id", "at", predicted_at', '"id", predicted_at', r"missing \['at'\]"),
    "no moment": (", predicted_at=orders.at", "", r"missing \['predicted_at'\]"),
    "a label of two columns": (LABEL, 'select("id", label=orders.delay, x=orders.x)', "one column `label`"),
    "a feature without the key": (FEATURE, "select(x=orders.x)", r"returns the target's key.*missing \['id'\]"),
    "a feature of the key's name": (FEATURE, 'select("id", label=orders.x)', "has a name of its own"),
    "a moment as a feature": (FEATURE, 'select("id", when=orders.at)', "numbers, booleans and categories.*when"),
    "a restricted category": (FEATURE, 'select("id", shop=orders.shop)', "restricted column.*orders.shop"),
    "a clock": (FEATURE, 'select("id", hour=ibis.now().hour())', "now"),
    "an unknown column": (FEATURE, 'select("id", x=orders.y)', "y"),
    "an unknown dataset": ("def known(orders)", "def known(returns)", "returns"),
    "an unknown expectation": (EXPECTED, expecting("expect_columns_to_be_good", "{}"), "expect_columns_to_be_good"),
    "an expectation of no column": (
        EXPECTED, expecting("expect_column_values_to_not_be_null", '{"column": "y"}'), r"columns \['y'\]"
    ),
    "an expectation of no dataset": (
        EXPECTED, expecting("expect_column_values_to_not_be_null", '{"column": "x"}', "returns"), "returns"
    ),
    "an expectation of a set": (
        EXPECTED, expecting("expect_column_values_to_be_in_set", '{"column": "x", "value_set": {1, 2}}'), "a list"
    ),
    "a number of rows in words": (
        EXPECTED, expecting("expect_table_row_count_to_equal", '{"value": "many"}'), "is given numbers of rows"
    ),
    "a bound on times that is none": (
        EXPECTED,
        expecting("expect_column_values_to_be_between", '{"column": "at", "min_value": "3 July"}'),
        "ISO 8601.*min_value '3 July'",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The settings of a deployment without data, which knows one contract."""
    folder = tmp_path_factory.mktemp("refusals")
    (folder / "contracts").mkdir()
    columns = (
        COLUMN.format(name=name, type=kind, classification=classification, more=more, known=known)
        for name, kind, classification, more, known in COLUMNS
    )
    (folder / "contracts" / "orders.odcs.yaml").write_text(CONTRACT + "".join(columns))
    made = {
        "TRAINYARD_HOME": str(folder / "home"),
        "TRAINYARD_CONTRACTS": str(folder / "contracts"),
        "TRAINYARD_PROJECTS": str(folder / "refused_projects"),
        "TRAINYARD_USER": "dana",
    }
    settings = Settings.from_environment(made)
    deployment.prepare(settings)
    create_key(settings.authority_keys / "authority.key")
    Signer.load(settings.authority_keys / "authority.key").publish(settings.keys / deployment.AUTHORITY_PUBLIC_KEY)
    return made


def declare(home: dict[str, str], name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for setting, value in home.items():
        monkeypatch.setenv(setting, value)
    package = Path(home["TRAINYARD_PROJECTS"]) / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(text.replace("{name}", name))
    return Settings.from_environment()


@pytest.mark.parametrize("case", REFUSED)
def test_what_run_refuses_before_it_reads_explain_refuses_in_the_same_words(
    case: str, home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    part, instead, told = REFUSED[case]
    assert part in PROJECT
    name = f"p{list(REFUSED).index(case)}"
    settings = declare(home, name, PROJECT.replace(part, instead), monkeypatch)
    with pytest.raises(DeclarationError, match=f"(?s){told}") as explained:
        explain(name)
    with pytest.raises(DeclarationError) as ran:
        run(name, "2024-05-20")
    assert str(ran.value) == str(explained.value)
    platform = open_platform(settings)
    steps = {getattr(entry.event, "step", "declare") for entry in platform.ledger.read_all()}
    assert steps <= {"declare"}
    assert name not in {request.project for request in platform.access.requests()}


def test_what_is_not_changed_is_explained_and_waits_for_a_grant(
    home: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = declare(home, "usable", PROJECT, monkeypatch)
    explain("usable")
    told = " ".join(capsys.readouterr().out.split())
    for shown in (
        "predicts a number (regression) of rows of orders by id",
        "made of orders.delay",
        "known │ 0 │ x ",
        "a mean absolute error of 9 at most",
        "nobody watches the champion",
    ):
        assert shown in told
    assert_waits_for_a_grant("usable", settings)


def test_the_smallest_margin_that_the_last_holdout_could_show_is_explained(
    home: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = declare(home, "noisy", PROJECT, monkeypatch)
    explain("noisy")
    assert "could show a margin" not in capsys.readouterr().out
    difference = Interval(estimate=0.0, lower=-0.03, upper=0.03141, days=21)
    holdout = Days(first=date(2024, 5, 1), last=date(2024, 5, 21))
    compared = Evaluation(
        plan="", features="", objective=Objective.REGRESSION, trial_id="", params={}, model="", metrics={"mae": 1.0},
        champion=1, compared=holdout, compared_metrics={}, champion_metrics={}, difference=difference, holdout=holdout,
        rows=10,
    )  # fmt: skip
    evaluated = ModelEvaluated(project="noisy", run_id="night", evaluation=compared)
    open_platform(settings).ledger.record("evaluations/noisy", evaluated, key="evaluated/noisy/e")
    explain("noisy")
    told = " ".join(capsys.readouterr().out.split())
    assert "2024-05-01 to 2024-05-21, could show a margin of 0.0315 at the smallest" in told


def test_a_feature_that_is_sure_to_be_rounded_is_warned_of(
    home: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = PROJECT.replace(FEATURE, 'select("id", x=orders.x, seconds=orders.at.epoch_seconds())')
    declare(home, "rounded", text, monkeypatch)
    explain("rounded")
    told = " ".join(capsys.readouterr().out.split())
    assert "feature known.seconds is a time counted from 1970, an integer; models see float32" in told
    assert "known.x is" not in told


@pytest.mark.parametrize("at", [None, 15.0])
def test_a_scaffold_whose_key_is_without_the_time_column_can_be_run(
    at: float | None, home: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"scaffold_{at is None}".lower()
    for setting, value in home.items():
        monkeypatch.setenv(setting, value)
    new(name, dataset="orders", label="delay", purpose="p", owner="o", at=at)
    explain(name)
    assert_waits_for_a_grant(name, Settings.from_environment())


def assert_waits_for_a_grant(project: str, settings: Settings) -> None:
    """A night of *project* begins, and stops at its gate."""
    with pytest.raises(AccessDenied):
        run(project, "2024-05-20")
    assert project in {request.project for request in open_platform(settings).access.requests()}
