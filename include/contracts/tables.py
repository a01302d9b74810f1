"""The address of a table, of a database or in a catalog of Iceberg, in its parts."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from include.core.errors import ContractError

#: How addresses of PostgreSQL begin; its own tools know the longer one too.
POSTGRES, POSTGRESQL = "postgres", "postgresql"
DEFAULT_PORT = 5432
ICEBERG = "iceberg"

_NAME = r"[^/?#@\s]+"
_ADDRESS = re.compile(
    rf"{POSTGRES}(?:ql)?://(?P<host>\[[0-9a-fA-F:.]+\]|[^:/?#@\[\]\s]+)(?::(?P<port>\d{{1,5}}))?"
    rf"/(?P<database>{_NAME})/(?P<schema>{_NAME})/(?P<table>{_NAME})"
)
_CATALOG_ADDRESS = re.compile(rf"{ICEBERG}://(?P<catalog>[\w.-]+)/(?P<namespace>{_NAME})\.(?P<table>[^/?#@\s.]+)")


@dataclass(frozen=True, kw_only=True)
class DatabaseTable:
    """A table on a server of PostgreSQL; a ``host`` that begins with ``/`` is the folder of the server's socket.

    ``DatabaseTable.of(str(table)) == table``.
    """

    host: str
    port: int
    database: str
    schema: str
    table: str

    @classmethod
    def of(cls, address: str) -> "DatabaseTable":
        """That of the text *address*. Raises ContractError, which quotes none that may hold credentials."""
        found = _ADDRESS.fullmatch(address)
        if found is None:
            raise ContractError(
                f"the address of a table is {POSTGRES}://host:port/database/schema/table",
                value="something else" if {"@", "?"} & set(address) else address,
                remedy="Write it without credentials; what is no plain name in it in percent escapes.",
            )
        parts = {name: unquote(found[name]) for name in ("database", "schema", "table")}
        host = unquote(found["host"]).strip("[]")
        return cls(host=host, port=int(found["port"] or DEFAULT_PORT), **parts)

    def __str__(self) -> str:
        path = "/".join(quote(part, safe="") for part in (self.database, self.schema, self.table))
        return f"{POSTGRES}://{self._host}:{self.port}/{path}"

    @property
    def lineage_name(self) -> tuple[str, str]:
        """Its namespace and name by OpenLineage's rules."""
        host = "localhost" if self.host.startswith("/") else self._host
        return f"{POSTGRES}://{host}:{self.port}", f"{self.database}.{self.schema}.{self.table}"

    @property
    def _host(self) -> str:
        return f"[{self.host}]" if ":" in self.host else quote(self.host, safe="")


@dataclass(frozen=True, kw_only=True)
class CatalogTable:
    """A table of Iceberg: by its name in a ``namespace`` (dots between its parts) of a ``catalog``.

    What the catalog is, its section of the reader's file says. ``CatalogTable.of(str(table)) == table``.
    """

    catalog: str
    namespace: str
    table: str

    @classmethod
    def of(cls, address: str) -> "CatalogTable":
        """That of the text *address*. Raises ContractError, which quotes none that may hold credentials."""
        found = _CATALOG_ADDRESS.fullmatch(address)
        if found is None:
            raise ContractError(
                f"the address of a table of Iceberg is {ICEBERG}://catalog/namespace.table",
                value="something else" if {"@", "?"} & set(address) else address,
                remedy="Write it without credentials; the catalog is a section of the reader's file.",
            )
        return cls(**found.groupdict())

    def __str__(self) -> str:
        return f"{ICEBERG}://{self.catalog}/{self.name}"

    @property
    def name(self) -> str:
        """What its catalog calls it."""
        return f"{self.namespace}.{self.table}"

    @property
    def lineage_name(self) -> tuple[str, str]:
        """Its namespace and name, where it is not known where its files lie: after them OpenLineage calls it."""
        return f"{ICEBERG}://{self.catalog}", self.name
