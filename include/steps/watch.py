"""The watch: the champion on rows that came after it, and what its declared policy makes of them.

    due → [gate] → snapshot → score → drift → verdict

It runs beside a night and holds no lease: it registers nothing. One watch covers every day that has matured since the
last verdict on the champion.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from include.core.canonical import decode, encode, record_digest
from include.core.errors import DeclarationError, NothingToWatch
from include.core.events import (
    DriftJudged,
    ModelRegistered,
    PolicyDeclared,
    RetrainingAsked,
    RetrainingDeclined,
)
from include.core.project import DriftPolicy, Project
from include.core.records import (
    DAY,
    Days,
    DriftState,
    DriftVerdict,
    Evaluation,
    LiveFigures,
    LiveProfiles,
    LiveScores,
    Partition,
    Reference,
    Run,
    Snapshot,
    last_day,
    window_days,
)
from include.ledger import Ledger
from include.ledger.journal import Journal
from include.registry import history as versions
from include.steps import retraining
from include.steps.platform import Platform, contents, declaration_of, emit, once, open_artifacts
from include.steps.reference import refer
from include.steps.serving import load

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from include.data.live import LiveRows
    from include.monitoring.report import Explanation

_WEEK = 7


@dataclass(frozen=True, kw_only=True)
class Due:
    """What a watch has to judge: a champion, and the matured days that no verdict on it covers yet."""

    champion: ModelRegistered
    since: Days


def due(platform: Platform, project: Project, *, run_id: str, instant: datetime) -> Due | str:
    """What the watch *run_id* at *instant* has to judge, or in a sentence why there is nothing. Reads no data."""
    champion = versions.champion(platform.ledger, project.name)
    if project.drift is None:
        return f"Nothing to watch: {project.name} declares no drift policy"
    if champion is None:
        return f"Nothing to watch: {project.name} has no champion yet"
    contract = platform.contracts[project.target.dataset]
    last = last_day(instant) - contract.matures_after_days * DAY
    covered = [
        each.days.last
        for each in judged(platform.ledger, project.name)
        if each.model_version == champion.model_version and each.run_id != run_id
    ]
    seen = max([platform.load(Evaluation, champion.evaluation).holdout.last, *covered])
    if last <= seen:
        return (
            f"Nothing to watch: {last} is the last day that had matured at {instant:%Y-%m-%d %H:%M}Z, and version "
            f"{champion.model_version} was evaluated or judged on all days up to {seen}"
        )
    return Due(champion=champion, since=Days(first=seen + DAY, last=last))


def judged(ledger: Ledger, project: str) -> list[DriftJudged]:
    """All verdicts on *project*'s champions, in the order of their recording."""
    events = (entry.event for entry in ledger.read(stream_of(project)))
    return [event for event in events if isinstance(event, DriftJudged)]


def stream_of(project: str) -> str:
    """The stream of all that is judged about *project*'s champions, and of what they are judged by."""
    return f"drift/{project}"


def policy_of(project: Project) -> DriftPolicy:
    """The declared policy.

    Raises:
        DeclarationError: there is none.
    """
    if project.drift is None:
        raise DeclarationError(
            "a watched project declares a drift policy", value=project.name, remedy="Add `drift=DriftPolicy(…)`."
        )
    return project.drift


def declare_policy(platform: Platform, project: Project, run: Run) -> str | None:
    """Record the declared policy, once; its digest. ``None``: the project declares none."""
    if project.drift is None:
        return None
    digest = record_digest(project.drift)
    event = PolicyDeclared(project=project.name, digest=digest, policy=encode(project.drift).decode())
    Journal(platform.ledger, run).fact(stream_of(project.name), event, key=f"policy/{project.name}/{digest}")
    return digest


# ── the steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def score(platform: Platform, project: Project, run: Run, snapshot: str, *, now: datetime) -> str:
    """Score the champion's live rows, by the night's own features. Returns the digest of the :class:`LiveScores`.

    Raises:
        NothingToWatch: there is nothing any more, since a night or another watch was quicker.
        RegistryError: the champion learnt what is defined otherwise now.
    """
    from include.data import features as tables
    from include.lineage import walk

    found = due(platform, project, run_id=run.run_id, instant=run.instant)
    if isinstance(found, str):
        raise NothingToWatch("a watch has something to judge", value=found, remedy="Wait for the next day to mature.")
    champion, taken = found.champion, platform.load(Snapshot, snapshot)
    days = _days(policy_of(project), project, found.since, taken.last_matured)
    since = Days(first=max(found.since.first, days.first), last=days.last)
    declare_policy(platform, project, run)

    def compute() -> str:
        model = load(platform, project, run, champion, step="score", now=now)
        features = [each.name for each in model.features]
        partitions = tables.live(
            run=run,
            snapshot=taken,
            project=project,
            compiled=declaration_of(platform, run).compiled,
            contracts=platform.contracts,
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
                model_version=champion.model_version,
                bundle=champion.bundle,
                evaluation=champion.evaluation,
                days=days,
                since=since,
                partitions=partitions,
                scores=platform.vault.put(model.predict(rows.table).astype("<f8").tobytes()),
            )
        )

    inputs = (snapshot, run.declaration_digest, champion.bundle, since.first, days.first, days.last)
    digest = once(platform, run, "score", inputs, compute, now=now)
    scored = platform.load(LiveScores, digest)
    took = [
        *walk.snapshots(taken),
        *walk.champion(project.name, champion.model_version, champion.bundle),
    ]
    made = walk.scores(
        project.name, champion.model_version, scored.scores, rows=sum(part.rows for part in _labels(scored))
    )
    emit(platform, project, run, "score", took, made, now=now)
    return digest


