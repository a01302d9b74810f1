"""How far a step that trains is can be seen while it trains, by whoever has the open store, and no longer."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from include.core.records import Run
from include.runtime.pods.shards import HeardProgress
from include.steps import Platform, progress
from include.store import Store
from include.training.progress import TrainingProgress
from tests.runtime_pods.world import request_in

FAR = TrainingProgress(trials=16, ended=3, best=0.5125, rounds=1200, all_rounds=3000, seconds=120.0)
RUN = Run(project="punctual", run_id="night", instant=datetime(2013, 6, 1, tzinfo=UTC), code_digest="",
          declaration_digest="", fence=1)  # fmt: skip


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    heard: list[TrainingProgress] = []
    made = SimpleNamespace(
        store=Store(tmp_path / "store"), on_training=lambda step, far: heard.append(far), heard=heard
    )
    return cast("Platform", made)


def test_a_step_is_seen_while_it_trains_with_when_it_is_expected_to_end_and_no_longer(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0.0)
    before = datetime.now(UTC)
    with progress.shown(platform, RUN, "train-0") as report:
        assert progress.seen(platform.store, "punctual", "night", "train-0") is None
        report(FAR)
        found = progress.seen(platform.store, "punctual", "night", "train-0")
        assert found is not None
        assert found.progress == FAR
        assert found.expected_end == found.at + timedelta(seconds=180)
        assert before <= found.at <= datetime.now(UTC)
        for other in (("punctual", "night", "train-1"), ("punctual", "other", "train-0"), ("late", "night", "train-0")):
            assert progress.seen(platform.store, *other) is None
    assert progress.seen(platform.store, "punctual", "night", "train-0") is None


def test_what_takes_a_moment_writes_nothing_and_is_told_to_the_platform_all_the_same(
    platform: Platform, tmp_path: Path
) -> None:
    with progress.shown(platform, RUN, "train-0") as report:
        report(FAR)
    assert cast("SimpleNamespace", platform).heard == [FAR]
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("said", [b"", b"{}", b'{"at": "2013", "progress": {"done": 1}}', b"\x80"])
def test_what_another_release_said_otherwise_is_not_shown(platform: Platform, said: bytes) -> None:
    platform.store.keep_working(progress._name("punctual", "night", "train-0"), said)
    assert progress.seen(platform.store, "punctual", "night", "train-0") is None


def test_what_a_pod_prints_of_how_far_it_is_is_seen_as_if_it_trained_here(platform: Platform) -> None:
    request = request_in("trainyard", "true", run_id="night")
    heard, asked = HeardProgress(platform, request), list[str]()
    check = heard.checking(lambda: asked.append("may it go on?"))
    assert heard.line("trainyard: trial 0123456789ab complete, loss 0.5 (3 of 16)") is None
    check()
    assert progress.seen(platform.store, request.project, "night", request.step) is None
    assert heard.line(f"trainyard: {FAR.line()}") == FAR
    check()
    found = progress.seen(platform.store, request.project, "night", request.step)
    assert found is not None
    assert found.progress == FAR
    assert len(asked) == 2
