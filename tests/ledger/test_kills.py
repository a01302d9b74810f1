"""A process that dies before, during or after any write leaves the event whole or not at all, and a retry heals."""

import itertools
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from include.core.events import Event, LineageEmitted
from include.ledger import Ledger
from tests.ledger.processes import around_driver_calls, die_at, die_when_a_file_grows_to, in_child

Write = Callable[[Ledger], object]

BATCH: list[tuple[Event, str | None]] = [(LineageEmitted(event=f"{n} " + "x" * 6000), f"key {n}") for n in range(2)]


def record(ledger: Ledger) -> object:
    return ledger.record_all("run/a", BATCH)


def append(ledger: Ledger) -> object:
    """As a decision is retried: by folding the stream again."""
    if ledger.version("run/a"):
        return None
    return ledger.append("run/a", [event for event, _ in BATCH], expected_version=0)


def receive(ledger: Ledger) -> object:
    for event, _ in BATCH:
        ledger.receive("run/a", event)
    return ledger.read("run/a")


def mark(ledger: Ledger) -> object:
    ledger.mark_delivered("file x", position=4, size_bytes=400)
    return ledger.delivered("file x")


def require_whole(url: str, write: Write) -> None:
    """Reopen as the next process would, look, retry, look again."""
    ledger = Ledger.open(url)
    before = [entry.event for entry in ledger.read("run/a")]
    expected = [event for event, _ in BATCH]
    assert before == expected[: len(before)]
    if write is not receive:
        assert len(before) in (0, 2)
    assert ledger.delivered("file x") in ((0, 0), (4, 400))
    write(ledger)
    if write is mark:
        assert ledger.delivered("file x") == (4, 400)
    else:
        assert [entry.event for entry in ledger.read("run/a")] == expected
        assert [entry.position for entry in ledger.read_all()] == [1, 2]
    ledger.close()
    if url.startswith("sqlite"):
        with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"


@pytest.fixture
def fresh_url(request: pytest.FixtureRequest, ledger_url: str, tmp_path: Path) -> Callable[[], str]:
    """Gives a ledger without events each time: a new SQLite file, or a new schema in the test's own database."""
    numbers = itertools.count()

    def make() -> str:
        name = f"attempt_{next(numbers)}"
        if ledger_url.startswith("sqlite"):
            return f"sqlite:///{tmp_path / name}.db"
        engine = sa.create_engine(ledger_url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA {name}")
        return ledger_url + f"&options=-csearch_path%3D{name}"

    return make


@pytest.mark.parametrize("write", [record, append, receive, mark])
def test_a_kill_around_any_database_call_of_a_write_leaves_it_whole_or_undone(
    fresh_url: Callable[[], str], write: Write
) -> None:
    for point in itertools.count(1):
        url = fresh_url()
        Ledger.open(url).close()

        def work(url: str = url, point: int = point) -> None:
            ledger = Ledger.open(url)
            die_at(point, around_driver_calls)
            write(ledger)

        status = in_child(work)
        require_whole(url, write)
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert point > 4  # begin, write, before and after commit at least


def test_a_kill_around_any_database_call_while_a_ledger_is_made_leaves_one_that_can_be_made(
    fresh_url: Callable[[], str],
) -> None:
    for point in itertools.count(1):
        url = fresh_url()

        def work(url: str = url, point: int = point) -> None:
            die_at(point, around_driver_calls)
            Ledger.open(url)

        status = in_child(work)
        require_whole(url, record)
        if status == 0:
            break
        assert status == -signal.SIGKILL
    assert point > 4


def test_a_kill_in_the_middle_of_a_write_to_the_log_file_leaves_it_whole_or_undone(tmp_path: Path) -> None:
    killed = 0
    for number, size_bytes in enumerate(range(33_000, 90_000, 3_873)):
        path = tmp_path / f"attempt_{number}.db"
        url = f"sqlite:///{path}"
        Ledger.open(url).close()

        def work(url: str = url, size_bytes: int = size_bytes) -> None:
            ledger = Ledger.open(url)
            ledger.read_all()
            die_when_a_file_grows_to(size_bytes)
            record(ledger)
            ledger.close()

        status = in_child(work)
        assert status in (0, -signal.SIGXFSZ)
        killed += status != 0
        require_whole(url, record)
    assert killed > 5
