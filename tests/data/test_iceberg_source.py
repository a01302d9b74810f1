"""What a source in a table of Iceberg keeps: which snapshot is read, under which names, and what is refused."""

import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core.errors import ContractError, DataError, DeclarationError, SourceUnavailable, TrainyardError
from include.core.records import AsOf, ColumnType, Contract, Days, last_day
from include.data.sources import Source, source_of
from include.data.sources.replay import recorded_day
from tests import icebergs
from tests.data.nights import freeze
from tests.data.sales import DAY, SENTINEL, sales_contract, sales_table
from tests.data.test_bucket_source import _everything
from tests.data.test_features import DELAY
from tests.data.world import World
from tests.icebergs import CURRENT, TABLE, Lake, now
from tests.object_server import ObjectServer

COLUMNS = ("at", "shop", "amount", "items")
ROWS = sales_table(40)
NEXT = DAY + timedelta(days=1)


def moved(rows: pa.Table, days: int) -> pa.Table:
    times = pc.add(rows["at"], pa.scalar(timedelta(days=days), pa.duration("us")))
    return rows.set_column(0, "at", times)


TWO_DAYS = pa.concat_tables([moved(ROWS, 1), ROWS.slice(20), ROWS.slice(0, 20)])


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return icebergs.here(tmp_path)


@pytest.fixture(scope="module")
def database(postgres_url: str) -> Iterator[str]:
    """A PostgreSQL database for catalogs."""
    import sqlalchemy

    name = f"lake_{uuid.uuid4().hex}"
    engine = sqlalchemy.create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(f"CREATE DATABASE {name}"))
        yield sqlalchemy.make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        connection.execute(sqlalchemy.text(f"DROP DATABASE {name} WITH (FORCE)"))
    engine.dispose()


@pytest.fixture
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "sqlite and a folder":
        return icebergs.here(tmp_path)
    return icebergs.served(tmp_path, request.getfixturevalue("database"), request.getfixturevalue("s3_bucket"))


EVERYWHERE = pytest.mark.parametrize("anywhere", ["sqlite and a folder", "PostgreSQL and a bucket"], indirect=True)


def refusal(kind: type[TrainyardError], source: Source, day: date | None = DAY) -> str:
    with pytest.raises(kind) as caught:
        source.load(day)
    assert SENTINEL not in "".join(_everything(caught.value))
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return str(caught.value)


# ── the contract of all sources ───────────────────────────────────────────────────────────────────────────────────────


@EVERYWHERE
def test_a_day_of_a_table_is_the_rows_of_that_utc_day_and_of_them_the_columns_asked_for(anywhere: Lake) -> None:
    table = anywhere.create(TWO_DAYS)
    held = anywhere.source(columns=("items", "at")).load(DAY)
    assert held.read(("items", "at")).equals(ROWS.select(("items", "at")))
    assert pa.Table.from_batches(held.batches(("at",))).equals(ROWS.select(("at",)))
    with pytest.raises(ContractError, match=r"\['shop'\]"):
        held.read(("shop",))
    whole = anywhere.source()
    assert (whole.filed(), whole.is_empty(), whole.layouts(DAY)) == (Days(first=DAY, last=NEXT), False, {COLUMNS})
    assert whole.load(DAY).read(COLUMNS).equals(ROWS)
    assert whole.load(NEXT).read(COLUMNS).equals(moved(ROWS, 1))
    again = anywhere.source(replay_days=364)
    later = again.load(DAY + timedelta(days=364))
    assert (later.digest, again.filed()) == (whole.load(DAY).digest, None)
    assert later.read(("at",)).equals(moved(ROWS, 364).select(("at",)))
    table.delete("items < 1000")
    assert held.read(("items",)).equals(ROWS.select(("items",)))


