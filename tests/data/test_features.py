import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include import engines
from include.core.errors import DataError, DeclarationError, StoreUnavailable
from include.core.events import PartitionsMade
from include.core.project import FeatureGroup, Project
from include.core.records import DAY, Contract, Days, KnownAt, Partition, Snapshot, last_day
from include.data import reuse
from include.data.feature_tables import CATEGORY_ROWS, parquet
from include.data.point_in_time import PointInTime
from include.data.reuse import TableTask
from include.declared.compiled import declared
from include.projects import flight_delay, temperature_tomorrow
from include.store import Store
from tests.data.nights import INSTANT, WINDOW, Night, freeze
from tests.data.tables import database

DELAY = flight_delay.PROJECT.varied(window=WINDOW)
TEMPERATURE = temperature_tomorrow.PROJECT.varied(window=WINDOW)
KEY = DELAY.learning.target.key


@pytest.fixture(scope="session")
def night(tmp_path_factory: pytest.TempPathFactory, contracts: dict[str, Contract]) -> Night:
    folder = tmp_path_factory.mktemp("night")
    return Night(folder, contracts, Store(str(folder / "vault")))


@pytest.fixture(scope="session")
def delay_snapshot(night: Night, production: Path) -> Snapshot:
    return freeze(DELAY, night.contracts, production, night.store)


@pytest.fixture(scope="session")
def temperature_snapshot(night: Night, production: Path) -> Snapshot:
    return freeze(TEMPERATURE, night.contracts, production, night.store)


def _with(build: Callable[..., ibis.Table], lookback_days: int = 0) -> Project:
    return DELAY.varied(features=(FeatureGroup(name="group", build=build, lookback_days=lookback_days),))


@pytest.mark.parametrize("which", ["delay", "temperature"])
@given(data=st.data())
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_features_built_day_by_day_equal_those_of_any_longer_stretch_byte_for_byte(
    which: str, data: st.DataObject, night: Night, request: pytest.FixtureRequest
) -> None:
    project = DELAY if which == "delay" else TEMPERATURE
    snapshot: Snapshot = request.getfixturevalue(f"{which}_snapshot")
    window = Days(first=snapshot.last_matured - 7 * DAY, last=snapshot.last_matured)
    offset = data.draw(st.integers(0, 6))
    stretch = Days(first=window.first + offset * DAY, last=window.first + data.draw(st.integers(offset + 1, 7)) * DAY)
    compiled = declared(project, night.contracts, snapshot.scope)
    with engines.opened(snapshot, night.contracts, night.store.path) as held:
        rows = PointInTime(held, project, night.contracts, compiled, [window])
        wholes = rows.in_turn([(derived, stretch) for derived in rows.derived], ahead=data.draw(st.integers(1, 6)))
        for derived, whole in zip(rows.derived, wholes, strict=True):
            alone = [rows.rows(derived, Days(first=day, last=day)) for day in stretch]
            offset = 0
            for part in alone:
                assert parquet(whole.slice(offset, part.num_rows)) == parquet(part)
                offset += part.num_rows
            assert offset == whole.num_rows


def test_what_was_built_under_a_contract_that_says_otherwise_when_a_value_is_known_is_not_reused(
    night: Night, delay_snapshot: Snapshot
) -> None:
    compiled = declared(DELAY, night.contracts, delay_snapshot.scope)
    window = Days(first=delay_snapshot.last_matured - DAY, last=delay_snapshot.last_matured)
    weather = night.contracts["weather"]
    looser = tuple(replace(column, known_at=KnownAt(column=None)) for column in weather.columns)
    edited = {**night.contracts, "weather": replace(weather, columns=looser)}
    described = tuple(replace(column, description="in other words") for column in weather.columns)
    worded = {**night.contracts, "weather": replace(weather, columns=described, digest="sha256:other")}

    def plan(contracts: Mapping[str, Contract], made: Mapping[str, Partition]) -> list[TableTask]:
        return reuse.plan(compiled, DELAY, delay_snapshot, window, made, lambda content: True, contracts)

    part = delay_snapshot.partitions[0]
    first = plan(edited, {})
    made = {inputs: part for task in first for inputs, _ in task.new.values()}
    under = {group.name for group in compiled.groups if "weather" in group.datasets}
    assert under
    assert not any(task.new for task in plan(edited, made))
    assert {task.derived.name for task in plan(night.contracts, made) if task.new} == under
    made = {inputs: part for task in plan(night.contracts, {}) for inputs, _ in task.new.values()}
    assert not any(task.new for task in plan(worded, made))


