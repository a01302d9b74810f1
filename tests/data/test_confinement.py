# ruff: noqa: S608 -- the queries are made of names of these tests
"""What a project's query reaches: the tables that its function was handed; no file, schema, catalogue or setting."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import ibis
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.errors import DataError, DeclarationError
from include.core.records import Contract, Days, Snapshot
from include.data.point_in_time import PointInTime
from include.declared import scope_of, sql_of
from include.declared.compiled import CompiledProject, declared
from include.engines.confinement import lock, require_confined
from include.engines.duckdb_engine import DuckDBEngine, opened
from include.engines.port import LateValues
from include.projects import flight_delay
from include.store import Store
from tests.data.nights import INSTANT, WINDOW, Night, freeze

DELAY = flight_delay.PROJECT.varied(window=WINDOW)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as made:
        made.execute("CREATE SCHEMA snapshot; CREATE TABLE snapshot.flights AS SELECT 1 AS a")
        yield made


@pytest.mark.parametrize(
    ("sql", "named"),
    [
        ("FROM snapshot.flights", "table 'snapshot.flights'"),
        ("FROM memory.snapshot.flights", "table 'memory.snapshot.flights'"),
        ("FROM main.flights", "table 'main.flights'"),
        ("FROM airports", "table 'airports'"),
        ('FROM "asked rows"', "table 'asked rows'"),
        ('WITH "asked rows" AS (FROM "asked rows") FROM "asked rows"', "table 'asked rows'"),
        ("WITH b AS (FROM a), a AS (FROM flights) FROM b", "table 'a'"),
        ("FROM (WITH a AS (FROM flights) FROM a), a", "table 'a'"),
        ("FROM 'part.parquet'", "table 'part.parquet'"),
        ("FROM read_parquet('part.parquet')", "function 'read_parquet'"),
        ("FROM query('FROM snapshot.flights')", "function 'query'"),
        ("FROM query_table('snapshot.flights')", "function 'query_table'"),
        ("FROM histogram('snapshot.flights', a)", "function 'histogram'"),
        ("FROM duckdb_tables()", "function 'duckdb_tables'"),
        ("FROM duckdb_views", "table 'duckdb_views'"),
        ("FROM information_schema.tables", "table 'information_schema.tables'"),
        ("SELECT stats(a) FROM flights", "function 'stats'"),
        ("SELECT a.STATS() FROM flights", "function 'stats'"),
        ("SHOW TABLES", "show ref"),
        ("SUMMARIZE snapshot.flights", "show ref"),
        ("FROM (PIVOT snapshot.flights ON a IN (1) USING count(*))", "pivot"),
        ("WITH RECURSIVE r AS (SELECT 1 a UNION ALL SELECT a + 1 FROM r WHERE a < 9) FROM r", "recursive cte node"),
        ("WITH a AS (INSERT INTO flights VALUES (1) RETURNING 1) FROM a", "insert query node"),
        ("COPY (FROM flights) TO 'part.parquet'", "what is no query"),
        ("SET threads = 2", "what is no query"),
        ("FROM flights; FROM flights", "several statements"),
        ("FROM flights) UNION ALL (FROM snapshot.flights", "what DuckDB cannot parse"),
    ],
)
def test_a_query_that_reads_anything_but_the_tables_it_is_handed_is_refused_by_what_it_reads(
    sql: str, named: str, connection: duckdb.DuckDBPyConnection
) -> None:
    with pytest.raises(DeclarationError, match="and no others; found: ") as refused:
        require_confined(connection, sql, ["flights", "population"])
    assert refused.value.value == named


#: Where a query may hold another.
_HOLDERS = (
    "FROM ({})",
    "WITH within AS ({}) FROM within",
    "WITH within AS MATERIALIZED ({}), other AS (FROM within) SELECT (SELECT count(*) FROM other)",
    "({}) UNION ALL ({})",
    "SELECT (SELECT max(a) FROM ({})) AS a",
    "SELECT a FROM flights WHERE a IN (SELECT a FROM ({}))",
    "SELECT a FROM flights f WHERE EXISTS (SELECT 1 FROM ({}) w WHERE w.a = f.a)",
    "SELECT f.a FROM flights f ASOF LEFT JOIN ({}) w ON f.a >= w.a",
    "SELECT f.a FROM flights f, LATERAL (FROM ({})) w",
    "SELECT a FROM flights GROUP BY a HAVING count(*) > (SELECT count(*) FROM ({}))",
    "SELECT count(*) FILTER (a > (SELECT min(a) FROM ({}))) AS a FROM flights",
    "SELECT a FROM flights ORDER BY (SELECT max(a) FROM ({})) LIMIT 1",
    "SELECT CASE WHEN a > 0 THEN list_transform([a], x -> x + (SELECT max(a) FROM ({})))[1] END AS a FROM flights",
)


@settings(max_examples=30, deadline=None)
@given(leaf=st.sampled_from(["flights", "Population", "snapshot.flights"]), holders=st.lists(st.sampled_from(_HOLDERS)))
def test_a_raw_table_is_found_wherever_in_a_query_it_stands(
    leaf: str, holders: list[str], connection: duckdb.DuckDBPyConnection
) -> None:
    sql = f"SELECT a FROM {leaf}"
    for holder in holders[:2]:
        sql = holder.replace("{}", sql)
    if leaf != "snapshot.flights":
        require_confined(connection, sql, ["flights", "population"])
        return
    with pytest.raises(DeclarationError, match=r"snapshot\.flights"):
        require_confined(connection, sql, ["flights", "population"])


def test_an_expression_deeper_than_pythons_stack_is_checked_to_its_end(connection: duckdb.DuckDBPyConnection) -> None:
    flights = ibis.table({"a": "int64"}, name="flights")
    total = flights.a
    for number in range(400):
        total = total + number
    require_confined(connection, sql_of(flights.select(a=total)), ["flights"])
    with pytest.raises(DeclarationError):
        require_confined(connection, sql_of(flights.select(a=total)), ["airports"])


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, contracts: dict[str, Contract]) -> Night:
    folder = tmp_path_factory.mktemp("confined")
    return Night(folder, contracts, Store(str(folder / "vault")))


@pytest.fixture(scope="module")
def frozen(night: Night, production: Path) -> Snapshot:
    return freeze(DELAY, night.contracts, production, night.store)


@pytest.fixture
def held(night: Night, frozen: Snapshot) -> Iterator[DuckDBEngine]:
    """Only the flights are opened: the weather's files lie beside them in the vault."""
    parts = [part for part in frozen.partitions if part.table == "flights"]
    with opened(frozen, night.contracts, night.store.path, partitions=parts) as made:
        yield made