@EVERYWHERE
def test_the_digest_of_a_day_is_that_of_its_rows_whatever_their_files_and_order(anywhere: Lake) -> None:
    table = anywhere.create(TWO_DAYS)
    before, other = anywhere.source().load(DAY).digest, anywhere.source().load(NEXT).digest
    table.overwrite(table.scan().to_arrow().take(list(reversed(range(80)))))
    assert (anywhere.source().load(DAY).digest, anywhere.source().load(NEXT).digest) == (before, other)
    table.append(ROWS.slice(0, 1).set_column(3, "items", pa.array([77])))
    assert anywhere.source().load(NEXT).digest == other
    assert anywhere.source().load(DAY).digest != before


VALUES: dict[ColumnType, st.SearchStrategy[Any]] = {
    ColumnType.STRING: st.text(max_size=3),
    ColumnType.INTEGER: st.integers(-(2**63), 2**63 - 1),
    ColumnType.NUMBER: st.floats(allow_nan=False),
    ColumnType.BOOLEAN: st.booleans(),
    ColumnType.TIMESTAMP: st.datetimes(),
    ColumnType.DATE: st.dates(),
}


@given(data=st.data())
@settings(max_examples=60)
def test_rows_have_one_digest_in_any_order_and_another_when_any_value_is_another(data: st.DataObject) -> None:
    from include.contracts.types import arrow_type
    from include.data.sources.canonical_rows import in_order, rows_digest

    kinds = data.draw(st.lists(st.sampled_from(list(ColumnType)), min_size=1, max_size=3))
    count = data.draw(st.integers(1, 5))
    schema = pa.schema([(f"c{place}", arrow_type(kind)) for place, kind in enumerate(kinds)])
    columns = [data.draw(st.lists(st.none() | VALUES[kind], min_size=count, max_size=count)) for kind in kinds]
    table = pa.table(dict(zip(schema.names, columns, strict=True)), schema=schema)

    def digest(rows: pa.Table) -> str:
        return rows_digest(in_order(rows, ["c0"]))

    order = data.draw(st.permutations(range(count)))
    chunks = pa.concat_tables(table.slice(place, 1) for place in order)
    zeros = any(0 in column for kind, column in zip(kinds, columns, strict=True) if kind is ColumnType.NUMBER)
    assert zeros or digest(chunks) == digest(table)
    place, row = data.draw(st.integers(0, len(kinds) - 1)), data.draw(st.integers(0, count - 1))
    value = data.draw(st.none() | VALUES[kinds[place]])
    if value != columns[place][row]:
        columns[place][row] = value
        changed = pa.table(dict(zip(schema.names, columns, strict=True)), schema=schema)
        assert digest(changed) != digest(table)


def test_texts_that_read_alike_one_after_the_other_have_digests_of_their_own() -> None:
    from include.data.sources.canonical_rows import rows_digest

    texts = (["ab", "c"], ["a", "bc"], ["abc", ""], ["abc", None])
    assert len({rows_digest(pa.table({"shop": pa.array(each)})) for each in texts}) == 4


@pytest.mark.parametrize("transform", ["day", "month", "hour", "identity", "none"])
def test_however_a_table_is_divided_its_days_are_the_same_and_no_file_of_another_is_opened(
    transform: str, lake: Lake
) -> None:
    from pyiceberg import transforms

    made = {
        "day": {"at": transforms.DayTransform()},
        "month": {"at": transforms.MonthTransform()},
        "hour": {"at": transforms.HourTransform()},
        "identity": {"shop": transforms.IdentityTransform()},
        "none": {},
    }
    rows = ROWS.slice(0, 8).set_column(1, "shop", pa.array(["north"] * 8))
    table = lake.catalog.create_table(TABLE, schema=rows.schema)
    with table.update_spec() as spec:
        for column, by in made[transform].items():
            spec.add_field(column, by, f"{column}_by")
    for number, part in enumerate((rows, moved(rows, 40))):  # no other library's writer of transforms is needed so
        pq.write_table(part, lake.folder / f"{number}.parquet")
        table.add_files([f"file://{lake.folder}/{number}.parquet"])
    for task in table.scan(row_filter="at > '2013-08-01T00:00:00'").plan_files():
        Path(task.file.file_path.removeprefix("file://")).unlink()
    assert lake.source().load(DAY).read(COLUMNS).equals(rows)
    assert lake.source(columns=("items",)).load(DAY).read(("items",)).equals(rows.select(("items",)))


