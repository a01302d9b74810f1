"""Nights build on one another: only what is new is read and computed, and nobody can tell from the result."""

from include.core.events import DataRead, PartitionsMade
from include.core.records import FeatureSet, Snapshot
from include.projects import flight_delay
from tests.night.conftest import MakeYard
from tests.night.yard import FLIGHTS, INSTANT, LATER, Yard

#: With the month-long lookback of the real project.
ALL_FEATURES = FLIGHTS.varied(features=flight_delay.PROJECT.learning.features)


def made(yard: Yard, run_id: str) -> list[dict[str, list[str]]]:
    """The days of the partitions that a run's snapshot and its features made, by table (a name may be in both)."""
    found: list[dict[str, list[str]]] = []
    for event in yard.events(PartitionsMade, run_id=run_id):
        assert isinstance(event, PartitionsMade)
        found.append({})
        for partition in event.partitions:
            found[-1].setdefault(partition.table, []).append(str(partition.day))
    return found


def test_three_successive_nights_read_and_compute_only_what_is_new_and_make_what_a_single_one_does(
    make_yard: MakeYard,
) -> None:
    yard = make_yard()
    yard.grant(ALL_FEATURES)
    nights = [
        yard.night(ALL_FEATURES, run_id=f"night-{number}", instant=INSTANT + number * LATER) for number in range(3)
    ]
    for number in (1, 2):
        receipts = {event.scope.dataset: event for event in yard.events(DataRead, run_id=f"night-{number}")}
        # The new day, and those of which an outcome was still unknown (flights mature in two days).
        assert receipts["weather"].files <= 2
        assert receipts["flights"].files <= 4
        assert receipts["planes"].files == 0
        assert receipts["flights"].reused >= 45

        snapshot, features = made(yard, f"night-{number}")
        assert {table: len(days) for table, days in snapshot.items()} == {
            dataset: receipt.files for dataset, receipt in receipts.items() if receipt.files
        }
        assert set(features) == {"label", *(group.name for group in ALL_FEATURES.learning.features)}
        assert max(len(days) for days in features.values()) <= 4
        assert all(day >= "2013-05-28" for days in features.values() for day in days)

    alone = make_yard()
    alone.grant(ALL_FEATURES)
    fresh = alone.night(ALL_FEATURES, run_id="fresh", instant=INSTANT + 2 * LATER)
    for step, kind in (("snapshot", Snapshot), ("features", FeatureSet)):
        built, single = (
            yard.platform.load(kind, nights[2].digests[step]),
            alone.platform.load(kind, fresh.digests[step]),
        )
        differing = [
            (part.table, str(part.day))
            for part, other in zip(built.partitions, single.partitions, strict=True)
            if part != other
        ]
        assert differing == []
        assert nights[2].digests[step] == fresh.digests[step]


def test_a_night_after_days_without_one_catches_up(make_yard: MakeYard) -> None:
    yard, alone = make_yard(), make_yard()
    for each in (yard, alone):
        each.grant(FLIGHTS)
    yard.night()
    late = yard.night(run_id="late", instant=INSTANT + 4 * LATER)
    fresh = alone.night(run_id="fresh", instant=INSTANT + 4 * LATER)
    assert [late.digests[step] for step in ("snapshot", "features")] == [
        fresh.digests[step] for step in ("snapshot", "features")
    ]


def test_a_backfill_sees_nothing_that_a_later_night_knew(make_yard: MakeYard) -> None:
    yard, alone = make_yard(), make_yard()
    for each in (yard, alone):
        each.grant(FLIGHTS)
    yard.night(run_id="later", instant=INSTANT + 3 * LATER)
    backfill, fresh = yard.night(), alone.night()
    assert backfill.digests["snapshot"] == fresh.digests["snapshot"]
    assert backfill.digests["features"] == fresh.digests["features"]
