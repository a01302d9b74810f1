"""What a night says at its end."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.cli.night import show
from include.core.records import Interval, Run, Slice
from include.runtime.local import Night
from tests.registry.models import FEATURE_SET, evaluation, promotion
from tests.training.flights import Folder


def _said(
    folder: Path, capsys: pytest.CaptureFixture[str], *, slices: tuple[Slice, ...] = (), **features: tuple[str, ...]
) -> str:
    run = Run(
        project="flight_delay",
        run_id="night",
        instant=datetime(2013, 5, 1, tzinfo=UTC),
        code_digest="sha256:code",
        declaration_digest="sha256:declaration",
        fence=1,
    )
    built = replace(FEATURE_SET, **features)
    show(
        Night(
            run=run,
            features=built,
            evaluation=replace(evaluation(Folder(folder)), slices=slices),
            promotion=promotion(1),
        )
    )
    return capsys.readouterr().out


def test_a_night_names_the_features_whose_past_was_checked_by_removal_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "removing" not in _said(tmp_path, capsys)
    assert "removing later values only, not by changing them, for dest, hour" in _said(
        tmp_path, capsys, removal_only=("dest", "hour")
    )


def test_a_night_names_what_was_rounded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "float32" not in _said(tmp_path, capsys)
    assert "integers from 2**24 on were rounded: hour" in _said(tmp_path, capsys, rounded=("hour",))


def test_a_night_shows_skill_by_slice_and_nothing_where_none_are_declared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "slice" not in _said(tmp_path, capsys)
    skill = Interval(estimate=0.04, lower=0.01, upper=0.07, days=21)
    part = Slice(feature="airport", category="JFK", rows=2345, days=21, loss=0.5, skill=skill)
    shown = _said(tmp_path, capsys, slices=(part,))
    assert "airport JFK" in shown
    assert "2,345" in shown
    assert "+0.0400 (+0.0100 to +0.0700)" in shown
