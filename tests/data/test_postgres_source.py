"""What a table of a real PostgreSQL gives as a source: what the same rows in a folder give, or a refusal."""

import math
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from include.contracts.tables import DatabaseTable
from include.core.errors import ContractError, DataError, DeclarationError, SourceUnavailable, TrainyardError
from include.core.records import ColumnType, Contract, Days
from include.data.sources import Source, postgres_session, source_of
from tests import postgres_server
from tests.data.sales import DAY, SENTINEL, land_sales, sales_contract, sales_table
from tests.data.tables import PASSWORD, Database, database, signing_in, table_of

COLUMNS = ("items", "at", "shop")
ALL = ("at", "shop", "amount", "items")
NOON = datetime(2013, 7, 6, 12, tzinfo=UTC)
ONE_DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def server(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with database(postgres_url, tmp_path_factory.mktemp("reader")) as made:
        yield made


@pytest.fixture
def sales(server: Database) -> Contract:
    """A table with the sales of a day."""
    return server.fill(sales_contract(), sales_table(40))


def moved(table: pa.Table, days: int) -> pa.Table:
    return table.set_column(0, "at", pc.add(table["at"], pa.scalar(days * ONE_DAY, pa.duration("us"))))


def ordered(table: pa.Table) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in table.column_names]).combine_chunks()


def refusal(ask: Callable[[], object]) -> TrainyardError:
    with pytest.raises(TrainyardError) as raised:
        ask()
    shown = f"{raised.value} {raised.value.__context__ if not raised.value.__suppress_context__ else ''}"
    assert PASSWORD not in shown
    assert SENTINEL not in shown
    return raised.value


# ── the laws of all sources ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(params=["folder", "table"])
def laid(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Source]:
    """Lays tables, each of a day from :data:`DAY` on, where a source of the kind finds them."""

    def in_folder(*days: pa.Table, **changes: object) -> Source:
        for number, table in enumerate(days):
            land_sales(tmp_path, moved(table, number), day=DAY + number * ONE_DAY)
        return source_of(sales_contract(**changes), tmp_path)

    def in_table(*days: pa.Table, **changes: object) -> Source:
        there: Database = request.getfixturevalue("server")
        rows = pa.concat_tables([moved(table, number) for number, table in enumerate(days)]) if days else None
        return there.source(replace(there.fill(sales_contract(), rows), **changes))

    return in_folder if request.param == "folder" else in_table


def test_only_the_asked_columns_are_read_in_the_order_asked_and_in_batches_alike(laid: Callable[..., Source]) -> None:
    held = laid(sales_table(40)).load(DAY)
    assert ordered(held.read(COLUMNS)).equals(ordered(sales_table(40).select(COLUMNS)))
    batches = pa.Table.from_batches(held.batches(COLUMNS))
    assert ordered(batches).equals(ordered(held.read(COLUMNS)))
    assert not held.holds_nan(("amount", "items"))


def test_the_first_and_last_filed_day_are_told_unless_the_source_repeats(laid: Callable[..., Source]) -> None:
    days = [sales_table(2)] * 3
    assert laid(*days).filed() == Days(first=DAY, last=DAY + 2 * ONE_DAY)
    assert laid(*days, replay_days=364).filed() is None


def test_a_replayed_day_is_the_recorded_one_with_its_times_moved(laid: Callable[..., Source]) -> None:
    source = laid(sales_table(5), sales_table(3), replay_days=364)
    later, recorded = source.load(DAY + 364 * ONE_DAY), source.load(DAY)
    assert later.digest == recorded.digest
    assert ordered(later.read(ALL)).equals(ordered(moved(recorded.read(ALL), 364)))


def test_a_day_of_which_nothing_has_landed_is_refused_with_what_to_do(laid: Callable[..., Source]) -> None:
    source = laid(sales_table(2))
    for day in (DAY - ONE_DAY, DAY + ONE_DAY):
        told = refusal(lambda day=day: source.load(day))  # type: ignore[misc]
        assert isinstance(told, DataError)
        assert "choose an --instant" in told.remedy
    assert not source.is_empty()


def test_where_nothing_lies_a_source_is_empty(laid: Callable[..., Source]) -> None:
    assert laid().is_empty()
    assert laid().filed() is None


