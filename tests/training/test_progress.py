"""How far a training is: counted where it trains, said often enough to be of use and seldom enough to cost nothing."""

from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.project import Objective
from include.core.records import FeatureSet, PlannedTrial, Shard, Trial
from include.training import progress, trial
from include.training.progress import ProgressCounter, TrainingProgress, by_tenths, read_line, rounds_of
from tests.training.flights import Folder
from tests.training.searches import planned


class Killed(Exception):
    """The process died here."""


def trained(shard: Shard, vault: Folder, recorded: Mapping[str, Trial], *, most: int | None = None) -> dict[str, Trial]:
    """What is recorded of *shard* after an attempt that is killed at its outcome *most*."""
    found = dict(recorded)

    def record(outcome: Trial) -> None:
        if len(found) == most:
            raise Killed
        found[outcome.trial_id] = outcome

    counter = ProgressCounter.of_shard(shard, recorded, report=REPORTS.append)
    with suppress(Killed):
        trial.train_shard(
            shard,
            opened=vault,
            recorded=recorded,
            record=counter.recording(record),
            allowed=counter.counting(lambda: None),
        )
    return found


REPORTS: list[TrainingProgress] = []


@pytest.fixture
def shard(features: FeatureSet, vault: Folder) -> Shard:
    REPORTS.clear()
    return planned(features, vault, trials=5, shards=1, rungs=(2, 4)).shard(0)


def test_at_its_end_all_trials_and_rounds_of_a_shard_are_counted_and_the_lowest_loss_is_known(
    shard: Shard, vault: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    outcomes = trained(shard, vault, {})
    last = REPORTS[-1]
    assert (last.ended, last.trials) == (5, 5)
    assert last.rounds == last.all_rounds == sum(each.rounds for each in outcomes.values()) == 16
    assert last.best == min(loss for each in outcomes.values() for loss in each.losses)
    assert [each.rounds for each in REPORTS] == sorted(each.rounds for each in REPORTS)
    assert len(REPORTS) > 16, "before each round and at the end"


def test_an_attempt_counts_what_is_left_of_an_earlier_one_that_was_killed(
    shard: Shard, vault: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    recorded = trained(shard, vault, {}, most=2)
    known = ProgressCounter.of_shard(shard, recorded).progress()
    assert (known.ended, known.rounds, known.all_rounds) == (2, 0, 16 - sum(each.rounds for each in recorded.values()))
    REPORTS.clear()
    trained(shard, vault, recorded)
    assert REPORTS[0].ended == 2
    assert (REPORTS[-1].ended, REPORTS[-1].rounds) == (5, known.all_rounds)


def test_between_two_reports_half_a_second_passes(shard: Shard, vault: Folder) -> None:
    trained(shard, vault, {})
    assert len(REPORTS) <= 1 + REPORTS[-1].seconds / progress.EVERY_SECONDS


@given(
    trials=st.integers(1, 40),
    rungs=st.lists(st.integers(1, 300), min_size=1, max_size=5, unique=True).map(sorted),
    reduction=st.integers(1, 5),
)
@settings(max_examples=50)
def test_the_rounds_of_a_shard_are_those_that_halving_trains(trials: int, rungs: list[int], reduction: int) -> None:
    shard = Shard(
        objective=Objective.BINARY,
        binned="",
        training_rows=1,
        trials=tuple(PlannedTrial(trial_id=f"{each:02}", params={}) for each in range(trials)),
        rungs=tuple(rungs),
        reduction=reduction,
        seed=1,
    )
    reached: dict[str, int] = {}

    def loss(trial_id: str, depth: int) -> float:
        reached[trial_id] = rungs[depth]
        return float(trial_id)

    trial.halve(shard, loss, lambda trial_id, depth: None)
    assert rounds_of(shard) == sum(reached.values())


@given(rounds=st.integers(1, 3000), seconds=st.floats(1e-6, 1e4))
@settings(max_examples=50)
def test_a_log_has_a_dozen_lines_of_a_step_at_most_however_long_it_takes(rounds: int, seconds: float) -> None:
    lines: list[str] = []
    say = by_tenths(lines.append)
    for done in range(1, rounds + 1):
        for step in ("train-0", "train-1"):
            say(
                step,
                TrainingProgress(
                    trials=1, ended=done // rounds, best=None, rounds=done, all_rounds=rounds, seconds=done * seconds
                ),
            )
    of_step = [line for line in lines if line.startswith("train-0: ")]
    assert len(lines) == 2 * len(of_step)
    assert 1 <= len(of_step) <= 12
    assert len(of_step) <= 2 + rounds * seconds / 10
    assert of_step[-1].startswith("train-0: 1 of 1 trials")


def test_shards_that_run_at_a_time_are_told_of_together() -> None:
    first = TrainingProgress(trials=8, ended=3, best=0.5, rounds=300, all_rounds=1200, seconds=60.0)
    second = TrainingProgress(trials=8, ended=5, best=0.4321, rounds=900, all_rounds=1200, seconds=45.0)
    waiting = TrainingProgress(trials=4, ended=0, best=None, rounds=0, all_rounds=600, seconds=0.0)
    said = (first + second + waiting).in_words()
    assert said == "8 of 20 trials, best loss 0.4321, 1,200 of 3,000 rounds, about 90 s left"
    assert waiting.in_words() == "0 of 4 trials, 0 of 600 rounds"


COUNTS = st.integers(0, 10**9 - 1)


@given(
    counts=st.tuples(COUNTS, COUNTS, COUNTS, COUNTS),
    best=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    seconds=st.integers(0, 10**9),
)
def test_what_a_process_elsewhere_says_in_a_line_is_read_back(
    counts: tuple[int, int, int, int], best: float | None, seconds: int
) -> None:
    trials, ended, rounds, all_rounds = counts
    said = TrainingProgress(
        trials=trials, ended=ended, best=best, rounds=rounds, all_rounds=all_rounds, seconds=seconds / 10
    )
    assert read_line(f"trainyard: {said.line()}") == said


@given(st.text())
def test_a_line_that_says_nothing_of_it_is_not_taken_for_one(line: str) -> None:
    assert read_line(line) is None
    assert read_line("trainyard: trial 0123456789ab complete, loss 0.512345 (3 of 8)") is None


def test_rounds_that_an_earlier_attempt_trained_are_not_expected_again() -> None:
    counter = ProgressCounter(trials=1, all_rounds=100)
    counter.resumed(60)
    counting = counter.counting(lambda: None)
    for _ in range(40):
        counting()
    assert (counter.progress().rounds, counter.progress().all_rounds) == (40, 40)
