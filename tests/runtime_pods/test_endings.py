"""How pods end in a real cluster: told apart in one line with the remedy, their log handed on once."""

from dataclasses import replace

import pytest

from include.core.project import Compute
from include.core.records import TrainerCost
from include.elsewhere import last_words
from include.runtime.pods.endings import PodOutcome
from tests.runtime_pods.world import SMALL, Attended, Namespace, clear, request_in

GPU = replace(SMALL, accelerators=1)


def test_a_pod_that_ends_well_prints_every_line_once_in_order_and_leaves_nothing_when_cleared(
    namespace: Namespace,
) -> None:
    script = "for i in $(seq 300); do echo line $i; done; sleep 1; printf 'the end'"
    attended = Attended(request=request_in(namespace.name, script, compute=GPU)).start().ended()
    assert attended.last.outcome is PodOutcome.DONE
    assert attended.last.node == "n2"
    assert attended.lines == [f"line {number}" for number in range(1, 301)] + ["the end"]
    selector = attended.request.selector
    assert len(namespace.get("pods", selector)) == len(namespace.get("secrets", selector)) == 1
    clear(attended.request)
    attended.until(lambda: not namespace.get("pods", selector) and not namespace.get("secrets", selector), seconds=15)


@pytest.mark.parametrize(
    ("status", "outcome", "words", "heals"),
    [
        (64, PodOutcome.ORDER_REFUSED, "the order was refused", False),
        (65, PodOutcome.INPUT_ALTERED, "an input's bytes are not those of its digest", False),
        (69, PodOutcome.STORE_UNREACHABLE, "the artifact store could not be reached", True),
        (3, PodOutcome.EXIT, "ended with status 3. Its log says why", False),
    ],
)
def test_the_exit_status_of_the_trainer_is_told_in_one_line_with_its_remedy(
    namespace: Namespace, status: int, outcome: PodOutcome, words: str, heals: bool
) -> None:
    attended = Attended(request=request_in(namespace.name, f"echo failing; exit {status}")).start().ended()
    assert attended.last.outcome is outcome
    assert attended.last.exit_code == status
    assert words in attended.last.message
    assert "\n" not in attended.last.message
    assert attended.last.outcome.heals is heals
    assert attended.lines == ["failing"]


def test_a_pod_that_takes_too_much_memory_is_told_from_one_that_fails_and_its_last_words_are_left(
    namespace: Namespace,
) -> None:
    words = r"{\"wall\":1,\"cpu\":2.5,\"ended\":false,\"trials\":[]}"
    script = f'printf %s "{words}" >{last_words.FILE}; head -c 200m /dev/zero | tail'
    attended = Attended(request=request_in(namespace.name, f"exec sh -c '{script}'")).start().ended()
    assert attended.last.said == TrainerCost(wall_seconds=1.0, cpu_seconds=2.5, ended=False, trials=())
    assert attended.last.outcome is PodOutcome.OUT_OF_MEMORY
    assert "more than its 64 MiB of memory" in attended.last.message
    assert "Raise `memory_mib`" in attended.last.message


def test_pods_that_are_killed_and_nobody_says_why_are_enough_after_three(namespace: Namespace) -> None:
    attended = Attended(request=request_in(namespace.name, "exit 137")).start().ended()
    assert attended.error is None, repr(attended.error)
    outcomes = [ending.outcome for ending in attended.endings]
    assert outcomes == [PodOutcome.KILLED, PodOutcome.KILLED, PodOutcome.KILLED_IN_VAIN]
    assert "memory is the likely cause" in attended.last.message


def test_an_image_that_is_nowhere_is_named_within_half_a_minute(namespace: Namespace) -> None:
    attended = Attended(request=request_in(namespace.name, "true", image="registry.invalid/none:1")).start()
    ending = attended.ended(seconds=50).last
    assert ending.outcome is PodOutcome.IMAGE_MISSING
    assert "cannot get the image 'registry.invalid/none:1'" in ending.message
    assert "TRAINYARD_TRAINER_IMAGE" in ending.message


def test_a_pod_whose_time_is_over_is_ended_and_says_what_to_raise(namespace: Namespace) -> None:
    attended = Attended(request=request_in(namespace.name, "sleep 60", seconds=4)).start().ended()
    assert attended.last.outcome is PodOutcome.TOO_LONG
    assert "Raise `maximum_minutes`" in attended.last.message


@pytest.mark.parametrize(
    ("compute", "words"),
    [
        (replace(SMALL, accelerators=9), "asks for 9 of nvidia.com/gpu; n2, the node that comes closest, has 4"),
        (replace(SMALL, cpus=99.0), "asks for 99000m of cpu"),
        (replace(SMALL, memory_mib=10_000_000), "asks for 10000000Mi of memory"),
    ],
)
def test_what_no_node_could_ever_hold_is_refused_at_once_and_nothing_is_made(
    namespace: Namespace, compute: Compute, words: str
) -> None:
    attended = Attended(request=request_in(namespace.name, "true", compute=compute)).start().ended(seconds=10)
    assert attended.last.outcome is PodOutcome.NEVER
    assert words in attended.last.message
    assert not namespace.get("pods", attended.request.selector)
    assert not namespace.get("secrets", attended.request.selector)
