"""Who asked is told on the command line what was decided and why; what set a run off is recorded."""

import os
import pwd

import pytest

from include.core.events import RunTriggered
from include.core.records import Trigger
from include.ledger import Ledger
from tests.cli.conftest import Shop


@pytest.mark.long
def test_the_next_run_says_what_was_decided_and_why_once_and_a_repeated_request_shows_it_too(adopted: Shop) -> None:
    adopted.call("new", "returns", "--dataset", "orders", "--label", "returned", "--purpose", "p", "--owner", "o")
    night = ("run", "returns", "--instant", "2024-05-20")
    first = adopted.call(*night)
    assert "was denied" not in first.stdout
    request = next(word for word in first.stderr.split() if word.startswith("r-"))
    reason = "leave out the [amount]"
    assert adopted.call("deny", request, "--as", "maria", "--reason", reason).returncode == 0
    told = adopted.call(*night)
    assert f"orders: request {request} was denied by maria on " in told.stdout
    assert reason in told.stdout
    assert f"({request}, before it, was denied by maria" in told.stderr
    assert "was denied" not in adopted.call(*night).stdout, "it is said once"
    listed = adopted.call("access", "list", "--as", "maria", "--json").stdout
    assert "denied by maria on " in listed
    assert reason in listed
    ledger = Ledger.open(f"sqlite:///{adopted.folder}/home/ledger.db")
    (entry,) = ledger.read("triggers/returns")
    assert isinstance(entry.event, RunTriggered)
    assert entry.event.trigger is Trigger.LOGIN
    assert entry.event.who == pwd.getpwuid(os.getuid()).pw_name, "not TRAINYARD_USER"


def test_status_names_a_steward_without_an_address_and_a_file_that_others_may_read(adopted: Shop) -> None:
    file = adopted.folder / "addresses"
    file.write_text("olly json://127.0.0.1:9\n")
    file.chmod(0o600)
    named = {"TRAINYARD_ADDRESSES_FILE": str(file)}
    assert "has no address of the steward maria" in adopted.call("status", settings=named).stdout
    file.chmod(0o644)
    assert "mode 0644" in adopted.call("status", settings=named).stdout
    assert adopted.call("access", "notify", settings=named).returncode == 1
