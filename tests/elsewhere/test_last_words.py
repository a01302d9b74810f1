"""What a trainer says of its cost outlives it, fits into a message, and is taken for nothing else."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.records import TrainerCost, TrialState
from include.elsewhere import last_words
from include.training.meter import ShardMeter


def trained(trials: int) -> ShardMeter:
    meter = ShardMeter()
    for number in range(trials):
        with meter.training(f"sha256:{number:064x}"[:7] + f"{number:012x}", accelerators=0):
            pass
        if number % 2:
            meter.end(f"sha256:{number:064x}"[:7] + f"{number:012x}", TrialState.PRUNED)
    return meter


def said(path: Path) -> TrainerCost:
    found = last_words.read(path.read_text())
    assert found is not None
    return found


@pytest.mark.parametrize("trials", [0, 3, 200])
def test_the_last_words_fit_into_a_message_and_say_what_the_process_took(tmp_path: Path, trials: int) -> None:
    path, meter = tmp_path / "log", trained(trials)
    path.touch()
    with last_words.saying(path, meter):
        assert not said(path).ended
    found = said(path)
    assert path.stat().st_size <= 4096
    assert found.ended
    assert found.cpu_seconds > 0
    assert [(each.trial, each.ended) for each in found.trials] == [
        (each.trial, each.ended) for each in meter.all()[: len(found.trials)]
    ]
    assert len(found.trials) >= min(trials, 80)


def test_of_a_process_that_is_killed_its_words_of_before_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, meter = tmp_path / "log", ShardMeter()
    path.touch()
    monkeypatch.setattr(last_words, "EVERY_SECONDS", 0.01)
    child = os.fork()
    if child == 0:
        with (
            last_words.saying(path, meter),
            meter.training("sha256:" + "a" * 64, accelerators=2),
        ):
            time.sleep(20)
        os._exit(0)
    began = time.monotonic()
    while (not path.stat().st_size or said(path).wall_seconds < 0.05) and time.monotonic() < began + 20:
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not said(path).ended
    assert said(path).wall_seconds >= 0.05


def test_where_nothing_reads_them_no_file_is_made(tmp_path: Path) -> None:
    with last_words.saying(tmp_path / "log", ShardMeter()):
        pass
    assert list(tmp_path.iterdir()) == []


WORDS = {"wall": 1.5, "cpu": 2, "ended": True, "trials": [["0123456789ab", "complete", 1, 2, 0.0]]}
WRONG = (
    {"wall": -1}, {"wall": 10**400}, {"cpu": "2"}, {"cpu": True}, {"trials": None},
    {"trials": [["0123456789ab", "won", 1, 2, 0]]},
    {"trials": [["the name of a row", None, 1, 2, 0]]}, {"trials": [["0123456789ab", None, 1, 2]]},
)  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_message_that_no_trainer_writes_says_nothing(wrong: dict[str, object]) -> None:
    assert last_words.read(json.dumps(WORDS)) is not None
    assert last_words.read(json.dumps(WORDS | wrong)) is None


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), st.lists).map(json.dumps))
def test_whatever_a_message_is_it_is_read_or_says_nothing(message: str) -> None:
    assert last_words.read(message) is None