def test_a_day_without_rows_is_empty_between_days_that_have_some_and_missing_outside(lake: Lake) -> None:
    lake.create(pa.concat_tables([ROWS, moved(ROWS, 2)]))
    assert lake.source().load(NEXT).read(COLUMNS).num_rows == 0
    for day in (DAY - timedelta(days=1), DAY + timedelta(days=3)):
        assert f"{DAY} to {DAY + timedelta(days=2)}" in refusal(DataError, lake.source(), day)


def test_rows_without_a_time_are_of_no_day_and_so_are_told(lake: Lake) -> None:
    table = lake.create(ROWS)
    table.append(ROWS.slice(0, 3).set_column(0, "at", pa.nulls(3, pa.timestamp("us"))))
    assert "3 rows without it" in refusal(DataError, lake.source())
    table.delete("at is null")
    assert lake.source().load(DAY).read(COLUMNS).equals(ROWS)


def test_instants_of_a_zone_are_read_in_utc(lake: Lake) -> None:
    zoned = ROWS.set_column(0, "at", ROWS["at"].cast(pa.timestamp("us", "UTC")))
    lake.create(pa.concat_tables([zoned, zoned.set_column(0, "at", pc.add(zoned["at"], timedelta(hours=24)))]))
    assert lake.source().load(DAY).read(COLUMNS).equals(ROWS)
    assert lake.source().filed() == Days(first=DAY, last=NEXT)


# ── the snapshot as of an instant ─────────────────────────────────────────────────────────────────────────────────────


@EVERYWHERE
def test_a_night_of_last_march_sees_what_was_there_in_march_whatever_was_corrected_since(anywhere: Lake) -> None:
    table = anywhere.create(ROWS)
    march = now()
    before = anywhere.source(march).load(DAY).digest
    table.overwrite(ROWS.set_column(2, "amount", pc.multiply(ROWS["amount"], 2)))
    corrected = anywhere.source(now()).load(DAY).digest
    assert anywhere.source(march).load(DAY).digest == before != corrected
    assert anywhere.source(march).load(DAY).read(COLUMNS).equals(ROWS)
    assert anywhere.source(march, **CURRENT).load(DAY).digest == anywhere.source().load(DAY).digest == corrected


def test_all_days_of_a_source_are_of_one_snapshot_whatever_is_committed_meanwhile(lake: Lake) -> None:
    table = lake.create(TWO_DAYS)
    source = lake.source()
    source.load(DAY)
    table.delete("items < 1000")
    assert source.load(NEXT).read(COLUMNS).num_rows == 40


def test_an_instant_before_the_first_commit_is_told_with_both_remedies_and_read_where_commits_tell_nothing(
    lake: Lake,
) -> None:
    lake.create(ROWS)
    lately = datetime(2013, 7, 5, 4, tzinfo=UTC)
    assert "asOf: current" in refusal(DataError, lake.source(lately))
    with pytest.raises(DataError, match="2013-07-05 04:00:00Z it held nothing"):
        lake.source(lately).filed()
    assert lake.source(lately, **CURRENT).load(DAY).read(COLUMNS).equals(ROWS)


def test_a_table_without_a_commit_is_empty_and_holds_no_day(lake: Lake) -> None:
    lake.catalog.create_table(TABLE, schema=ROWS.schema)
    for source in (lake.source(), lake.source(now())):
        assert source.is_empty()
        assert source.filed() is None
        assert "the table has a snapshot" in refusal(DataError, source)