def test_a_night_after_another_reuses_its_partitions_and_ends_with_the_same_features(
    night: Night, production: Path, delay_snapshot: Snapshot
) -> None:
    ledger = night.new_ledger()
    first = night.build(DELAY, delay_snapshot, ledger=ledger)
    later = freeze(DELAY, night.contracts, production, night.store, INSTANT + timedelta(days=1))
    second = night.build(DELAY, later, ledger=ledger)

    events = [entry.event for entry in ledger.read("partitions/flight_delay")]
    made = [event.partitions for event in events if isinstance(event, PartitionsMade)]
    tables = len(DELAY.learning.features) + 1
    assert [len(partitions) for partitions in made] == [8 * tables, tables]
    assert {partition.day for partition in made[1]} == {later.last_matured}
    assert night.build(DELAY, later) == second
    assert night.build(DELAY, delay_snapshot, ledger=ledger) == first


def test_a_full_disk_is_named_and_no_query_runs_on(
    night: Night, delay_snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_up(_: bytes) -> str:
        raise StoreUnavailable("the disk has room", value="none left", remedy="Make room.")

    monkeypatch.setattr(night.store, "put", fill_up)
    running = set(threading.enumerate())
    with pytest.raises(StoreUnavailable) as failed:
        night.build(DELAY, delay_snapshot)
    assert failed.traceback  # which holds the frames of all that was under way
    assert set(threading.enumerate()) <= running


def test_whether_a_reused_partition_is_complete_is_told_by_the_snapshot_and_not_by_who_made_it(
    night: Night, delay_snapshot: Snapshot
) -> None:
    ledger = night.new_ledger()
    open_parts = tuple(replace(part, complete=False) for part in delay_snapshot.partitions)
    night.build(DELAY, replace(delay_snapshot, partitions=open_parts), ledger=ledger)
    assert night.build(DELAY, delay_snapshot, ledger=ledger) == night.build(DELAY, delay_snapshot)


def test_a_partition_that_was_lost_is_built_again(
    tmp_path: Path, contracts: dict[str, Contract], production: Path
) -> None:
    night = Night(tmp_path, contracts, Store(str(tmp_path / "vault")))
    snapshot, ledger = freeze(DELAY, contracts, production, night.store), night.new_ledger()
    first = night.build(DELAY, snapshot, ledger=ledger)
    for lost in (first.of("schedule")[3].content, first.of("label")[0].content):
        night.store.path(lost).unlink()
        assert night.build(DELAY, snapshot, ledger=ledger) == first
        assert night.store.has(lost)


def test_a_later_night_opens_of_the_snapshot_only_what_new_and_probed_days_may_use(
    night: Night, production: Path, delay_snapshot: Snapshot
) -> None:
    project = DELAY.varied(features=tuple(group for group in DELAY.learning.features if group.lookback_days <= 1))
    ledger, opened = night.new_ledger(), set[str]()
    night.build(project, delay_snapshot, ledger=ledger)
    later = freeze(DELAY, night.contracts, production, night.store, INSTANT + timedelta(days=1))
    night.build(project, later, ledger=ledger, opened=opened)
    read = {part.day for part in later.of("flights") if part.content in opened}
    newest = Days(first=later.last_matured - 7 * DAY, last=later.last_matured + DAY)
    assert len(read - set(newest)) <= 1
    assert {part.day for part in later.of("flights")} > read > {later.last_matured}


def test_every_group_has_the_rows_of_the_label_sorted_by_key(night: Night, delay_snapshot: Snapshot) -> None:
    built = night.build(DELAY, delay_snapshot)
    labels = {partition.day: night.table(partition) for partition in built.of("label")}
    assert sorted(labels) == list(Days(first=built.split.train.first, last=built.split.holdout.last))
    for group in DELAY.learning.features:
        for partition in built.of(group.name):
            table, label = night.table(partition), labels[partition.day]
            assert table.select(KEY).equals(label.select(KEY))
            assert table.select(KEY).equals(table.select(KEY).sort_by([(name, "ascending") for name in KEY]))
            names = [feature.name for feature in built.features if feature.group == group.name]
            assert table.column_names == [*KEY, *names]
            for feature in built.features:
                if feature.group == group.name:
                    wanted = pa.string() if feature.categories is not None else pa.float32()
                    assert table.schema.field(feature.name).type == wanted
    one = labels[built.split.holdout.last]
    assert one.column_names == [*KEY, "day", "predicted_at", "label"]
    assert set(one.column("day").to_pylist()) == {built.split.holdout.last}


def test_categories_are_learnt_from_training_days_alone(night: Night, delay_snapshot: Snapshot) -> None:
    def origin_and_day(flights: ibis.Table) -> ibis.Table:
        return flights.select(*KEY, place=flights.origin.concat(flights.scheduled_departure.date().cast("string")))

    built = night.build(_with(origin_and_day), delay_snapshot)
    (place,) = built.features
    assert place.categories == tuple(sorted(place.categories or ()))
    assert {date.fromisoformat(value[3:]) for value in place.categories or ()} == set(built.split.train)


def test_a_category_that_few_training_rows_have_is_not_recorded(night: Night, delay_snapshot: Snapshot) -> None:
    """A name that stands in a few rows is no part of a manifest, whatever its column is called."""

    def busy_or_named(flights: ibis.Table) -> ibis.Table:
        return flights.select(*KEY, place=flights.carrier.concat(flights.origin, flights.dest))

    built = night.build(_with(busy_or_named), delay_snapshot)
    (place,) = built.features
    rows = [
        value
        for part in built.of("group")
        if part.day in built.split.train
        for value in night.table(part)["place"].to_pylist()
    ]
    counts = Counter(rows)
    assert min(counts.values()) < CATEGORY_ROWS <= max(counts.values())
    assert place.categories == tuple(sorted(value for value, count in counts.items() if count >= CATEGORY_ROWS))


def test_a_category_of_a_restricted_column_is_refused(night: Night, delay_snapshot: Snapshot) -> None:
    def where_to(flights: ibis.Table) -> ibis.Table:
        return flights.select(*KEY, place=flights.dest.lower())

    flights = night.contracts["flights"]
    columns = tuple(
        replace(column, classification="restricted", restricted=True) if column.name == "dest" else column
        for column in flights.columns
    )
    unclassified = replace(night, contracts={**night.contracts, "flights": replace(flights, columns=columns)})
    with pytest.raises(DeclarationError, match=r"restricted column.*place comes from flights.dest"):
        unclassified.build(_with(where_to), delay_snapshot)


def test_a_repaired_day_changes_the_partitions_that_may_use_it_and_no_others(
    night: Night, production: Path, delay_snapshot: Snapshot
) -> None:
    ledger = night.new_ledger()
    first = night.build(DELAY, delay_snapshot, ledger=ledger)
    day = delay_snapshot.last_matured - 5 * DAY
    partitions = []
    for partition in delay_snapshot.partitions:
        if (partition.table, partition.day) == ("weather", day):
            table = night.table(partition).slice(1)
            partition = replace(partition, content=night.store.put(parquet(table)), rows=table.num_rows)
        partitions.append(partition)
    second = night.build(DELAY, replace(delay_snapshot, partitions=tuple(partitions)), ledger=ledger)
    before = {(part.table, part.day): part.content for part in first.partitions}
    changed = {(part.table, part.day) for part in second.partitions if before[part.table, part.day] != part.content}
    assert changed <= {("weather", day), ("weather", day + DAY)}
    assert ("weather", day) in changed


def _twice(flights: ibis.Table) -> ibis.Table:
    once = flights.select(*KEY, far=flights.distance)
    return ibis.union(once, once)


def _without_key(flights: ibis.Table) -> ibis.Table:
    return flights.select("carrier", "flight", far=flights.distance)


def _nothing_of_a_key(flights: ibis.Table) -> ibis.Table:
    return flights.select(
        "carrier",
        "flight",
        "origin",
        scheduled_departure=flights.scheduled_departure.nullif(flights.scheduled_departure),
        far=flights.distance,
    )


def _a_time(flights: ibis.Table) -> ibis.Table:
    return flights.select(*KEY, leaves=flights.scheduled_departure + ibis.interval(hours=1))


def _a_token(flights: ibis.Table) -> ibis.Table:
    return flights.select(*KEY, plane=flights.tailnum.lower())


def _a_taken_name(flights: ibis.Table) -> ibis.Table:
    return flights.select(*KEY, label=flights.distance)


@pytest.mark.parametrize(
    ("build", "error", "named"),
    [
        (_twice, DataError, "'group'"),
        (_nothing_of_a_key, DataError, "'group'"),
        (_without_key, DeclarationError, "'group'.*origin"),
        (_a_time, DeclarationError, "leaves"),
        (_a_token, DeclarationError, "flights.tailnum"),
        (_a_taken_name, DeclarationError, "label"),
    ],
)
def test_a_group_that_cannot_be_used_is_refused_by_name(
    build: Callable[..., ibis.Table], error: type[Exception], named: str, night: Night, production: Path
) -> None:
    project = _with(build)
    snapshot = freeze(project, night.contracts, production, night.store)
    with pytest.raises(error, match=named):
        night.build(project, snapshot)


def test_an_error_of_the_query_quotes_no_value(night: Night, production: Path) -> None:
    def carrier_as_number(flights: ibis.Table) -> ibis.Table:
        return flights.select(*KEY, number=flights.dest.cast("int64"))

    project = _with(carrier_as_number)
    snapshot = freeze(project, night.contracts, production, night.store)
    with pytest.raises(DataError) as caught:
        night.build(project, snapshot)
    assert "ConversionException" in str(caught.value)
    assert not any(place in str(caught.value) for place in ("IAH", "ORD", "LAX", "MIA", "ATL"))


@pytest.mark.parametrize("which", ["delay", "temperature"])
def test_features_built_in_stretches_of_few_rows_have_the_digests_of_those_built_at_once(
    which: str, night: Night, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = DELAY if which == "delay" else TEMPERATURE
    snapshot: Snapshot = request.getfixturevalue(f"{which}_snapshot")
    expected = night.build(project, snapshot)
    monkeypatch.setattr(reuse, "STRETCH_ROWS", 2 * max(part.rows for part in snapshot.partitions))
    assert night.build(project, snapshot) == expected


@given(rows=st.lists(st.integers(0, 900), min_size=4, max_size=30), lookback_days=st.integers(0, 9), data=st.data())
def test_days_are_computed_in_stretches_of_so_many_rows_and_of_no_fewer_days_than_are_looked_back_on(
    rows: list[int], lookback_days: int, data: st.DataObject, temperature_snapshot: Snapshot, night: Night
) -> None:
    first = date(2013, 3, 1)
    parts = [
        replace(temperature_snapshot.of("weather")[0], day=first + n * DAY, rows=each) for n, each in enumerate(rows)
    ]
    days = Days(first=first, last=first + (len(rows) - 1) * DAY)
    derived = replace(
        declared(TEMPERATURE, night.contracts, temperature_snapshot.scope).groups[0], lookback_days=lookback_days
    )
    task = TableTask(
        derived=derived, definition="", reused={}, new={day: ("", True) for day in (days.first, days.last)}
    )
    most = data.draw(st.integers(300, 2000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reuse, "STRETCH_ROWS", most)
        found = reuse.stretches([task], (), replace(temperature_snapshot, partitions=tuple(parts)))
    assert [day for stretch in found for day in stretch] == list(days)
    held = {day: each for day, each in zip(days, rows, strict=True)}
    assert all(len(stretch) == 1 or sum(held[day] for day in stretch) <= most for stretch in found)
    asked = object.__new__(PointInTime)
    asked._stretches = tuple(found)
    together = asked.parts(derived, days)
    assert [day for part in together for day in part.days] == list(days)
    assert all(len(part.days) >= lookback_days for part in together[:-1])
    assert all(part.seen == replace(part.days, first=part.days.first - lookback_days * DAY) for part in together)


@pytest.mark.parametrize("which", [pytest.param("delay", marks=pytest.mark.long), "temperature"])
def test_a_project_whose_datasets_lie_in_tables_has_the_features_that_it_has_of_folders(
    which: str, night: Night, production: Path, request: pytest.FixtureRequest, postgres_url: str, tmp_path: Path
) -> None:
    project = DELAY if which == "delay" else TEMPERATURE
    in_folders: Snapshot = request.getfixturevalue(f"{which}_snapshot")
    with database(postgres_url, tmp_path) as there:
        scopes = in_folders.scope.datasets
        used = {part.dataset: night.contracts[part.dataset] for part in scopes}
        longest = max(part.window_days or 1 for part in scopes)
        days = Days(first=last_day(INSTANT) - (longest - 1) * DAY, last=last_day(INSTANT))
        moved = dict(night.contracts) | there.hold(used, production, days)
        in_tables = freeze(project, moved, production, night.store, credentials=there.credentials)
    assert in_tables == in_folders
    store = Store(str(tmp_path / "vault"))
    for part in in_folders.partitions:
        store.put(night.store.path(part.content).read_bytes())
    apart = Night(tmp_path, moved, store).build(project, in_tables)
    assert apart == night.build(project, in_folders)
