"""What was known at an instant, frozen: laws of reuse, order, treatment, refusal and death."""

import itertools
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core.canonical import record_digest
from include.core.errors import AccessDenied, ContractError, DataError, LedgerError, StoreUnavailable, TrainyardError
from include.core.records import Contract, DatasetScope, KnownAt, Scope, Snapshot, Treatment, last_day
from include.data import partition_rows
from include.data.partition_rows import Tokens, known_at, parquet_bytes
from include.data.sources import SourceDay, source_of
from include.data.sources.parquet import ParquetSource
from include.governance.pseudonyms import Pseudonyms
from tests.data.sales import SENTINEL, land_sales, sales_contract, sales_table
from tests.data.world import INSTANT, NOW, World, project_of

DAY = timedelta(days=1)
OUTCOMES = ("departure_delay", "arrival_delay", "air_time", "departed_at", "arrived_at", "outcome_recorded_at")


@pytest.fixture
def world(tmp_path: Path, production: Path, contracts: dict[str, Contract]) -> World:
    return World(tmp_path, production, contracts)


def _tables(world: World, taken: Snapshot, dataset: str) -> dict[date | None, pa.Table]:
    opened = world.open(taken)
    return {part.day: pq.read_table(opened.path(part.content)) for part in taken.of(dataset)}


# ── what was known ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_value_that_became_known_after_the_instant_is_null_and_the_next_night_completes_it(world: World) -> None:
    yesterday = last_day(INSTANT)
    source = source_of(world.contracts["flights"], world.production)
    truth = source.load(yesterday).read(world.scope.datasets[0].names)
    late = pc.sum(pc.greater(truth["outcome_recorded_at"], INSTANT.replace(tzinfo=None))).as_py()
    assert late > 0

    tonight = _tables(world, world.take(), "flights")[yesterday]
    assert len(tonight) == len(truth)
    for name in OUTCOMES:
        assert (
            tonight[name].null_count
            == truth[name].filter(pc.less_equal(truth["outcome_recorded_at"], INSTANT.replace(tzinfo=None))).null_count
            + late
        )
    assert tonight["tailnum"].null_count == truth["tailnum"].null_count

    part = next(part for part in world.take(INSTANT + DAY).of("flights") if part.day == yesterday)
    assert part.complete
    next_night = _tables(world, world.take(INSTANT + DAY), "flights")[yesterday]
    for name in OUTCOMES:
        assert next_night[name].null_count == truth[name].null_count


@settings(max_examples=40, deadline=None)
@given(
    minutes=st.lists(st.integers(-2000, 2000) | st.none(), min_size=1, max_size=12),
    offset=st.integers(-90, 90),
    at=st.integers(-2000, 2000),
)
def test_known_is_what_the_contract_says(minutes: list[int | None], offset: int, at: int) -> None:
    start = datetime(2013, 7, 4)  # noqa: DTZ001 -- as stored
    contract = sales_contract()
    rule = KnownAt(column="at", offset=timedelta(minutes=offset))
    columns = [
        replace(column, known_at=rule if column.name == "amount" else KnownAt(column=None), key=column.name == "items")
        for column in contract.columns
    ]
    times = [None if minute is None else start + timedelta(minutes=minute) for minute in minutes]
    table = pa.table(
        {"at": pa.array(times, pa.timestamp("us")), "amount": [1.0] * len(times), "items": list(range(len(times)))}
    )
    instant = (start + timedelta(minutes=at)).replace(tzinfo=UTC)
    known, complete = known_at(table, replace(contract, columns=tuple(columns), partition_column=None), instant)
    expected = [1.0 if minute is not None and minute + offset <= at else None for minute in minutes]
    assert known["amount"].to_pylist() == expected
    assert complete == all(minute is None or minute + offset <= at for minute in minutes)


