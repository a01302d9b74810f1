"""Catalogs of Iceberg, opened to read: what a table's metadata says now, and the files that only its reader may open.

Of what goes wrong in a catalog or an object store only codes and types of errors are told: their texts quote addresses.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from include.contracts.tables import CatalogTable
from include.core.errors import ContractError, DataError, DeclarationError, SourceUnavailable
from include.data.sources.credentials import credentials_of

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.io import FileIO
    from pyiceberg.table import Table
    from pyiceberg.table.metadata import TableMetadata

#: What a catalog's section of the reader's file may say: PyIceberg's own names. Nothing that loads code by its name.
_KEYS = (
    *("uri", "warehouse", "name", "s3.*"),
    *("token", "credential", "scope", "oauth2-server-uri", "prefix", "header.*", "rest.*", "ssl.*"),  # of REST
)
_KEY, _ENDPOINT, _REGION = "s3.access-key-id", "s3.endpoint", "s3.region"
#: Seconds in which a server has to answer.
_CONNECT_SECONDS, _REQUEST_SECONDS = "5", "60"
_DRIVER = "postgresql+psycopg"
_AWS_ERROR = re.compile(r"AWS Error ([A-Z_]+)")


class Address:
    """The table that *location* names (``iceberg://catalog/namespace.table``), and what signs in to its catalog."""

    def __init__(self, dataset: str, location: str, credentials: Path | None) -> None:
        """Raises DeclarationError, AuthorityError: the file *credentials* does not say how to reach the catalog."""
        self._dataset, self.shown = dataset, location
        table = CatalogTable.of(location)
        self._catalog, self._table = table.catalog, table.name
        self._credentials = credentials
        self._properties()

    def load(self) -> "tuple[TableMetadata, FileIO]":
        """What the catalog says of the table now, and what opens its files.

        Raises:
            DataError: there is no such table, or its metadata cannot be read.
            SourceUnavailable: the catalog or the object store does not answer, or refuses.
        """
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

        try:
            with self.reachable():
                table = self._loaded()
        except (NoSuchTableError, NoSuchNamespaceError):
            raise DataError(
                f"{self._dataset}: the table is in its catalog",
                value=f"none called {self._table} in {self._catalog}",
                remedy="Correct `servers[0]` of the contract, or `name` of the catalog in the reader's file.",
            ) from None
        return table.metadata, table.io

    @contextmanager
    def reachable(self) -> Iterator[None]:
        """What goes wrong while metadata or files are read, in our words."""
        import pyarrow as pa
        from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError, RESTError
        from requests import RequestException
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (NoSuchTableError, NoSuchNamespaceError, DataError, ContractError, DeclarationError):
            raise
        except FileNotFoundError:
            raise DataError(
                f"{self._dataset}: the files of a snapshot are there",
                value=f"one that {self.shown} names is not",
                remedy="The table's owner removed it without a commit: have them restore it, or roll the table back.",
            ) from None
        except (SQLAlchemyError, RequestException, RESTError) as error:
            raise self._away(f"its catalog: {type(getattr(error, 'orig', None) or error).__name__}") from None
        except (pa.ArrowException, ValueError, NotImplementedError) as error:
            raise self._unreadable(error) from None
        except OSError as error:
            code = _AWS_ERROR.search(str(error))
            raise self._away(code[1] if code else error.strerror or type(error).__name__) from None

    def _away(self, why: str) -> SourceUnavailable:
        return SourceUnavailable(
            f"{self._dataset}: catalog and object store answer, and let the reader read",
            value=f"{self.shown}, {why}",
            remedy=f"Check that they run, and section [{self._catalog}] of the reader's credentials, then retry.",
        )

    def _unreadable(self, error: Exception) -> DataError:
        if "equality deletes" in str(error):
            return DataError(
                f"{self._dataset}: rows are deleted by rewriting their files or by position",
                value=f"{self.shown} has equality deletes, which cannot be read here",
                remedy="Have its owner compact the table (`rewrite_data_files` of Spark), or write it merge-on-read by "
                "position.",
            )
        return DataError(
            f"{self._dataset}: metadata and files of the table are whole, and of a version that is read",
            value=f"{self.shown}: {type(error).__name__}",
            remedy="They are damaged, or newer than format version 2: ask the table's owner.",
        )

    def _loaded(self) -> "Table":
        properties = self._properties()
        if not _is_there(properties["uri"]):
            raise self._away("its catalog: no such file")
        catalog = _catalog(properties.pop("name", self._catalog), properties)
        try:
            return catalog.load_table(self._table)
        finally:
            if hasattr(catalog, "engine"):
                catalog.engine.dispose()

    def _properties(self) -> dict[str, str]:
        known = dict(self._said())
        _require_uri(known, self._catalog)
        _require_place(known, self._catalog)
        return {"s3.connect-timeout": _CONNECT_SECONDS, "s3.request-timeout": _REQUEST_SECONDS, **known}

    def _said(self) -> Mapping[str, str]:
        return credentials_of(self._credentials, self._catalog, known=_KEYS, default=False)


def _require_uri(properties: dict[str, str], catalog: str) -> None:
    """Raise DeclarationError unless *properties* name a catalog that is there; a driver of PostgreSQL is ours."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    uri = properties.get("uri", "")
    if uri.startswith(("http://", "https://")):
        return
    try:
        url = make_url(uri)
    except ArgumentError:
        url = None
    if url is None or url.get_backend_name() not in ("sqlite", "postgresql"):
        raise _unusable(
            catalog, "`uri` is an address of SQLite, of PostgreSQL or of a REST catalog", "another, or none"
        )
    if url.get_backend_name() == "postgresql":
        url = url.set(drivername=_DRIVER).update_query_dict(
            {"connect_timeout": _CONNECT_SECONDS} if "connect_timeout" not in url.query else {}
        )
    properties["uri"] = url.render_as_string(hide_password=False)


def _require_place(properties: dict[str, str], catalog: str) -> None:
    """Keys go where the reader's file says, never where an environment does: so its endpoint is named with them."""
    if _KEY not in properties or _ENDPOINT in properties:
        return
    if _REGION not in properties:
        raise _unusable(catalog, f"`{_ENDPOINT}` or `{_REGION}` stands beside `{_KEY}`", "neither")
    properties[_ENDPOINT] = f"https://s3.{properties[_REGION]}.amazonaws.com"


def _unusable(catalog: str, rule: str, value: str) -> DeclarationError:
    return DeclarationError(
        f"section [{catalog}] of the file that TRAINYARD_SOURCE_CREDENTIALS_FILE names: {rule}",
        value=value,
        remedy="Correct it: `postgresql+psycopg://reader:…@host/catalog`, `sqlite:////path/catalog.db`, or `https://…`.",
    )


def _is_there(uri: str) -> bool:
    """Whether the file of a catalog on SQLite is there: to connect would make an empty one."""
    from sqlalchemy.engine import make_url

    return not uri.startswith("sqlite") or Path(make_url(uri).database or "").is_file()


def _catalog(name: str, properties: Mapping[str, str]) -> "Catalog":
    """The catalog, which makes nothing where it is not, and takes from a table's metadata neither code nor endpoint."""
    if properties["uri"].startswith("http"):
        from pyiceberg.catalog.rest import RestCatalog

        return RestCatalog(name, **properties)
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.io import load_file_io

    catalog = SqlCatalog(name, **properties, init_catalog_tables="false")
    catalog._load_file_io = lambda _=None, location=None: load_file_io(catalog.properties, location)
    return catalog