@pytest.fixture(scope="module")
def compiled(night: Night) -> CompiledProject:
    return declared(DELAY, night.contracts, scope_of(DELAY, night.contracts))


def test_only_the_opened_partitions_can_be_opened_and_no_statement_changes_that(
    held: DuckDBEngine, night: Night, frozen: Snapshot, tmp_path: Path
) -> None:
    other = night.store.path(frozen.of("weather")[0].content)
    mine = night.store.path(frozen.of("flights")[0].content)
    (tmp_path / "rows.csv").write_text("a\n1\n")
    refused = [
        f"SELECT * FROM read_parquet('{other}')",
        f"SELECT * FROM read_csv('{tmp_path}/rows.csv')",
        "SELECT * FROM read_text('/etc/hostname')",
        f"SELECT * FROM glob('{other.parent}/*')",
        f"ATTACH '{tmp_path}/other.db'",
        f"COPY (SELECT 1) TO '{tmp_path}/out.csv'",
        "INSTALL httpfs",
        "SET enable_external_access = true",
        f"SET allowed_paths = ['{other}']",
        "SET threads = 2",
    ]
    with held.beside() as cursor:
        for connection in (held, cursor):
            for statement in refused:
                with pytest.raises(DataError, match=r"DuckDB's (Permission|InvalidInput)Exception"):
                    connection.session.run(statement)
            assert connection.session.count(f"SELECT count(*) FROM read_parquet('{mine}')") > 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.csv"]


def test_a_name_is_a_table_and_never_a_variable_of_the_process() -> None:
    variable = pa.table({"a": [1]})
    with duckdb.connect() as made:
        assert (
            made.execute("FROM variable").fetchall() == [(1,)] == [tuple(row.values()) for row in variable.to_pylist()]
        )
        lock(made, [])
        for connection in (made, made.cursor()):
            with pytest.raises(duckdb.CatalogException, match="variable"):
                connection.execute("FROM variable")


#: Each reads past the view of the rows that it may see; as a run may hold it that an earlier release began.
KEY = ", ".join(DELAY.learning.target.key)
PAST = f"SELECT {KEY}, (SELECT max(arrival_delay) FROM snapshot.flights) AS label FROM flights"


def _population(rows: Callable[[CompiledProject], PointInTime], compiled: CompiledProject, day: Days) -> None:
    rows(replace(compiled, population=compiled.population + " WHERE origin IN (SELECT origin FROM snapshot.flights)"))


def _built(rows: Callable[[CompiledProject], PointInTime], compiled: CompiledProject, day: Days) -> None:
    rows(compiled).rows(replace(compiled.label, sql=PAST), day)


def _probed(rows: Callable[[CompiledProject], PointInTime], compiled: CompiledProject, day: Days) -> None:
    asked = rows(compiled)
    asked.engine.cut({"flights": day}, INSTANT, LateValues.REMOVED)
    asked.rows_known(replace(compiled.label, sql=PAST), day.first, extra_days=0)


def _probed_by_another_thread(
    rows: Callable[[CompiledProject], PointInTime], compiled: CompiledProject, day: Days
) -> None:
    list(rows(compiled).in_turn([(replace(compiled.label, sql=PAST), day)], ahead=1))


@pytest.mark.parametrize("way", [_population, _built, _probed, _probed_by_another_thread])
def test_no_query_of_a_project_reads_the_raw_tables_whichever_way_it_comes_to_be_run(
    way: Callable[..., None], held: DuckDBEngine, night: Night, frozen: Snapshot, compiled: CompiledProject
) -> None:
    day = Days(first=frozen.last_matured, last=frozen.last_matured)

    def rows(changed: CompiledProject) -> PointInTime:
        return PointInTime(held, DELAY, night.contracts, changed, [day])

    assert rows(compiled).rows(compiled.label, day).num_rows > 0
    held.session.run('DROP TABLE "asked rows"')
    with pytest.raises(DeclarationError, match=r"and no others; found: table 'snapshot\.flights'"):
        way(rows, compiled, day)