@pytest.mark.parametrize("expired", [[1], [0], [0, 1]])
def test_an_expired_snapshot_is_told_and_never_the_one_before_it_read_instead(expired: list[int], lake: Lake) -> None:
    table = lake.create(ROWS.slice(0, 10))
    instants = [now()]
    for part in (ROWS.slice(10, 10), ROWS.slice(20)):
        table.append(part)
        instants.append(now())
    ids = [snapshot.snapshot_id for snapshot in table.snapshots()]
    table.maintenance.expire_snapshots().by_ids([ids[place] for place in expired]).commit()
    for place, instant in enumerate(instants):
        source = lake.source(instant)
        if place in expired or place + 1 in expired:
            assert "may have been one that its owner expired" in refusal(DataError, source)
        else:
            assert source.load(DAY).read(COLUMNS).num_rows == (10, 20, 40)[place]


@given(
    steps=st.lists(st.sampled_from(["append", "append", "back", "branch", "expire"]), min_size=2, max_size=6),
    data=st.data(),
)
@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_tables_owner_does_the_snapshot_of_an_instant_is_what_was_current_or_an_error(
    steps: list[str], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    from include.data.sources.iceberg.history import snapshot_at

    table = icebergs.here(tmp_path_factory.mktemp("lake")).create(ROWS.slice(0, 1))
    seen = [(now(), table.current_snapshot().snapshot_id)]
    for step in steps:
        ids = [snapshot.snapshot_id for snapshot in table.snapshots()]
        current = table.current_snapshot().snapshot_id
        if step == "append":
            table.append(ROWS.slice(0, 1))
        elif step == "back":
            table.manage_snapshots().set_current_snapshot(snapshot_id=data.draw(st.sampled_from(ids))).commit()
        elif step == "branch":
            table.manage_snapshots().create_branch(current, f"b{len(seen)}").commit()
            table.append(ROWS.slice(0, 1), branch=f"b{len(seen)}")
        else:
            held = {reference.snapshot_id for reference in table.refs().values()}
            if loose := [each for each in ids if each not in held]:
                table.maintenance.expire_snapshots().by_id(data.draw(st.sampled_from(loose))).commit()
        seen.append((now(), table.current_snapshot().snapshot_id))
    for instant, current in seen:
        try:
            assert snapshot_at(table.metadata, instant, dataset="sales").snapshot_id == current
        except DataError:
            assert "expire" in steps


# ── deletes, and schemas that change ──────────────────────────────────────────────────────────────────────────────────


def _append_deletes(table: Any, content: Any, rows: pa.Table, ids: list[int]) -> None:
    """Commit a file of deletes, which the library reads and does not write."""
    from pyiceberg.manifest import DataFile, FileFormat
    from pyiceberg.typedef import Record

    fields = [
        pa.field(each.name, each.type, False, {"PARQUET:field_id": str(field_id)})
        for each, field_id in zip(rows.schema, ids, strict=True)
    ]
    location = f"{table.location()}/data/{uuid.uuid4()}.parquet"
    path = Path(location.removeprefix("file://"))
    pq.write_table(rows.cast(pa.schema(fields)), path)
    file = DataFile.from_args(
        content=content,
        file_path=location,
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=rows.num_rows,
        file_size_in_bytes=path.stat().st_size,
        equality_ids=ids if content.name == "EQUALITY_DELETES" else None,
    )
    file.spec_id = 0
    with table.transaction() as transaction, transaction.update_snapshot().fast_append() as append:
        append.append_data_file(file)


def test_rows_that_are_deleted_by_position_are_gone(lake: Lake) -> None:
    from pyiceberg.manifest import DataFileContent

    table = lake.create(ROWS)
    before = now()
    (task,) = table.scan().plan_files()
    deletes = pa.table({"file_path": [task.file.file_path] * 2, "pos": pa.array([0, 5], pa.int64())})
    _append_deletes(table, DataFileContent.POSITION_DELETES, deletes, [2147483546, 2147483545])
    kept = ROWS.filter(pc.invert(pc.is_in(ROWS["items"], pa.array([0, 5]))))
    assert lake.source().load(DAY).read(COLUMNS).equals(kept)
    assert lake.source(before).load(DAY).read(COLUMNS).equals(ROWS)


def test_the_last_day_is_not_one_whose_rows_are_all_deleted_by_position(lake: Lake) -> None:
    from pyiceberg.manifest import DataFileContent

    table = lake.create(pa.concat_tables([ROWS.slice(0, 1), moved(ROWS.slice(0, 1), 9)]))
    (task,) = table.scan().plan_files()
    deletes = pa.table({"file_path": [task.file.file_path], "pos": pa.array([1], pa.int64())})
    _append_deletes(table, DataFileContent.POSITION_DELETES, deletes, [2147483546, 2147483545])
    assert lake.source().filed() == Days(first=DAY, last=DAY)


def test_deletes_by_equality_are_refused_by_name(lake: Lake) -> None:
    from pyiceberg.manifest import DataFileContent

    table = lake.create(ROWS)
    deletes = pa.table({"items": pa.array([3], pa.int64())})
    _append_deletes(table, DataFileContent.EQUALITY_DELETES, deletes, [4])
    assert "equality deletes, which cannot be read here" in refusal(DataError, lake.source())


def with_column(name: str, **changes: Any) -> tuple[Any, ...]:
    return tuple(replace(each, **changes) if each.name == name else each for each in sales_contract().columns)


@pytest.mark.parametrize("name", ["amount", "total"])
def test_a_column_that_was_renamed_is_followed_by_its_field_in_every_snapshot(name: str, lake: Lake) -> None:
    table = lake.create(ROWS)
    march = now()
    before = lake.source(march).load(DAY).digest
    with table.update_schema() as schema:
        schema.rename_column("amount", "total")
    table.append(moved(ROWS, 1).rename_columns(["at", "shop", "total", "items"]))
    columns = with_column("amount", physical_name=name)
    for instant in (march, now()):
        source = _source(lake, instant, columns)
        assert source.load(DAY).digest == before
        assert source.load(DAY).read(COLUMNS).equals(ROWS)
        assert source.layouts(DAY) == {COLUMNS}


def _source(lake: Lake, instant: datetime | None, columns: tuple[Any, ...]) -> Source:
    contract = sales_contract(location=f"iceberg://lake/{TABLE}", columns=columns)
    return source_of(contract, Path("/nowhere"), lake.credentials, instant=instant)


def test_a_name_that_was_given_to_another_column_is_told_and_read_where_the_contract_says_which_is_meant(
    lake: Lake,
) -> None:
    table = lake.create(ROWS)
    march = now()
    with table.update_schema() as schema:
        schema.rename_column("amount", "total")
    with table.update_schema() as schema:
        schema.add_column("amount", table.schema().find_type("total"))
    table.append(moved(ROWS, 1).append_column("total", pa.array([1.0] * 40)))
    for instant in (march, None):
        assert "amount has been field 3 and field 5" in refusal(ContractError, lake.source(instant))
    first, second = (with_column("amount", field_id=place) for place in (3, 5))
    assert _source(lake, march, first).load(DAY).read(COLUMNS).equals(ROWS)
    assert _source(lake, march, second).load(DAY).read(("amount",))["amount"].null_count == 40
    assert _source(lake, None, first).load(NEXT).read(("amount",))["amount"].to_pylist() == [1.0] * 40
    assert _source(lake, None, second).load(NEXT).read(COLUMNS).equals(moved(ROWS, 1))


def test_a_column_that_was_dropped_is_told_from_then_on_and_read_as_of_before(lake: Lake) -> None:
    table = lake.create(ROWS)
    march = now()
    with table.update_schema() as schema:
        schema.delete_column("amount")
    assert "missing ['amount']" in refusal(ContractError, lake.source())
    table.append(moved(ROWS, 1).drop_columns(["amount"]))
    assert "missing ['amount']" in refusal(ContractError, lake.source())
    assert lake.source(march).load(DAY).read(COLUMNS).equals(ROWS)


def test_a_column_that_was_added_or_widened_later_does_not_change_what_was_there_before(lake: Lake) -> None:
    narrow = ROWS.set_column(3, "items", ROWS["items"].cast(pa.int32())).drop_columns(["amount"])
    table = lake.create(narrow)
    march = now()
    from pyiceberg.types import DoubleType, LongType

    with table.update_schema() as schema:
        schema.add_column("amount", DoubleType())
        schema.update_column("items", LongType())
    table.append(moved(ROWS, 1).select(["at", "shop", "items", "amount"]))
    early, late = (lake.source(instant).load(DAY) for instant in (march, now()))
    assert early.digest == late.digest
    assert early.read(("amount",))["amount"].null_count == 40
    assert early.read(("items",)).equals(ROWS.select(("items",)))
    assert lake.source().load(NEXT).read(COLUMNS).equals(moved(ROWS, 1))


# ── types ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

NOON = datetime(2013, 7, 4, 12)  # noqa: DTZ001 -- as stored
HELD: list[tuple[pa.Array, ColumnType, list[object]]] = [
    (pa.array(["7", None]), ColumnType.STRING, ["7", None]),
    (pa.array([7, None], pa.int32()), ColumnType.INTEGER, [7, None]),
    (pa.array([2**62, None]), ColumnType.INTEGER, [2**62, None]),
    (pa.array([Decimal(2**60 + 1), None], pa.decimal128(38, 0)), ColumnType.INTEGER, [2**60 + 1, None]),
    (pa.array([Decimal("0.35"), None], pa.decimal128(9, 2)), ColumnType.NUMBER, [0.35, None]),
    (pa.array([float("nan"), 7.5], pa.float32()), ColumnType.NUMBER, [None, 7.5]),
    (pa.array([float("inf"), None]), ColumnType.NUMBER, [float("inf"), None]),
    (pa.array([True, None]), ColumnType.BOOLEAN, [True, None]),
    (pa.array([NOON, None], pa.timestamp("us")), ColumnType.TIMESTAMP, [NOON, None]),
    (pa.array([NOON.replace(tzinfo=UTC), None], pa.timestamp("us", "UTC")), ColumnType.TIMESTAMP, [NOON, None]),
    (pa.array([date(9999, 12, 31), None]), ColumnType.DATE, [date(9999, 12, 31), None]),
]
REFUSED = [
    (pa.array([b"0123456789abcdef"], pa.binary(16)), "fixed[16]"),
    (pa.array([b"x"]), "binary"),
    (pa.array([NOON.time()], pa.time64("us")), "time"),
    (pa.array([[1]]), "list<long>"),
    (pa.array([{"a": 1}]), "struct<"),
    (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), "map<"),
    (pa.array([uuid.UUID(int=7).bytes], pa.uuid()), "uuid"),
]