def test_a_row_whose_key_is_not_known_yet_is_absent(world: World) -> None:
    contract = world.contracts["weather"]
    times = [datetime(2013, 6, 14, hour) for hour in range(24)]  # noqa: DTZ001 -- as stored
    table = pa.table({"observed_at": pa.array(times, pa.timestamp("us")), "origin": ["EWR"] * 24, "temp": [1.0] * 24})
    known, complete = known_at(table, contract, datetime(2013, 6, 14, 12, 30, tzinfo=UTC))
    assert known["observed_at"].to_pylist() == times[:13]
    assert not complete


# ── reuse ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(hours=st.lists(st.integers(0, 24 * 6), min_size=2, max_size=4))
def test_nights_in_any_order_give_what_a_fresh_platform_gives(
    tmp_path_factory: pytest.TempPathFactory, production: Path, contracts: dict[str, Contract], hours: list[int]
) -> None:
    instants = [INSTANT + timedelta(hours=offset) for offset in hours]
    used = World(tmp_path_factory.mktemp("used"), production, contracts, window_days=3)
    for instant in instants:
        fresh = World(tmp_path_factory.mktemp("fresh"), production, contracts, window_days=3)
        assert record_digest(used.take(instant)) == record_digest(fresh.take(instant))


def test_the_next_night_reads_only_what_is_new_or_was_not_complete(world: World) -> None:
    world.take()
    incomplete = sum(not part.complete for part in world.take().partitions)
    world.take(INSTANT + DAY)
    counts = {receipt.scope.dataset: (receipt.files, receipt.reused) for receipt in world.receipts()[-2:]}
    assert counts == {"flights": (1 + incomplete, 4 - incomplete), "weather": (1, 4)}


def test_the_same_night_again_reads_nothing_and_leaves_a_receipt(world: World) -> None:
    first, again = world.take(), world.take()
    assert record_digest(first) == record_digest(again)
    assert [(receipt.files, receipt.reused) for receipt in world.receipts()] == [(5, 0), (5, 0), (0, 5), (0, 5)]
    assert len(world.made()) == 1


def test_what_an_earlier_version_froze_is_read_again_only_where_it_kept_nan(
    tmp_path: Path, production: Path, contracts: dict[str, Contract], monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(production / "weather" / "day=2013-06-13", tmp_path / "production" / "weather" / "day=2013-06-13")
    shutil.copytree(production / "weather" / "day=2013-06-14", tmp_path / "production" / "weather" / "day=2013-06-14")
    file = tmp_path / "production" / "weather" / "day=2013-06-13" / "part.parquet"
    table = pq.ParquetFile(file).read()
    unknown = pa.array([float("nan")] * len(table))
    pq.write_table(table.set_column(table.column_names.index("temp"), "temp", unknown), file)
    world = World(tmp_path, tmp_path / "production", contracts, datasets=["weather"], window_days=2)
    with monkeypatch.context() as earlier:
        earlier.setattr("include.data.snapshot.FORMAT", 1)
        world.take()
    taken = world.take()
    assert [(receipt.files, receipt.reused) for receipt in world.receipts()] == [(2, 0), (1, 1)]
    assert _tables(world, taken, "weather")[date(2013, 6, 13)]["temp"].null_count == len(table)
    (tmp_path / "fresh").mkdir()
    fresh = World(tmp_path / "fresh", tmp_path / "production", contracts, datasets=["weather"], window_days=2)
    assert record_digest(taken) == record_digest(fresh.take())


def test_a_day_that_was_repaired_at_the_source_is_read_again(
    tmp_path: Path, production: Path, contracts: dict[str, Contract]
) -> None:
    _copy_days(production, tmp_path / "production")
    world = World(tmp_path, tmp_path / "production", contracts)
    before = world.take()
    file = tmp_path / "production" / "weather" / "day=2013-06-12" / "part.parquet"
    table = pq.read_table(file)
    pq.write_table(table.set_column(2, "temp", pc.add(table["temp"], 1.0)), file)
    after = world.take()
    changed = {(a.table, a.day) for a, b in zip(after.partitions, before.partitions, strict=True) if a != b}
    assert changed == {("weather", date(2013, 6, 12))}
    assert world.receipts()[-1].files == 1


def test_a_partition_that_was_lost_is_read_again(world: World) -> None:
    before = world.take()
    lost = before.of("flights")[2].content
    (file,) = (world.folder / "vault").rglob(f"*{lost.removeprefix('sha256:')[4:]}")
    file.unlink()
    assert record_digest(world.take()) == record_digest(before)
    assert world.vault.has(lost)
    assert [receipt.files for receipt in world.receipts()[-2:]] == [1, 0]


def test_another_pseudonym_key_reads_again_what_holds_tokens_and_nothing_else(world: World) -> None:
    world.take()
    world.pseudonyms = Pseudonyms(b"o" * 32, version=2)
    world.take()
    counts = {receipt.scope.dataset: receipt.files for receipt in world.receipts()[-2:]}
    assert counts == {"flights": 5, "weather": 0}


# ── order and treatment ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_order_of_rows_in_the_source_does_not_matter(
    tmp_path: Path, production: Path, contracts: dict[str, Contract]
) -> None:
    _copy_days(production, tmp_path / "production")
    world = World(tmp_path, tmp_path / "production", contracts)
    before = world.take()
    for file in (tmp_path / "production").rglob("part.parquet"):
        table = pq.read_table(file)
        pq.write_table(table.take(list(reversed(range(len(table))))), file, row_group_size=100)
    after = world.take()
    assert [part.content for part in after.partitions] == [part.content for part in before.partitions]