def test_the_names_of_all_columns_are_told_in_their_order(laid: Callable[..., Source]) -> None:
    assert laid(sales_table(2)).layouts(DAY) == {ALL}


# ── the same rows as from a folder ────────────────────────────────────────────────────────────────────────────────────

TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=6) | st.sampled_from(
    ['"', "", "\n", "\r\n", "\\N", "\\.", "a,b", "NULL", "  "]
)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)
ROWS = st.lists(
    st.tuples(
        st.integers(0, 86_400_000_000 - 1),
        TEXTS | st.none(),
        FLOATS | st.none(),
        st.integers(-(2**63), 2**63 - 1) | st.none(),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda row: row[0],
)


def sales_of(rows: list[tuple[int, str | None, float | None, int | None]]) -> pa.Table:
    start = datetime(DAY.year, DAY.month, DAY.day)  # noqa: DTZ001  # as stored
    times, shops, amounts, items = zip(*rows, strict=True)
    return pa.table(
        {
            "at": pa.array([start + timedelta(microseconds=each) for each in times], pa.timestamp("us")),
            "shop": pa.array(shops, pa.string()),
            "amount": pa.array(amounts, pa.float64()),
            "items": pa.array(items, pa.int64()),
        }
    )


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=ROWS)
@example(rows=[(0, None, None, None)])
@example(rows=[(1, "", 5e-324, 0), (2, "x\ny", 1.7976931348623157e308, -1), (3, "\\.", math.nan, 2**63 - 1)])
def test_whatever_the_rows_hold_a_table_gives_what_a_folder_gives(
    rows: list[tuple[int, str | None, float | None, int | None]], server: Database, tmp_path: Path
) -> None:
    table = sales_of(rows)
    land_sales(tmp_path, table)
    folder = source_of(sales_contract(), tmp_path).load(DAY)
    contract = server.fill(sales_contract())
    with server.connected() as connection:
        cursor = connection.cursor()
        cursor.executemany(f"INSERT INTO {table_of(contract)} VALUES (%s, %s, %s, %s)", table_rows(table))  # noqa: S608
        source = server.source(contract)
        there = source.load(DAY)
        for columns in (ALL, ("shop",), ("amount", "items")):
            assert ordered(there.read(columns)).equals(ordered(folder.read(columns)))
        assert there.holds_nan(("amount",)) == folder.holds_nan(("amount",))
        source.close()
        connection.execute(f"DROP TABLE {table_of(contract)}".encode())


def table_rows(table: pa.Table) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


class Refused(str):
    """A part of the error that refuses a value."""

    __slots__ = ()


STAMP, WHOLE, NUMBER, TEXT = ColumnType.TIMESTAMP, ColumnType.INTEGER, ColumnType.NUMBER, ColumnType.STRING

