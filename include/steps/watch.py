"""The watch: each champion on the days that it was in force before, and what the declared policy makes of the series.

    due → [gate] → snapshot → score → drift → verdict

It runs beside a night and holds no lease: it registers nothing. One watch covers every day that has matured and that
the series does not hold: what is due, and what becomes of a verdict, tells :mod:`include.steps.verdicts`. Inputs are
held against those of the champion in force.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING

from include.core.canonical import decode, encode, record_digest
from include.core.errors import NothingToWatch
from include.core.events import DriftJudged
from include.core.project import DriftPolicy, Project
from include.core.records import (
    DAY,
    Contract,
    Days,
    DriftVerdict,
    LiveFigures,
    LiveProfiles,
    LiveScores,
    Partition,
    Reference,
    Run,
    Snapshot,
    Unfamiliar,
    window_days,
)
from include.steps import going_back, series, verdicts
from include.steps.inputs import require_made
from include.steps.judging import Bench, due_of, predictions
from include.steps.platform import (
    Platform,
    contents,
    contracts_of,
    declaration_of,
    emit,
    once,
    open_artifacts,
)
from include.steps.reference import refer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from include.data.live import LiveRows
    from include.monitoring.report import Explanation
    from include.registry.bundle import Champion

_WEEK = 7


def score(platform: Platform, project: Project, run: Run, snapshot: str, *, now: datetime) -> str:
    """Score the due days by whoever judges them, and the live rows by the champion in force, by the night's features.

    Returns the digest of the :class:`LiveScores`.

    Raises:
        AccessDenied: no grant in force covers what the project reads, or this run took no such snapshot.
        NothingToWatch: there is nothing any more, since another watch was quicker.
        RegistryError: the champion in force learnt what is defined otherwise now.
    """
    from include.data.live import live
    from include.lineage import walk

    require_made(platform, project, run, "score", now=now, snapshot=snapshot)
    found = verdicts.due(platform, project, run_id=run.run_id, instant=run.instant)
    if isinstance(found, str):
        raise NothingToWatch("a watch has something to judge", value=found, remedy="Wait for the next day to mature.")
    champion, taken = found.champion, platform.load(Snapshot, snapshot)
    found = replace(found, days=tuple(each for each in found.days if each.day <= taken.last_matured))
    contract = contracts_of(platform, run)[project.target.dataset]
    days = _days(verdicts.policy_of(project), project, contract, found.days[0].day, taken.last_matured)
    since = Days(first=found.days[0].day, last=days.last)
    verdicts.declare_policy(platform, project, run)

    def compute() -> str:
        bench = Bench(platform, project, run, found, now=now)
        model = bench.model(champion.number)
        due = bench.days(first=days.first)
        features = bench.features(due)
        partitions = live(
            run=run,
            snapshot=taken,
            project=project,
            compiled=declaration_of(platform, run).compiled,
            contracts=contracts_of(platform, run),
            vault=platform.vault,
            open=lambda digests: open_artifacts(platform, run, "score", digests, now=now),
            ledger=platform.ledger,
            days=days,
            features=features,
        )
        rows = _rows(platform, run, "score", partitions, features, now=now)
        return platform.keep(
            LiveScores(
                snapshot=snapshot,
                model_version=champion.number,
                bundle=champion.registered.bundle,
                evaluation=champion.registered.evaluation,
                days=days,
                since=since,
                partitions=partitions,
                scores=platform.vault.put(model.predict(rows.table).astype("<f8").tobytes()),
                unfamiliar=_unfamiliar(model, rows, days),
                due=due,
                others=bench.scores(due, rows),
            )
        )

    inputs = (
        snapshot,
        run.declaration_digest,
        champion.registered.bundle,
        since.first,
        days.first,
        days.last,
        record_digest(found.days),
    )

    def kept(earlier: str) -> bool:
        if not platform.store.has(earlier):
            return False
        known = platform.load(LiveScores, earlier)
        scores = (known.scores, *(each.scores for each in known.others))
        return all(platform.vault.has(content) for content in (*scores, *contents(known.partitions)))

    digest = once(platform, project, run, "score", inputs, compute, now=now, kept=kept)
    scored = platform.load(LiveScores, digest)
    took = [
        *walk.snapshots(taken),
        *walk.champion(project.name, champion.number, champion.registered.bundle),
        *(model for each in scored.others for model in walk.champion(project.name, each.version, each.bundle)),
    ]
    made = walk.scores(project.name, champion.number, scored.scores, rows=sum(part.rows for part in _labels(scored)))
    emit(platform, project, run, "score", took, made, now=now)
    return digest


def drift(platform: Platform, project: Project, run: Run, scored: str, *, now: datetime) -> str:
    """Count the scored rows into figures by day, which are recorded, and profiles by week.

    Returns the digest of the :class:`LiveFigures`.

    Raises:
        AccessDenied: no grant in force covers what the project reads, or this run scored no such rows.
    """
    import numpy as np

    from include.lineage import walk
    from include.monitoring import page
    from include.monitoring.figures import day_figures
    from include.monitoring.series import judged_days
    from include.monitoring.shapes import shapes

    require_made(platform, project, run, "drift", now=now, scored=scored)
    live = platform.load(LiveScores, scored)
    reference = refer(platform, project, run, live.evaluation, step="drift", now=now)

    def compute() -> str:
        others = [each.scores for each in live.others]
        opened = open_artifacts(platform, run, "drift", [live.scores, reference, *others], now=now)
        held = decode(Reference, opened.bytes(reference))
        features = [column.name for column in held.learnt.columns]
        rows = _rows(platform, run, "drift", live.partitions, features, now=now)
        scores = np.frombuffer(opened.bytes(live.scores), dtype="<f8")
        profiles = _profiles(verdicts.policy_of(project), held, live.days, rows, scores)
        explained = _explained(held, profiles)
        figures = day_figures(held.objective, day=rows.day, label=rows.label, score=scores)
        judged = judged_days(
            held.objective,
            due_of(live),
            day=rows.day,
            label=rows.label,
            predictions=predictions(live, rows, opened),
            matures_after_days=contracts_of(platform, run)[project.target.dataset].matures_after_days,
            before=held.holdout_days,
        )
        return platform.keep(
            LiveFigures(
                scored=scored,
                reference=reference,
                profiles=platform.vault.put(encode(profiles)),
                report=page.keep(platform.store, explained.html) if explained else None,
                report_figures=platform.store.put(explained.figures) if explained else None,
                shapes=shapes((held.learnt, held.holdout), (profiles.inputs, profiles.outcomes)),
                since=live.since,
                figures=tuple(each for each in figures if each.day > held.last_seen),
                judged=judged,
            )
        )

    def kept(earlier: str) -> bool:
        if not platform.store.has(earlier):
            return False
        known = platform.load(LiveFigures, earlier)
        reports = (known.report, known.report_figures)
        return platform.vault.has(known.profiles) and all(platform.store.has(each) for each in reports if each)

    digest = once(platform, project, run, "drift", (scored, reference), compute, now=now, kept=kept)
    series.record(platform.ledger, run, platform.load(LiveFigures, digest).judged)
    took = [
        *walk.scores(project.name, live.model_version, live.scores),
        *walk.reference(project.name, live.model_version, reference),
    ]
    emit(platform, project, run, "drift", took, walk.drift_report(project.name, digest), now=now)
    return digest


def verdict(platform: Platform, project: Project, run: Run, live: str, *, now: datetime) -> str:
    """Judge the series under the declared policy, record it, and ask for the retraining that it asks for.

    Returns the digest of the :class:`DriftVerdict`.

    Raises:
        AccessDenied: no grant in force covers what the project reads, or this run counted no such figures.
    """
    from include.lineage import walk
    from include.monitoring.verdict import judge

    require_made(platform, project, run, "verdict", now=now, live=live)
    policy = verdicts.policy_of(project)
    found = platform.load(LiveFigures, live)
    scored = platform.load(LiveScores, found.scored)
    contract = contracts_of(platform, run)[project.target.dataset]
    if not found.judged:  # counted by a release of before the series, of which this verdict is the first word
        before = tuple(series.of_before(scored.model_version, found.since, found.figures))
        series.record(platform.ledger, run, before)
    days = tuple(each for each in series.series_of(platform.ledger, project.name) if each.day <= scored.days.last)

    def compute() -> str:
        opened = open_artifacts(platform, run, "verdict", [found.reference, found.profiles], now=now)
        reference = decode(Reference, opened.bytes(found.reference))
        profiles = decode(LiveProfiles, opened.bytes(found.profiles))
        judged = judge(
            policy,
            days,
            reference,
            profiles.weeks,
            last=scored.days.last,
            champion=scored.model_version,
            blind_days=project.window.holdout_days + contract.matures_after_days + 1,
            unfamiliar=scored.unfamiliar or (),
        )
        return platform.keep(judged)

    digest = once(
        platform, project, run, "verdict", (live, record_digest(policy), record_digest(days)), compute, now=now
    )
    decided = platform.load(DriftVerdict, digest)
    event = DriftJudged(
        project=project.name,
        run_id=run.run_id,
        instant=run.instant,
        model_version=scored.model_version,
        policy=record_digest(policy),
        live=live,
        days=found.since,
        figures=series.figures_of(each for each in days if each.day in found.since),
        verdict=decided,
    )
    going_back.take_and_follow(platform, run)
    champion = platform.champions.in_force(project.name)
    verdicts.record(platform.ledger, policy, run, event, champion=champion.number if champion else None)
    emit(
        platform,
        project,
        run,
        "verdict",
        walk.drift_report(project.name, live),
        walk.verdict(project.name, digest),
        now=now,
    )
    return digest


def _days(policy: DriftPolicy, project: Project, contract: Contract, due: date, last: date) -> Days:
    """What is scored: the days from the first that is *due* on, the weeks that tell what is usual, and what the
    constant of the first due day is taken from.

    Each week of the baseline is held against as many before it. No further back than a night's window reaches: the
    snapshot holds no more.
    """
    from include.monitoring.series import CONSTANT_DAYS

    back = max(policy.days, (2 * policy.baseline_weeks + 1) * _WEEK)
    first = min(due - (CONSTANT_DAYS + contract.matures_after_days) * DAY, last - (back - 1) * DAY)
    return Days(first=max(first, window_days(project.window, last).first), last=last)


def _rows(
    platform: Platform,
    run: Run,
    step: str,
    partitions: Sequence[Partition],
    features: Sequence[str],
    *,
    now: datetime,
) -> "LiveRows":
    from include.data.live import live_rows

    return live_rows(partitions, features, open_artifacts(platform, run, step, contents(partitions), now=now))


def _unfamiliar(model: "Champion", rows: "LiveRows", days: Days) -> tuple[Unfamiliar, ...]:
    """What the last week's rows have that the model learnt nothing of."""
    import numpy as np

    from include.monitoring.profile import of_groups

    week = days.last - (_WEEK - 1) * DAY
    start = int(np.searchsorted(rows.day, week.toordinal()))
    return of_groups(model.unfamiliar(rows.table.slice(start)))