def test_rows_are_sorted_by_the_contracts_key_and_partitions_by_table_and_day(world: World) -> None:
    taken = world.take()
    assert [(part.table, part.day) for part in taken.partitions] == [
        (name, day) for name in ("flights", "weather") for day in taken.days
    ]
    for dataset in ("flights", "weather"):
        key = [(name, "ascending") for name in world.contracts[dataset].key]
        for table in _tables(world, taken, dataset).values():
            assert table.equals(table.sort_by(key))


def test_no_tail_number_is_in_any_partition_and_tokens_still_join(
    tmp_path: Path, production: Path, contracts: dict[str, Contract]
) -> None:
    world = World(tmp_path, production, contracts, datasets=("flights", "planes"))
    taken = world.take()
    clear = set(pq.read_table(production / "planes")["tailnum"].to_pylist())
    for day in taken.days:
        clear |= set(pq.read_table(production / "flights" / f"day={day}")["tailnum"].to_pylist())
    clear -= {None}
    opened = world.open(taken)
    seen: dict[str, set[str]] = {"flights": set(), "planes": set()}
    for part in taken.partitions:
        data = opened.bytes(part.content)
        assert not any(value.encode() in data for value in clear)
        table = pq.read_table(pa.BufferReader(data))
        for column in table.columns:
            if pa.types.is_string(column.type):
                assert clear.isdisjoint(column.to_pylist())
        seen[part.table] |= set(table["tailnum"].to_pylist()) - {None}
    assert len(seen["flights"] & seen["planes"]) > 1000
    assert not any(value.encode() in (tmp_path / "ledger.db").read_bytes() for value in clear)


def test_a_token_is_the_same_however_it_was_asked_for_and_null_stays_null() -> None:
    pseudonyms = Pseudonyms(b"k" * 32)
    tokens = Tokens(pseudonyms, "tests")
    columns = ([1, 2, None, 1], [1.0, 2.5, None], ["1", "a", None, "a"], [2, 3], ["a"], [])
    types = (pa.int64(), pa.float64(), pa.string(), pa.int64(), pa.string(), pa.string())
    for values, kind in zip(columns, types, strict=True):
        column = pa.chunked_array([pa.array(values, kind)])
        assert tokens.of(column).to_pylist() == pseudonyms.tokens(column, purpose="tests").to_pylist()


