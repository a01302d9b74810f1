"""What a night says at its end."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.cli.summary import show, show_holdout
from include.core.project import Gates, Objective
from include.core.records import BenchmarkFigures, Interval, Run, Slice, Trial, TrialState, Verdict
from include.registry.promotion import decide
from include.runtime.nights.local import NightResult
from include.steps.showing import NightFigures
from tests.registry.models import BENCHMARK, FEATURE_SET, NO_BENCHMARK, evaluation, promotion
from tests.training.flights import Folder

TRIAL = Trial(
    trial_id="sha256:trial1", params={}, state=TrialState.COMPLETE, losses=(0.625, 0.6123), rounds=50, error=None
)
LEARNT = NightFigures(
    objective=Objective.BINARY, trial=TRIAL, number=2, ended={TrialState.COMPLETE: 1, TrialState.PRUNED: 3},
    days=FEATURE_SET.split.validation, warnings=("flights: row_counts_are_usual (100 to 900 rows) on 2013-03-02",),
)  # fmt: skip
#: Of the holdout, which whoever iterates is not to see.
FIGURES = {"log_loss": 0.41973, "auc": 0.71937}


def _said(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    *,
    slices: tuple[Slice, ...] = (),
    verdict: Verdict | None = None,
    champion: int | None = None,
    benchmark: BenchmarkFigures | None = None,
    shown: Callable[[NightResult], None] = show,
    **features: tuple[str, ...],
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
    made = promotion(1)
    shown(
        NightResult(
            run=run,
            features=built,
            learnt=replace(LEARNT, benchmark=benchmark),
            evaluation=replace(
                evaluation(Folder(folder), champion=champion), metrics=FIGURES, slices=slices, benchmark=benchmark
            ),
            promotion=made if verdict is None else replace(made, verdict=verdict),
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


def test_a_night_that_did_not_promote_says_that_the_champion_stays_only_where_there_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused = Verdict(promote=False, reasons=("it lost",), refusals=("the gate skill",))
    assert "candidate (no version is champion)" in _said(tmp_path, capsys, verdict=refused)
    assert "candidate (the champion stays)" in _said(tmp_path, capsys, verdict=refused, champion=3)


def test_a_night_names_what_was_rounded(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "float32" not in _said(tmp_path, capsys)
    assert "integers from 2**24 on were rounded: hour" in _said(tmp_path, capsys, rounded=("hour",))


def test_a_night_shows_skill_by_slice_and_nothing_where_none_are_declared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "airport" not in _said(tmp_path, capsys, shown=show_holdout)
    skill = Interval(estimate=0.04, lower=0.01, upper=0.07, days=21)
    part = Slice(feature="airport", category="JFK", rows=2345, days=21, loss=0.5, skill=skill)
    shown = _said(tmp_path, capsys, slices=(part,), shown=show_holdout)
    assert "airport JFK" in shown
    assert "2,345" in shown
    assert "+0.0400 (+0.0100 to +0.0700)" in shown


def test_whoever_iterates_sees_what_was_learnt_and_decided_and_no_figure_of_the_holdout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = replace(evaluation(Folder(tmp_path), champion=3), metrics=FIGURES, compared_metrics=FIGURES)
    made = replace(made, difference=Interval(estimate=0.03519, lower=0.02123, upper=0.05417, days=21))
    verdict = decide(made, Gates(margin=0.01, floor_loss=0.3, minimum_days=30))
    part = Slice(feature="airport", category="JFK", rows=2345, days=21, loss=0.51531)
    said = _said(tmp_path, capsys, slices=(part,), verdict=verdict)
    for told in (
        "trial 2 was chosen: log loss 0.6123 on the validation days",
        "1 complete, 3 pruned",
        "warning flights: row_counts_are_usual (100 to 900 rows) on 2013-03-02",
        "did not pass the gate minimum_days",
        "did not pass the gate margin",
    ):
        assert told in said
    for figure in ("0.41", "0.71", "0.03", "0.05", "0.02", "0.51"):
        assert figure not in said
    told = _said(tmp_path, capsys, slices=(part,), verdict=verdict, shown=show_holdout)
    assert "0.4197" in told
    assert "+0.0542" in told


def test_a_night_shows_its_benchmark_beside_the_trials_and_its_holdout_beside_the_champion(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "benchmark" not in _said(tmp_path, capsys) + _said(tmp_path, capsys, shown=show_holdout)
    learnt = _said(tmp_path, capsys, benchmark=BENCHMARK)
    assert "beside the trials, linear benchmark: log loss 0.5432 on these days" in learnt
    assert not any(figure in learnt for figure in ("0.56", "0.57", "0.06", "0.04")), "of the holdout"
    first, later = (
        _said(tmp_path, capsys, benchmark=BENCHMARK, champion=each, shown=show_holdout) for each in (None, 3)
    )
    assert ("0.5678" in first, "0.5789" in first) == (True, False)
    assert ("0.5678" in later, "0.5789" in later) == (False, True), "on the rows on which the champion is compared"
    for shown in (show, show_holdout):
        told = " ".join(_said(tmp_path, capsys, benchmark=NO_BENCHMARK, shown=shown).replace("│", " ").split())
        assert "NOT SHOWN" in told
