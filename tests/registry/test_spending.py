"""What versions took: whatever the history, each observation of a night counts for one version."""

from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from include.core import streams
from include.core.events import Event, ModelRegistered, PodMeasured, StepMeasured, TrialsMeasured
from include.core.records import TrialCost, TrialState, Verdict
from include.ledger import Ledger
from include.ledger.costs import Cost, cost_of, fold
from include.registry.spending import cost_of_version

NIGHTS, WATCH = ("first", "second", "third"), "watch__first"
#: Whole seconds: their sums are exact.
SECONDS = st.integers(0, 1000).map(float)
RUNS = st.sampled_from((*NIGHTS, WATCH))
STATES = st.sampled_from((None, *TrialState))
COSTS = st.builds(
    TrialCost, trial=st.sampled_from("ab"), ended=STATES, wall_seconds=SECONDS, cpu_seconds=SECONDS, gpu_seconds=SECONDS
)
STEPS = st.sampled_from(("plan", "train-0"))
OBSERVED = st.one_of(
    st.builds(
        StepMeasured, project=st.just("p"), run_id=RUNS, step=STEPS, attempt=st.sampled_from("abc"),
        wall_seconds=SECONDS, cpu_seconds=SECONDS, so_far=st.booleans(),
    ),
    st.builds(
        PodMeasured, project=st.just("p"), run_id=RUNS, step=STEPS, pod=st.sampled_from("xy"), wall_seconds=SECONDS,
        gpu_seconds=SECONDS, cpu_seconds=st.none() | SECONDS, at_least=st.booleans(),
    ),
    st.builds(
        TrialsMeasured, project=st.just("p"), run_id=RUNS, step=STEPS, attempt=st.sampled_from("abc"),
        in_pod=st.booleans(), trials=st.lists(COSTS, max_size=3).map(tuple),
    ),
)  # fmt: skip


def sums(cost: Cost) -> Counter[str]:
    """All its seconds, by what they are."""
    spent = cost.all
    told = {"wall": spent.wall_seconds, "cpu": spent.cpu_seconds, "gpu": spent.gpu_seconds}
    trials = {
        f"{name} {trial}": seconds
        for trial, each in cost.trials.items()
        for name, seconds in (("wall", each.wall_seconds), ("cpu", each.cpu_seconds), ("gpu", each.gpu_seconds))
    }
    return Counter({name: seconds for name, seconds in (told | trials).items() if seconds})


def by_hand(events: list[Event]) -> Counter[str]:
    """The same, event by event."""
    found: Counter[str] = Counter()
    for event in events:
        if isinstance(event, StepMeasured):
            found.update(wall=event.wall_seconds, cpu=event.cpu_seconds)
        elif isinstance(event, PodMeasured):
            found.update(wall=event.wall_seconds, cpu=event.cpu_seconds or 0, gpu=event.gpu_seconds)
        elif isinstance(event, TrialsMeasured):
            for each in event.trials:
                found.update({f"wall {each.trial}": each.wall_seconds, f"cpu {each.trial}": each.cpu_seconds})
                found.update({f"gpu {each.trial}": each.gpu_seconds, "gpu": 0 if event.in_pod else each.gpu_seconds})
    return +found


@given(events=st.lists(OBSERVED, max_size=20))
def test_the_sums_are_those_of_the_observations(events: list[Event]) -> None:
    assert sums(fold(events)) == by_hand(events)


@given(history=st.lists(OBSERVED | st.sampled_from(NIGHTS), max_size=12))
@settings(max_examples=12)
def test_every_observation_of_a_night_counts_for_one_version_or_the_next_to_come(
    history: list[Event | str], tmp_path_factory
) -> None:
    ledger = Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('ledger') / 'l.db'}")
    versions: list[str] = []
    expected: list[list[Event]] = [[]]
    for place, each in enumerate(history):
        if isinstance(each, str):
            if each not in versions:
                versions.append(each)
                _register(ledger, each, len(versions))
                expected.append([])
            continue
        old = place % 2 and not isinstance(each, TrialsMeasured)  # as an earlier release wrote them
        ledger.record(streams.cost("p") if old else streams.cost_of_run("p", each.run_id), each)
        if each.run_id != WATCH:
            own = bool(versions) and each.run_id == versions[-1]
            expected[-2 if own else -1].append(each)
    found = [cost_of_version(ledger, "p", number + 1) for number in range(len(versions))]
    found.append(cost_of_version(ledger, "p", None))
    assert [sums(each) for each in found] == [by_hand(each) for each in expected]
    for run_id in (*NIGHTS, WATCH):
        mine = [each for each in history if not isinstance(each, str) and each.run_id == run_id]
        cost = cost_of(ledger, "p", run_id)
        assert (sums(cost) if cost else Counter()) == by_hand(mine)
    ledger.close()


def _register(ledger: Ledger, run_id: str, version: int) -> None:
    verdict = Verdict(promote=True, reasons=(), refusals=())
    ledger.record(
        streams.model("p"),
        ModelRegistered(project="p", run_id=run_id, model_version=version, evaluation="", bundle="", verdict=verdict),
    )


def test_an_attempt_that_told_no_end_is_one_of_which_a_part_is_known(tmp_path: Path) -> None:
    told = {"project": "p", "run_id": "first", "step": "plan", "wall_seconds": 15.0, "cpu_seconds": 10.0}
    events = [
        StepMeasured(**told, attempt="killed", so_far=True),
        StepMeasured(**told, attempt="killed", so_far=True),
        StepMeasured(**told, attempt="whole", so_far=True),
        StepMeasured(**told, attempt="whole"),
    ]
    cost = fold(events)
    assert (cost.attempts.times, cost.attempts.at_least, cost.attempts.wall_seconds) == (2, 1, 60.0)
    assert "in 2 attempts of its steps; and more: of 1 of these a part" in cost.in_words()
