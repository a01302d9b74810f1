"""Which servers a contract may name, and where its data then lies: a path, or an address with a scheme.

Another kind of server is a row of :data:`_SERVERS` and one of :data:`_ADDRESSES` here, and one in
:mod:`include.data.sources`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from include.contracts.document import refuse, text_of
from include.contracts.patterns import has_pattern, require_pattern, root_of
from include.contracts.tables import DEFAULT_PORT, ICEBERG, POSTGRES, POSTGRESQL, CatalogTable, DatabaseTable
from include.core.errors import ContractError

if TYPE_CHECKING:
    from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject, Server

_S3 = "s3"
#: The standard has no type of its own for Iceberg.
_CUSTOM = "custom"
#: A bucket, and a folder of keys in it.
_S3_ADDRESS = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^/*?\[\]{}]+)*/?")
#: A name or an address, or the folder of a socket.
_HOST = re.compile(r"[\w.-]+|[0-9a-fA-F:.]+|/[^@?#\s]*")
_LONGEST_PORT = 65_535


def scheme_of(location: str) -> str:
    """The scheme of an address; of a path, none."""
    scheme, found, _ = location.partition("://")
    scheme = POSTGRES if scheme == POSTGRESQL else scheme
    return scheme if found and scheme in _ADDRESSES else ""


def is_table(location: str) -> bool:
    """Whether what lies at *location* are rows of a table, and no files by day."""
    return scheme_of(location) in (POSTGRES, ICEBERG)


def bucket_of(location: str) -> tuple[str, str]:
    """The bucket of an ``s3://`` address, and the folder of keys there (``""``: all of it), without a pattern."""
    bucket, _, folder = root_of(location).removeprefix(f"{_S3}://").partition("/")
    return bucket, folder


def require_address(text: str) -> str:
    """*text*, an address with a scheme, as contracts have it.

    Raises:
        ContractError: it is none of what such an address may be; none is quoted that holds credentials.
    """
    return _ADDRESSES[scheme_of(text)].written(text)


def lineage_name(location: str) -> tuple[str, str] | None:
    """The namespace and the name of data at an address, by OpenLineage's rules; ``None``: it lies on this machine."""
    scheme = scheme_of(location)
    return _ADDRESSES[scheme].lineage_name(location) if scheme else None


def location_of(file: Path, document: "OpenDataContractStandard", table: "SchemaObject") -> str:
    """Where the data of the contract in *file* lies. Raises ContractError where that is none of our servers."""
    servers = document.servers or []
    kind = _SERVERS.get(servers[0].type) if len(servers) == 1 else None
    if kind is None or servers[0].format != kind.format:
        found = ", ".join(f"{server.type}/{server.format}" if server.format else str(server.type) for server in servers)
        kinds = " or ".join(f"`type: {name}`" for name in _SERVERS)
        refuse(
            file,
            "servers",
            "a dataset lies on one server that can be read: in files as Parquet, or in a table",
            found or "none",
            f"Write one server with {kinds}; with `format: parquet` for files, `iceberg` for `type: {_CUSTOM}`, and "
            "no format for a table of a database.",
        )
    return kind.location(file, servers[0], table)


def _path(file: Path, server: "Server", table: "SchemaObject") -> str:
    path = text_of(file, "servers[0].path", server.path)
    if scheme_of(path):
        remedy = f"Write `type: {scheme_of(path)}` for it, and what the standard has for such a server."
        refuse(file, "servers[0].path", "a local server has a path", "an address", remedy)
    try:
        require_pattern(path)
    except ContractError as error:
        refuse(file, "servers[0].path", error.rule, error.value, error.remedy)
    return path.rstrip("/") if has_pattern(path) else path


def _s3_location(file: Path, server: "Server", table: "SchemaObject") -> str:
    location = text_of(file, "servers[0].location", server.location)
    try:
        location = _s3_address(location)
    except ContractError as error:
        refuse(file, "servers[0].location", error.rule, error.value, error.remedy)
    if server.endpointUrl:
        remedy = "Remove it: `endpoint_url` in the reader's file of credentials says where these go."
        refuse(file, "servers[0].endpointUrl", "who holds credentials says where they are sent", "an endpoint", remedy)
    return location


