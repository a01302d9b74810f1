"""A deployment with a folder of somebody's own Parquet, and the command line called as a user calls it."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from include.settings import ROOT
from tests.forked import Forking

FIRST = datetime(2024, 5, 1)  # noqa: DTZ001  # files hold UTC without a zone


@dataclass(frozen=True, kw_only=True)
class Shop:
    """``orders`` is the folder of Parquet files; contracts and projects are written to folders of its own."""

    folder: Path
    forking: Forking

    @property
    def orders(self) -> Path:
        return self.folder / "orders"

    @property
    def contracts(self) -> Path:
        return self.folder / "contracts"

    @property
    def projects(self) -> Path:
        return self.folder / "projects"

    def write(self, table: pa.Table, name: str = "part.parquet") -> None:
        self.orders.mkdir(exist_ok=True)
        pq.write_table(table, self.orders / name)

    def names_nobody(self, dataset: str = "orders") -> None:
        """Write into the contract that its columns of text and of the key lead to no person."""
        file = self.contracts / f"{dataset}.odcs.yaml"
        document = yaml.safe_load(file.read_text())
        for column in document["schema"][0]["properties"]:
            said = {each["property"] for each in column["customProperties"]}
            if "personal" not in said and (column["logicalType"] == "string" or column.get("primaryKey")):
                column["customProperties"].append({"property": "personal", "value": "none"})
        file.write_text(yaml.safe_dump(document, sort_keys=False))

    def call(
        self, *words: str, home: Path | None = None, settings: Mapping[str, str] | None = None
    ) -> "subprocess.CompletedProcess[str]":
        """``./trainyard WORDS`` in this deployment (or that of *home*), with more *settings*, without a terminal."""
        environment = self.environment(home=home) | dict(settings or {})
        return self.forking.run("include.cli", *words, environment=environment)

    def environment(self, *, home: Path | None = None) -> dict[str, str]:
        """The environment in which commands speak of this deployment."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TRAINYARD_")}
        ours = {
            "TRAINYARD_HOME": str(home or self.folder / "home"),
            "TRAINYARD_CONTRACTS": str(self.contracts),
            "TRAINYARD_PROJECTS": str(self.projects),
            "TRAINYARD_USER": "dana",
            "PYTHONPATH": str(ROOT),
        }
        return kept | ours


def orders(days: int, *, rows_a_day: int = 4) -> pa.Table:
    """Orders, so many a day; whether each came back is known a day later."""
    count = days * rows_a_day
    times = [FIRST + timedelta(hours=index * 24 / rows_a_day) for index in range(count)]
    return pa.table(
        {
            "ordered_at": pa.array(times, pa.timestamp("us")),
            "shop": pa.array(["north", "south"] * (count // 2)),
            "amount": pa.array([float(index % 7) for index in range(count)]),
            "returned": pa.array([index % 3 == 0 for index in range(count)]),
        }
    )


@pytest.fixture
def here(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """The shop, whose commands this process may call by their functions."""
    for name, folder in (("HOME", shop.folder / "home"), ("CONTRACTS", shop.contracts), ("PROJECTS", shop.projects)):
        monkeypatch.setenv(f"TRAINYARD_{name}", str(folder))
    return shop


#: What the commands import beside the command line itself, which each of them imports anew.
IMPORTED = (
    "duckdb",
    "httpx",
    "ibis.backends.duckdb",
    "include.runtime.nights.local",
    "include.runtime.server.service",
    "include.store",
    "open_data_contract_standard.model",
    "pandas",
    "psutil",
    "pyarrow.dataset",
    "pyarrow.parquet",
    "rich.table",
    "securesystemslib.dsse",
    "sqlalchemy.dialects.sqlite",
    "sqlglot.optimizer.qualify",
    "typer",
)


@pytest.fixture(scope="session")
def forking() -> Iterator[Forking]:
    """Starts commands, their libraries imported."""
    started = Forking.of(IMPORTED, os.environ)
    yield started
    started.end()


def opened(folder: Path, forking: Forking) -> Shop:
    """A new shop in *folder*."""
    made = Shop(folder=folder, forking=forking)
    made.contracts.mkdir()
    made.projects.mkdir(parents=True)
    made.write(orders(20))
    return made


@pytest.fixture
def shop(tmp_path: Path, forking: Forking) -> Shop:
    return opened(tmp_path, forking)


@pytest.fixture(scope="session")
def adopted_once(tmp_path_factory: pytest.TempPathFactory, forking: Forking) -> Path:
    """A shop whose contract is in effect; to be copied."""
    made = opened(tmp_path_factory.mktemp("adopted"), forking)
    words = ("--time", "ordered_at", "--steward", "maria", "--outcome", "returned")
    assert made.call("contract", "new", "orders", str(made.orders), *words).returncode == 0
    made.names_nobody()
    assert made.call("contract", "adopt", "orders", "--as", "maria").returncode == 0
    return made.folder


@pytest.fixture
def adopted(adopted_once: Path, tmp_path: Path, forking: Forking) -> Shop:
    """A shop of a test's own whose contract is in effect."""
    shutil.copytree(adopted_once, tmp_path, dirs_exist_ok=True)
    return Shop(folder=tmp_path, forking=forking)


NewContract = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def new_contract(shop: Shop) -> NewContract:
    """`contract new orders`, with more words."""

    def call(*words: str, name: str = "orders") -> "subprocess.CompletedProcess[str]":
        return shop.call("contract", "new", name, str(shop.orders), *words)

    return call
