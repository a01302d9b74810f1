"""What a notebook calls: a gate that says who decides, and goes on when they have."""

import pytest

from include import notebook, steps
from include.core.errors import AccessDenied
from include.core.events import AccessRequested
from include.core.records import Run
from include.ledger import lease
from include.runtime.nights.platform import utc_now
from tests.night.conftest import MakeYard
from tests.night.yard import FLIGHTS, INSTANT, Yard


def begun(yard: Yard) -> Run:
    return steps.begin(yard.platform, FLIGHTS, run_id="by-hand", instant=INSTANT, now=utc_now())


def test_a_gate_says_who_decides_by_which_commands_and_goes_on_from_there_once_they_have(make_yard: MakeYard) -> None:
    yard = make_yard()
    platform, run, said = yard.platform, begun(yard), list[str]()

    def gate() -> Run:
        said.clear()
        return notebook.gate(platform, FLIGHTS, run, requester="dana", say=said.append)

    with pytest.raises(AccessDenied, match="its contract was never adopted"):
        gate()
    flights = next(line for line in said if line.startswith("flights"))
    (request,) = (each for each in platform.access.requests() if each.scope.dataset == "flights")
    assert flights == (
        "flights waits for steward: `./trainyard contract adopt flights --as steward`, then "
        f"`./trainyard access approve {request.request_id} --as steward`"
    )
    yard.adopt()
    with pytest.raises(AccessDenied, match="waits for a decision"):
        gate()
    assert f"flights waits for steward: `./trainyard access approve {request.request_id} --as steward`" in said
    assert len(yard.events(AccessRequested)) == len(said), "asked once"
    assert lease.held_by(platform.ledger, FLIGHTS.name, now=utc_now()) is None, "another night may run meanwhile"

    def granted(line: str) -> None:
        yard.grant(FLIGHTS, now=utc_now())

    notebook.gate(platform, FLIGHTS, run, requester="dana", minutes=1.0, say=granted)
    run = gate()
    assert not said
    assert steps.snapshot(platform, FLIGHTS, run, now=utc_now()), "the run goes on"
    assert lease.holds(platform.ledger, FLIGHTS.name, run_id="by-hand", now=utc_now())
