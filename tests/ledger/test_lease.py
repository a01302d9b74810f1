"""Two nights of one project are kept apart."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core import streams
from include.core.errors import DeclarationError, LeaseHeld, LedgerError
from include.core.events import Event, LeaseFreed, LineageEmitted
from include.ledger import Fence, Ledger
from include.ledger.lease import (
    ever_held,
    free,
    held_by,
    held_since,
    holder,
    holds,
    release,
    renew,
    require_free,
    take,
    taken_over,
)
from tests.ledger.processes import start, wait

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LONG = timedelta(minutes=30)
MONTHS = timedelta(days=200)


def test_a_second_run_is_refused_and_told_which_run_holds_the_lease_until_when(ledger: Ledger) -> None:
    take(ledger, "flights", run_id="night 1", now=NOON, duration=HOUR)
    with pytest.raises(LeaseHeld, match=r"'night 1' of 'flights' holds the lease until 2026-03-01 13:00:00Z"):
        take(ledger, "flights", run_id="night 2", now=NOON + HOUR - timedelta(seconds=1), duration=HOUR)


def test_two_projects_do_not_wait_for_each_other(ledger: Ledger) -> None:
    for project in ("flights", "planes"):
        assert take(ledger, project, run_id=project, now=NOON, duration=HOUR) == Fence(project=project, token=1)


def test_the_same_run_gets_the_same_fence_and_extends_it_when_less_than_half_is_left(ledger: Ledger) -> None:
    first = take(ledger, "flights", run_id="night 1", now=NOON, duration=HOUR)
    for minutes, events in ((0, 1), (30, 1), (31, 2), (40, 2), (70, 3), (500, 4)):
        now = NOON + timedelta(minutes=minutes)
        assert take(ledger, "flights", run_id="night 1", now=now, duration=HOUR) == first
        assert ledger.version(streams.lease("flights")) == events
    with pytest.raises(LeaseHeld):
        take(ledger, "flights", run_id="night 2", now=NOON + timedelta(minutes=559), duration=HOUR)


def test_an_expired_lease_is_taken_over_and_the_old_holder_can_no_longer_write(ledger: Ledger) -> None:
    old = take(ledger, "flights", run_id="night 1", now=NOON, duration=HOUR)
    ledger.record("run/flights", LineageEmitted(event="expiry alone shuts nobody out"), fence=old)
    new = take(ledger, "flights", run_id="night 2", now=NOON + HOUR, duration=HOUR)
    assert new.token > old.token
    with pytest.raises(LedgerError, match="token 1 for 'flights', held by run 'night 2' with token 2"):
        ledger.record("run/flights", LineageEmitted(event="stale"), fence=old)
    with pytest.raises(LedgerError, match="only the holder"):
        ledger.append("run/flights", [LineageEmitted(event="stale")], expected_version=1, fence=old)
    with pytest.raises(LedgerError, match="only the holder"):
        ledger.record_all("run/flights", [(LineageEmitted(event="stale"), "key")], fence=old)
    assert ledger.version("run/flights") == 1
    assert ledger.find("key") is None
    ledger.record("run/flights", LineageEmitted(event="live"), fence=new)
    with pytest.raises(LeaseHeld):
        take(ledger, "flights", run_id="night 1", now=NOON + HOUR, duration=HOUR)


def test_a_released_lease_is_free_and_its_fence_is_void(ledger: Ledger) -> None:
    old = take(ledger, "flights", run_id="night 1", now=NOON, duration=HOUR)
    for _ in range(2):
        release(ledger, "flights", run_id="night 1")
    assert ledger.version(streams.lease("flights")) == 2
    with pytest.raises(LedgerError, match="held by nobody"):
        ledger.record("run/flights", LineageEmitted(event="late"), fence=old)
    assert take(ledger, "flights", run_id="night 2", now=NOON, duration=HOUR).token == 3


def test_only_the_holder_can_release(ledger: Ledger) -> None:
    release(ledger, "flights", run_id="night 1")
    fence = take(ledger, "flights", run_id="night 1", now=NOON, duration=HOUR)
    release(ledger, "flights", run_id="night 2")
    ledger.record("run/flights", LineageEmitted(event="still mine"), fence=fence)


def test_of_nights_that_start_at_once_exactly_one_gets_the_lease(ledger_url: str, ledger: Ledger) -> None:
    def night(number: int) -> int:
        def work() -> None:
            own = Ledger.open(ledger_url)
            try:
                fence = take(own, "flights", run_id=f"night {number}", now=NOON, duration=HOUR)
            except LeaseHeld:
                return
            own.record("run/flights", LineageEmitted(event=f"night {number}"), fence=fence)

        return start(work)

    assert [wait(child) for child in [night(number) for number in range(5)]] == [0] * 5
    assert ledger.version("run/flights") == 1
    assert ledger.version(streams.lease("flights")) == 1


def test_a_lease_that_lasts_longer_than_the_usual_is_not_shortened_by_who_takes_leases_of_that_length(
    ledger: Ledger,
) -> None:
    take(ledger, "flights", run_id="night 1", now=NOON, duration=HOUR)
    with pytest.raises(LeaseHeld, match="until 2026-03-01 13:00:00Z"):
        take(ledger, "flights", run_id="night 2", now=NOON, duration=HOUR)


def test_a_lease_that_was_given_back_or_taken_over_is_not_renewed(ledger: Ledger) -> None:
    old = take(ledger, "flights", run_id="night 1", now=NOON, duration=HOUR)
    take(ledger, "flights", run_id="night 2", now=NOON + HOUR, duration=HOUR)
    assert not renew(ledger, old, now=NOON + HOUR * 2, duration=HOUR)
    release(ledger, "flights", run_id="night 2")
    assert not renew(ledger, old, now=NOON + HOUR * 2, duration=HOUR)
    assert held_by(ledger, "flights", now=NOON + HOUR * 2) is None


def test_a_lease_is_held_by_who_took_it_last_and_until_its_end(ledger: Ledger) -> None:
    assert held_by(ledger, "flights", now=NOON) is None
    take(ledger, "flights", run_id="night 1", now=NOON, duration=LONG)
    last = NOON + LONG - timedelta(microseconds=1)
    assert [holds(ledger, "flights", run_id=f"night {n}", now=last) for n in (1, 2)] == [True, False]
    assert not holds(ledger, "flights", run_id="night 1", now=NOON + LONG)
    require_free(ledger, "flights", run_id="night 1", now=last)
    require_free(ledger, "flights", run_id="night 2", now=NOON + LONG)
    with pytest.raises(DeclarationError, match="is free"):
        free(ledger, "flights", by="olly", reason="dead", now=NOON + LONG)
    assert ledger.version(streams.lease("flights")) == 1


def test_since_when_a_lease_is_held_is_where_it_was_taken_and_not_where_it_was_extended(ledger: Ledger) -> None:
    def since() -> list[int | None]:
        return [held_since(ledger, "flights", run_id=f"night {n}") for n in (1, 2)]

    assert since() == [None, None]
    ledger.record("elsewhere", LineageEmitted(event="so that positions and versions differ"))
    take(ledger, "flights", run_id="night 1", now=NOON, duration=LONG)
    take(ledger, "flights", run_id="night 1", now=NOON + MONTHS, duration=LONG)
    held_by(ledger, "flights", now=NOON)  # shortens it
    assert since() == [2, None]
    release(ledger, "flights", run_id="night 1")
    assert since() == [None, None]
    take(ledger, "flights", run_id="night 1", now=NOON, duration=LONG)
    assert since() == [6, None]
    take(ledger, "flights", run_id="night 2", now=NOON + LONG, duration=LONG)
    assert since() == [None, 7]


def test_a_run_that_took_a_lease_is_known_for_it_and_its_fence_is_void_once_another_run_has_it(ledger: Ledger) -> None:
    def ever() -> list[bool]:
        return [ever_held(ledger, "flights", run_id=f"night {n}") for n in (1, 2)]

    assert ever() == [False, False]
    old = take(ledger, "flights", run_id="night 1", now=NOON, duration=LONG)
    assert not taken_over(ledger, old)
    assert ever() == [True, False]
    release(ledger, "flights", run_id="night 1")
    assert not taken_over(ledger, old), "nobody has it"
    new = take(ledger, "flights", run_id="night 2", now=NOON, duration=LONG)
    assert [taken_over(ledger, each) for each in (old, new)] == [True, False]
    assert ever() == [True, True]


class Overtaken(Ledger):
    """The real ledger, into which somebody else writes just before the first thing that is appended here."""

    first: Callable[[], object] | None = None

    def append(self, stream: str, events: Sequence[Event], *, expected_version: int, fence: Fence | None = None) -> int:
        first, self.first = self.first, None
        if first is not None:
            first()
        return super().append(stream, events, expected_version=expected_version, fence=fence)


@pytest.fixture
def overtaken(ledger: Ledger, ledger_url: str) -> Iterator[Overtaken]:
    opened = Overtaken.open(ledger_url)
    yield opened
    opened.close()


def test_who_is_overtaken_in_taking_a_lease_looks_again_who_holds_it(ledger: Ledger, overtaken: Overtaken) -> None:
    overtaken.first = lambda: take(ledger, "flights", run_id="night 1", now=NOON, duration=HOUR)
    with pytest.raises(LeaseHeld, match="'night 1'"):
        take(overtaken, "flights", run_id="night 2", now=NOON, duration=HOUR)
    later = NOON + HOUR * 2
    overtaken.first = lambda: release(ledger, "flights", run_id="night 1")
    fence = take(overtaken, "flights", run_id="night 2", now=later, duration=HOUR)
    overtaken.record("run/flights", LineageEmitted(event="mine"), fence=fence)


def test_who_is_overtaken_in_renewing_a_lease_knows_whether_it_is_still_held(
    ledger: Ledger, overtaken: Overtaken
) -> None:
    fence = take(ledger, "flights", run_id="night 1", now=NOON + MONTHS, duration=LONG)
    overtaken.first = lambda: held_by(ledger, "flights", now=NOON - LONG)  # shortens it
    assert renew(overtaken, fence, now=NOON, duration=LONG)
    assert holds(ledger, "flights", run_id="night 1", now=NOON + LONG - timedelta(seconds=1))
    overtaken.first = lambda: free(ledger, "flights", by="olly", reason="dead", now=NOON)
    assert not renew(overtaken, fence, now=NOON + LONG, duration=LONG)
    assert held_by(ledger, "flights", now=NOON + LONG) is None


def test_a_lease_that_is_renewed_while_it_is_given_back_or_freed_is_free_all_the_same(
    ledger: Ledger, overtaken: Overtaken
) -> None:
    ends: dict[str, Callable[[], object]] = {
        "given back": lambda: release(overtaken, "flights", run_id="night 1"),
        "freed": lambda: free(overtaken, "flights", by="olly", reason="dead", now=NOON),
    }
    for end in ends.values():
        fence = take(ledger, "flights", run_id="night 1", now=NOON, duration=LONG)
        overtaken.first = lambda held=fence: renew(ledger, held, now=NOON + LONG, duration=LONG)
        end()
        assert held_by(ledger, "flights", now=NOON) is None


def test_of_two_who_find_a_lease_too_long_at_once_one_shortens_it(ledger: Ledger, overtaken: Overtaken) -> None:
    take(ledger, "flights", run_id="dead", now=NOON + MONTHS, duration=LONG)
    overtaken.first = lambda: held_by(ledger, "flights", now=NOON)
    held = held_by(overtaken, "flights", now=NOON)
    assert held is not None
    assert held.expires_at == NOON + LONG
    assert ledger.version(streams.lease("flights")) == 2


def test_a_lease_taken_under_a_clock_that_was_ahead_is_over_after_its_duration_once_the_clock_is_right(
    ledger: Ledger,
) -> None:
    old = take(ledger, "flights", run_id="dead", now=NOON + MONTHS, duration=LONG)
    with pytest.raises(LeaseHeld, match="until 2026-03-01 12:30:00Z"):
        require_free(ledger, "flights", run_id="next", now=NOON)
    with pytest.raises(LeaseHeld, match="until 2026-03-01 12:30:00Z"):
        take(ledger, "flights", run_id="next", now=NOON + LONG - timedelta(seconds=1), duration=LONG)
    assert ledger.version(streams.lease("flights")) == 2, "it is shortened once, however often somebody looks"
    assert not holds(ledger, "flights", run_id="dead", now=NOON + LONG)
    assert take(ledger, "flights", run_id="next", now=NOON + LONG, duration=LONG).token > old.token
    with pytest.raises(LedgerError, match="only the holder"):
        ledger.record("run/flights", LineageEmitted(event="stale"), fence=old)


def test_a_run_that_is_alive_keeps_the_lease_that_it_took_under_a_clock_that_was_ahead(ledger: Ledger) -> None:
    fence = take(ledger, "flights", run_id="alive", now=NOON + MONTHS, duration=LONG)
    assert held_by(ledger, "flights", now=NOON) is not None
    for minutes in range(0, 90, 10):  # its heart beats three times in the life of a lease
        now = NOON + timedelta(minutes=minutes)
        assert renew(ledger, fence, now=now, duration=LONG)
        with pytest.raises(LeaseHeld):
            take(ledger, "flights", run_id="next", now=now + timedelta(minutes=9), duration=LONG)
    ledger.record("run/flights", LineageEmitted(event="still mine"), fence=fence)
    assert take(ledger, "flights", run_id="alive", now=NOON + timedelta(minutes=81), duration=LONG) == fence


def test_one_beat_under_the_right_clock_puts_a_lease_right_that_was_taken_under_one_that_was_ahead(
    ledger: Ledger,
) -> None:
    fence = take(ledger, "flights", run_id="night 1", now=NOON + MONTHS, duration=LONG)
    assert renew(ledger, fence, now=NOON, duration=LONG)
    assert take(ledger, "flights", run_id="night 2", now=NOON + LONG, duration=LONG).token > fence.token


@given(
    ahead=st.integers(-300_000, 300_000),
    beats=st.lists(st.integers(1, 40), max_size=3),
    looks=st.lists(st.integers(0, 20), max_size=4),
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_clock_was_a_dead_run_is_over_its_duration_after_the_first_look_with_a_right_one(
    ledger: Ledger, ahead: int, beats: list[int], looks: list[int]
) -> None:
    project = f"p{ledger.version('clocks')}"
    ledger.record("clocks", LineageEmitted(event="one more"))
    wrong = NOON + timedelta(minutes=ahead)
    fence = take(ledger, project, run_id="dead", now=wrong, duration=LONG)
    for minutes in beats:
        wrong += timedelta(minutes=minutes)
        renew(ledger, fence, now=wrong, duration=LONG)
    now = NOON
    for minutes in [0, *looks]:
        now += timedelta(minutes=minutes)
        held = held_by(ledger, project, now=now)
        assert held is None or held.expires_at <= NOON + LONG
    take(ledger, project, run_id="next", now=NOON + LONG, duration=LONG)


def test_a_lease_that_somebody_frees_is_free_at_once_and_on_record(ledger: Ledger) -> None:
    old = take(ledger, "flights", run_id="dead", now=NOON + MONTHS, duration=LONG)
    assert free(ledger, "flights", by="olly", reason="its machine burnt", now=NOON).run_id == "dead"
    assert ledger.read(streams.lease("flights"))[-1].event == LeaseFreed(
        run_id="dead", by="olly", reason="its machine burnt"
    )
    with pytest.raises(LedgerError, match="held by nobody"):
        ledger.record("run/flights", LineageEmitted(event="late"), fence=old)
    with pytest.raises(DeclarationError, match="is free"):
        free(ledger, "flights", by="olly", reason="again", now=NOON)
    assert take(ledger, "flights", run_id="next", now=NOON, duration=LONG).token > old.token


def good_tokens(ledger: Ledger, project: str) -> list[int]:
    """The tokens of *project* with which something can be written now, of all that were ever given and the next one."""
    good = []
    for token in range(ledger.version(streams.lease(project)) + 2):
        with suppress(LedgerError):
            ledger.record(f"run/{project}", LineageEmitted(event="a try"), fence=Fence(project=project, token=token))
            good.append(token)
    return good


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["take", "release"]), st.sampled_from(["a", "b", "c"]), st.integers(0, 90)),
        max_size=10,
    )
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_at_most_one_fence_is_good_and_tokens_only_rise(
    ledger: Ledger, steps: list[tuple[str, str, int]]
) -> None:
    project = f"p{ledger.version('examples')}"
    ledger.record("examples", LineageEmitted(event="one more"))
    now = NOON
    fences: list[tuple[str, int]] = []
    held: tuple[str, int] | None = None
    for what, run_id, minutes in steps:
        now += timedelta(minutes=minutes)
        if what == "release":
            release(ledger, project, run_id=run_id)
            held = None if held is not None and held[0] == run_id else held
            assert good_tokens(ledger, project) == ([held[1]] if held else [])
            continue
        before = holder(reversed(ledger.read(streams.lease(project))))
        try:
            token = take(ledger, project, run_id=run_id, now=now, duration=HOUR).token
        except LeaseHeld:
            assert before is not None
            assert before.run_id != run_id
            assert now < before.expires_at
            continue
        held = (run_id, token)
        fences.append(held)
        assert good_tokens(ledger, project) == [token]
        now_held = holder(reversed(ledger.read(streams.lease(project))))
        assert now_held is not None
        assert (now_held.run_id, now_held.token) == (run_id, token)
        assert now_held.expires_at - now >= HOUR / 2
    tokens = [token for _, token in fences]
    assert tokens == sorted(tokens)
    assert len(set(fences)) == len(set(tokens))
