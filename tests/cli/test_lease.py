"""A lease that a dead run left is shown, and freed on record."""

from datetime import UTC, datetime

import pytest

from include.core import streams
from include.core.events import LeaseFreed
from include.ledger import Ledger, lease
from tests.cli.conftest import Shop
from tests.runtime_local.test_local import HOLDING, line, process


@pytest.fixture
def ledger(adopted: Shop) -> Ledger:
    made = Ledger.open(f"sqlite:///{adopted.folder}/home/ledger.db")
    lease.take(made, "returns", run_id="dead", now=datetime.now(UTC), duration=lease.DURATION)
    return made


def test_a_lease_is_shown_freed_once_and_the_record_says_who_did_it_and_why(adopted: Shop, ledger: Ledger) -> None:
    assert "held: run dead of returns, until" in adopted.call("lease", "returns").stdout
    nameless = adopted.call("lease", "returns", "--free")
    assert nameless.returncode == 1
    assert "a decision has a reason" in nameless.stderr
    done = adopted.call("lease", "returns", "--free", "--reason", "its [machine] burnt", "--as", "olly")
    assert done.stdout == "freed: run dead of returns holds no lease any more\n"
    freed = ledger.read(streams.lease("returns"))[-1].event
    assert freed == LeaseFreed(run_id="dead", by="olly", reason="its [machine] burnt")
    assert "free: no run of returns" in adopted.call("lease", "returns").stdout
    again = adopted.call("lease", "returns", "--free", "--reason", "again")
    assert again.returncode == 1
    assert "is free" in again.stderr


@pytest.mark.parametrize(
    "words", [("lease", "retunrs"), ("lease", "retunrs", "--free", "--reason", "-"), ("runs", "retunrs")]
)
def test_a_project_that_does_not_exist_has_no_lease_and_no_runs_to_show(
    adopted: Shop, ledger: Ledger, words: tuple[str, ...]
) -> None:
    """And one that was removed since has."""
    done = adopted.call(*words)
    assert (done.returncode, done.stdout) == (1, "")
    assert "UnknownId: expected: there is a project of that name; found: retunrs" in done.stderr


def test_the_lease_of_a_night_that_this_home_sees_running_is_not_freed(adopted: Shop, ledger: Ledger) -> None:
    with process("-c", HOLDING, str(adopted.folder / "home"), "returns") as holder:
        assert line(holder) == "ready"
        refused = adopted.call("lease", "returns", "--free", "--reason", "impatience")
        assert refused.returncode == 1
        assert f"process {holder.pid}" in refused.stderr
    assert lease.held_by(ledger, "returns", now=datetime.now(UTC)) is not None
