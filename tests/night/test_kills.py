"""A night whose processes die at any write is finished by the next one, and nobody can tell from what it made."""

import random
import signal

import pytest
from mlflow import MlflowClient

from include.core.events import (
    DataValidated,
    LeaseReleased,
    ModelEvaluated,
    ModelRegistered,
    RunStarted,
    StepFailed,
    StepFinished,
    TrialRecorded,
)
from include.registry.versions import ALIAS
from tests.night import killed
from tests.night.yard import FLIGHTS, Night, Yard

#: Moments (before and after a write) from one kill to the next. A night has about three hundred; the first hundred and
#: fifty, the partitions of the snapshot, count only together.
STRIDES = (3, 60, 210, 40, 170, 9, 30, 4, 6, 8, 5, 7, 3, 11, 2, 13)


@pytest.mark.long
def test_a_night_that_is_killed_again_and_again_ends_like_one_that_is_not(yard: Yard, done: tuple[Yard, Night]) -> None:
    strides = [stride + random.Random(stride).randrange(3) for stride in STRIDES]
    kills = 0
    for stride in strides:
        status = killed.night(yard.home, yard.production, yard.code, die_at=stride)
        if status == 0:
            break
        assert status == -signal.SIGKILL
        kills += 1
    assert kills > 5
    _, undisturbed = done
    night = yard.night()
    assert night.digests == undisturbed.digests
    assert night.promotion == undisturbed.promotion

    trials = [event.trial.trial_id for event in yard.events(TrialRecorded) if isinstance(event, TrialRecorded)]
    assert len(trials) == len(set(trials)) == FLIGHTS.learning.search.trials
    for fact in (RunStarted, DataValidated, ModelEvaluated, ModelRegistered):
        assert len(yard.events(fact)) == 1, fact
    finished = [event.step for event in yard.events(StepFinished) if isinstance(event, StepFinished)]
    assert len(finished) == len(set(finished))
    lost = [event for event in yard.events(StepFailed) if isinstance(event, StepFailed)]
    assert {event.error for event in lost} == {"Lost"}
    assert yard.unended() == []
    assert len(yard.events(LeaseReleased)) >= 1

    client = MlflowClient(tracking_uri=yard.settings.mlflow, registry_uri=yard.settings.mlflow)
    assert len(client.search_model_versions(f"name = '{FLIGHTS.name}'")) == 1
    assert client.get_model_version_by_alias(FLIGHTS.name, ALIAS).tags["trainyard.version"] == "1"
