"""The engine on a Spark cluster: the suite of all engines, the demo's features, and what becomes of what fails."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include import engines
from include.core.errors import DataError, DeclarationError, StepCrashed, StoreError
from include.core.project import Project
from include.core.records import Contract, Days
from include.data import reuse
from include.engines import Engine
from include.engines.spark import opened as opened_on
from include.engines.spark.cluster import opened_cluster
from include.projects import flight_delay, temperature_tomorrow
from include.store import Store
from tests.data.nights import WINDOW, Night, freeze
from tests.engines import cluster as spark
from tests.engines.test_engines import (
    MANY,
    POPULATION,
    QUERIES,
    SHOP_ROWS,
    TABLES,
    Stored,
    orders,
    part_of,
    require_same_rows,
    rows_of,
    some_parts,
    stored,
)
from tests.engines.test_expressions import LENGTHS, ROW, given_by, numbers, query_of, require_as_documented

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module", autouse=True)
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One session for all tests here: whatever opens the engine meanwhile uses it."""
    spark.require_installed()
    with spark.configured(tmp_path_factory.mktemp("spark")), opened_cluster(spark.ADDRESS):
        yield
    assert spark.executors() == []


def on(kept: Stored, **changed: Any) -> "Callable[[], AbstractContextManager[Engine]]":
    """Opens the engine on the cluster over what is *kept*."""
    given_engine: dict[str, Any] = {"engine": engines.opened, "version": engines.version, **changed}
    return lambda: opened_on(kept.snapshot, kept.contracts, kept.path, address=spark.ADDRESS, **given_engine)


@settings(max_examples=3)
@given(rows=orders(), name=st.sampled_from(sorted(QUERIES)), parts=some_parts())
def test_a_cluster_gives_the_same_for_a_query_over_the_same_days(
    rows: list[dict[str, Any]], name: str, parts: Any, folder: Path
) -> None:
    kept = stored(folder, rows, SHOP_ROWS)
    require_same_rows(kept, on(kept), name, parts)


@settings(max_examples=4)
@given(rows=orders(), seed=st.integers(0, 2**32), lengths=LENGTHS)
def test_an_expression_gives_the_same_on_a_cluster(
    rows: list[dict[str, Any]], seed: int, lengths: list[int], folder: Path
) -> None:
    kept, query = stored(folder, rows, SHOP_ROWS), query_of(numbers(seed, 15))
    assert given_by(kept, on(kept), query, lengths) == given_by(kept, kept.duckdb, query, lengths)


def test_where_engines_are_known_to_differ_a_cluster_gives_what_the_page_says(folder: Path) -> None:
    kept = stored(folder, [ROW], SHOP_ROWS)
    require_as_documented(kept, on(kept))


@pytest.mark.parametrize(
    ("project", "stretch_rows"),
    [(flight_delay.PROJECT, 2_500), (flight_delay.PROJECT, 1_000_000), (temperature_tomorrow.PROJECT, 2_500)],
    ids=["flights in parts", "flights at once", "temperatures in parts"],
)
def test_the_demos_features_have_the_same_digests_on_two_workers_as_in_one_process(
    project: Project,
    stretch_rows: int,
    tmp_path: Path,
    production: Path,
    contracts: dict[str, Contract],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reuse, "STRETCH_ROWS", stretch_rows)
    project = project.varied(window=WINDOW)
    snapshot = freeze(project, contracts, production, Store(str(tmp_path / "here")))
    here = Night(tmp_path, contracts, Store(str(tmp_path / "here")))
    expected = here.build(project, snapshot)
    assert here.build(project, snapshot, engine=engines.engine_at(spark.ADDRESS)) == expected


def test_an_executor_that_is_killed_costs_the_tasks_that_it_was_at_and_changes_nothing(
    folder: Path, tmp_path: Path
) -> None:
    kept, query = stored(folder, MANY, SHOP_ROWS), QUERIES["_of_the_row"]
    days = list(kept.snapshot.days)
    parts = [part_of(Days(first=day, last=day), 0) for day in days]

    @contextmanager
    def slow(*given: Any, **named: Any) -> Iterator[Engine]:
        Path(tmp_path, f"{time.time_ns()}-{os.getpid()}").touch()
        time.sleep(1.5)
        with engines.opened(*given, **named) as engine:
            yield engine

    def kill() -> None:
        while len(list(tmp_path.iterdir())) < 2:  # until both are at work
            time.sleep(0.05)
        spark.executors()[0].kill()

    with on(kept)() as engine:
        engine.ask(POPULATION, [part.days for part in parts])
        expected = [rows_of(table) for table, _ in engine.derive(query, parts)]
    with on(kept, engine=slow)() as engine:
        engine._population, engine._stretches = POPULATION, tuple(part.days for part in parts)  # as asked, but at once
        killer = threading.Thread(target=kill)
        killer.start()
        found = [rows_of(table) for table, _ in engine.derive(query, parts)]
        killer.join()
    assert found == expected
    assert len(list(tmp_path.iterdir())) == len(parts) + 1


def test_executors_compute_with_what_computes_here_or_not_at_all(folder: Path) -> None:
    kept, here = stored(folder, MANY, SHOP_ROWS), os.getpid()

    def version() -> str:
        return engines.version() if os.getpid() == here else "another"

    with on(kept, version=version)() as engine, pytest.raises(DeclarationError, match=r"another there, duckdb .* here"):
        engine.ask(POPULATION, [kept.snapshot.days])


@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_executors_read_what_the_reader_opened_or_nothing(damage: str, tmp_path: Path) -> None:
    kept = stored(tmp_path, MANY, SHOP_ROWS)
    path = kept.path(kept.snapshot.of("orders")[0].content)
    if damage == "altered":
        path.write_bytes(path.read_bytes()[:-1] + b"!")
    else:
        path.unlink()
    with on(kept)() as engine, pytest.raises(StoreError, match="finds the partitions that the reader opened"):
        engine.ask(POPULATION, [kept.snapshot.days])


def test_what_fails_on_a_cluster_is_told_by_its_columns_and_no_log_of_it_has_a_value(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    rows = [{**MANY[0], "shop": "a secret"}]
    kept = stored(folder, rows, SHOP_ROWS)
    query = query_of([TABLES["orders"].shop.cast("int64"), TABLES["orders"].big])

    @contextmanager
    def broken(*given: Any, **named: Any) -> Iterator[Engine]:
        raise ValueError(rows[0]["shop"])
        yield

    with on(kept)() as engine:
        engine.ask(POPULATION, [kept.snapshot.days])
        with pytest.raises(DataError) as told:
            list(engine.derive(query, [part_of(kept.snapshot.days, 0)]))
        assert list(engine.failing(query)) == ["value_0"]
    with on(kept, engine=broken)() as engine, pytest.raises(StepCrashed, match="ValueError") as crashed:
        engine.ask(POPULATION, [kept.snapshot.days])
    captured = capfd.readouterr()
    assert "secret" not in f"{told.value} {crashed.value} {captured.out} {captured.err}"


def test_without_java_it_is_said_what_to_install(tmp_path: Path) -> None:
    code = "from include.engines.spark.cluster import opened_cluster\nopened_cluster('local[1]').__enter__()"
    environment = {"PATH": "/usr/bin:/bin", "JAVA_HOME": str(tmp_path), "PYTHONPATH": str(Path(__file__).parents[2])}
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "DeclarationError: expected: Spark's driver runs here, in Java 17" in ended.stderr
