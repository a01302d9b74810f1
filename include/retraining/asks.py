"""Drift asks for a training night: once a verdict, one at a time, paced by the project's policy, answered exactly once.

    asked ──► started (by one night) ──► ended (promoted, kept or failed)
      └─────► ended (superseded: another champion is in force by now)
    declined

All state is a fold of the stream ``retraining/<project>``, and each change is appended at the version that was folded:
whatever runs at the same time, there is one outcome. Airflow's asset event is only the signal that starts a night. A
signal that was lost leaves an ask that :func:`lost` finds; a doubled one starts a night that :func:`start` gives
nothing to do. Pace is counted in *instants* (what the data knew), so that a replay decides as the days themselves did.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from include.core import streams
from include.core.canonical import record_digest
from include.core.events import (
    DriftJudged,
    Event,
    RetrainingAsked,
    RetrainingDeclined,
    RetrainingEnded,
    RetrainingStarted,
)
from include.core.project import DriftPolicy
from include.core.records import Promotion, RetrainingOutcome, Run
from include.ledger import Ledger
from include.ledger.entry import Entry

#: All that :func:`following` looks at.
KINDS: tuple[type[Event], ...] = (RetrainingAsked, RetrainingDeclined, RetrainingStarted, RetrainingEnded)
#: The stretch that a monthly budget counts in.
MONTH = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class Retraining:
    """An ask and what became of it. ``started`` is a night's id; times (UTC) are when the ledger recorded it."""

    ask: RetrainingAsked
    asked_at: datetime
    started: str | None = None
    started_at: datetime | None = None
    outcome: RetrainingOutcome | None = None

    @property
    def in_flight(self) -> bool:
        """Whether it has not ended: meanwhile nothing else is asked for."""
        return self.outcome is None


@dataclass(frozen=True, kw_only=True)
class RetrainingHistory:
    """The fold of a project's stream at ``version``: all asks in their order, and the verdicts that got none."""

    version: int = 0
    retrainings: tuple[Retraining, ...] = ()
    declined: tuple[RetrainingDeclined, ...] = ()

    def of(self, ask_id: str) -> RetrainingAsked | RetrainingDeclined | None:
        """What the verdict *ask_id* was answered, if it was."""
        answers: list[RetrainingAsked | RetrainingDeclined] = [each.ask for each in self.retrainings]
        return next((each for each in (*answers, *self.declined) if each.ask_id == ask_id), None)

    def answered_by(self, run_id: str) -> Retraining | None:
        """The ask that the night *run_id* answers."""
        return next((each for each in self.retrainings if each.started == run_id), None)

    def waiting(self) -> tuple[Retraining, ...]:
        """Asks that no night has started for."""
        return tuple(each for each in self.retrainings if each.in_flight and each.started is None)


def fold(entries: Iterable[Entry]) -> RetrainingHistory:
    """What the entries of a stream, in their order, come to."""
    known = RetrainingHistory()
    for entry in entries:
        known = following(known, entry)
    return known


def following(known: RetrainingHistory, entry: Entry) -> RetrainingHistory:
    """*known*, after the next *entry* of its stream."""
    return replace(_applied(known, entry), version=entry.stream_version)


def _applied(known: RetrainingHistory, entry: Entry) -> RetrainingHistory:
    event = entry.event
    if isinstance(event, RetrainingAsked):
        asked = Retraining(ask=event, asked_at=entry.recorded_at)
        return replace(known, retrainings=(*known.retrainings, asked))
    if isinstance(event, RetrainingDeclined):
        return replace(known, declined=(*known.declined, event))
    if isinstance(event, RetrainingStarted):
        return _changed(
            known, event.ask_id, lambda each: replace(each, started=event.run_id, started_at=entry.recorded_at)
        )
    if isinstance(event, RetrainingEnded):
        return _changed(known, event.ask_id, lambda each: replace(each, outcome=event.outcome))
    return known


def _changed(known: RetrainingHistory, ask_id: str, change: Callable[[Retraining], Retraining]) -> RetrainingHistory:
    changed = (change(each) if each.ask.ask_id == ask_id else each for each in known.retrainings)
    return replace(known, retrainings=tuple(changed))


def known(ledger: Ledger, project: str) -> RetrainingHistory:
    """What is recorded of *project*'s retrainings now."""
    return fold(ledger.read(streams.retraining(project)))


