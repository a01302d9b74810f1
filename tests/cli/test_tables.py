"""A dataset in a table: its contract is drafted from there, the doctor says if it can be read, status what stands."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from include.contracts import load
from include.core.events import DaysDigested, LookAgainAsked
from include.core.records import DAY, ColumnType
from include.data.sources import source_of
from include.ledger import of_kind
from include.runtime.doctor import checks as doctor
from include.runtime.doctor.examination import Health, examine
from include.runtime.nights.platform import open_platform
from include.settings import Settings
from tests.cli.conftest import Shop
from tests.data.tables import PASSWORD, TYPES, Database, database, signing_in

TIME = ("--time", "ordered_at", "--steward", "maria", "--outcome", "returned")


@pytest.fixture(scope="module")
def server(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with database(postgres_url, tmp_path_factory.mktemp("reader")) as made:
        yield made


@pytest.fixture
def table(adopted: Shop, server: Database) -> Iterator[str]:
    """The address of a table with the shop's orders, and a column of money."""
    contract = load(adopted.contracts / "orders.odcs.yaml")
    files = sorted((adopted.folder / "home" / "production" / "orders").rglob("*.parquet"))
    defined = ", ".join(f"{column.name} {TYPES[column.type]}" for column in contract.columns)
    server.run(f"CREATE TABLE orders ({defined}, price money)", "GRANT SELECT ON orders TO READER")
    server.add("orders", pa.concat_tables(pq.ParquetFile(file).read() for file in files))
    yield server.address("orders")
    server.run("DROP TABLE orders")


def test_a_contract_of_a_table_is_that_of_the_same_files_here_but_for_its_server(
    adopted: Shop, table: str, server: Database
) -> None:
    settings = {"TRAINYARD_SOURCE_CREDENTIALS_FILE": str(server.credentials)}
    priced = adopted.call("contract", "new", "sold", table, *TIME, settings=settings)
    assert priced.returncode == 1
    assert "'price' is money" in priced.stderr
    assert "--without price" in priced.stderr
    done = adopted.call("contract", "new", "sold", table, *TIME, "--without", "price", settings=settings)
    assert done.returncode == 0, done.stderr
    here, there = load(adopted.contracts / "orders.odcs.yaml"), load(adopted.contracts / "sold.odcs.yaml")
    assert (there.location, there.partition_column, there.key) == (table, here.partition_column, here.key)
    assert [(column.name, column.type) for column in there.columns] == [(c.name, c.type) for c in here.columns]
    assert PASSWORD not in done.stdout + done.stderr + there.text
    assert not [*(adopted.folder / "home" / "drafting").iterdir()], "no copy of the data outlives the draft"
    near = source_of(here, adopted.folder / "home" / "production")
    assert source_of(there, Path("/nowhere"), server.credentials).filed() == near.filed() is not None

    wrong = adopted.call("contract", "new", "other", f"{table}_gone", *TIME, settings=settings)
    assert "there is a table or view of that name" in wrong.stderr
    told = adopted.call("contract", "new", "other", table.replace("//", "//maria:SECRET@"), *TIME, settings=settings)
    assert told.returncode == 1
    assert "SECRET" not in told.stdout + told.stderr
    assert not (adopted.contracts / "other.odcs.yaml").exists()


def in_table(adopted: Shop, server: Database) -> None:
    """Have the contract of orders name the table."""
    contract = adopted.contracts / "orders.odcs.yaml"
    document = yaml.safe_load(contract.read_text())
    at = {"host": server.host, "port": server.port, "database": server.url.database, "schema": "public"}
    document["servers"] = [{"server": "production", "type": "postgres", **at}]
    contract.write_text(yaml.safe_dump(document, sort_keys=False))
    assert load(contract).location == server.address("orders")


def test_a_server_of_tables_is_well_if_it_lets_the_reader_read_and_else_told_with_its_remedy(
    adopted: Shop, table: str, server: Database, tmp_path: Path
) -> None:
    in_table(adopted, server)
    named = {name: value for name, value in adopted.environment().items() if name.startswith("TRAINYARD_")}
    reader = replace(Settings.from_environment(named), source_credentials_file=server.credentials)
    check = {"sources": doctor.CHECKS["sources"]}
    (well,) = examine(reader, check, patience_seconds=30)
    assert (well.sign, well.text) == (Health.GOOD, "1 on servers, which answer")
    wrong = replace(reader, source_credentials_file=signing_in(tmp_path, server.host, server.role, "wrong-SECRET"))
    (refused,) = examine(wrong, check, patience_seconds=30)
    assert refused.sign is Health.BAD
    assert "it refuses the user or the password" in refused.text
    assert "SECRET" not in refused.text


def test_status_says_since_when_days_of_a_table_stand_and_which_were_corrected(
    adopted: Shop, table: str, server: Database
) -> None:
    in_table(adopted, server)
    (adopted.projects / "returns").mkdir()
    (adopted.projects / "returns" / "__init__.py").write_text("")
    named = {name: value for name, value in adopted.environment().items() if name.startswith("TRAINYARD_")}
    ledger = open_platform(Settings.from_environment(named)).ledger
    day = load(adopted.contracts / "orders.odcs.yaml")
    assert day.columns[0].type is ColumnType.TIMESTAMP
    first = source_of(day, Path("/nowhere"), server.credentials).filed()
    assert first is not None
    for digests in (((first.first, "one"), (first.first + DAY, "two")), ((first.first, "corrected"),)):
        event = DaysDigested(project="returns", run_id="night", dataset="orders", asked="asked", digests=digests)
        ledger.record("digests/returns/orders", event)
    done = adopted.call("status")
    assert done.returncode == 0, done.stderr
    told = " ".join(done.stdout.split())
    assert "returns: orders: 2 looked at; they stand as they were read, the oldest since " in told
    assert f"corrections: 1, the last of {first.first}, found " in told


def test_days_of_a_table_that_stand_are_looked_at_again_by_the_next_night_if_somebody_asks(
    adopted: Shop, table: str, server: Database
) -> None:
    in_table(adopted, server)
    settings = {"TRAINYARD_SOURCE_CREDENTIALS_FILE": str(server.credentials)}
    done = adopted.call("land", "orders", "--check", "2024-05-01..2024-05-03", settings=settings)
    assert done.returncode == 0, done.stderr
    assert "the next night of each project looks at 2024-05-01 to 2024-05-03 again" in " ".join(done.stdout.split())
    named = {name: value for name, value in adopted.environment().items() if name.startswith("TRAINYARD_")}
    ((entry, asked),) = of_kind(
        open_platform(Settings.from_environment(named)).ledger.read("look-again/orders"), LookAgainAsked
    )
    assert (entry.stream, asked.first, asked.last) == ("look-again/orders", date(2024, 5, 1), date(2024, 5, 3))