def one_column(type_: ColumnType) -> Contract:
    sales = sales_contract(location=f"iceberg://lake/{TABLE}", partition_column=None)
    at, shop = sales.columns[:2]
    return replace(sales, columns=(at, replace(shop, name="value", type=type_)))


@pytest.mark.parametrize(("array", "type_", "values"), HELD, ids=[f"{array.type}" for array, _, _ in HELD])
def test_values_of_accepted_types_are_read_to_the_last_digit(
    array: pa.Array, type_: ColumnType, values: list[object], lake: Lake
) -> None:
    times = pa.array([NOON + timedelta(minutes=row) for row in range(len(array))], pa.timestamp("us"))
    lake.create(pa.table({"at": times, "value": array}))
    held = source_of(one_column(type_), Path("/nowhere"), lake.credentials).load(None)
    assert held.read(["value"])["value"].to_pylist() == values
    assert held.holds_nan(["value"]) == (array.type == pa.float32())


@pytest.mark.parametrize(("array", "said"), REFUSED, ids=[said for _, said in REFUSED])
def test_a_column_of_a_type_that_contracts_do_not_know_is_refused_by_its_name_and_else_left_alone(
    array: pa.Array, said: str, lake: Lake
) -> None:
    lake.create(pa.table({"at": pa.array([NOON], pa.timestamp("us")), "value": array}))
    credentials = lake.credentials
    for type_ in ColumnType:
        source = source_of(one_column(type_), Path("/nowhere"), credentials)
        assert f"value is {said}" in refusal(ContractError, source, None)
    without = replace(one_column(ColumnType.STRING), columns=one_column(ColumnType.STRING).columns[:1])
    assert source_of(without, Path("/nowhere"), credentials).load(None).read(["at"]).num_rows == 1


