"""Where a contract's server puts its data, and which servers are refused."""

from dataclasses import replace
from pathlib import Path

import pytest

from include.contracts import load
from include.contracts.places import paths_of
from include.contracts.servers import lineage_name
from include.core.errors import ContractError
from include.core.records import AsOf
from tests.data.sales import sales_contract

FLIGHTS = (Path(__file__).parents[2] / "include" / "contracts" / "flights.odcs.yaml").read_text()
LOCAL = next(block for block in FLIGHTS.split("servers:\n")[1].split("roles:") if "type: local" in block)


def with_server(folder: Path, **keys: str) -> Path:
    lines = "".join(f"    {key}: {value}\n" for key, value in {"format": "parquet", **keys}.items())
    path = folder / "flights.odcs.yaml"
    path.write_text(FLIGHTS.replace(LOCAL, f"  - server: production\n{lines}"))
    return path


def with_table(folder: Path, table: str | None = None, **keys: str) -> Path:
    """The contract of flights with a server of these keys, and no format; *table*: what is called so there."""
    lines = "".join(f"    {key}: {value!r}\n" for key, value in keys.items())
    text = FLIGHTS.replace(LOCAL, f"  - server: production\n{lines}")
    name = "" if table is None else f"    physicalName: {table}\n"
    path = folder / "flights.odcs.yaml"
    path.write_text(text.replace("    physicalType: parquet\n", name))
    return path


@pytest.mark.parametrize("location", ["s3://my-lake/data/flights", "s3://my-lake/data/flights/", "s3://my.lake.2"])
def test_a_server_of_type_s3_names_a_folder_of_a_bucket(tmp_path: Path, location: str) -> None:
    assert load(with_server(tmp_path, type="s3", location=location)).location == location.rstrip("/")


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"type": "s3", "location": "/data/flights"}, "s3://bucket/folder"),
        ({"type": "s3", "location": "s3://my-lake//flights"}, "s3://bucket/folder"),
        ({"type": "s3", "location": "s3://my-lake/{model}/*.parquet"}, "has no {yyyy}, {mm}, {dd}"),
        ({"type": "s3", "location": "s3://my-lake/*/sales"}, "without credentials, wildcards"),
        ({"type": "local", "path": "/data/sales/{yyyy}/{mm}"}, "has no {dd}"),
        ({"type": "s3", "location": "s3://AKIA:SECRET@my-lake/flights"}, "without credentials"),
        ({"type": "s3", "location": "s3://my-lake/a", "endpointUrl": "http://SECRET.example"}, "reader's file"),
        ({"type": "s3", "location": "s3://my-lake/a", "format": "csv"}, "s3/csv"),
        ({"type": "s3", "path": "s3://my-lake/a"}, "servers[0].location"),
        ({"type": "local", "path": "s3://my-lake/a"}, "`type: s3`"),
        ({"type": "postgres", "host": "db", "database": "shop"}, "postgres/parquet"),
        ({"type": "oracle", "location": "x"}, "`type: local` or `type: s3`"),
    ],
)
def test_another_server_is_refused_with_what_to_write(tmp_path: Path, keys: dict[str, str], told: str) -> None:
    with pytest.raises(ContractError) as raised:
        load(with_server(tmp_path, **keys))
    assert told in str(raised.value)
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize("kind", ["postgres", "postgresql"])
def test_a_server_of_type_postgres_names_a_database_and_the_table_is_called_as_the_dataset_or_physically(
    kind: str, tmp_path: Path
) -> None:
    at = {"type": kind, "host": "db.example.com", "database": "shop", "schema": "sales"}
    here = "postgres://db.example.com:5432/shop/sales"
    assert load(with_table(tmp_path, **at)).location == f"{here}/flights"
    assert load(with_table(tmp_path, **at, table="all flights")).location == f"{here}/all%20flights"
    assert load(with_table(tmp_path, **at, port="6432")).location == "postgres://db.example.com:6432/shop/sales/flights"


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"host": "maria:SECRET@db"}, "servers[0].host"),
        ({"host": "maria@db"}, "servers[0].host"),
        ({"port": "0"}, "servers[0].port"),
        ({"port": "SECRET"}, "servers[0].port"),
        ({"schema": ""}, "servers[0].schema"),
        ({"database": ""}, "servers[0].database"),
    ],
)
def test_a_database_is_named_in_full_and_without_what_signs_in(keys: dict[str, str], told: str, tmp_path: Path) -> None:
    at = {"type": "postgres", "host": "db", "database": "shop", "schema": "sales"} | keys
    with pytest.raises(ContractError) as raised:
        load(with_table(tmp_path, **at))
    assert told in str(raised.value)
    assert "SECRET" not in str(raised.value)