def test_a_token_is_the_same_however_many_values_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition_rows, "_MOST_KNOWN", 2)
    pseudonyms = Pseudonyms(b"k" * 32)
    tokens = Tokens(pseudonyms, "tests")
    for values in (["a", "b", "c"], ["c", None, "a"], ["d"], ["a", "d"]):
        column = pa.chunked_array([pa.array(values, pa.string())])
        assert tokens.of(column).to_pylist() == pseudonyms.tokens(column, purpose="tests").to_pylist()
        assert all(len(known) <= 2 for known in tokens._known.values())


def test_the_same_rows_give_the_same_bytes_however_they_were_cut() -> None:
    table = sales_table()
    assert parquet_bytes(table) == parquet_bytes(pa.concat_tables([table.slice(0, 7), table.slice(7)]).combine_chunks())


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _copy_days(production: Path, target: Path) -> None:
    for dataset in ("flights", "weather"):
        for back in range(5):
            name = f"day={last_day(INSTANT) - back * DAY}"
            shutil.copytree(production / dataset / name, target / dataset / name)


def _sales_world(tmp_path: Path, contract: Contract, *, window_days: int = 2) -> World:
    contracts = {"sales": contract, "flights": replace(contract, dataset="flights")}
    return World(tmp_path, tmp_path / "production", contracts, datasets=("sales",), window_days=window_days)


def _land_two_days(tmp_path: Path) -> None:
    land_sales(tmp_path / "production", sales_table())
    shifted = pc.subtract(sales_table()["at"], pa.scalar(DAY, pa.duration("us")))
    land_sales(tmp_path / "production", sales_table().set_column(0, "at", shifted), day=date(2013, 7, 3))


AFTER_SALES = datetime(2013, 7, 5, 1, tzinfo=UTC)


def _repeat_a_row(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table.slice(3, 1)])


def _lose_a_key(table: pa.Table) -> pa.Table:
    column = pa.array([None, *table["items"].to_pylist()[1:]], pa.int64())
    return table.set_column(3, "items", column)


def _prefix(share: float) -> Callable[[Path], None]:
    def cut(file: Path) -> None:
        data = file.read_bytes()
        file.write_bytes(data[: int(len(data) * share)])

    return cut


def _rewritten(change: Callable[[pa.Table], pa.Table]) -> Callable[[Path], None]:
    return lambda file: pq.write_table(change(pq.read_table(file)), file)


@pytest.mark.parametrize(
    ("spoil", "kind", "says"),
    [
        pytest.param(_rewritten(_repeat_a_row), DataError, "1 repeated keys", id="duplicate key"),
        pytest.param(_rewritten(_lose_a_key), DataError, "1 nulls", id="null key"),
        pytest.param(lambda file: file.write_bytes(b"PAR1" + b"x" * 999), DataError, "corrupt", id="corrupt"),
        pytest.param(_prefix(0), DataError, "truncated", id="empty file"),
        pytest.param(_prefix(0.3), DataError, "truncated", id="truncated early"),
        pytest.param(_prefix(0.99), DataError, "truncated", id="truncated late"),
        pytest.param(lambda file: file.unlink(), DataError, "2013-07-04", id="missing"),
        pytest.param(
            _rewritten(lambda table: table.drop_columns(["amount"])), ContractError, "amount", id="missing column"
        ),
        pytest.param(
            _rewritten(lambda table: table.set_column(2, "amount", table["shop"])),
            ContractError,
            "amount is string, not number",
            id="other type",
        ),
    ],
)
def test_bad_data_is_refused_without_a_value_and_nothing_is_recorded_as_made(
    tmp_path: Path, spoil: Callable[[Path], object], kind: type[TrainyardError], says: str
) -> None:
    _land_two_days(tmp_path)
    key = ("at", "items")
    columns = tuple(replace(column, key=column.name in key) for column in sales_contract().columns)
    world = _sales_world(tmp_path, sales_contract(columns=columns))
    spoil(tmp_path / "production" / "sales" / "day=2013-07-04" / "part.parquet")
    with pytest.raises(kind) as caught:
        world.take(AFTER_SALES)
    assert says in str(caught.value)
    assert "sales" in str(caught.value)
    assert SENTINEL not in str(caught.value)
    assert world.made() == []
    assert [receipt.files for receipt in world.receipts()] in ([1], [2])  # what was read before stands in a receipt
    _land_two_days(tmp_path)
    assert len(world.take(AFTER_SALES).partitions) == 2