# ── catalogs and stores away, and what signs in ───────────────────────────────────────────────────────────────────────

SECRET = "SECRETSECRETSECRET"  # noqa: S105 -- none: what must not be shown


def test_a_catalog_on_sqlite_that_is_away_is_told_and_nothing_is_made_in_its_place(lake: Lake) -> None:
    lake.create(ROWS)
    file = lake.folder / "catalog.db"
    file.rename(lake.folder / "elsewhere.db")
    assert "no such file" in refusal(SourceUnavailable, lake.source())
    assert not file.exists()
    file.touch()
    assert "OperationalError" in refusal(SourceUnavailable, lake.source())
    assert not file.stat().st_size
    (lake.folder / "elsewhere.db").rename(file)
    assert lake.source().load(DAY).read(COLUMNS).equals(ROWS)


def test_a_catalog_on_a_server_that_is_away_is_told_without_what_signs_in(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    lake = Lake(tmp_path, {"uri": f"postgresql://reader:{SECRET}@127.0.0.1:9/lake", "warehouse": "file:///nowhere"})
    source = lake.source()
    with pytest.raises(SourceUnavailable, match=r"iceberg://lake/shop.sales, its catalog: OperationalError") as raised:
        source.load(DAY)
    assert SECRET not in "".join([*_everything(raised.value), repr(source), repr(vars(source)), caplog.text])


def test_a_table_that_is_not_there_is_told_by_its_name(lake: Lake) -> None:
    lake.create(ROWS)
    for location in ("iceberg://lake/shop.orders", "iceberg://lake/nowhere.sales"):
        assert "the table is in its catalog" in refusal(DataError, lake.source(location=location))


def test_an_object_store_that_is_away_is_told_and_read_when_it_is_back(
    own_s3: ObjectServer, tmp_path: Path, database: str
) -> None:
    from tests import buckets

    buckets.client().create_bucket(Bucket="warehouse")
    lake = icebergs.served(tmp_path, database, "s3://warehouse", own_s3.environment)
    lake.create(ROWS)
    own_s3.kill()
    assert "section [lake]" in refusal(SourceUnavailable, lake.source())
    own_s3.start()
    assert lake.source().load(DAY).read(COLUMNS).equals(ROWS)
    wrong = Lake(tmp_path, {**lake.properties, "s3.secret-access-key": SECRET})
    assert SECRET not in refusal(SourceUnavailable, wrong.source())


def test_a_file_of_the_table_that_is_gone_is_told(lake: Lake) -> None:
    table = lake.create(ROWS)
    (task,) = table.scan().plan_files()
    Path(task.file.file_path.removeprefix("file://")).unlink()
    assert "the files of a snapshot are there" in refusal(DataError, lake.source())


def test_a_damaged_file_of_the_table_is_told_without_a_value(lake: Lake) -> None:
    table = lake.create(ROWS)
    (task,) = table.scan().plan_files()
    path = Path(task.file.file_path.removeprefix("file://"))
    path.write_bytes(path.read_bytes()[:60] + b"\xff" * 40)
    assert "are whole" in refusal(DataError, lake.source())


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([], "no such section"),
        (["s3.region = x"], "`uri` is an address"),
        (["uri = thrift://hive:9083"], "`uri` is an address"),
        (["uri = mysql://reader@host/lake"], "`uri` is an address"),
        (["uri = sqlite:////lake.db", f"py-io-impl = {SECRET}"], "py-io-impl"),
        (["uri = sqlite:////lake.db", f"s3.access-key-id = {SECRET}"], "stands beside"),
    ],
)
def test_a_section_of_a_catalog_that_cannot_be_used_is_refused_without_being_quoted(
    lines: list[str], told: str, tmp_path: Path
) -> None:
    file = tmp_path / "sources.ini"
    file.write_text("\n".join(["[lake]" if lines else "[other]", *lines, "", "[default]", "uri = sqlite:////x", ""]))
    file.chmod(0o600)
    contract = sales_contract(location=f"iceberg://lake/{TABLE}")
    with pytest.raises(DeclarationError) as raised:
        source_of(contract, tmp_path, file)
    assert told in str(raised.value)
    assert SECRET not in "".join(_everything(raised.value))