def _table(file: Path, server: "Server", table: "SchemaObject") -> str:
    """The address of what ``schema[0].physicalName`` names, or else of the table that is called as the dataset."""
    parts = {
        part: text_of(file, f"servers[0].{part}", value)
        for part, value in (("host", server.host), ("database", server.database), ("schema", server.schema_))
    }
    port = str(DEFAULT_PORT if server.port is None else server.port)
    if not port.isdecimal() or not 0 < int(port) <= _LONGEST_PORT:
        refuse(file, "servers[0].port", f"a number, 1 to {_LONGEST_PORT}", "another", "Correct it, or leave it out.")
    if not _HOST.fullmatch(parts["host"]):
        remedy = "Write its name alone; what signs in stands in the reader's file of credentials."
        refuse(file, "servers[0].host", "a host has a name, an address, or a folder with its socket", "another", remedy)
    name = (table.physicalName or "").strip() or str(table.name)
    return str(DatabaseTable(**parts, port=int(port), table=name))


def _iceberg_table(file: Path, server: "Server", table: "SchemaObject") -> str:
    """The address of what ``schema[0].physicalName`` names, or else of the table that is called as the dataset."""
    parts = {
        part: text_of(file, f"servers[0].{part}", value)
        for part, value in (("catalog", server.catalog), ("schema", server.schema_))
    }
    name = (table.physicalName or "").strip() or str(table.name)
    location = f"{ICEBERG}://{parts['catalog']}/{parts['schema']}.{name}"
    try:
        return str(CatalogTable.of(location))
    except ContractError as error:
        refuse(
            file, "servers[0].catalog, servers[0].schema, schema[0].physicalName", error.rule, error.value, error.remedy
        )


def stored_at(file: Path, document: "OpenDataContractStandard") -> str | None:
    """Where the files of a table of Iceberg lie, as the contract says for OpenLineage; of others nothing."""
    (server,) = document.servers or []
    if server.type != _CUSTOM or not server.location:
        return None
    if "@" in server.location or "?" in server.location:
        remedy = "Write the table's location alone, as its metadata has it."
        refuse(file, "servers[0].location", "an address holds no credentials", "something else", remedy)
    return str(server.location).strip().rstrip("/")


def _s3_address(text: str) -> str:
    if not _S3_ADDRESS.fullmatch(root_of(text)):
        raise ContractError(
            "the address of a folder in a bucket is s3://bucket/folder",
            value="something else" if "@" in text else text,
            remedy="Write it without credentials, wildcards or empty names; days may be {yyyy}, {mm} and {dd}.",
        )
    require_pattern(text)
    return text.rstrip("/")


def _s3_name(location: str) -> tuple[str, str]:
    bucket, folder = bucket_of(location)
    return f"s3://{bucket}", folder or "/"


@dataclass(frozen=True, kw_only=True)
class _Server:
    """How a type of server says where the data lies, and the format that it says too."""

    location: Callable[[Path, "Server", "SchemaObject"], str]
    format: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Address:
    """How an address is written in contracts, and what OpenLineage calls what lies there."""

    written: Callable[[str], str]
    lineage_name: Callable[[str], tuple[str, str]]


#: By the standard's type of server.
_SERVERS: Mapping[str | None, _Server] = {
    "local": _Server(location=_path, format="parquet"),
    _S3: _Server(location=_s3_location, format="parquet"),
    POSTGRES: _Server(location=_table),
    POSTGRESQL: _Server(location=_table),
    _CUSTOM: _Server(location=_iceberg_table, format=ICEBERG),
}

#: By scheme.
_ADDRESSES: Mapping[str, _Address] = {
    _S3: _Address(written=_s3_address, lineage_name=_s3_name),
    POSTGRES: _Address(
        written=lambda text: str(DatabaseTable.of(text)),
        lineage_name=lambda location: DatabaseTable.of(location).lineage_name,
    ),
    ICEBERG: _Address(
        written=lambda text: str(CatalogTable.of(text)),
        lineage_name=lambda location: CatalogTable.of(location).lineage_name,
    ),
}
