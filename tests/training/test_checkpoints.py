"""A training that is killed, at whichever round, and goes on ends as one that never was."""

import dataclasses
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core.errors import StoreUnavailable
from include.core.project import Choice, FloatRange
from include.core.records import FeatureSet, Plan, Refit, Trial
from include.core.search import LearnerName
from include.learner.boosted import segments
from include.training import matrix, search
from include.training.checkpoints import Checkpoints
from include.training.progress import rounds_of
from include.training.refit import refit
from include.training.trial import train_shard
from tests.training.flights import Folder
from tests.training.killing import NAME, SEGMENT, Killing, Working, in_short_segments
from tests.training.projects import SPACE
from tests.training.searches import planned

RUNGS = (2, 5, 11)
#: LightGBM draws bags, columns and thresholds: nothing of that goes on by itself.
DRAWING = {
    **SPACE,
    "feature_fraction": FloatRange(low=0.5, high=0.9),
    "bagging_fraction": Choice(options=(0.6,)),
    "bagging_freq": Choice(options=(2,)),
    "extra_trees": Choice(options=(True, False)),
}


@pytest.fixture(scope="module", autouse=True)
def _short_segments() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segments, "SEGMENT_CELLS", segments.SEGMENT_CELLS)
        patch.setattr(segments, "FEWEST_ROUNDS", segments.FEWEST_ROUNDS)
        in_short_segments()
        yield


@pytest.fixture(scope="module")
def plan(features: FeatureSet, vault: Folder) -> Plan:
    """Trials of both learners in one shard."""
    drawn = planned(features, vault, space=DRAWING, trials=3, shards=1, rungs=RUNGS)
    rows, _ = matrix.learnt(features, vault)
    prepared = search.prepare_rows(LearnerName.LINEAR, rows, features, {}, vault)
    linear = replace(
        drawn.trials[0], trial_id="sha256:" + "a" * 64, params={"l2": 3.0}, learner=LearnerName.LINEAR, rows=prepared
    )
    return replace(drawn, trials=(*drawn.trials, linear), shards=(tuple(range(4)),))


@pytest.fixture(scope="module")
def outcomes(plan: Plan, vault: Folder) -> dict[str, Trial]:
    return trained(plan, vault, Checkpoints())


@pytest.fixture(scope="module")
def refits(plan: Plan, features: FeatureSet) -> list[Refit]:
    """One of each learner."""
    from include.core.records import Winner

    names = tuple(feature.name for feature in features.features)
    return [
        Refit(
            winner=Winner(
                trial_id=trial.trial_id,
                params=trial.params,
                rounds=RUNGS[-1],
                objective=plan.objective,
                seed=plan.seed,
                features=names,
                learner=trial.learner,
            ),
            binned=trial.rows or plan.binned,
        )
        for trial in plan.trials[2:]
    ]


@pytest.fixture(scope="module")
def killing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Killing]:
    started = Killing.started(tmp_path_factory.mktemp("killing"))
    yield started
    started.end()


def trained(plan: Plan, vault: Folder, kept: Checkpoints) -> dict[str, Trial]:
    found: dict[str, Trial] = {}
    train_shard(
        plan.shard(0), opened=vault, recorded={}, record=lambda trial: found.update({trial.trial_id: trial}),
        checkpoints=kept,
    )  # fmt: skip
    return found


KILLS = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@KILLS
@given(deaths=st.lists(st.integers(0, 14), max_size=5))
def test_a_shard_that_is_killed_before_any_rounds_has_the_outcomes_of_one_that_never_was(
    killing: Killing, plan: Plan, vault: Folder, outcomes: dict[str, Trial], deaths: list[int]
) -> None:
    killed, rounds, found = killing.train(plan.shard(0), vault, deaths)
    assert found == outcomes
    alive = len(plan.trials)
    assert rounds <= rounds_of(plan.shard(0)) + killed * alive * SEGMENT, "no more than its segment is lost of each"


@KILLS
@given(deaths=st.lists(st.integers(0, RUNGS[-1]), max_size=4), which=st.integers(0, 1))
def test_a_refit_that_is_killed_before_any_rounds_has_the_bytes_of_one_that_never_was(
    killing: Killing, refits: list[Refit], vault: Folder, deaths: list[int], which: int
) -> None:
    whole = refit(refits[which], opened=vault)
    killed, rounds, found = killing.train(refits[which], vault, deaths)
    assert found == whole
    assert rounds <= RUNGS[-1] + killed * SEGMENT


def test_a_rung_that_was_reached_is_not_trained_again_where_nothing_was_recorded(
    killing: Killing, plan: Plan, vault: Folder
) -> None:
    """All but the last trial came to the first rung, after which only the best of four goes on."""
    race = replace(plan, reduction=4)
    whole, reached = trained(race, vault, Checkpoints()), RUNGS[0] * len(plan.trials) - 1
    _, rounds, found = killing.train(race.shard(0), vault, [reached])
    assert found == whole
    last, goes_on = RUNGS[0], RUNGS[-1] - RUNGS[0]
    assert rounds <= reached + last + goes_on + RUNGS[0], "only what goes on is, from its last segment"