#: A type of the server's, what it is in the contract, a value, and what is read: or, of an error, a part of it.
TYPED = [
    ("timestamp", STAMP, "2013-07-04 12:00:00.000001", datetime(2013, 7, 4, 12, 0, 0, 1)),  # noqa: DTZ001
    ("timestamptz", STAMP, "2013-07-04 12:00:00+02", datetime(2013, 7, 4, 10)),  # noqa: DTZ001
    ("timestamp", STAMP, "infinity", Refused("value: a timestamp without time zone is infinite")),
    ("timestamptz", STAMP, "-infinity", Refused("value: a timestamp with time zone is infinite")),
    ("timestamp", STAMP, "0044-03-15 BC", Refused("years 1 to 9999")),
    ("timestamp", STAMP, "20130-01-01", Refused("years 1 to 9999")),
    ("date", ColumnType.DATE, "2013-07-04", date(2013, 7, 4)),
    ("date", ColumnType.DATE, "infinity", Refused("value: a date is infinite")),
    ("smallint", WHOLE, "-7", -7),
    ("bigint", WHOLE, str(2**63 - 1), 2**63 - 1),
    ("bigint", NUMBER, str(2**53), float(2**53)),
    ("bigint", NUMBER, str(2**53 + 1), Refused("whole numbers beyond")),
    ("real", NUMBER, "0.1", 0.10000000149011612),
    ("double precision", NUMBER, "0.1", 0.1),
    ("double precision", NUMBER, "NaN", None),
    ("double precision", NUMBER, "-Infinity", -math.inf),
    ("numeric", NUMBER, "0.1000000000000000055511151231257827", 0.1),
    ("numeric(12,2)", NUMBER, "12.30", 12.3),
    ("numeric", NUMBER, "NaN", None),
    ("numeric(10,0)", WHOLE, "12", 12),
    ("numeric(3,-2)", WHOLE, "1200", 1200),
    ("numeric(25,0)", WHOLE, "9223372036854775808", Refused("no whole number of 64 bits")),
    ("numeric(10,0)", WHOLE, "NaN", Refused("no whole number of 64 bits")),
    ("numeric", WHOLE, "12", 12),
    ("numeric", WHOLE, "12.5", Refused("no whole numbers that a float holds")),
    ("boolean", ColumnType.BOOLEAN, "f", False),
    ("text", TEXT, "a\tb", "a\tb"),
    ("char(5)", TEXT, "ab", "ab"),
    ("varchar(5)", TEXT, "ab ", "ab "),
    ("uuid", TEXT, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
    ("jsonb", TEXT, '{"b":1,"a":"x,\\"y"}', '{"a": "x,\\"y", "b": 1}'),
    ("mood", TEXT, "it's, so", "it's, so"),
    ("positive", WHOLE, "3", 3),
    ("money", NUMBER, "1.10", Refused("value is money, not number")),
    ("integer[]", TEXT, "{1}", Refused("value is integer[], not string")),
    ("interval", TEXT, "1 day", Refused("value is interval, not string")),
    ("time", TEXT, "24:00", Refused("value is time without time zone, not string")),
    ("bytea", TEXT, "x", Refused("value is bytea, not string")),
    ("text", WHOLE, "7", Refused("value is text, not integer")),
]


@pytest.fixture(scope="module")
def types(server: Database) -> Database:
    server.run("CREATE TYPE mood AS ENUM ('it''s, so')", "CREATE DOMAIN positive AS integer CHECK (value > 0)")
    return server


@pytest.mark.parametrize(("kind", "type_", "value", "expected"), TYPED, ids=lambda each: str(each)[:24])
def test_a_value_of_a_type_of_the_servers_is_read_right_or_refused_by_its_column(
    kind: str, type_: ColumnType, value: str, expected: object, types: Database
) -> None:
    name = f"typed_{uuid.uuid4().hex[:8]}"
    types.run(f"CREATE TABLE {name} (id bigint, value {kind})", f"GRANT SELECT ON {name} TO READER")
    with types.connected() as connection:
        connection.execute(f"INSERT INTO {name} VALUES (1, (%s::text)::{kind}), (2, NULL)".encode(), (value,))  # noqa: S608
    columns = (replace(sales_contract().columns[3], name="id"), replace(sales_contract().columns[1], name="value"))
    contract = sales_contract(
        columns=(columns[0], replace(columns[1], type=type_)), partition_column=None, location=types.address(name)
    )

    def read() -> list[object]:
        table = types.source(contract).load(None).read(("id", "value"))
        return list(table.sort_by("id")["value"].to_pylist())

    if isinstance(expected, Refused):
        told = refusal(read)
        assert isinstance(told, ContractError)
        assert expected in str(told)
        assert len(value) < 6 or value not in str(told)
        assert "view" in told.remedy
    else:
        assert read() == [expected, None]


# ── digests ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_rows_have_one_digest_in_any_order_in_any_table_and_under_any_settings_of_the_server(
    server: Database,
) -> None:
    rows = sales_table(20)
    one, other = server.fill(sales_contract(), rows), server.fill(sales_contract(), rows.take(list(range(19, -1, -1))))
    server.run(
        "ALTER ROLE READER SET DateStyle = 'German'",
        "ALTER ROLE READER SET TimeZone = 'Asia/Kathmandu'",
        "ALTER ROLE READER SET extra_float_digits = -10",
        "ALTER ROLE READER SET IntervalStyle = 'sql_standard'",
        "ALTER ROLE READER SET search_path = 'elsewhere'",
    )
    theirs = server.source(other).load(DAY)
    server.run("ALTER ROLE READER RESET ALL")
    ours = server.source(one).load(DAY)
    assert ours.digest == theirs.digest
    assert ordered(theirs.read(ALL)).equals(ordered(rows))


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE {} SET amount = amount + 1e-13 WHERE items = 7",
        "UPDATE {} SET shop = NULL WHERE items = 7",
        "UPDATE {} SET shop = '' WHERE items = 7",
        "DELETE FROM {} WHERE items = 7",
        "INSERT INTO {0} SELECT * FROM {0} WHERE items = 7",
        "UPDATE {} SET at = at + '1 microsecond' WHERE items = 7",
        "UPDATE {} SET items = 46 - items WHERE items IN (19, 27)",
    ],
)
def test_any_other_rows_have_another_digest(change: str, server: Database, sales: Contract) -> None:
    before = server.source(sales).load(DAY).digest
    server.run(change.format(table_of(sales)))
    assert server.source(sales).load(DAY).digest != before


