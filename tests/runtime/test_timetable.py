"""When the next night starts: what Airflow's own timetable says, also on the nights on which clocks change."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pendulum
from airflow.timetables.base import DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable
from hypothesis import example, given, settings
from hypothesis import strategies as st

from include.runtime.airflow.timetable import next_start

#: Nights on which clocks go forward or back: by an hour, by half of one (Lord Howe) and by two (Troll).
CHANGES = {
    "Europe/Berlin": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "America/New_York": (datetime(2026, 3, 8, 7, tzinfo=UTC), datetime(2026, 11, 1, 6, tzinfo=UTC)),
    "Australia/Lord_Howe": (datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 10, 3, 15, 30, tzinfo=UTC)),
    "Antarctica/Troll": (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC)),
    "UTC": (datetime(2026, 3, 29, 1, tzinfo=UTC),),
}
LINES = ("30 2 * * *", "0 2 * * *", "15 1,2,3 * * *", "*/30 * * * *", "*/20 1-3 * * *", "0 4 * * sun", "@daily")
moments = st.sampled_from(sorted(CHANGES)).flatmap(
    lambda zone: st.tuples(st.just(zone), st.sampled_from(CHANGES[zone]), st.integers(-40 * 60, 40 * 60))
)


def starts(line: str, zone: str, first: datetime, last: datetime) -> list[datetime]:
    """The starts that a scheduler of Airflow makes, one after the other, as long as *last* is not over."""
    timetable, found = CronTriggerTimetable(line, timezone=zone), [first]
    while found[-1] <= last:
        info = timetable.next_dagrun_info(
            last_automated_data_interval=DataInterval.exact(pendulum.instance(found[-1])),
            restriction=TimeRestriction(earliest=None, latest=None, catchup=True),
        )
        assert info is not None
        found.append(info.run_after.astimezone(UTC))
    return found[1:]


@settings(max_examples=60, deadline=None)
@given(moments, st.sampled_from(LINES))
@example(("Europe/Berlin", CHANGES["Europe/Berlin"][0], 10), "30 2 * * *")
@example(("Europe/Berlin", CHANGES["Europe/Berlin"][1], 10), "30 2 * * *")
def test_the_gate_expects_the_next_night_when_airflow_starts_it(moment: tuple[str, datetime, int], line: str) -> None:
    zone, change, minutes = moment
    now = change + timedelta(minutes=minutes)
    expected = next(start for start in starts(line, zone, now - timedelta(days=9), now) if start > now)
    found = next_start(line, zone, now)
    assert (found, type(found)) == (expected, datetime)


def test_a_schedule_keeps_its_hour_in_its_zone_the_year_round() -> None:
    for day in (datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 7, 10, tzinfo=UTC)):
        assert next_start("0 4 * * *", "Europe/Berlin", day).astimezone(ZoneInfo("Europe/Berlin")).hour == 4
        assert next_start("0 4 * * *", "UTC", day).hour == 4


def test_a_night_that_starts_now_is_not_the_next_one() -> None:
    assert next_start("0 4 * * *", "UTC", datetime(2026, 1, 1, 4, tzinfo=UTC)) == datetime(2026, 1, 2, 4, tzinfo=UTC)
