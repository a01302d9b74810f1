"""Which pods that ended are followed by another one."""

from hypothesis import given
from hypothesis import strategies as st

from include.runtime.pods.endings import PodEnding, PodOutcome
from include.runtime.pods.replacing import KILLED, REPLACED, Replacements
from tests.runtime_pods.world import request_in

REQUEST = request_in("trainyard", "true")


def ending(outcome: PodOutcome) -> PodEnding:
    return PodEnding(pod="o-1", outcome=outcome, message="", exit_code=137 if outcome is PodOutcome.KILLED else None)


def pods(*ends: tuple[PodOutcome, int | None]) -> list[PodEnding]:
    """How pods that would end so are judged, until none follows."""
    replacing, judged = Replacements(request=REQUEST), list[PodEnding]()
    for outcome, stored in ends:
        judged.append(replacing.judged(ending(outcome), stored))
        if not replacing.follows(judged[-1]):
            break
    return judged


def test_three_pods_in_a_row_that_are_killed_with_nothing_stored_are_enough_and_memory_is_named() -> None:
    *others, last = pods(*[(PodOutcome.KILLED, 0)] * 30)
    assert [each.outcome for each in others] == [PodOutcome.KILLED] * 2
    assert (last.outcome, last.outcome.heals) == (PodOutcome.KILLED_IN_VAIN, False)
    assert "memory is the likely cause" in last.message
    assert "Raise `memory_mib`" in last.message


@given(st.lists(st.integers(0, 2), max_size=18))
def test_a_pod_that_stored_something_new_before_it_was_killed_begins_the_count_again(new: list[int]) -> None:
    stored = [sum(new[: at + 1]) for at in range(len(new))]
    judged = pods(*((PodOutcome.KILLED, number) for number in stored))
    in_vain = next((at for at in range(len(new)) if at >= KILLED - 1 and not any(new[at - KILLED + 1 : at + 1])), None)
    assert len(judged) == (len(new) if in_vain is None else in_vain + 1)
    assert [each.outcome for each in judged].count(PodOutcome.KILLED_IN_VAIN) == (in_vain is not None)


def test_where_nobody_can_count_what_is_stored_no_request_is_ended_for_it() -> None:
    assert {each.outcome for each in pods(*[(PodOutcome.KILLED, None)] * 9)} == {PodOutcome.KILLED}


def test_pods_that_a_queue_takes_back_are_followed_by_others_however_many_and_use_up_no_replacement() -> None:
    taken = [(PodOutcome.REQUEUED, None)] * 50
    assert len(pods(*taken)) == 50
    lost = [(PodOutcome.LOST, None)] * 50
    assert len(pods(*lost)) == REPLACED + 1
    assert len(pods(*taken, *lost)) == 50 + REPLACED + 1
