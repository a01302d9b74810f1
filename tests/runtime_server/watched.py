"""A project that was watched for long: a year of judged days, many champions, retrainings and a rollback."""

from collections.abc import Mapping
from datetime import UTC, date, datetime

from include.core.canonical import encode, record_digest
from include.core.events import (
    ChampionRolledBack,
    DayJudged,
    DriftJudged,
    Event,
    ImportanceRecorded,
    ModelRegistered,
    PolicyDeclared,
    PromotionDecided,
    RetrainingAsked,
    RunStarted,
)
from include.core.project import DriftPolicy, Gates
from include.core.records import (
    DAY,
    DayOfSeries,
    Days,
    DriftState,
    DriftVerdict,
    FeatureDrift,
    LiveFigures,
    RetrainingOutcome,
    Run,
    Shape,
    Verdict,
)
from include.ledger import Ledger
from include.registry.champions import sign_from_here
from include.registry.rollback import ROLLBACK_TYPE, Rollback
from include.registry.signed_decisions import PROMOTION_TYPE, Decision
from include.retraining import asks
from include.store import Store
from tests.registry.models import signer

PROJECT = "flights"
POLICY = DriftPolicy(excess_loss=0.03, calibration_gap=0.05)
GATES = Gates(margin=0.01, floor_loss=0.6)
FIRST = date(2013, 1, 1)
SHARES = (0.06, 0.07, 0.09, 0.1, 0.1, 0.11, 0.13, 0.12, 0.1, 0.08, 0.04)
CHANGED = FIRST + 30 * DAY
HOSTILE = "<img src=x onerror=alert(1)>"
#: Of each feature: its share of the model, its distance, and what is usual for it.
FEATURES = {
    "dep_hour": (0.31, 0.03, 0.12),
    "late_rate_of_the_carrier_over_28_days": (0.24, 0.41, 0.2),
    "origin_wind_speed": (0.17, 6.72, 48.07),
    "distance_km": (0.12, 0.01, 0.1),
    "destination": (0.09, 0.07, None),
    "plane_age_years": (0.05, 0.04, 0.11),
    "humidity_at_origin": (0.02, 0.19, 0.2),
    "engines": (0.0, 0.3, 0.2),
}


def _at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 6, tzinfo=UTC)


class Story:
    """What a project's nights and watches leave in *ledger* and *store*."""

    def __init__(self, ledger: Ledger, store: Store) -> None:
        self._ledger, self._store = ledger, store
        self._versions = self._decisions = self._champion = 0
        self._before: int | None = None
        sign_from_here(ledger)
        policy = PolicyDeclared(project=PROJECT, digest=record_digest(POLICY), policy=encode(POLICY).decode())
        ledger.record(f"drift/{PROJECT}", policy, key="policy")

    def night(self, day: date) -> None:
        """A night whose model is promoted."""
        self._versions += 1
        version, run_id = self._versions, f"night-{self._versions}"
        run = Run(project=PROJECT, run_id=run_id, instant=_at(day), code_digest="c", declaration_digest="d", fence=1)
        stream, evaluation = f"run/{PROJECT}/{run_id}", f"sha256:evaluation{version}"
        self._ledger.record(stream, RunStarted(run=run, separation_of_duties="NOT SHOWN"), key=stream)
        verdict = Verdict(promote=True, reasons=("it is better",))
        model = ModelRegistered(
            project=PROJECT,
            run_id=run_id,
            model_version=version,
            evaluation=evaluation,
            bundle="sha256:b",
            verdict=verdict,
        )
        self._ledger.append(f"model/{PROJECT}", [model], expected_version=version - 1)
        told = Decision(
            project=PROJECT,
            version=version,
            evaluation=evaluation,
            model="sha256:m",
            bundle="sha256:b",
            gates=GATES,
            verdict=verdict,
            champion=self._champion or None,
            position=self._decisions + 1,
            asked_by=None,
        )
        self._decide(PromotionDecided(project=PROJECT, envelope=signer().sign(PROMOTION_TYPE, encode(told))))
        self._before, self._champion = self._champion or None, version
        shares = {name: share for name, (share, _, _) in FEATURES.items() if share}
        importance = ImportanceRecorded(
            project=PROJECT, run_id=run_id, model_version=version, evaluation=evaluation, importance=shares
        )
        self._ledger.record(f"drift/{PROJECT}", importance, key=f"importance/{PROJECT}/{evaluation}")

    def back(self, version: int, day: date) -> None:
        """A rollback to *version*."""
        told = Rollback(
            project=PROJECT,
            version=version,
            left=self._champion,
            reason="its days were worse than those of the model before",
            asked_by="ada",
            look=None,
            instant=_at(day),
            position=self._decisions + 1,
        )
        self._decide(ChampionRolledBack(project=PROJECT, envelope=signer().sign(ROLLBACK_TYPE, encode(told))))
        self._before, self._champion = self._champion, version

    def days(
        self,
        days: Days,
        *,
        skill: float,
        state: DriftState = DriftState.STABLE,
        reason: str = "as before",
        began: date | None = None,
        scores: Mapping[str, float] | None = None,
    ) -> str:
        """A watch that judges *days* of the mean *skill*; its run id. Older verdicts have no *scores*."""
        run_id = f"watch__scheduled__{days.last}T06:00:00+00:00"
        events: list[tuple[Event, str | None]] = [
            (
                DayJudged(project=PROJECT, run_id=run_id, instant=_at(days.last), judged=self._judged(day, skill)),
                f"day/{PROJECT}/{day}",
            )
            for day in days
        ]
        shapes = tuple(
            Shape(column=name, numeric=True, then=(0.1,) * 9 + (0.08, 0.02), now=SHARES[place:] + SHARES[:place])
            for place, name in enumerate(("score", "label", *FEATURES, "weekday"))
        )
        live = LiveFigures(
            scored="sha256:s",
            reference="sha256:r",
            profiles="sha256:p",
            report=None,
            report_figures=None,
            shapes=shapes,
            since=days,
            figures=(),
        )
        moved = sorted(FEATURES.items(), key=lambda each: -each[1][1])
        judged = DriftJudged(
            project=PROJECT,
            run_id=run_id,
            instant=_at(days.last),
            model_version=self._champion,
            policy=record_digest(POLICY),
            live=self._store.put(encode(live)),
            days=days,
            figures=(),
            verdict=DriftVerdict(
                state=state,
                reasons=(reason,),
                figures={
                    "excess_loss": 0.0041,
                    "calibration_gap": -0.006,
                    "skill": skill,
                    "usual_skill": 0.1,
                    "tolerated_skill": 0.05,
                    **(scores or {}),
                },
                days=tuple(days),
                inputs=tuple(FeatureDrift(feature=name, psi=psi, limit=limit) for name, (_, psi, limit) in moved),
                began=began,
                guarantee="In 1 of 20 stretches of 180 nights, at most, this asks though nothing changed.",
            ),
        )
        events.append((judged, f"judged/{PROJECT}/{run_id}"))
        self._ledger.record_all(f"drift/{PROJECT}", events)
        return run_id

    def retrained(self, asked_by: str, day: date, outcome: RetrainingOutcome) -> None:
        """The watch *asked_by* asked for a night, which came on *day*."""
        asked = RetrainingAsked(
            project=PROJECT, ask_id=f"ask-{day}", run_id=asked_by, model_version=self._champion, instant=_at(day)
        )
        asks.ask(self._ledger, POLICY, asked)
        asks.start(self._ledger, PROJECT, f"asset_triggered__{day}", champion=self._champion)
        asks.end(self._ledger, PROJECT, f"asset_triggered__{day}", outcome)

    def _judged(self, day: date, skill: float) -> DayOfSeries:
        wave = (day.toordinal() * 7 % 11 - 5) / 250
        constant = 0.62 + wave
        return DayOfSeries(
            day=day,
            champion=self._champion,
            rows=900,
            loss=constant - skill - wave / 2,
            expected_loss=constant - max(skill, 0.1),
            constant_loss=constant,
            mean_score=0.22 + wave / 4,
            mean_label=0.21 + wave,
            predecessor=self._before,
            predecessor_loss=None if self._before is None else constant - skill + 0.004 + wave / 3,
        )

    def _decide(self, event: Event) -> None:
        self._ledger.append(f"promotion/{PROJECT}", [event], expected_version=self._decisions)
        self._decisions += 1


