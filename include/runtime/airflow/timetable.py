"""When a schedule starts its next run, by Airflow's own timetable: on nights when clocks change, croniter differs."""

from datetime import UTC, datetime, timedelta

#: Airflow goes from run to run, never from now. A walk from so long before meets its runs on any night.
_BACK = timedelta(hours=3)


def next_start(schedule: str, timezone: str, now: datetime) -> datetime:
    """The first start (UTC) after *now* of the cron line *schedule* in the zone *timezone*."""
    import pendulum
    from airflow.timetables.base import DataInterval, TimeRestriction
    from airflow.timetables.trigger import CronTriggerTimetable

    timetable = CronTriggerTimetable(schedule, timezone=timezone)
    restriction = TimeRestriction(earliest=None, latest=None, catchup=True)
    start = now - _BACK
    while start <= now:
        last = DataInterval.exact(pendulum.instance(start))
        info = timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        assert info is not None and info.run_after is not None  # noqa: S101, PT018  # nothing bounds it above
        # Pendulum's own moments lose a zone of the standard library when something is taken from them.
        start = datetime.fromtimestamp(info.run_after.timestamp(), UTC)
    return start