def _profiles(
    policy: DriftPolicy, reference: Reference, days: Days, rows: "LiveRows", scores: "NDArray[np.float64]"
) -> LiveProfiles:
    """All whole weeks of *days*, and the days that are judged: those that came after the model, the last ones."""
    import numpy as np
    import pyarrow as pa

    from include.monitoring.figures import LABEL, SCORE
    from include.monitoring.profile import profile_like, weekly

    first = max(reference.last_seen + DAY, days.first, days.last - (policy.days - 1) * DAY)
    start = int(np.searchsorted(rows.day, first.toordinal()))
    judged = Days(first=first, last=days.last)
    outcomes = pa.table({LABEL: rows.label, SCORE: scores})
    return LiveProfiles(
        weeks=weekly(rows.table, rows.day, days, reference.learnt),
        inputs=profile_like(rows.table.slice(start), judged, reference.learnt),
        outcomes=profile_like(outcomes.slice(start), judged, reference.holdout),
    )


def _explained(reference: Reference, profiles: LiveProfiles) -> "Explanation | None":
    """Evidently's report of then and now; ``None``: one of them has too few rows to tell of."""
    from include.monitoring.report import explain

    then, now = (reference.learnt, reference.holdout), (profiles.inputs, profiles.outcomes)
    return explain(then, now) if all(each.rows for each in (*then, *now)) else None


def _labels(scored: LiveScores) -> list[Partition]:
    from include.lineage.compiled import LABEL

    return [part for part in scored.partitions if part.table == LABEL]
