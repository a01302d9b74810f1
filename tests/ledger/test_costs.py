"""How often an attempt records what it took so far."""

from itertools import accumulate, takewhile

from hypothesis import given
from hypothesis import strategies as st

from include.ledger.costs import FIRST_RECORD_SECONDS, pauses

#: A third of a lease's duration.
LONGEST = 600.0


@given(st.floats(FIRST_RECORD_SECONDS + 0.1, 100_000))
def test_of_an_attempt_that_is_killed_half_of_its_time_at_least_is_known_by_a_few_words(seconds: float) -> None:
    told = list(takewhile(lambda at: at < seconds, accumulate(pauses(longest_seconds=LONGEST))))
    assert told[-1] >= seconds / 2
    assert told[-1] >= seconds - LONGEST
    assert len(told) <= 7 + seconds / LONGEST