def failing(ledger: Ledger, store: Store) -> Story:
    """A recipe in short: two champions, a retraining, a step back, and the verdict that nothing helps."""
    story = Story(ledger, store)
    story.night(FIRST)
    story.days(Days(first=FIRST, last=FIRST + 29 * DAY), skill=0.1)
    asked = story.days(
        Days(first=FIRST + 30 * DAY, last=FIRST + 39 * DAY), skill=0.01, state=DriftState.RETRAIN, reason=HOSTILE
    )
    story.retrained(asked, FIRST + 40 * DAY, RetrainingOutcome.PROMOTED)
    story.night(FIRST + 40 * DAY)
    story.days(Days(first=FIRST + 40 * DAY, last=FIRST + 49 * DAY), skill=-0.01)
    story.back(1, FIRST + 50 * DAY)
    story.days(
        Days(first=FIRST + 50 * DAY, last=FIRST + 79 * DAY), skill=-0.02, state=DriftState.FAILING, began=CHANGED
    )
    return story


def fading(ledger: Ledger, store: Store) -> None:
    """A recipe that is good for months, is retrained, goes back once, and at last fails whatever is trained."""
    story, day = Story(ledger, store), FIRST
    for week in range(40):
        if week % 2 == 0:
            story.night(day)
        skill = 0.12 if week < 18 else max(0.12 - 0.009 * (week - 18), -0.02)
        state, reason = DriftState.STABLE, "skill lies within what the first eight weeks show"
        if week in (24, 29):
            state, reason = DriftState.RETRAIN, "skill fell from +0.120, and nothing was trained since"
        began = FIRST + 18 * 7 * DAY if state is DriftState.RETRAIN or week > 31 else None
        if week > 31:
            state = DriftState.FAILING
            reason = "skill fell from +0.120 to +0.010; 28 days of champions made since are no better"
        run_id = story.days(Days(first=day, last=day + 6 * DAY), skill=skill, state=state, reason=reason, began=began)
        if week == 24:
            story.retrained(run_id, day + 6 * DAY, RetrainingOutcome.PROMOTED)
        if week == 29:
            story.retrained(run_id, day + 6 * DAY, RetrainingOutcome.KEPT)
        if week == 26:
            story.back(12, day + 6 * DAY)
        day += 7 * DAY


def nightly(ledger: Ledger, store: Store, *, nights: int) -> Story:
    """A champion each night, and a judged day, *nights* times."""
    story = Story(ledger, store)
    for number in range(nights):
        day = FIRST + number * DAY
        story.night(day)
        story.days(Days(first=day, last=day), skill=0.1)
    return story
