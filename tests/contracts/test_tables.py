"""The address of a table: its parts, and nothing that signs in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.contracts.servers import lineage_name, require_address, scheme_of
from include.contracts.tables import DatabaseTable
from include.core.errors import ContractError

NAMES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=8)
HOSTS = st.sampled_from(["db.example.com", "10.0.0.7", "::1", "2001:db8::7", "/var/run/postgresql", "/tmp/a b"])  # noqa: S108


@given(HOSTS, st.integers(1, 65_535), NAMES, NAMES, NAMES)
def test_an_address_says_all_parts_of_a_table_whatever_their_names(
    host: str, port: int, database: str, schema: str, table: str
) -> None:
    at = DatabaseTable(host=host, port=port, database=database, schema=schema, table=table)
    assert DatabaseTable.of(str(at)) == at
    assert scheme_of(str(at)) == "postgres"


def test_an_address_may_leave_out_the_port_and_be_written_as_the_servers_tools_do() -> None:
    written = require_address("postgresql://db.example.com/shop/public/orders")
    assert written == "postgres://db.example.com:5432/shop/public/orders"


@pytest.mark.parametrize(
    "address",
    [
        "postgres://maria:SECRET@db/shop/public/orders",
        "postgres://db/shop/public/orders?password=SECRET",
        "postgres://db/shop/public",
        "postgres://db/shop/public/orders/more",
        "postgres:///shop/public/orders",
        "postgres://db:x/shop/public/orders",
    ],
)
def test_another_address_is_refused_and_not_quoted_where_it_may_hold_a_password(address: str) -> None:
    with pytest.raises(ContractError, match="postgres://host:port/database/schema/table") as raised:
        require_address(address)
    assert "SECRET" not in str(raised.value)


def test_openlineage_names_a_table_by_its_server_and_its_names() -> None:
    named = ("postgres://db.example.com:5433", "shop.sales.orders")
    assert lineage_name("postgres://db.example.com:5433/shop/sales/orders") == named
    here = lineage_name("postgres://%2Fvar%2Frun%2Fpostgresql:5432/shop/sales/orders")
    assert here == ("postgres://localhost:5432", "shop.sales.orders")