def test_a_tables_own_properties_neither_load_code_nor_say_where_credentials_go(lake: Lake) -> None:
    wrong = {"py-io-impl": "tests.data.test_iceberg_source.loaded", "s3.endpoint": "http://127.0.0.1:9"}
    table = lake.create(ROWS)
    with table.transaction() as transaction:
        transaction.set_properties(wrong)
    made = len(LOADED)
    assert made, "the writer does as the table says"
    assert lake.source().load(DAY).read(COLUMNS).equals(ROWS)
    assert len(LOADED) == made


LOADED: list[object] = []


def loaded(properties: dict[str, str]) -> Any:
    """What must not be called because a table says so."""
    from pyiceberg.io.pyarrow import PyArrowFileIO

    LOADED.append(properties)
    return PyArrowFileIO(properties)


# ── the same data elsewhere ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.long
@EVERYWHERE
def test_the_snapshot_of_a_project_and_so_its_features_are_the_same_from_folders_and_from_iceberg(
    anywhere: Lake, production: Path, contracts: dict[str, Contract], tmp_path: Path
) -> None:
    from include.store import Store

    here = freeze(DELAY, contracts, production, Store(str(tmp_path / "here")))
    there_store = Store(str(tmp_path / "there"))
    moved_contracts = {}
    for dataset in here.scope.datasets:
        name = dataset.dataset
        days = sorted({part.day for part in here.partitions if part.table == name and part.day})
        folders = [production / name / f"day={day}" for day in days] or [production / name]
        files = [file for folder in folders for file in sorted(folder.glob("*.parquet"))]
        anywhere.create(pa.concat_tables(pq.ParquetFile(file).read() for file in files), f"shop.{name}")
        moved_contracts[name] = replace(contracts[name], location=f"iceberg://lake/shop.{name}", as_of=AsOf.CURRENT)
    there = freeze(DELAY, moved_contracts, production, there_store, credentials=anywhere.credentials)
    assert there == here


