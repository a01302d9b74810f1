"""``./trainyard land``: late and corrected rows, as a user lands them."""

from datetime import UTC, date, datetime, timedelta

import pytest

from include.contracts import load
from include.core import streams
from include.core.events import DaysDigested
from include.data.sources import source_of
from include.ledger import Ledger
from tests.cli.conftest import Shop

FIRST = date(2024, 5, 1)


def test_late_and_corrected_rows_land_by_key_and_an_earlier_instant_reads_what_it_read(adopted: Shop) -> None:
    contract = load(adopted.contracts / "orders.odcs.yaml")
    production = adopted.folder / "home" / "production"
    before = source_of(contract, production).load(FIRST).digest
    file = adopted.folder / "late.csv"
    file.write_text(
        "ordered_at,shop,amount,returned\n"
        "2024-05-01T06:00:00Z,south,99.5,true\n"
        "2024-05-01T06:30:00Z,north,4,\n"
        "2024-05-01T00:00:00Z,north,0,true\n"
    )
    told = adopted.call("land", "orders", str(file), "--dry-run")
    assert told.returncode == 0, told.stderr
    assert [cell.strip() for cell in _line(told.stdout, "2024-05-01").split("│")[1:6]] == [
        *("2024-05-01", "1", "1", "1", "0")
    ]
    assert "nothing was landed: --dry-run" in told.stdout
    assert source_of(contract, production).load(FIRST).digest == before

    start = datetime.now(UTC)
    done = adopted.call("land", "orders", str(file))
    assert "landed at" in done.stdout, done.stderr
    now = source_of(contract, production, instant=datetime.now(UTC)).load(FIRST)
    assert now.digest != before
    assert now.read(("amount",)).num_rows == 5
    assert source_of(contract, production, instant=start - timedelta(seconds=1)).load(FIRST).digest == before
    again = adopted.call("land", "orders", str(file))
    assert "nothing was landed: all of it is there already" in again.stdout

    file.write_text("ordered_at,shop\n2024-05-01T06:00:00Z,SENTINEL\n")
    refused = adopted.call("land", "orders", str(file))
    assert refused.returncode == 1
    assert "missing ['amount', 'returned']" in refused.stderr
    assert "SENTINEL" not in refused.stderr
    file.write_text("ordered_at\n2024-05-01T06:30:00Z\n")
    assert "landed at" in adopted.call("land", "orders", str(file), "--delete").stdout
    assert source_of(contract, production).load(FIRST).read(("amount",)).num_rows == 4


def _line(text: str, start: str) -> str:
    return next(line for line in text.splitlines() if start in line)


@pytest.mark.parametrize(("words", "told"), [((), "Name files of rows"), (("nowhere.csv",), "does not exist")])
def test_a_call_that_names_no_rows_is_refused(adopted: Shop, words: tuple[str, ...], told: str) -> None:
    done = adopted.call("land", "orders", *words)
    assert done.returncode == 2
    assert told in done.stderr


def test_days_that_changed_since_a_project_read_them_are_named_when_they_are_looked_at_again(adopted: Shop) -> None:
    source = source_of(load(adopted.contracts / "orders.odcs.yaml"), adopted.folder / "home" / "production")
    days = (FIRST, FIRST + timedelta(days=1))
    read = DaysDigested(
        project="late",
        run_id="r",
        dataset="orders",
        asked="a",
        digests=tuple((day, source.load(day).digest) for day in days),
    )
    Ledger.open(f"sqlite:///{adopted.folder}/home/ledger.db").record(streams.digests("late", "orders"), read)
    (adopted.projects / "late").mkdir()
    (adopted.projects / "late" / "project.py").touch()
    (adopted.projects / "late" / "__init__.py").touch()
    file = adopted.folder / "late.csv"
    file.write_text("ordered_at\n2024-05-01T00:00:00Z\n")
    assert "landed at" in adopted.call("land", "orders", str(file), "--delete").stdout
    told = adopted.call("land", "orders", "--check", "2024-05-01..2024-05-09")
    assert "late: orders: 2024-05-01 changed since it was read" in told.stdout, told.stderr
    assert "late: orders: no day changed" in adopted.call("land", "orders", "--check", "30").stdout


@pytest.mark.parametrize("days", ["0", "x", "2024-05-02..2024-05-01", "2024-05-01..", "2024-02-30..2024-03-01"])
def test_days_to_look_at_again_that_are_none_are_refused(adopted: Shop, days: str) -> None:
    done = adopted.call("land", "orders", "--check", days)
    assert done.returncode == 2
    assert "a number of days, or FIRST..LAST" in done.stderr
