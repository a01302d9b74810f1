"""The watch: each champion on the days that it was in force before, and what the declared policy makes of the series.

It runs beside a night and holds no lease: it registers nothing. One watch covers every day that has matured and that
the series does not hold: what is due says :mod:`include.steps.backlog`. Inputs are held against those of the champion
in force.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from include.core.canonical import decode, encode, record_digest
from include.core.errors import NothingToWatch
from include.core.events import DriftJudged
from include.core.project import Project
from include.core.records import (
    DayOfSeries,
    Days,
    DriftVerdict,
    LiveFigures,
    LiveProfiles,
    LiveScores,
    Reference,
    Run,
    Snapshot,
)
from include.retraining import series, verdicts
from include.steps import backlog, going_back
from include.steps.inputs import require_made
from include.steps.judging import Bench, due_of, predictions, scores_of
from include.steps.live import explanation_of, labels_of, opened_rows, profiles_of, scored_days, unfamiliar_of
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


def score(platform: Platform, project: Project, run: Run, snapshot: str, *, now: datetime) -> str:
    """Score the due days by whoever judges them, and the live rows by the champion in force, by the night's features.

    Returns the digest of the :class:`LiveScores`.

    Raises:
        AccessDenied: no grant in force covers what the project reads, or this run took no such snapshot.
        NothingToWatch: there is nothing any more, since another watch was quicker.
        RegistryError: the champion in force learnt what is defined otherwise now.
    """
    from include.lineage import walk

    require_made(platform, project, run, "score", now=now, snapshot=snapshot)
    taken = platform.load(Snapshot, snapshot)
    found = _due(platform, project, run, taken.last_matured)
    champion = found.champion
    contract = contracts_of(platform, run)[project.learning.target.dataset]
    days = scored_days(verdicts.policy_of(project), project, contract, found.days[0].day, taken.last_matured)
    since = Days(first=found.days[0].day, last=days.last)
    verdicts.declare_policy(platform.ledger, project, run)

    bundle, due = champion.registered.bundle, record_digest(found.days)
    inputs = (snapshot, run.declaration_digest, bundle, since.first, days.first, days.last, due)

    def compute() -> str:
        return platform.keep(_scored(platform, project, run, snapshot, found, days, since, now=now))

    def kept(earlier: str) -> bool:
        if not platform.store.has(earlier):
            return False
        known = platform.load(LiveScores, earlier)
        scores = (known.scores, *(each.scores for each in known.others))
        return all(platform.vault.has(content) for content in (*scores, *contents(known.partitions)))

    digest = once(platform, project, run, "score", inputs, compute, now=now, kept=kept)
    scored = platform.load(LiveScores, digest)
    took = [
        *walk.snapshots(taken, contracts_of(platform, run)),
        *walk.champion(project.name, champion.number, bundle),
        *(model for each in scored.others for model in walk.champion(project.name, each.version, each.bundle)),
    ]
    made = walk.scores(project.name, champion.number, scored.scores, rows=sum(part.rows for part in labels_of(scored)))
    emit(platform, project, run, "score", took, made, now=now)
    return digest


def _scored(
    platform: Platform,
    project: Project,
    run: Run,
    snapshot: str,
    found: backlog.DueDays,
    days: Days,
    since: Days,
    *,
    now: datetime,
) -> LiveScores:
    """The rows of *days* of *snapshot* by the champion in force, and the due ones by whoever judges them."""
    from include.data.live_rows import live as live_partitions

    taken, champion = platform.load(Snapshot, snapshot), found.champion
    bench = Bench(platform, project, run, found, now=now)
    model = bench.model(champion.number)
    due = bench.days(first=days.first)
    features = bench.features(due)
    partitions = live_partitions(
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
        engine=platform.engine,
    )
    rows = opened_rows(platform, project, run, "score", partitions, features, now=now)
    return LiveScores(
        snapshot=snapshot,
        model_version=champion.number,
        bundle=champion.registered.bundle,
        evaluation=champion.registered.evaluation,
        days=days,
        since=since,
        partitions=partitions,
        scores=platform.vault.put(scores_of(model, rows)),
        unfamiliar=unfamiliar_of(model, rows, days),
        due=due,
        others=bench.scores(due, rows),
    )


def drift(platform: Platform, project: Project, run: Run, scored: str, *, now: datetime) -> str:
    """Count the scored rows into figures by day, which are recorded, and profiles by week.

    Returns the digest of the :class:`LiveFigures`.

    Raises:
        AccessDenied: no grant in force covers what the project reads, or this run scored no such rows.
    """
    from include.lineage import walk

    require_made(platform, project, run, "drift", now=now, scored=scored)
    live = platform.load(LiveScores, scored)
    reference = refer(platform, project, run, live.evaluation, step="drift", now=now)

    def compute() -> str:
        return platform.keep(_counted(platform, project, run, scored, reference, now=now))

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


def _counted(
    platform: Platform, project: Project, run: Run, scored: str, reference: str, *, now: datetime
) -> LiveFigures:
    """What the rows of *scored* count up to, by day and by week, beside the *reference* of their champion."""
    import numpy as np

    from include.monitoring import page
    from include.monitoring.figures import day_figures
    from include.monitoring.series import judged_days
    from include.monitoring.shapes import shapes

    live = platform.load(LiveScores, scored)
    others = [each.scores for each in live.others]
    opened = open_artifacts(platform, run, "drift", [live.scores, reference, *others], now=now)
    held = decode(Reference, opened.bytes(reference))
    features = [column.name for column in held.learnt.columns]
    rows = opened_rows(platform, project, run, "drift", live.partitions, features, now=now)
    scores = np.frombuffer(opened.bytes(live.scores), dtype="<f8")
    profiles = profiles_of(verdicts.policy_of(project), held, live.days, rows, scores)
    explained = explanation_of(held, profiles)
    figures = day_figures(held.objective, day=rows.day, label=rows.label, score=scores)
    judged = judged_days(
        held.objective,
        due_of(live),
        day=rows.day,
        label=rows.label,
        predictions=predictions(live, rows, opened),
        matures_after_days=contracts_of(platform, run)[project.learning.target.dataset].matures_after_days,
        before=held.holdout_days,
    )
    return LiveFigures(
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


def verdict(platform: Platform, project: Project, run: Run, live: str, *, now: datetime) -> str:
    """Judge the series under the declared policy, record it, and ask for the retraining that it asks for.

    Returns the digest of the :class:`DriftVerdict`.

    Raises:
        AccessDenied: no grant in force covers what the project reads, or this run counted no such figures.
    """
    from include.lineage import walk

    require_made(platform, project, run, "verdict", now=now, live=live)
    policy = verdicts.policy_of(project)
    found = platform.load(LiveFigures, live)
    scored = platform.load(LiveScores, found.scored)
    if not found.judged:  # counted by a release of before the series, of which this verdict is the first word
        before = tuple(series.of_before(scored.model_version, found.since, found.figures))
        series.record(platform.ledger, run, before)
    days = tuple(each for each in series.series_of(platform.ledger, project.name) if each.day <= scored.days.last)

    def compute() -> str:
        return platform.keep(_judged(platform, project, run, found, days, now=now))

    inputs = (live, record_digest(policy), record_digest(days))
    digest = once(platform, project, run, "verdict", inputs, compute, now=now)
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
    took, made = walk.drift_report(project.name, live), walk.verdict(project.name, digest)
    emit(platform, project, run, "verdict", took, made, now=now)
    return digest


def _judged(
    platform: Platform, project: Project, run: Run, found: LiveFigures, days: Sequence[DayOfSeries], *, now: datetime
) -> DriftVerdict:
    """What the policy makes of the series up to *days*, and of what was *found* of the inputs."""
    from include.monitoring.verdict import judge

    scored = platform.load(LiveScores, found.scored)
    contract = contracts_of(platform, run)[project.learning.target.dataset]
    opened = open_artifacts(platform, run, "verdict", [found.reference, found.profiles], now=now)
    reference = decode(Reference, opened.bytes(found.reference))
    profiles = decode(LiveProfiles, opened.bytes(found.profiles))
    return judge(
        verdicts.policy_of(project),
        days,
        reference,
        profiles.weeks,
        last=scored.days.last,
        champion=scored.model_version,
        blind_days=project.learning.window.holdout_days + contract.matures_after_days + 1,
        unfamiliar=scored.unfamiliar or (),
    )


def _due(platform: Platform, project: Project, run: Run, last: date) -> backlog.DueDays:
    """What is due of the days up to *last*, the last that had matured by the contract that the run reads under.

    Raises:
        NothingToWatch: nothing is.
    """
    found = backlog.due(platform, project, run_id=run.run_id, instant=run.instant)
    if not isinstance(found, str):
        days = tuple(each for each in found.days if each.day <= last)
        if days:
            return replace(found, days=days)
        found = f"the days that are due came after {last}, the last that this watch reads labels of"
    raise NothingToWatch("a watch has something to judge", value=found, remedy="Wait for the next day to mature.")