def test_a_digest_is_that_of_the_granted_columns_and_of_the_rows_of_the_day(server: Database, sales: Contract) -> None:
    def digest() -> str:
        return server.source(sales, columns=("at", "items")).load(DAY).digest

    before = digest()
    server.run(f"UPDATE {table_of(sales)} SET amount = 0")  # noqa: S608
    server.add(table_of(sales), moved(sales_table(3), 1))
    assert digest() == before


# ── only what is granted ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_role_that_may_read_the_granted_columns_alone_is_enough_and_no_other_is_asked_for(
    server: Database, sales: Contract
) -> None:
    table = table_of(sales)
    server.run(f"REVOKE ALL ON {table} FROM READER", f"GRANT SELECT (at, items) ON {table} TO READER")
    source = server.source(sales, columns=("items", "at"))
    held = source.load(DAY)
    assert held.read(("items",))["items"].to_pylist() == list(range(40))
    told = refusal(lambda: held.read(("items", "shop")))
    assert isinstance(told, ContractError)
    assert told.value == "shop"
    closed = refusal(lambda: server.source(sales).load(DAY))
    assert isinstance(closed, SourceUnavailable)
    assert "no SELECT on ['amount', 'shop']" in str(closed)


# ── one moment ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_digested_is_read_whatever_the_table_holds_by_then(server: Database, sales: Contract) -> None:
    source = server.source(sales)
    held = source.load(DAY)
    server.run(f"UPDATE {table_of(sales)} SET items = 0")  # noqa: S608
    assert sorted(held.read(COLUMNS)["items"].to_pylist()) == list(range(40))
    assert source.load(DAY).digest != held.digest
    told = refusal(lambda: held.read(COLUMNS))  # its transaction is over
    assert isinstance(told, SourceUnavailable)
    assert "changed meanwhile" in str(told)


def test_a_day_that_did_not_change_is_read_after_another_was_loaded(server: Database, sales: Contract) -> None:
    server.add(table_of(sales), moved(sales_table(3), 1))
    source = server.source(sales)
    first, second = source.load(DAY), source.load(DAY + ONE_DAY)
    assert (first.read(ALL).num_rows, second.read(ALL).num_rows) == (40, 3)


@pytest.mark.parametrize("grants", ["ALL", "SELECT (at, shop, amount, items)"])
def test_nobody_alters_a_table_between_its_digest_and_its_rows(grants: str, server: Database, sales: Contract) -> None:
    table = table_of(sales)
    server.run(f"REVOKE ALL ON {table} FROM READER", f"GRANT {grants} ON {table} TO READER")
    held = server.source(sales).load(DAY)
    with pytest.raises(psycopg.errors.LockNotAvailable):
        server.run("SET lock_timeout = '30ms'", f"ALTER TABLE {table} DROP COLUMN shop")
    assert held.read(ALL).num_rows == 40