def test_a_window_without_rows_is_refused(tmp_path: Path) -> None:
    land_sales(tmp_path / "production", sales_table(0), day=date(2013, 7, 4))
    land_sales(tmp_path / "production", sales_table(0), day=date(2013, 7, 3))
    world = _sales_world(tmp_path, sales_contract())
    with pytest.raises(DataError, match="sales: the window of a night has rows"):
        world.take(AFTER_SALES)
    assert world.made() == []


def test_a_day_without_rows_in_a_window_with_rows_is_a_day(tmp_path: Path) -> None:
    land_sales(tmp_path / "production", sales_table(0), day=date(2013, 7, 3))
    land_sales(tmp_path / "production", sales_table(), day=date(2013, 7, 4))
    assert [part.rows for part in _sales_world(tmp_path, sales_contract()).take(AFTER_SALES).partitions] == [0, 200]


def test_a_full_disk_stops_the_snapshot_and_nothing_is_recorded_as_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = world.vault.put
    calls = iter(range(100))

    def fill_up(data: bytes) -> str:
        if next(calls) == 4:
            raise StoreUnavailable("the disk has room", value="none left", remedy="Make room.")
        return keep(data)

    monkeypatch.setattr(world.vault, "put", fill_up)
    with pytest.raises(StoreUnavailable):
        world.take()
    assert world.made() == []
    monkeypatch.undo()
    assert len(world.take().partitions) == 10


# ── access ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_a_grant_no_byte_is_read_and_no_receipt_is_left(tmp_path: Path, contracts: dict[str, Contract]) -> None:
    world = World(tmp_path, tmp_path / "nothing here", contracts, granted=False)
    with pytest.raises(AccessDenied):  # not DataError: nobody looked whether the source is there
        world.take()
    assert world.receipts() == []
    assert world.openings() == []
    assert world.made() == []


