"""A sample of a night in this process: the whole chain up to a model on a few days, for a first look at a declaration.

It is a night of an earlier instant with a short window and a small search, beside nights: it ends where the holdout of
the night begins, so that nothing of that is seen, and registers nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

from include import declared, steps
from include.core.errors import DeclarationError
from include.core.project import Project, Window
from include.core.records import DAY, BacktestResult, Days, FeatureSet, Run, Split, last_day, window_days
from include.core.runs import RunKind, by_hand, run_id_of
from include.runtime.nights.local import UNSEEN, Display, Steps
from include.runtime.nights.platform import declared_digest, open_platform, signed_in_here, utc_now
from include.settings import Settings
from include.steps.chain import BACKTEST
from include.steps.showing import NightFigures, learnt_by

#: How much a sample takes of what is declared.
DAYS, TRIALS, ROUNDS = 14, 3, 50
#: One day each to train, to validate and to score.
LEAST_DAYS = 3


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What a sample came to. ``kept_out`` are the days that a night of the asked instant holds out: none was used."""

    run: Run
    features: FeatureSet
    learnt: NightFigures
    scored: BacktestResult
    kept_out: Days


def run_sample(
    settings: Settings,
    project: Project,
    *,
    instant: datetime,
    days: int = DAYS,
    display: Display = UNSEEN,
    clock: Callable[[], datetime] = utc_now,
) -> Sample:
    """Try *project* on the last *days* before those that a night at *instant* holds out.

    Features of these days are the ones that nights compute, and are computed once. Trials stand beside those of nights,
    which learn nothing from them. The days that its model is scored on are recorded as seen, as those of a backtest: a
    night of an earlier instant may hold them out.

    Raises:
        AccessDenied: no grant covers what the sample reads; what a night of the project reads is asked for.
        DataError: so few days have matured that none is left to train on.
        TrainyardError: whatever rule the sample broke. Run it again to go on.
    """
    platform = open_platform(settings)
    matured = last_day(instant) - platform.contracts[project.learning.target.dataset].matures_after_days * DAY
    kept_out = Split.of(project.learning.window, matured).holdout
    part, earlier = sample_of(project, matured, days=days), instant - len(kept_out) * DAY
    run_id = run_id_of(RunKind.SAMPLE, by_hand(earlier, declared_digest(settings, part)))
    start = signed_in_here()
    run = steps.begin(platform, part, run_id=run_id, instant=earlier, now=clock(), kind=RunKind.SAMPLE, start=start)
    doing = Steps(settings, platform, part, run, display=display, clock=clock)
    doing.gate(asked=declared.scope_of(project, platform.contracts))
    made = doing.perform(BACKTEST)
    return Sample(
        run=run,
        features=platform.load(FeatureSet, made["features"]),
        learnt=learnt_by(platform, run, made["plan"]),
        scored=platform.load(BacktestResult, made["backtest"]),
        kept_out=kept_out,
    )


def sample_of(project: Project, matured: date, *, days: int) -> Project:
    """*project* with a window of *days* at most and a small search, for a night before the holdout of one that ends on
    *matured*: of the days that such a night learns from, where these are not fewer than :data:`LEAST_DAYS`.

    It reads no column that *project* does not read, and no more days.
    """
    if days < LEAST_DAYS:
        raise DeclarationError(
            f"a sample has {LEAST_DAYS} days at least: to train, to validate and to score",
            value=days,
            remedy="Leave `--days` out, or give more.",
        )
    window, search = project.learning.window, project.learning.search
    all_learnt = _window(max(window.days - window.holdout_days, LEAST_DAYS), 1, window.since)
    taken = min(days, max(len(window_days(all_learnt, matured - window.holdout_days * DAY)), LEAST_DAYS))
    return project.varied(
        window=_window(taken, max(1, taken // 7), window.since),
        search=replace(search, trials=min(TRIALS, search.trials), shards=1, rungs=(min(ROUNDS, search.rungs[0]),)),
    )


def _window(days: int, apart: int, since: date | None) -> Window:
    return Window(days=days, validation_days=apart, holdout_days=apart, since=since)