# ── a table that is another ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("change", "kind", "told"),
    [
        ("ALTER TABLE {} DROP COLUMN amount", ContractError, "missing ['amount']"),
        ("ALTER TABLE {} RENAME COLUMN amount TO price", ContractError, "missing ['amount']"),
        ("ALTER TABLE {} ALTER amount TYPE money USING amount::numeric::money", ContractError, "amount is money"),
        ("ALTER TABLE {0} RENAME TO {0}_old", DataError, "there is a table or view of that name"),
        ("REVOKE ALL ON {} FROM READER", SourceUnavailable, "no SELECT on"),
    ],
)
def test_a_table_that_was_altered_is_told_by_what_is_missing_and_what_to_do(
    change: str, kind: type[TrainyardError], told: str, server: Database, sales: Contract
) -> None:
    source = server.source(sales)
    held = source.load(DAY)
    source.close()
    server.run(change.format(table_of(sales)))
    for ask in (lambda: source.load(DAY), lambda: held.read(ALL), source.is_empty):
        error = refusal(ask)
        assert isinstance(error, kind)
        assert told in str(error)
        assert error.remedy


def test_a_view_is_read_as_a_table_and_a_column_by_its_physical_name(server: Database, sales: Contract) -> None:
    view = f"view_{uuid.uuid4().hex[:8]}"
    server.run(
        f'CREATE VIEW {view} AS SELECT at, shop, amount, items AS "Items sold" FROM {table_of(sales)}',  # noqa: S608
        f"GRANT SELECT ON {view} TO READER",
    )
    columns = (*sales.columns[:3], replace(sales.columns[3], physical_name="Items sold"))
    source = server.source(replace(sales, location=server.address(view), columns=columns))
    assert ordered(source.load(DAY).read(ALL)).equals(ordered(sales_table(40)))
    assert source.layouts(DAY) == {ALL}


# ── bad surroundings ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_session, "_PAUSES", ())


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"password": "wrong-SECRET"}, "it refuses the user or the password"),
        ({"role": "nobody_SECRET"}, "it refuses the user or the password"),
        ({"host": "/nowhere"}, "it cannot be reached"),
        ({"host": "127.0.0.1", "port": 1}, "it cannot be reached"),
        ({"database": "nowhere"}, "there is no such database"),
    ],
)
def test_who_cannot_sign_in_is_told_so_without_what_signs_in(
    wrong: dict[str, Any], told: str, server: Database, sales: Contract, tmp_path: Path
) -> None:
    given = {"role": server.role, "password": PASSWORD}
    elsewhere = {name: wrong[name] for name in wrong if name not in given}
    host = elsewhere.get("host", server.host)
    file = signing_in(tmp_path, host, **{**given, **{name: wrong[name] for name in wrong if name in given}})
    at = replace(DatabaseTable.of(sales.location), **elsewhere)
    source = source_of(replace(sales, location=str(at)), tmp_path, file)
    for ask in (source.is_empty, source.filed, lambda: source.load(DAY), lambda: source.layouts(DAY)):
        error = refusal(ask)
        assert isinstance(error, SourceUnavailable)
        assert told in str(error)
        assert "SECRET" not in str(error)