def test_nothing_of_the_source_is_opened_without_a_receipt_that_names_its_days(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever dies later: each look at a file finds the receipt of its dataset in the ledger."""
    seen: list[tuple[str, bool]] = []

    def watched(source: ParquetSource, day: date | None) -> SourceDay:
        covering = [each for each in world.openings() if each.scope.dataset == source.contract.dataset]
        seen.append((source.contract.dataset, any(each.first <= day <= each.last for each in covering)))
        return load(source, day)

    load = ParquetSource.load
    monkeypatch.setattr(ParquetSource, "load", watched)
    world.take()
    assert {name for name, _ in seen} == {"flights", "weather"}
    assert all(receipted for _, receipted in seen)
    assert [(each.scope, each.grant_id) for each in world.openings()] == [
        (each.scope, each.grant_id) for each in world.receipts()
    ]


def test_grants_are_checked_again_for_what_is_reused(world: World) -> None:
    world.take()
    receipts = len(world.receipts())
    with pytest.raises(AccessDenied):
        world.take(now=NOW + timedelta(days=31))
    for grant in world.access.grants("delays", now=NOW):
        world.authority.revoke(grant.grant_id, user="steward", reason="tests")
    with pytest.raises(AccessDenied):
        world.take()
    assert len(world.receipts()) == receipts


def test_a_wider_window_than_granted_is_refused(world: World) -> None:
    wider = replace(world.scope, datasets=tuple(replace(dataset, window_days=6) for dataset in world.scope.datasets))
    with pytest.raises(AccessDenied):
        world.take(scope=wider)


@pytest.mark.parametrize(("age", "read"), [(9, 5), (2, 4), (0, 2), (-3, 1)])
def test_no_day_before_the_lookback_of_the_first_to_learn_is_read(world: World, age: int, read: int) -> None:
    """The scope reaches back five days, the lookback one."""
    project = project_of()
    project = project.varied(
        features=(replace(project.learning.features[0], lookback_days=1),),
        window=replace(project.learning.window, since=last_day(INSTANT) - age * DAY),
    )
    taken = world.take(project=project)
    assert len(taken.of("flights")) == len(taken.days) == read
    assert {receipt.first for receipt in world.receipts()} == {taken.days.first}


def test_receipts_name_grant_scope_days_and_counts(world: World) -> None:
    taken = world.take()
    for receipt, scope in zip(world.receipts(), world.scope.datasets, strict=True):
        assert receipt.grant_id in {grant.grant_id for grant in world.access.grants("delays", now=NOW)}
        assert receipt.scope == scope
        assert (receipt.first, receipt.last) == (taken.days.first, taken.days.last)
        assert receipt.rows == sum(part.rows for part in taken.of(scope.dataset))


@pytest.mark.parametrize(
    "change",
    [
        lambda scope: replace(scope, contract_digest="sha256:other"),
        lambda scope: replace(scope, columns=tuple(pair for pair in scope.columns if pair[0] != "outcome_recorded_at")),
        lambda scope: replace(scope, columns=tuple(pair for pair in scope.columns if pair[0] != "carrier")),
        lambda scope: replace(scope, columns=tuple((name, Treatment.CLEAR) for name, _ in scope.columns)),
        lambda scope: replace(scope, columns=tuple((name, Treatment.DROP) for name, _ in scope.columns)),
    ],
)
def test_a_scope_that_is_not_the_contracts_is_never_read(
    world: World, change: Callable[[DatasetScope], DatasetScope]
) -> None:
    scope = Scope(project="delays", purpose=world.scope.purpose, datasets=(change(world.scope.datasets[0]),))
    with pytest.raises((ContractError, AccessDenied)):
        world.take(scope=scope)
    assert world.receipts() == []


def test_a_run_that_lost_its_lease_records_nothing_as_made(world: World) -> None:
    superseded = world.begin()
    world.begin()
    with pytest.raises(LedgerError):
        world.take(run=superseded)
    assert world.made() == []


# ── death ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _take_until_killed(folder: Path, production: Path, contracts: dict[str, Contract], run_id: str, point: str) -> None:
    world = World(folder, production, contracts, granted=False)
    run, counter = world.begin(run_id=run_id), itertools.count(1)  # partitions are kept by several threads
    target, method, count = point.split(":")
    part = getattr(world, target)
    original = getattr(part, method)

    def dying(*args: object, **kwargs: object) -> object:
        call = next(counter)
        if call == abs(int(count)) and count[0] != "+":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if call == abs(int(count)):
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(part, method, dying)
    world.take(run=run)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, production: Path, contracts: dict[str, Contract]) -> str:
    """The digest of the same snapshot, taken without a kill."""
    return record_digest(World(tmp_path_factory.mktemp("fresh"), production, contracts).take())


# Before and after the third partition is kept, the receipts (1st to 4th), and the event that makes it count (5th).
@pytest.mark.parametrize(
    "point",
    ["vault:put:3", "vault:put:+3", "ledger:record:+1", "ledger:record:2", "ledger:record:7", "ledger:record:+7"],
)
def test_a_killed_snapshot_is_taken_again_with_the_same_digest(
    tmp_path: Path, production: Path, contracts: dict[str, Contract], undisturbed: str, point: str
) -> None:
    world = World(tmp_path, production, contracts)
    arguments = (tmp_path, production, contracts, "night", point)
    forking = multiprocessing.get_context("forkserver")  # imports once what each child needs
    forking.set_forkserver_preload(["duckdb", "pyarrow.dataset", "include.data.snapshot", "tests.data.test_snapshot"])
    child = forking.Process(target=_take_until_killed, args=arguments)
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    assert len(world.made()) == (1 if point == "ledger:record:+7" else 0)
    assert len(world.openings()) == (2 if point.endswith("7") else 1)
    again = world.take(run=world.begin(run_id="night"))
    assert record_digest(again) == undisturbed
    assert len(world.made()) == 1
