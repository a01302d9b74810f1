"""A step takes what an earlier step of its own run made, and nothing else, whoever hands it what."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core import streams
from include.core.canonical import encode, record_digest
from include.core.errors import AccessDenied, ValidationFailed
from include.core.events import RunStarted, StepFailed
from include.core.project import Severity
from include.core.records import CheckResult, Run, Validation
from include.ledger import Ledger
from include.ledger.journal import Journal
from include.projects import flight_delay
from include.steps import Platform
from include.steps.inputs import MADE_BY, REFIT, require_made, require_validated
from include.store import Store

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PROJECT = flight_delay.PROJECT
RUN = Run(
    project=PROJECT.name,
    run_id="ours",
    instant=NOW,
    code_digest=record_digest("code"),
    declaration_digest=record_digest("declaration"),
    fence=0,
)
#: Runs of whom something may be recorded: ours, another of our project, and one of another project.
RUNS = (RUN, replace(RUN, run_id="other"), replace(RUN, project="neighbours"))


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """Of a platform what is asked here: its ledger and its open store."""
    ledger, store = Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"), Store(tmp_path / "store")
    opened = SimpleNamespace(ledger=ledger, store=store, parents=None)
    opened.load = lambda kind, digest: Platform.load(cast(Platform, opened), kind, digest)
    for run in RUNS:
        stream = streams.run(run.project, run.run_id)
        ledger.record(stream, RunStarted(run=run, separation_of_duties="NOT SHOWN"), key=stream)
    return cast(Platform, opened)


def make(platform: Platform, run: Run, step: str, *, inputs: object, output: str) -> None:
    """Record what a step of *run* does when it made *output*, or found that another had."""
    journal = Journal(platform.ledger, run)
    with journal.attempt(step) as attempt:
        journal.finish(step, attempt, inputs=record_digest((run.code_digest, inputs)), output=output)


def refused(platform: Platform, run: Run = RUN, **names: str) -> AccessDenied:
    with pytest.raises(AccessDenied) as caught:
        require_made(platform, PROJECT, run, "attacked", now=NOW, **names)
    return caught.value


@given(
    made=st.lists(st.tuples(st.sampled_from(RUNS), st.sampled_from(sorted(MADE_BY)), st.integers(0, 2)), max_size=6),
    name=st.sampled_from(sorted(set(MADE_BY) - {"model"})),
    number=st.integers(0, 2),
)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_digest_is_taken_if_and_only_if_this_very_run_made_it_in_that_step(
    platform: Platform, made: list[tuple[Run, str, int]], name: str, number: int
) -> None:
    """Equal digests of equal content, in whichever run: who made it first does not matter, only that this run did."""
    mark = len(platform.ledger.read(streams.run(PROJECT.name, "ours")))  # what an earlier example recorded is another's
    digests = [record_digest((mark, each)) for each in range(3)]
    for run, argument, each in made:
        make(platform, run, MADE_BY[argument], inputs=(argument, digests[each]), output=digests[each])
    if any((run, argument, each) == (RUN, name, number) for run, argument, each in made):
        require_made(platform, PROJECT, RUN, "attacked", now=NOW, **{name: digests[number]})
    else:
        assert digests[number] in str(refused(platform, **{name: digests[number]}))


def test_what_is_refused_is_recorded_and_names_the_digest_and_what_the_run_made_instead(platform: Platform) -> None:
    ours, theirs = record_digest("ours"), record_digest("theirs")
    make(platform, RUN, "plan", inputs="ours", output=ours)
    make(platform, RUNS[2], "plan", inputs="theirs", output=theirs)
    error = refused(platform, plan=theirs)
    assert theirs in str(error.value)
    assert ours in str(error.value)
    assert "Clear the task `plan`" in error.remedy
    assert not error.retry_heals
    entries = platform.ledger.read(streams.run(PROJECT.name, "ours"))
    (failed,) = [entry.event for entry in entries if isinstance(entry.event, StepFailed)]
    assert (failed.step, failed.error, failed.message) == ("attacked", "AccessDenied", str(error))


def test_a_model_is_taken_only_with_the_plan_that_it_was_made_of(platform: Platform) -> None:
    """A run may have several of both, after a day was repaired."""
    plans, models = ([record_digest((what, each)) for each in range(2)] for what in ("plan", "model"))
    for plan, model in zip(plans, models, strict=True):
        make(platform, RUN, "plan", inputs=plan, output=plan)
        journal = Journal(platform.ledger, RUN)
        journal.once(REFIT, (plan,), lambda model=model: model)  # type: ignore[misc]  # bound now
    for plan, model in zip(plans, models, strict=True):
        require_made(platform, PROJECT, RUN, "evaluate", now=NOW, plan=plan, model=model)
    refused(platform, plan=plans[0], model=models[1])


def validation(snapshot: str, *failed: Severity, of: str = "column") -> Validation:
    checks = [
        CheckResult(
            dataset="flights",
            expectation="expect_column_values_to_not_be_null",
            column=of,
            severity=severity,
            success=False,
            rows=2,
            unexpected=1,
            days=(),
        )
        for severity in failed
    ]
    return Validation(
        snapshot=snapshot,
        expectations=record_digest(of),
        covered=(),
        checks=tuple(checks),
        report=record_digest("page"),
    )


@pytest.mark.parametrize(
    ("recorded", "passes"),
    [
        ([], None),
        ([("ours", ())], True),
        ([("ours", (Severity.WARNING,))], True),
        ([("ours", (Severity.WARNING, Severity.CRITICAL))], False),
        ([("ours", (Severity.CRITICAL,)), ("ours", ())], True),
        ([("ours", ()), ("ours", (Severity.CRITICAL,))], False),
        ([("another", ())], None),
        ([("ours", (Severity.CRITICAL,)), ("another", ())], False),
    ],
)
def test_the_last_validation_of_the_very_snapshot_decides_whatever_airflow_says_of_its_task(
    platform: Platform, recorded: list[tuple[str, tuple[Severity, ...]]], passes: bool | None
) -> None:
    for number, (what, failed) in enumerate(recorded):
        digest = platform.store.put(encode(validation(record_digest(what), *failed, of=f"column {number}")))
        make(platform, RUN, "validate", inputs=number, output=digest)
    snapshot = record_digest("ours")
    if passes:
        require_validated(platform, PROJECT, RUN, "plan", snapshot, now=NOW)
        return
    told = "no validation of" if passes is None else "expect_column_values_to_not_be_null"
    with pytest.raises(ValidationFailed, match=told) as caught:
        require_validated(platform, PROJECT, RUN, "plan", snapshot, now=NOW)
    assert not caught.value.retry_heals


def test_a_validation_by_another_run_does_not_count(platform: Platform) -> None:
    snapshot = record_digest("ours")
    digest = platform.store.put(encode(validation(snapshot)))
    for other in RUNS[1:]:
        make(platform, other, "validate", inputs="checked", output=digest)
    with pytest.raises(ValidationFailed, match="no validation of"):
        require_validated(platform, PROJECT, RUN, "promote", snapshot, now=NOW)
    make(platform, RUN, "validate", inputs="checked", output=digest)  # found made, and taken
    require_validated(platform, PROJECT, RUN, "promote", snapshot, now=NOW)