def test_a_server_that_is_away_for_a_moment_is_asked_again(
    server: Database, sales: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = tmp_path / "socket"
    pauses: list[float] = []

    def wait(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            away.symlink_to(server.host)

    monkeypatch.setattr(postgres_session.time, "sleep", wait)
    at = replace(DatabaseTable.of(sales.location), host=str(away))
    source = source_of(replace(sales, location=str(at)), tmp_path, signing_in(tmp_path, str(away), server.role))
    assert source.load(DAY).read(ALL).num_rows == 40
    assert pauses == [0.5, 1.5]


@pytest.mark.usefixtures("impatient")
def test_a_connection_that_ends_while_rows_arrive_is_told_and_the_next_look_connects_again(
    server: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = server.fill(sales_contract())
    server.run(
        f"INSERT INTO {table_of(contract)} SELECT '{DAY}'::timestamp + n * interval '1 ms', repeat('x', 100), n, n "  # noqa: S608
        "FROM generate_series(1, 100000) n"
    )
    monkeypatch.setattr(postgres_session, "_CHUNK_BYTES", 1 << 12)
    source = server.source(contract)
    batches = source.load(DAY).batches(ALL)
    next(batches)
    server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'READER'")
    error = refusal(lambda: list(batches))
    assert isinstance(error, SourceUnavailable)
    assert source.load(DAY).read(("items",)).num_rows == 100_000
    server.run("ALTER ROLE READER VALID UNTIL '2001-01-01'")
    batches = source.load(DAY).batches(ALL)
    next(batches)
    server.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'READER'")
    assert isinstance(refusal(lambda: list(batches)), SourceUnavailable)
    try:
        assert "it refuses the user or the password" in str(refusal(lambda: source.load(DAY)))
    finally:
        server.run("ALTER ROLE READER VALID UNTIL 'infinity'")


def test_rows_that_nobody_wants_any_more_leave_the_connection_to_the_next(server: Database, sales: Contract) -> None:
    source = server.source(sales)
    batches = source.load(DAY).batches(ALL)
    next(batches)
    batches.close()  # type: ignore[attr-defined]
    assert source.load(DAY).read(ALL).num_rows == 40


def test_a_server_that_ends_long_statements_is_told_with_its_remedy(server: Database, sales: Contract) -> None:
    view = f"slow_{uuid.uuid4().hex[:8]}"
    server.run(
        f"CREATE VIEW {view} AS SELECT s.* FROM {table_of(sales)} s, pg_sleep(0.1)",  # noqa: S608
        f"GRANT SELECT ON {view} TO READER",
        "ALTER ROLE READER SET statement_timeout = '20ms'",
    )
    error = refusal(lambda: server.source(replace(sales, location=server.address(view))).load(DAY))
    server.run("ALTER ROLE READER RESET ALL")
    assert isinstance(error, SourceUnavailable)
    assert "took longer than it allows" in str(error)
    assert "statement_timeout" in error.remedy


def test_a_value_that_a_view_cannot_compute_is_told_by_a_code_alone(server: Database, sales: Contract) -> None:
    view = f"bad_{uuid.uuid4().hex[:8]}"
    server.run(
        f"CREATE VIEW {view} AS SELECT at, shop, amount, shop::bigint AS items FROM {table_of(sales)}",  # noqa: S608
        f"GRANT SELECT ON {view} TO READER",
    )
    error = refusal(lambda: server.source(replace(sales, location=server.address(view))).load(DAY))
    assert isinstance(error, DataError)
    assert "22P02" in str(error)


def test_rows_that_are_of_no_day_are_refused_and_not_left_out(server: Database, sales: Contract) -> None:
    source = server.source(sales)
    assert source.load(DAY).read(("at",)).num_rows == 40
    for time in ("NULL", "'infinity'", "'-infinity'"):
        server.run(f"INSERT INTO {table_of(sales)} (at) VALUES ({time})")  # noqa: S608
        error = refusal(lambda: server.source(sales).load(DAY))
        assert isinstance(error, DataError)
        assert "null or infinite" in str(error)
        server.run(f"DELETE FROM {table_of(sales)} WHERE at IS NULL OR NOT isfinite(at)")  # noqa: S608


def test_what_signs_in_goes_to_no_host_that_its_file_does_not_name(sales: Contract, tmp_path: Path) -> None:
    file = signing_in(tmp_path, "default", "reader")
    with pytest.raises(DeclarationError, match="no such section"):
        source_of(sales, tmp_path, file)


@pytest.mark.postgres
def test_a_replica_that_has_not_come_as_far_as_the_instant_is_told_and_one_that_has_is_read(tmp_path: Path) -> None:
    if postgres_server.programs() is None:
        pytest.skip("PostgreSQL is not installed")
    tomorrow = datetime.now(UTC) + ONE_DAY
    with postgres_server.replica("CREATE TABLE sales AS SELECT 1::bigint AS items") as url:
        host = sa.make_url(url).query["host"]
        table = DatabaseTable.of(f"postgres://{quote(str(host), safe='')}/postgres/public/sales")
        session = postgres_session.Session("sales", table, signing_in(tmp_path, str(host), "trainyard"))
        assert session.begin(NOON) == 1
        error = refusal(lambda: session.begin(tomorrow))
    assert isinstance(error, SourceUnavailable)
    assert "it is a replica that has come as far as 20" in str(error)
    assert f"not {tomorrow:%Y-%m-%d %H:%M}Z" in str(error)


def test_no_error_or_log_holds_what_signs_in(
    server: Database, sales: Contract, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    source = server.source(sales)
    source.load(DAY).read(ALL)
    refusal(lambda: source.load(DAY + 9 * ONE_DAY))
    assert PASSWORD not in caplog.text
    assert PASSWORD not in f"{source!r} {source.shown} {vars(source)}"
