"""Tables of Apache Iceberg in real catalogs, written by the library's own writer."""

import os
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from include.core.records import AsOf
from include.data.sources import Source, source_of
from tests.data.sales import sales_contract

TABLE = "shop.sales"


@dataclass(frozen=True)
class Lake:
    """The catalog ``lake``: what opens it, and the *folder* in which its reader's file is."""

    folder: Path
    properties: Mapping[str, str]

    @cached_property
    def catalog(self) -> Any:
        from pyiceberg.catalog.sql import SqlCatalog

        catalog = SqlCatalog(**{"name": "lake", **self.properties})
        catalog.create_namespace("shop")
        return catalog

    @property
    def credentials(self) -> Path:
        """The reader's file."""
        file = self.folder / "sources.ini"
        file.write_text("\n".join(["[lake]", *(f"{name} = {value}" for name, value in self.properties.items()), ""]))
        file.chmod(0o600)
        return file

    def create(self, rows: pa.Table, name: str = TABLE) -> Any:
        """A table that holds *rows*."""
        table = self.catalog.create_table(name, schema=rows.schema)
        table.append(rows)
        return table

    def source(self, instant: datetime | None = None, columns: tuple[str, ...] | None = None, **changes: Any) -> Source:
        """That of the sales, by their contract with *changes*."""
        contract = sales_contract(**{"location": f"iceberg://lake/{TABLE}", **changes})
        return source_of(contract, Path("/nowhere"), self.credentials, instant=instant, columns=columns)


def here(folder: Path) -> Lake:
    """A catalog on SQLite, and its tables, below *folder*."""
    (folder / "warehouse").mkdir(parents=True)
    return Lake(folder, {"uri": f"sqlite:///{folder}/catalog.db", "warehouse": f"file://{folder}/warehouse"})


def served(folder: Path, database: str, bucket: str, environment: Mapping[str, str] = os.environ) -> Lake:
    """A catalog of its own in the PostgreSQL *database*, its tables in the *bucket*."""
    name = uuid.uuid4().hex
    stored = {
        "s3.endpoint": environment["AWS_ENDPOINT_URL"],
        "s3.access-key-id": environment["AWS_ACCESS_KEY_ID"],
        "s3.secret-access-key": environment["AWS_SECRET_ACCESS_KEY"],
        "s3.region": environment.get("AWS_REGION", "us-east-1"),
    }
    return Lake(folder, {"name": name, "uri": database, "warehouse": f"{bucket}/{name}", **stored})


def now() -> datetime:
    """An instant that is apart from all commits before and after it."""
    time.sleep(0.002)
    instant = datetime.now(UTC)
    time.sleep(0.002)
    return instant


CURRENT = {"as_of": AsOf.CURRENT}
