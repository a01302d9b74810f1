"""Days of a table on a server: looked at while they may be corrected, and else as they were read."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from include.core.events import DaysDigested
from include.core.records import DAY, Contract, Days, Snapshot, last_day
from include.data.looks import Standing, look_again
from include.store import Store
from tests.data.tables import Database, database, table_of
from tests.data.world import INSTANT, World

LAST = last_day(INSTANT)
OLD = LAST - 4 * DAY


@pytest.fixture(scope="module")
def server(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    with database(postgres_url, tmp_path_factory.mktemp("reader")) as made:
        yield made


def contents(taken: Snapshot) -> list[tuple[str, date | None, str, bool]]:
    return [(part.table, part.day, part.content, part.complete) for part in taken.partitions]


def test_datasets_that_move_into_tables_give_the_same_partitions_and_so_the_same_features(
    tmp_path: Path, production: Path, contracts: dict[str, Contract], server: Database
) -> None:
    taken = []
    for kind, held in (
        ("folder", contracts),
        ("table", server.hold(contracts, production, Days(first=LAST - 2 * DAY, last=LAST))),
    ):
        (tmp_path / kind).mkdir()
        credentials = server.credentials if kind == "table" else None
        world = World(tmp_path / kind, production, held, datasets=tuple(held), window_days=3, credentials=credentials)
        taken.append(contents(world.take()))
    assert taken[0] == taken[1]
    assert len(taken[0]) == 8


@pytest.fixture
def world(tmp_path: Path, production: Path, contracts: dict[str, Contract], server: Database) -> World:
    """Five days of weather in a table, of which the last two may still be corrected, and flights in folders."""
    weather = server.hold({"weather": contracts["weather"]}, production, Days(first=OLD, last=LAST))["weather"]
    held = {**contracts, "weather": replace(weather, corrected_within_days=2)}
    return World(tmp_path, production, held, datasets=("weather",), window_days=5, credentials=server.credentials)


def looked_at(world: World) -> list[date | None]:
    """The days of weather that the last run looked at."""
    events = [entry.event for entry in world.ledger.read("digests/delays/weather")]
    assert isinstance(events[-1], DaysDigested)
    return [day for day, _ in events[-1].digests]


def correct(server: Database, world: World, day: date) -> None:
    table, time = table_of(world.contracts["weather"]), world.contracts["weather"].partition_column
    server.run(
        f"UPDATE {table} SET temp = temp + 1 WHERE {time} >= '{day}' AND {time} < '{day + DAY}'"  # noqa: S608
    )


def test_a_day_is_looked_at_while_it_may_be_corrected_and_then_stands_until_somebody_asks(
    world: World, server: Database
) -> None:
    first = contents(world.take())
    assert looked_at(world) == [LAST - back * DAY for back in range(4, -1, -1)]
    for day in (OLD, LAST):
        correct(server, world, day)

    second = contents(world.take())
    assert looked_at(world) == [LAST - DAY, LAST]
    assert [one == other for one, other in zip(first, second, strict=True)] == [True, True, True, True, False]
    receipt = world.receipts()[-1]
    assert (receipt.files, receipt.reused) == (1, 4)
    standing = Standing.of(world.ledger, "delays", "weather")
    assert standing is not None
    assert [correction.day for correction in standing.corrections] == [LAST]
    assert f"corrections: 1, the last of {LAST}" in standing.in_words()

    look_again(world.ledger, "weather", Days(first=OLD, last=OLD), user="olga")
    third = contents(world.take())
    assert looked_at(world) == [OLD, LAST - DAY, LAST]
    assert [one == other for one, other in zip(second, third, strict=True)] == [False, True, True, True, True]
    assert contents(world.take()) == third
    assert looked_at(world) == [LAST - DAY, LAST]


def test_a_day_that_stands_is_looked_at_by_who_asks_for_other_columns_and_read_again_where_its_partition_is_lost(
    world: World,
) -> None:
    before = world.take()
    (asked,) = world.scope.datasets
    fewer = replace(asked, columns=tuple(each for each in asked.columns if each[0] != "wind_gust"))
    world.grant(replace(world.scope, datasets=(fewer,)))
    world.take(scope=replace(world.scope, datasets=(fewer,)))
    assert len(looked_at(world)) == 5

    (lost,) = (part for part in before.partitions if part.day == OLD)
    Store(world.folder / "vault").path(lost.content).unlink()
    assert contents(world.take()) == contents(before)
    assert looked_at(world) == [OLD, LAST - DAY, LAST]