def test_days_may_be_corrected_for_a_week_after_they_have_matured_unless_the_contract_says_how_long(
    tmp_path: Path,
) -> None:
    file = with_table(tmp_path, type="postgres", host="db", database="shop", schema="sales")
    contract = load(file)
    assert contract.corrected_within_days == contract.matures_after_days + 7
    said = "    customProperties:\n      - property: correctedWithinDays\n        value: 30\n"
    file.write_text(file.read_text().replace("    customProperties:\n", said, 1))
    assert load(file).corrected_within_days == 30


def test_folders_of_a_bucket_overlap_as_folders_do_and_with_no_folder_of_this_machine(tmp_path: Path) -> None:
    def place(location: str) -> object:
        return paths_of(replace(sales_contract(), location=location), tmp_path)

    lake = place("s3://lake/sales")
    assert all(lake.overlaps(place(other)) for other in ("s3://lake", "s3://lake/sales/day=2013-01-01"))  # type: ignore[attr-defined]
    others = ("s3://lake/sales_2", "s3://lake-2/sales", "/lake/sales", "${TRAINYARD_PRODUCTION}/sales")
    assert not any(lake.overlaps(place(other)) or place(other).overlaps(lake) for other in others)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("location", "named"),
    [
        ("s3://lake/data/sales", ("s3://lake", "data/sales")),
        ("s3://lake", ("s3://lake", "/")),
        ("${TRAINYARD_PRODUCTION}/sales", None),
    ],
)
def test_openlineage_names_data_in_a_bucket_by_bucket_and_key(location: str, named: object) -> None:
    assert lineage_name(location) == named


TABLE = {"type": "custom", "format": "iceberg", "catalog": "lake", "schema": "shop.eu"}


def test_a_table_of_iceberg_is_named_by_its_catalog_its_namespace_and_its_physical_name(tmp_path: Path) -> None:
    path = with_server(tmp_path, **TABLE, location="s3://lake/warehouse/flights/")
    assert (load(path).location, load(path).stored_at) == (
        "iceberg://lake/shop.eu.flights",
        "s3://lake/warehouse/flights",
    )
    path.write_text(
        path.read_text().replace("  - name: flights\n", "  - name: flights\n    physicalName: departures\n", 1)
    )
    assert load(path).location == "iceberg://lake/shop.eu.departures"
    assert load(with_server(tmp_path, **TABLE)).stored_at is None


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"catalog": "a/b"}, "iceberg://catalog/namespace.table"),
        ({"catalog": "reader:SECRET@lake"}, "without credentials"),
        ({"schema": "''"}, "servers[0].schema"),
        ({"format": "parquet"}, "custom/parquet"),
        ({"location": "s3://AKIA:SECRET@lake/flights"}, "an address holds no credentials"),
    ],
)
def test_a_table_of_iceberg_that_is_not_named_so_is_refused_with_what_to_write(
    tmp_path: Path, keys: dict[str, str], told: str
) -> None:
    with pytest.raises(ContractError) as raised:
        load(with_server(tmp_path, **{**TABLE, **keys}))
    assert told in str(raised.value)
    assert "SECRET" not in str(raised.value)


@pytest.mark.parametrize(
    ("said", "meant"),
    [(None, AsOf.COMMIT), ("commit", AsOf.COMMIT), ("current", AsOf.CURRENT), ("now", None), ("true", None)],
)
def test_a_contract_says_which_snapshot_of_a_table_is_read(
    tmp_path: Path, said: str | None, meant: AsOf | None
) -> None:
    path = with_server(tmp_path, **TABLE)
    if said is not None:
        kept = path.read_text().replace(
            "    customProperties:\n", f"    customProperties:\n      - property: asOf\n        value: {said}\n", 1
        )
        assert "asOf" in kept
        path.write_text(kept)
    if meant is not None:
        assert load(path).as_of is meant
        return
    with pytest.raises(ContractError, match="which snapshot of the table is read"):
        load(path)


@pytest.mark.parametrize(
    "server",
    [
        {"type": "s3", "location": "s3://my-lake/flights/{yyyy}/{mm}/{dd}/"},
        {"type": "local", "path": "/data/flights/{yyyy}/{mm}/{dd}/"},
    ],
)
def test_folders_of_days_may_be_called_by_a_pattern_where_rows_are_divided_by_day(
    tmp_path: Path, server: dict[str, str]
) -> None:
    file = with_server(tmp_path, **server)
    contract = load(file)
    assert contract.location.endswith("/flights/{yyyy}/{mm}/{dd}")
    assert all(str(path).endswith("/flights") for path in paths_of(contract, tmp_path).paths)
    assert (lineage_name(contract.location) or ("", "flights"))[1] == "flights"
    file.write_text(file.read_text().replace("partitioned: true", "partitioned: false"))
    with pytest.raises(ContractError, match="only data that is divided by day"):
        load(file)