def test_what_has_an_outcome_leaves_nothing_behind(plan: Plan, vault: Folder, tmp_path: Path) -> None:
    trained(plan, vault, Checkpoints(Working(tmp_path), every_seconds=0.0))
    assert list(tmp_path.iterdir()) == []


def test_what_is_trained_for_less_than_a_moment_is_never_written(plan: Plan, vault: Folder, tmp_path: Path) -> None:
    class Never(Working):
        def keep_working(self, name: str, data: bytes) -> None:
            raise AssertionError(name)

    trained(plan, vault, Checkpoints(Never(tmp_path), every_seconds=1000.0))


def test_a_training_goes_on_where_nothing_can_be_kept(
    plan: Plan, vault: Folder, tmp_path: Path, outcomes: dict[str, Trial]
) -> None:
    class Full(Working):
        def keep_working(self, name: str, data: bytes) -> None:
            raise StoreUnavailable("the store can be reached and has room", value="full", remedy="Make room.")

    assert trained(plan, vault, Checkpoints(Full(tmp_path), every_seconds=0.0)) == outcomes


class Interrupted(Exception):
    pass


def interrupted(work: Refit, vault: Folder, folder: Path) -> Path:
    """The state of a refit that was ended in its last segment."""
    left = RUNGS[-1] - 1

    def allowed() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Interrupted

    with pytest.raises(Interrupted):
        refit(work, opened=vault, allowed=allowed, checkpoints=Checkpoints(Working(folder), every_seconds=0), name=NAME)
    (state,) = folder.iterdir()
    return state


def test_a_state_that_was_altered_or_is_another_trainings_is_none(
    refits: list[Refit], vault: Folder, tmp_path: Path
) -> None:
    boosted, linear = refits
    state = interrupted(boosted, vault, tmp_path)
    whole, data = refit(boosted, opened=vault), state.read_bytes()
    resumed: list[int] = []

    def again(work: Refit = boosted) -> bytes:
        resumed.clear()
        kept = Checkpoints(Working(tmp_path), every_seconds=1000.0)
        return refit(work, opened=vault, checkpoints=kept, name=NAME, resumed=resumed.append)

    assert (again(), resumed) == (whole, [9])
    for altered in (b"", data[:-1], data.replace(b'"rounds": 9', b'"rounds": 6'), b"\x80" + data):
        state.write_bytes(altered)
        assert (again(), resumed) == (whole, [0])
    state.write_bytes(data)
    assert (again(linear), resumed) == (refit(linear, opened=vault), [0])
    (tmp_path / ("sha256:" + "e" * 64)).write_bytes(data)
    other = Checkpoints(Working(tmp_path)).of("sha256:" + "e" * 64)
    assert (other.losses, other.rounds, other.checkpoint) == ((), 0, None)


def test_whoever_is_asked_to_leave_keeps_what_the_round_under_way_came_to(
    refits: list[Refit], vault: Folder, tmp_path: Path
) -> None:
    import threading

    kept = Checkpoints(Working(tmp_path), every_seconds=1000.0)
    left: list[threading.Thread] = []

    def allowed() -> None:
        if not left and kept._trainings and next(iter(kept._trainings.values())).training is not None:
            left.append(threading.Thread(target=lambda: kept.leave(seconds=20.0)))
            left[0].start()
            while not kept._leaving.is_set():
                pass
        if left and not left[0].is_alive():
            raise Interrupted  # where the process ends

    with pytest.raises(Interrupted):
        refit(refits[1], opened=vault, allowed=allowed, checkpoints=kept, name=NAME)
    assert Checkpoints(Working(tmp_path)).of(NAME).rounds >= 2


def test_keeping_takes_a_small_part_of_the_time_however_long_it_takes(
    plan: Plan, vault: Folder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.training import checkpoints

    now, written = 0.0, 0
    monkeypatch.setattr(checkpoints, "time", SimpleNamespace(monotonic=lambda: now))

    class Slow(Working):
        def keep_working(self, name: str, data: bytes) -> None:
            nonlocal now, written
            now, written = now + 5.0, written + 1

    @dataclasses.dataclass
    class Rounds:
        resumable: int = 0

        def checkpoint(self) -> bytes:
            return b""

    kept, training = Checkpoints(Slow(tmp_path)), Rounds()
    for training.resumable in range(1, 1001):
        now += 1.0
        kept.reached(NAME, training)  # type: ignore[arg-type]
    assert 5.0 * written <= 0.05 * now
    assert written >= 5