def drift(platform: Platform, project: Project, run: Run, scored: str, *, now: datetime) -> str:
    """Count the scored rows into figures by day and profiles by week. Returns the digest of the LiveFigures."""
    import numpy as np

    from include.lineage import walk
    from include.monitoring.figures import day_figures
    from include.monitoring.shapes import shapes

    live = platform.load(LiveScores, scored)
    reference = refer(platform, project, run, live.evaluation, step="drift", now=now)

    def compute() -> str:
        opened = open_artifacts(platform, run, "drift", [live.scores, reference], now=now)
        held = decode(Reference, opened.bytes(reference))
        features = [column.name for column in held.learnt.columns]
        rows = _rows(platform, run, "drift", live.partitions, features, now=now)
        scores = np.frombuffer(opened.bytes(live.scores), dtype="<f8")
        profiles = _profiles(policy_of(project), held, live.days, rows, scores)
        explained = _explained(held, profiles)
        figures = day_figures(held.objective, day=rows.day, label=rows.label, score=scores)
        return platform.keep(
            LiveFigures(
                scored=scored,
                reference=reference,
                profiles=platform.vault.put(encode(profiles)),
                report=platform.store.put(explained.html) if explained else None,
                report_figures=platform.store.put(explained.figures) if explained else None,
                shapes=shapes((held.learnt, held.holdout), (profiles.inputs, profiles.outcomes)),
                since=live.since,
                figures=tuple(each for each in figures if each.day > held.last_seen),
            )
        )

    digest = once(platform, run, "drift", (scored, reference), compute, now=now)
    took = [
        *walk.scores(project.name, live.model_version, live.scores),
        *walk.reference(project.name, live.model_version, reference),
    ]
    emit(platform, project, run, "drift", took, walk.drift_report(project.name, digest), now=now)
    return digest


def verdict(platform: Platform, project: Project, run: Run, live: str, *, now: datetime) -> str:
    """Judge the figures under the declared policy, record it, and ask for the retraining that it asks for.

    Returns the digest of the :class:`DriftVerdict`.
    """
    from include.lineage import walk
    from include.monitoring.verdict import judge

    policy = policy_of(project)
    found = platform.load(LiveFigures, live)
    scored = platform.load(LiveScores, found.scored)

    def compute() -> str:
        opened = open_artifacts(platform, run, "verdict", [found.reference, found.profiles], now=now)
        reference = decode(Reference, opened.bytes(found.reference))
        profiles = decode(LiveProfiles, opened.bytes(found.profiles))
        return platform.keep(judge(policy, reference, found.figures, profiles.weeks, last=scored.days.last))

    digest = once(platform, run, "verdict", (live, record_digest(policy)), compute, now=now)
    decided = platform.load(DriftVerdict, digest)
    event = DriftJudged(
        project=project.name,
        run_id=run.run_id,
        instant=run.instant,
        model_version=scored.model_version,
        policy=record_digest(policy),
        live=live,
        days=found.since,
        figures=tuple(each for each in found.figures if each.day in found.since),
        verdict=decided,
    )
    Journal(platform.ledger, run).fact(stream_of(project.name), event, key=f"judged/{project.name}/{run.run_id}")
    if decided.state is DriftState.RETRAIN:
        ask(platform.ledger, policy, event)
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


def ask(ledger: Ledger, policy: DriftPolicy, verdict: DriftJudged) -> RetrainingAsked | RetrainingDeclined:
    """Ask for the training night that *verdict* asks for, at its instant; the same verdict gets the same answer."""
    wanted = RetrainingAsked(
        project=verdict.project,
        ask_id=_ask_id(verdict),
        run_id=verdict.run_id,
        model_version=verdict.model_version,
        instant=verdict.instant,
    )
    champion = versions.champion(ledger, verdict.project)
    later = None
    if champion is not None and champion.model_version != verdict.model_version:
        later = f"version {champion.model_version} is champion by now"
    return retraining.ask(ledger, policy, wanted, needless=later)


def ask_late(ledger: Ledger, project: str) -> RetrainingAsked | RetrainingDeclined | None:
    """Ask in place of a watch that was killed between its verdict and the ask, under the policy that it judged by.

    Only for the newest verdict on the champion in force that came to RETRAIN. ``None``: it is answered, or none did.
    """
    champion = versions.champion(ledger, project)
    wanting = [
        each
        for each in judged(ledger, project)
        if each.verdict.state is DriftState.RETRAIN
        and champion is not None
        and each.model_version == champion.model_version
    ]
    if not wanting or retraining.known(ledger, project).of(_ask_id(wanting[-1])) is not None:
        return None
    return ask(ledger, _declared(ledger, project, wanting[-1].policy), wanting[-1])


def _ask_id(verdict: DriftJudged) -> str:
    return record_digest((verdict.project, verdict.run_id)).removeprefix("sha256:")[:12]


def _declared(ledger: Ledger, project: str, digest: str) -> DriftPolicy:
    """The policy *digest*, as it was recorded before the first verdict under it."""
    entry = ledger.find(f"policy/{project}/{digest}")
    if entry is None or not isinstance(entry.event, PolicyDeclared):
        raise DeclarationError(
            "a verdict is judged under a recorded policy", value=digest, remedy="Run the watch of the project again."
        )
    return decode(DriftPolicy, entry.event.policy.encode())


def _days(policy: DriftPolicy, project: Project, since: Days, last: date) -> Days:
    """What is scored: the days to cover, those that are judged with them, and the weeks that tell what is usual.

    Each week of the baseline is held against as many before it. No further back than a night's window reaches: the
    snapshot holds no more.
    """
    back = max(policy.days, (2 * policy.baseline_weeks + 1) * _WEEK)
    first = min(since.first, last - (back - 1) * DAY)
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
