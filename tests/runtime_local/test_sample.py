"""What a sample takes of a declaration: days that a night learns from, and nothing that the night does not read."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.errors import DataError, DeclarationError
from include.core.project import Project, Window
from include.core.records import Split
from include.declared import scope_of
from include.projects.flight_delay import PROJECT
from include.runtime.nights import sample
from tests.steps.yard import CONTRACTS

MATURED = date(2013, 5, 29)

windows = st.builds(
    lambda train, validation, holdout: Window(
        days=train + validation + holdout, validation_days=validation, holdout_days=holdout
    ),
    st.integers(1, 90),
    st.integers(1, 20),
    st.integers(1, 40),
)


@given(window=windows, young=st.none() | st.integers(0, 60), days=st.integers(3, 60))
@settings(max_examples=150)
def test_a_sample_ends_where_the_holdout_begins_and_takes_days_that_the_night_learns_from(
    window: Window, young: int | None, days: int
) -> None:
    since = None if young is None else MATURED - timedelta(days=young)
    project = PROJECT.varied(window=replace(window, since=since))
    try:
        night = Split.of(project.learning.window, MATURED)
    except DataError:  # so young is it that no night can be
        return
    part, matured = sample.sample_of(project, MATURED, days=days), MATURED - timedelta(days=window.holdout_days)
    learnt = len(night.train) + len(night.validation)
    if since is not None and since > matured - timedelta(days=sample.LEAST_DAYS - 1):  # too young for a sample
        assert learnt < sample.LEAST_DAYS
        with pytest.raises(DataError, match="at least one day to train on"):
            Split.of(part.learning.window, matured)
        return
    taken = Split.of(part.learning.window, matured)
    assert taken.holdout.last + timedelta(days=1) == night.holdout.first
    total = sum(map(len, (taken.train, taken.validation, taken.holdout)))
    assert total == max(3, min(days, learnt))
    assert len(taken.validation) == len(taken.holdout) == max(1, total // 7)
    if learnt >= sample.LEAST_DAYS:
        assert taken.train.first >= night.train.first


@pytest.mark.parametrize("project", [PROJECT, PROJECT.varied(window=Window(days=3, validation_days=1, holdout_days=1))])
def test_a_sample_reads_under_the_grants_of_a_night_and_searches_less(project: Project) -> None:
    part = sample.sample_of(project, MATURED, days=sample.DAYS)
    for read, granted in zip(scope_of(part, CONTRACTS).datasets, scope_of(project, CONTRACTS).datasets, strict=True):
        assert replace(read, window_days=granted.window_days) == granted
        assert granted.window_days is None or (read.window_days or 0) <= granted.window_days
    assert (part.learning.search.trials, part.learning.search.shards, part.learning.search.rungs) == (3, 1, (25,))
    assert part.learning.search.space == project.learning.search.space
    few = project.varied(search=replace(project.learning.search, trials=1, shards=1, rungs=(400, 800)))
    assert sample.sample_of(few, MATURED, days=14).learning.search == replace(
        few.learning.search, rungs=(sample.ROUNDS,)
    )


def test_a_sample_of_two_days_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"a sample has 3 days at least.*found: 2"):
        sample.sample_of(PROJECT, MATURED, days=2)
