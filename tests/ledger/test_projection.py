"""A projection is a fold that may be thrown away."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core.events import LeaseReleased, LineageEmitted
from include.ledger import Entry, Ledger
from include.ledger.projection import Projection


def count(state: dict[str, int], entry: Entry) -> dict[str, int]:
    return state | {entry.stream: state.get(entry.stream, 0) + 1}


@given(rounds=st.lists(st.lists(st.sampled_from(["a", "b"]), max_size=4), max_size=4))
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_catching_up_in_pieces_gives_what_one_fold_from_the_start_gives(
    ledger: Ledger, rounds: list[list[str]]
) -> None:
    empty: dict[str, int] = {}
    kept = Projection(empty, count)
    for streams in rounds:
        for stream in streams:
            ledger.record(stream, LineageEmitted(event="x"))
        kept.catch_up(ledger)
    fresh = Projection(empty, count)
    assert kept.catch_up(ledger) == fresh.catch_up(ledger)
    assert kept.position == fresh.position == max((entry.position for entry in ledger.read_all()), default=0)


def test_a_projection_of_some_kinds_folds_only_those(ledger: Ledger) -> None:
    ledger.record("a", LineageEmitted(event="x"))
    ledger.record("a", LeaseReleased(run_id="r"))
    empty: dict[str, int] = {}
    projection = Projection(empty, count, kinds=[LineageEmitted])
    assert projection.catch_up(ledger) == {"a": 1}
    assert projection.position == 1
