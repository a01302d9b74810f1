"""A function reads the tables that it is called with; what Ibis would do otherwise than it says is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.core.errors import DeclarationError
from include.core.records import ColumnType, Contract
from include.declared import call, column_lineage, sql_of, tables
from include.declared.reads import columns_read
from tests.declared.test_names import column, contract


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda flights: flights.join(ibis.memtable({"carrier": ["UA"]}), "carrier"), "ibis.memtable"),
        (lambda flights: flights.join(ibis.table({"carrier": "string"}, name="airlines"), "carrier"), "'airlines'"),
        (lambda flights: flights.join(ibis.table({"carrier": "string"}, name="flights"), "carrier"), "'flights'"),
        (lambda flights: flights.join(ibis.table({"dest": "string"}, name="airports"), "dest"), "'airports'"),
        (
            lambda flights: flights.join(ibis.table(flights.schema(), name="flights", database="snapshot"), "carrier"),
            r"table 'snapshot\.flights'",
        ),
        (
            lambda flights: flights.filter(
                flights.carrier.isin(
                    ibis.table(flights.schema(), name="flights", catalog="memory", database="cut").carrier
                )
            ),
            r"table 'memory\.cut\.flights'",
        ),
        (
            lambda flights: flights.mutate(
                most=ibis.table(flights.schema(), name="flights", database="snapshot").distance.max().as_scalar()
            ),
            r"table 'snapshot\.flights'",
        ),
    ],
    ids=[
        "memtable",
        "unknown table",
        "other columns",
        "a dataset that is no parameter",
        "a raw table",
        "a raw table in a filter",
        "a raw table in a value",
    ],
)
def test_what_is_no_parameter_is_not_read(
    build: Callable[..., Any], named: str, contracts: dict[str, Contract]
) -> None:
    with pytest.raises(DeclarationError, match=f"the tables that it is called with, and no others; found: .*{named}"):
        call(build, tables(contracts, ["flights", "airports"]))


def test_a_file_is_no_parameter(contracts: dict[str, Contract], tmp_path: Path) -> None:
    pq.write_table(pa.table({"carrier": ["UA"]}), tmp_path / "rows.parquet")
    backend = ibis.duckdb.connect()
    read = backend.read_parquet(tmp_path / "rows.parquet")
    with pytest.raises(DeclarationError, match=r"no others; found: 'ibis_read_parquet_\w+', a file or a table"):
        call(lambda flights: flights.join(read, "carrier"), tables(contracts, ["flights"]))
    backend.disconnect()


@ibis.udf.scalar.python
def of_a_file(carrier: str) -> str:
    return Path("/etc/hostname").read_text() + carrier


@ibis.udf.scalar.builtin(name="current_setting")
def of_the_engine(name: str) -> str: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda flights: flights.mutate(value=of_a_file(flights.carrier)), "of_a_file"),
        (lambda flights: flights.mutate(value=of_the_engine("allowed_paths")), "of_the_engine"),
    ],
    ids=["python", "builtin"],
)
def test_a_function_of_ones_own_is_refused_since_nobody_knows_what_it_reads(
    build: Callable[..., Any], named: str, contracts: dict[str, Contract]
) -> None:
    with pytest.raises(DeclarationError, match=f"the same rows always give the same result; found: .*{named}"):
        call(build, tables(contracts, ["flights"]))


def test_a_table_in_a_schema_is_no_dataset_whatever_it_is_called(contracts: dict[str, Contract]) -> None:
    flights = tables(contracts, ["flights"])["flights"]
    raw = ibis.table(flights.schema(), name="flights", database="snapshot")
    for seen in (columns_read, column_lineage):
        with pytest.raises(DeclarationError, match=r"found: snapshot\.flights\."):
            seen(flights.semi_join(raw, "carrier").select("dest", n=raw.distance.max().as_scalar()), contracts)


@pytest.mark.parametrize(
    "build",
    [
        lambda flights: flights.sql("SELECT * FROM flights"),
        lambda flights: flights.alias("f").sql("SELECT * FROM f"),
        lambda flights: flights.limit(flights.count().execute()),
    ],
    ids=["sql", "alias", "execute"],
)
def test_a_function_computes_nothing_itself(build: Callable[..., Any], contracts: dict[str, Contract]) -> None:
    with pytest.raises(DeclarationError, match="says what is to be computed, and computes nothing"):
        call(build, tables(contracts, ["flights"]))


def test_no_column_is_called_as_all_of_them_are(contracts: dict[str, Contract]) -> None:
    """SQL that names it could not be told from SQL that names every column."""
    with pytest.raises(DeclarationError, match=r"no column is called `\*`.* Rename it"):
        call(lambda flights: flights.select("carrier", **{"*": flights.distance}), tables(contracts, ["flights"]))


def test_constants_need_no_table(contracts: dict[str, Contract]) -> None:
    hours = ibis.range(0, 3).unnest().name("hour").as_table()
    call(lambda flights: flights.join(hours, "hour"), tables(contracts, ["flights"]))


HOUR = ibis.interval(hours=1)
TIMED = {
    "flights": contract(
        "flights", column("id"), column("origin", ColumnType.STRING), column("departure", ColumnType.TIMESTAMP)
    ),
    "weather": contract(
        "weather", column("origin", ColumnType.STRING), column("temp"), column("observed", ColumnType.TIMESTAMP)
    ),
}
ROWS = """
    CREATE TABLE flights AS FROM (VALUES
        (1, 'JFK', TIMESTAMP '2013-01-01 10:30'), (2, 'JFK', TIMESTAMP '2013-01-01 09:00'),
        (3, 'JFK', TIMESTAMP '2013-01-01 23:00'), (4, 'LGA', TIMESTAMP '2013-01-01 10:30')
    ) f(id, origin, departure);
    CREATE TABLE weather AS FROM (VALUES
        ('JFK', 7, TIMESTAMP '2013-01-01 09:00'), ('JFK', 8, TIMESTAMP '2013-01-01 10:00')
    ) w(origin, temp, observed)
"""


def as_of(flights: Any, weather: Any, tolerance: Any = None) -> Any:
    joined = flights.asof_join(
        weather, on=flights.departure >= weather.observed, predicates="origin", tolerance=tolerance
    )
    return joined.select("id", "temp")


def renamed(flights: Any, weather: Any) -> Any:
    weather = weather.rename(departure="observed")
    return flights.asof_join(weather, on="departure", predicates="origin", tolerance=HOUR).select("id", "temp")


def test_an_as_of_join_with_a_tolerance_and_times_of_two_names_is_refused_with_both() -> None:
    held = tables(TIMED, TIMED)
    with pytest.raises(DeclarationError, match=r"'departure' and 'observed'.*\.rename\(departure='observed'\)"):
        call(lambda flights, weather: as_of(flights, weather, HOUR), held)


@pytest.mark.parametrize(
    ("build", "expected"),
    [(renamed, {1: 8, 2: 7, 3: None, 4: None}), (as_of, {1: 8, 2: 7, 3: 8, 4: None})],
    ids=["of one name", "without a tolerance"],
)
def test_other_as_of_joins_take_the_last_row_that_they_may(
    build: Callable[..., Any], expected: dict[int, int | None]
) -> None:
    def built(flights: Any, weather: Any) -> Any:
        return build(flights, weather)

    with duckdb.connect() as connection:
        connection.execute(ROWS)
        assert dict(connection.execute(sql_of(call(built, tables(TIMED, TIMED)))).fetchall()) == expected