def test_an_as_of_night_after_a_correction_freezes_what_last_marchs_froze(
    lake: Lake, production: Path, contracts: dict[str, Contract], tmp_path: Path
) -> None:
    """The demo's contracts repeat a year, so that days of now have rows, and commits are made now."""
    held = dict(contracts)
    for name in ("weather", "planes"):
        held[name] = replace(contracts[name], location=f"iceberg://lake/shop.{name}")
    days = [recorded_day(contracts["weather"], last_day(now()) - timedelta(days=back)) for back in range(-1, 2)]
    tables = {}
    for name, folders in (("weather", [f"day={day}" for day in days]), ("planes", [""])):
        files = [file for folder in folders for file in (production / name / folder).glob("*.parquet")]
        rows = pa.concat_tables(pq.ParquetFile(file).read() for file in files)
        tables[name] = lake.create(rows, f"shop.{name}"), rows

    def night(place: str, instant: datetime) -> list[str]:
        (tmp_path / place).mkdir()
        world = World(
            *(tmp_path / place, production, held),
            datasets=tables,
            window_days=2,
            credentials=lake.credentials,
        )
        return [partition.content for partition in world.take(instant).partitions]

    march = now()
    then = night("march", march)
    table, rows = tables["weather"]
    table.overwrite(rows.set_column(rows.column_names.index("temp"), "temp", pc.add(rows["temp"], 1)))
    assert night("again", march) == then
    assert len(set(night("later", now())) & set(then)) == 1, "the planes alone were not corrected"
