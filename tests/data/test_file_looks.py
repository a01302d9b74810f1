"""Days of files: each night looks at all of them, and what it finds new, or corrected, is recorded and told."""

import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from include.core.events import DaysDigested
from include.core.records import Contract, Days, last_day
from include.data import landing
from include.data.looks import Standing, changed
from include.data.sources import source_of
from tests.data.world import INSTANT, World

HOUR = timedelta(hours=1)
DAYS = [last_day(INSTANT) - timedelta(days=back) for back in (2, 1, 0)]


@pytest.fixture
def world(tmp_path: Path, production: Path, contracts: dict[str, Contract]) -> World:
    """Three days of weather in folders, and what was known of them."""
    for day in DAYS:
        shutil.copytree(production / "weather" / f"day={day}", tmp_path / "weather" / f"day={day}")
    held = {**contracts, "weather": replace(contracts["weather"], replay_days=0)}
    (tmp_path / "world").mkdir()
    made = World(tmp_path / "world", tmp_path, held, datasets=("weather",), window_days=3)
    made.take(INSTANT)
    return made


def looks(world: World) -> list[list[date | None]]:
    events = [entry.event for entry in world.ledger.read("digests/delays/weather")]
    return [[day for day, _ in event.digests] for event in events if isinstance(event, DaysDigested)]


def corrected(world: World) -> list[date | None]:
    standing = Standing.of(world.ledger, "delays", "weather")
    assert standing is not None
    return [each.day for each in standing.corrections]


def rewrite(world: World, day: date) -> Path:
    """What an owner does who corrects a day in its place: the last row is gone."""
    file = world.production / "weather" / f"day={day}" / "part.parquet"
    table = pq.read_table(file, partitioning=None)
    pq.write_table(table.slice(0, table.num_rows - 1), file)
    return file


def test_what_a_night_finds_of_files_is_recorded_once_and_a_day_that_changed_is_a_correction(world: World) -> None:
    assert looks(world) == [DAYS]
    world.take(INSTANT)
    world.take(INSTANT + HOUR)
    assert looks(world) == [DAYS]
    assert corrected(world) == []
    rewrite(world, DAYS[1])
    world.take(INSTANT + HOUR)
    assert looks(world) == [DAYS, [DAYS[1]]]
    assert corrected(world) == [DAYS[1]]


def test_a_night_of_an_earlier_instant_that_reads_what_stood_then_finds_no_correction(world: World) -> None:
    contract, columns = world.contracts["weather"], [each.name for each in world.contracts["weather"].columns]
    row = source_of(contract, world.production).load(DAYS[1]).read(columns).slice(0, 1)
    pq.write_table(row.select(["origin", "observed_at"]), world.folder / "gone.parquet")
    told = landing.land(
        contract, world.production, [world.folder / "gone.parquet"], clock=lambda: INSTANT + HOUR, delete=True
    )
    assert told.moment is not None
    assert changed(
        world.ledger, "delays", source_of(contract, world.production), Days(first=DAYS[0], last=DAYS[2])
    ) == [DAYS[1]]
    world.take(INSTANT + HOUR)
    assert corrected(world) == [DAYS[1]]
    world.take(INSTANT)
    assert corrected(world) == [DAYS[1]]
    assert len(looks(world)) == 2


def test_looked_at_again_only_days_that_changed_or_are_gone_since_they_were_read_are_told(world: World) -> None:
    def told() -> list[date]:
        source = source_of(world.contracts["weather"], world.production)
        return changed(world.ledger, "delays", source, Days(first=DAYS[0] - timedelta(days=9), last=DAYS[2]))

    assert told() == []
    rewrite(world, DAYS[1])
    assert told() == [DAYS[1]]
    shutil.rmtree(world.production / "weather" / f"day={DAYS[0]}")
    assert told() == DAYS[:2]
