"""A dataset in a table of Iceberg: its contract is drafted from there, and the doctor says whether it can be read."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.contracts import load
from include.core.records import AsOf
from include.data.sources import source_of
from include.lineage.walk import _production
from include.runtime.doctor import checks as doctor
from include.runtime.doctor.examination import Health, examine
from include.settings import Settings
from tests import icebergs
from tests.cli.conftest import Shop
from tests.icebergs import Lake

TIME = ("--time", "ordered_at", "--steward", "maria", "--outcome", "returned")


@pytest.fixture
def lake(adopted: Shop, tmp_path: Path) -> Lake:
    """The shop's orders in a table."""
    folder = adopted.folder / "home" / "production" / "orders"
    lake = icebergs.here(tmp_path / "lake")
    lake.create(
        pa.concat_tables(pq.ParquetFile(file).read() for file in sorted(folder.rglob("*.parquet"))), "shop.orders"
    )
    return lake


def test_a_contract_of_a_table_is_that_of_the_same_rows_here_but_for_its_server(adopted: Shop, lake: Lake) -> None:
    settings = {"TRAINYARD_SOURCE_CREDENTIALS_FILE": str(lake.credentials)}
    done = adopted.call("contract", "new", "lake", "iceberg://lake/shop.orders", *TIME, settings=settings)
    assert done.returncode == 0, done.stderr
    here, there = load(adopted.contracts / "orders.odcs.yaml"), load(adopted.contracts / "lake.odcs.yaml")
    assert there.location == "iceberg://lake/shop.orders"
    assert (there.partition_column, there.key) == (here.partition_column, here.key)
    assert there.stored_at == f"file://{lake.folder}/warehouse/shop/orders"
    assert there.as_of is AsOf.CURRENT, "its rows are all older than its first commit"
    near = source_of(here, adopted.folder / "home" / "production")
    far = source_of(there, Path("/nowhere"), lake.credentials)
    assert far.filed() == near.filed() is not None
    day = near.filed().first  # type: ignore[union-attr]
    names = [column.name for column in here.columns]
    assert far.load(day).read(names).sort_by("ordered_at").equals(near.load(day).read(names).sort_by("ordered_at"))
    assert not [*(adopted.folder / "home" / "drafting").iterdir()], "no copy of the data outlives the draft"

    missing = adopted.call("contract", "new", "other", "iceberg://lake/shop.others", *TIME, settings=settings)
    assert "the table is in its catalog" in missing.stderr
    assert not (adopted.contracts / "other.odcs.yaml").exists()


def test_a_table_whose_rows_are_not_older_than_its_commits_is_drafted_to_be_read_as_of_commits(
    adopted: Shop, tmp_path: Path
) -> None:
    lake = icebergs.here(tmp_path / "lake")
    later = pa.array([icebergs.now().replace(tzinfo=None) + timedelta(days=row) for row in (1, 2)], pa.timestamp("us"))
    lake.create(pa.table({"ordered_at": later, "items": [1, 2], "note": [b"x", b"y"]}), "shop.orders")
    settings = {"TRAINYARD_SOURCE_CREDENTIALS_FILE": str(lake.credentials)}
    words = ("contract", "new", "lake", "iceberg://lake/shop.orders", "--time", "ordered_at", "--steward", "maria")
    refused = adopted.call(*words, settings=settings)
    assert "--without note" in refused.stderr
    done = adopted.call(*words, "--without", "note", settings=settings)
    assert done.returncode == 0, done.stderr
    assert load(adopted.contracts / "lake.odcs.yaml").as_of is AsOf.COMMIT


def test_a_catalog_is_well_if_it_answers_and_else_told_with_its_remedy(adopted: Shop, lake: Lake) -> None:
    named = {name: value for name, value in adopted.environment().items() if name.startswith("TRAINYARD_")}
    settings = replace(Settings.from_environment(named), source_credentials_file=lake.credentials)
    check = {"sources": doctor.CHECKS["sources"]}
    contract = adopted.contracts / "orders.odcs.yaml"
    text = contract.read_text()
    start, end = text.index("servers:"), text.index("roles:")
    server = "servers:\n  - {server: production, type: custom, format: iceberg, catalog: lake, schema: shop}\n"
    contract.write_text(text[:start] + server + text[end:])
    (well,) = examine(settings, check, patience_seconds=30)
    assert (well.sign, well.text) == (Health.GOOD, "1 on servers, which answer")
    checked = adopted.call("land", "orders", "--check", "2")
    assert "the next night of each project looks at" in checked.stdout, checked.stderr
    (lake.folder / "catalog.db").unlink()
    (away,) = examine(settings, check, patience_seconds=30)
    assert away.sign is Health.BAD
    assert "orders: " in away.text
    assert "section [lake]" in away.text


@pytest.mark.parametrize(
    ("stored_at", "named"),
    [
        ("s3://lake/warehouse/shop/orders", ("s3://lake", "warehouse/shop/orders")),
        ("file:///data/orders", ("iceberg://lake", "shop.orders")),
        (None, ("iceberg://lake", "shop.orders")),
    ],
)
def test_openlineage_names_a_table_by_where_its_files_lie_or_else_by_its_catalog(
    stored_at: str | None, named: tuple[str, str]
) -> None:
    from tests.data.sales import sales_contract

    contract = sales_contract(location="iceberg://lake/shop.orders", stored_at=stored_at)
    assert _production(contract) == named
