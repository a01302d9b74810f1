"""A query gives the same in whatever memory, and says so where memory or disk do not suffice."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include import engines
from include.core.errors import OutOfRoom
from include.core.records import Days
from include.engines import Room
from include.engines.port import Part
from include.engines.session import Session
from tests.engines.test_engines import (
    CONTRACTS,
    POPULATION,
    QUERIES,
    SHOP_ROWS,
    orders,
    rows_of,
    stored,
    stretches,
)
from tests.ledger.processes import fail_when_a_file_grows_to, in_child

#: Sorted, it takes some 60 MB.
SORTED = "CREATE TABLE sorted AS SELECT hash(i) AS a, hash(i + 1) AS b FROM range(2_000_000) rows(i) ORDER BY a, b"


@settings(max_examples=6)
@given(rows=orders(), name=st.sampled_from(sorted(QUERIES)), days=stretches())
def test_an_engine_gives_the_same_rows_in_a_room_of_its_own_as_in_memory(
    rows: list[dict[str, Any]],
    name: str,
    days: Days,
    folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    kept, query = stored(folder, rows, SHOP_ROWS), QUERIES[name]
    found = []
    for room in (None, Room(memory_mib=64, folder=tmp_path_factory.mktemp("room"))):
        with engines.opened(kept.snapshot, CONTRACTS, kept.path, room=room) as engine:
            asked = engine.ask(POPULATION, [days])
            ((table, empty),) = engine.derive(query, [Part(days=days, seen=days)])
            with engine.beside() as other:
                ((again, _),) = other.derive(query, [Part(days=days, seen=days)])
                assert rows_of(again) == rows_of(table)
            found.append((asked, rows_of(table), empty, table.schema))
    assert found[0] == found[1]


def test_what_does_not_fit_into_memory_goes_to_the_folder_of_the_room_and_nowhere_else(tmp_path: Path) -> None:
    with Session.opened([], Room(memory_mib=24, folder=tmp_path)) as session:
        session.run(SORTED)
        assert session.count("SELECT count(*) FROM sorted") == 2_000_000
        assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) > 16_000_000


def test_a_query_that_no_disk_helps_says_what_memory_it_had(tmp_path: Path) -> None:
    with Session.opened([], Room(memory_mib=24, folder=tmp_path)) as session:
        with pytest.raises(OutOfRoom, match=r"it needs more: 24 MiB of memory.*data_memory_mib"):
            session.count("SELECT len(list(hash(i))) FROM range(20_000_000) rows(i)")
        assert session.count("SELECT 1") == 1, "the next query has what it needs"


def test_a_disk_that_is_full_is_said_to_be_and_the_same_query_works_once_there_is_room(tmp_path: Path) -> None:
    def fill() -> None:
        fail_when_a_file_grows_to(1_000_000)
        with (
            pytest.raises(OutOfRoom, match=r"no space is left on the disk: 24 MiB"),
            Session.opened([], Room(memory_mib=24, folder=tmp_path / "full")) as session,
        ):
            session.run(SORTED)

    for name in ("full", "free"):
        (tmp_path / name).mkdir()
    assert in_child(fill) == 0
    with Session.opened([], Room(memory_mib=24, folder=tmp_path / "free")) as session:
        session.run(SORTED)
