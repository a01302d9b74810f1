"""Features of a day as a data frame: what nights compute, under the grants, and on the record."""

from dataclasses import replace
from datetime import date, timedelta

import pandas as pd
import pyarrow.parquet as pq
import pytest

from include import steps
from include.core.errors import AccessDenied, DeclarationError
from include.core.events import (
    ArtifactOpened,
    DataOpened,
    HoldoutBacktested,
    LeaseTaken,
    ModelRegistered,
    RunStarted,
    RunTriggered,
)
from include.core.records import Days, FeatureSet, Trigger
from include.core.runs import RunKind
from include.declared import scope_of
from include.runtime.nights import day_features as frames
from include.runtime.nights.platform import signed_in_here
from tests.night.conftest import MakeYard
from tests.night.yard import FLIGHTS, NOW, Night, Yard


def shown(yard: Yard, days: Days) -> pd.DataFrame:
    return frames.day_features(yard.settings, FLIGHTS, days, clock=lambda: NOW)


def test_the_features_of_days_are_those_of_the_night_and_who_read_which_days_is_recorded(
    past: tuple[Yard, Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    yard, night = past
    monkeypatch.setattr(frames, "open_platform", lambda settings: yard.platform)
    built = yard.platform.load(FeatureSet, night.digests["features"])
    days = Days(first=built.split.holdout.first, last=built.split.holdout.first + timedelta(days=1))
    known, leases = len(yard.events()), len(yard.events(LeaseTaken))
    frame = shown(yard, days)

    wanted = [part for part in built.partitions if part.day in days]
    scope = steps.scope_of(yard.platform, night.run)
    contents = [part.content for part in wanted]
    opened = yard.platform.vault.open(contents, run=night.run, step="look", scope=scope, now=NOW)
    for table in sorted({part.table for part in wanted}):
        parts = [pq.read_table(opened.path(part.content)).to_pandas() for part in wanted if part.table == table]
        expected = pd.concat(parts, ignore_index=True).drop(columns="label", errors="ignore")
        pd.testing.assert_frame_equal(frame[list(expected)], expected)
    assert set(frame) == {*built.key, "day", "predicted_at", *(feature.name for feature in built.features)}
    assert sorted(set(frame["day"])) == [days.first, days.last]

    events = yard.events()[known:]
    (began,) = (event.run for event in events if isinstance(event, RunStarted))
    assert (began.kind, began.run_id.split("__")[:3]) == (
        RunKind.FEATURES,
        ["features", str(days.first), str(days.last)],
    )
    (triggered,) = (event for event in events if isinstance(event, RunTriggered))
    assert (triggered.run_id, triggered.who, triggered.trigger) == (began.run_id, signed_in_here().who, Trigger.LOGIN)
    assert {event.run_id for event in events if isinstance(event, DataOpened)} == {began.run_id}
    looked = next(event for event in events if isinstance(event, ArtifactOpened) and event.step == "look")
    assert (looked.run_id, looked.count) == (began.run_id, len(wanted))
    assert len(yard.events(LeaseTaken)) == leases, "beside nights"
    assert len(yard.events(ModelRegistered)) == 1
    assert not yard.events(HoldoutBacktested)


def test_without_a_grant_what_a_night_reads_is_asked_for_and_nothing_is_opened(
    make_yard: MakeYard, monkeypatch: pytest.MonkeyPatch
) -> None:
    yard = make_yard()
    yard.adopt()
    monkeypatch.setattr(frames, "open_platform", lambda settings: yard.platform)
    day = date(2013, 5, 10)
    with pytest.raises(AccessDenied, match="waits for a decision"):
        shown(yard, Days(first=day, last=day))
    asked = sorted((request.scope for request in yard.platform.access.requests()), key=lambda scope: scope.dataset)
    assert asked == list(scope_of(FLIGHTS, yard.platform.contracts).datasets)
    assert not yard.events(DataOpened, ArtifactOpened)


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (
            Days(first=date(2013, 5, 1), last=date(2013, 5, 17)),
            "16 at a time, and none before 2013-04-01; found: 2013-05-01",
        ),
        (Days(first=date(2013, 5, 2), last=date(2013, 5, 1)), "16 at a time"),
        (Days(first=date(2013, 3, 31), last=date(2013, 4, 1)), "none before 2013-04-01; found: 2013-03-31"),
        (Days(first=NOW.date(), last=NOW.date()), "days that have matured"),
    ],
)
def test_days_that_no_night_learns_are_refused(yard: Yard, days: Days, told: str) -> None:
    window = replace(FLIGHTS.learning.window, since=date(2013, 4, 1))
    contract = yard.platform.contracts["flights"]
    with pytest.raises(DeclarationError, match=told):
        frames._narrowed(FLIGHTS.varied(window=window), days, contract, NOW)


def test_the_first_days_that_may_be_learnt_are_shown_and_no_earlier_one_is_read(yard: Yard) -> None:
    since = date(2013, 4, 1)
    window = replace(FLIGHTS.learning.window, since=since)
    contract = yard.platform.contracts["flights"]
    part, instant = frames._narrowed(FLIGHTS.varied(window=window), Days(first=since, last=since), contract, NOW)
    assert (part.learning.window.days, part.learning.window.since) == (3, since)
    assert instant.date() == since + timedelta(days=2 + contract.matures_after_days + 1)