def refusal(before: RetrainingHistory, policy: DriftPolicy, instant: datetime) -> str | None:
    """Why a verdict at *instant* gets no training night after all that was asked *before*; ``None``: it gets one.

    One at a time; ``policy.cooldown_days`` after the last ask (exactly so many days later is late enough); at most
    ``policy.monthly_budget`` asks in any 30 days; never for an instant before that of the last ask. Every ask counts,
    however it ended: for a superseded one another night made a model.
    """
    flying = next((each for each in before.retrainings if each.in_flight), None)
    if flying is not None:
        where = "waits for a night" if flying.started is None else f"runs as {flying.started}"
        return f"the retraining {flying.ask.ask_id} is in flight: it {where}"
    asked = [each.ask.instant for each in before.retrainings]
    if asked and instant < asked[-1]:
        return f"a later instant, {asked[-1]:%Y-%m-%d}, has asked already"
    if asked and instant < asked[-1] + timedelta(days=policy.cooldown_days):
        return f"the last one was asked for on {asked[-1]:%Y-%m-%d}, and {policy.cooldown_days} days lie between two"
    lately = sum(instant - MONTH < each for each in asked)
    if lately >= policy.monthly_budget:
        return f"the budget of 30 days is spent: {lately} of {policy.monthly_budget}"
    return None


def ask(
    ledger: Ledger, policy: DriftPolicy, wanted: RetrainingAsked, *, needless: str | None = None
) -> RetrainingAsked | RetrainingDeclined:
    """Record *wanted*, or why it gets no night: what the policy says, or that it is *needless* for this reason.

    A verdict that was answered before gets the same answer.
    """

    def decide(before: RetrainingHistory) -> Event | None:
        if before.of(wanted.ask_id) is not None:
            return None
        reason = needless or refusal(before, policy, wanted.instant)
        if reason is None:
            return wanted
        return RetrainingDeclined(**vars(wanted), reason=reason)

    answer = _append(ledger, wanted.project, decide).of(wanted.ask_id)
    assert answer is not None  # noqa: S101  # it was just recorded
    return answer


def start(ledger: Ledger, project: str, run_id: str, *, champion: int | None) -> RetrainingAsked | None:
    """The ask that the night *run_id* answers, now and whenever it asks again; ``None``: nothing is asked for.

    The oldest ask that waits goes to the first night that comes for it. If the champion that was judged is replaced by
    now (*champion* is the version in force), it ends as superseded instead: it still counts in cooldown and budget,
    since another night made a model.
    """

    def decide(before: RetrainingHistory) -> Event | None:
        waiting = before.waiting()
        if before.answered_by(run_id) is not None or not waiting:
            return None
        ask_id, judged = waiting[0].ask.ask_id, waiting[0].ask.model_version
        if champion is not None and champion != judged:
            return RetrainingEnded(project=project, ask_id=ask_id, run_id=run_id, outcome=RetrainingOutcome.SUPERSEDED)
        return RetrainingStarted(project=project, ask_id=ask_id, run_id=run_id)

    answered = _append(ledger, project, decide).answered_by(run_id)
    return None if answered is None else answered.ask


def end(ledger: Ledger, project: str, run_id: str, outcome: RetrainingOutcome) -> None:
    """Record what became of the ask that *run_id* answers, if it answers one. A failed night may still end well."""

    def decide(before: RetrainingHistory) -> Event | None:
        answered = before.answered_by(run_id)
        if answered is None or answered.outcome not in (None, RetrainingOutcome.FAILED) or answered.outcome is outcome:
            return None
        return RetrainingEnded(project=project, ask_id=answered.ask.ask_id, run_id=run_id, outcome=outcome)

    _append(ledger, project, decide)


def answered(ledger: Ledger, run: Run, promotion: Promotion) -> None:
    """Record what the night *run* made of what drift asked for, if that is why it ran."""
    outcome = RetrainingOutcome.PROMOTED if promotion.verdict.promote else RetrainingOutcome.KEPT
    end(ledger, run.project, run.run_id, outcome)


def verdict_behind(ledger: Ledger, run: Run) -> str | None:
    """The digest of the verdict that asked for the night *run*; ``None``: none did."""
    answered = known(ledger, run.project).answered_by(run.run_id)
    asked = answered and ledger.fact(streams.judged_key(run.project, answered.ask.run_id), DriftJudged)
    return record_digest(asked.verdict) if asked else None


def lost(ledger: Ledger, project: str, *, now: datetime, patience: timedelta) -> tuple[RetrainingAsked, ...]:
    """Asks that were recorded *patience* ago or longer and that no night has started for: their signal was lost."""
    return tuple(each.ask for each in known(ledger, project).waiting() if each.asked_at + patience <= now)


def _append(ledger: Ledger, project: str, decide: Callable[[RetrainingHistory], Event | None]) -> RetrainingHistory:
    """Append what *decide* makes of the fold (``None``: nothing), again whenever somebody appended first; the fold."""
    while True:
        before = known(ledger, project)
        event = decide(before)
        if event is None:
            return before
        if ledger.offer(streams.retraining(project), event, expected_version=before.version):
            return known(ledger, project)
