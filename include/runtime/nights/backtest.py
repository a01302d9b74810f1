"""A project and a variant of it at earlier instants, in this process: what each would have learnt, and how it did."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import partial

from include import steps
from include.contracts import load_folder
from include.core import runs
from include.core.canonical import record_digest
from include.core.errors import DataError, DeclarationError
from include.core.project import Project
from include.core.records import (
    DAY,
    BacktestResult,
    Contract,
    Days,
    Interval,
    Run,
    Scope,
    Split,
    day_start,
    last_day,
)
from include.core.runs import RunKind
from include.declared import scope_of
from include.ledger import Ledger
from include.runtime.nights.local import Display, Steps
from include.runtime.nights.platform import open_platform, signed_in_here, utc_now
from include.runtime.trainers import Note
from include.settings import Settings
from include.steps import Platform
from include.steps.chain import BACKTEST
from include.training import backtest as pairs

#: Whether a night is worth running: with fewer days to train on a model says nothing about the project.
LEAST_TRAINING_DAYS = 28
#: When in its day an origin looks at the data, as nights do by default.
_HOUR = time(4)


@dataclass(frozen=True, kw_only=True)
class Backtest:
    """What came out: the origins, oldest first, and what may be said of all of them.

    ``looks``: how many backtests, this one included, had looked at days of these origins.
    """

    origins: tuple[pairs.BacktestOrigin, ...]
    difference: Interval | None
    looks: int


def prepare(
    settings: Settings, project: Project, variant: Project | None, *, count: int, until: date | None = None
) -> tuple[date, ...]:
    """The days of *count* origins, spread over all that project and *variant* have data for, none after *until*.

    Raises:
        DeclarationError: the variant is the project itself, or predicts something else.
        DataError: fewer origins fit; the message says how many.
        ContractError: a contract of theirs cannot be used.
    """
    contracts = load_folder(settings.contracts, settings.classes)
    both = [project, *([variant] if variant else [])]
    scopes = [scope_of(each, contracts) for each in both]
    if variant is not None:
        require_alike(project, variant, contracts, scopes)
    history = _history(scopes, contracts, settings)

    def fits(day: date) -> bool:
        reaches = (_reaches(each, scope, contracts, day) for each, scope in zip(both, scopes, strict=True))
        return all(first is not None and first >= history.first for first in reaches)

    last = history.last + DAY if until is None else min(until, history.last + DAY)
    return pairs.origins_between(
        pairs.earliest(history.first, last, fits),
        last,
        count=count,
        apart_days=max(each.learning.window.holdout_days for each in both),
    )


def require_alike(
    project: Project, variant: Project, contracts: Mapping[str, Contract], scopes: Sequence[Scope]
) -> None:
    """Check that *variant* predicts the same of the same rows.

    Raises:
        DeclarationError: it does not; the message says which part is another.
    """
    from include.declared.compiled import declared

    own, other = project.learning.target, variant.learning.target
    parts = {
        "dataset": (own.dataset, other.dataset),
        "key": (own.key, other.key),
        "objective": (own.objective.value, other.objective.value),
    }
    differing = [f"{name} {theirs}, not {ours}" for name, (ours, theirs) in parts.items() if ours != theirs]
    if not differing:
        labels = [
            declared(each, contracts, scope).label.definitions
            for each, scope in zip((project, variant), scopes, strict=True)
        ]
        differing = ["a label or rows that are defined otherwise"] if labels[0] != labels[1] else []
    if project.name == variant.name or differing:
        raise DeclarationError(
            "a variant is another project that predicts the same: with other features, another window or search",
            value=f"{variant.name!r} beside {project.name!r}: {'; '.join(differing) or 'it is the same project'}",
            remedy="Copy the project's folder, rename it, and leave its target as it is.",
        )


def run_backtest(
    settings: Settings,
    project: Project,
    variant: Project | None,
    *,
    days: Sequence[date],
    on_step: Callable[[str, date, str, str | None], None] = lambda project, day, step, digest: None,
    on_note: Note = lambda what: None,
    clock: Callable[[], datetime] = utc_now,
) -> Backtest:
    """What a night of *project*, and one of *variant*, would have learnt on each of *days*, and how it did.

    What is known is not computed again. Requests for what is missing are filed for both, before anything is read.

    Raises:
        AccessDenied: no grant covers what the projects read.
        TrainyardError: whatever rule one of the nights broke.
    """
    platform = open_platform(settings)
    both = [project, *([variant] if variant else [])]
    runs = {(each.name, day): _begin(platform, each, day, clock()) for day in days for each in both}
    for each in both:
        steps.request_access(platform, runs[each.name, days[0]], requester=settings.user, now=clock())
    for each in both:
        platform.access.require(steps.scope_of(platform, runs[each.name, days[0]]), now=clock())

    def result(each: Project, day: date) -> BacktestResult:
        display = Display(step=partial(on_step, each.name, day), note=on_note)
        doing = Steps(settings, platform, each, runs[each.name, day], display=display, clock=clock)
        return platform.load(BacktestResult, doing.perform(BACKTEST)["backtest"])

    origins = [pairs.paired(day, result(project, day), result(variant, day) if variant else None) for day in days]
    return Backtest(
        origins=tuple(origins),
        difference=pairs.pooled(origins) if variant else None,
        looks=_looks(platform.ledger, both, origins),
    )


def _begin(platform: Platform, project: Project, day: date, now: datetime) -> Run:
    """Named by all that decides what it makes: another code, declaration or contract is another run."""
    from include.declared.declaration import digest_of

    declared = record_digest((platform.code(project.name), digest_of(project, platform.contracts)))
    instant = day_start(day) + timedelta(hours=_HOUR.hour)
    kind = RunKind.BACKTEST
    run_id = runs.run_id_of(kind, runs.at(instant, declared))
    return steps.begin(platform, project, run_id=run_id, instant=instant, now=now, kind=kind, start=signed_in_here())


def _history(scopes: Sequence[Scope], contracts: Mapping[str, Contract], settings: Settings) -> Days:
    """The days that all divided datasets of *scopes* hold."""
    from include.data.sources import source_of
    from include.data.sources.replay import REPLAY_FIRST

    names = {part.dataset for scope in scopes for part in scope.datasets if part.window_days is not None}
    held = []
    for name in sorted(names):
        contract = contracts[name]
        days = source_of(contract, settings.production, settings.source_credentials_file).filed()
        if contract.replay_days:  # it repeats for ever: what is repeated is no more history
            days = Days(first=REPLAY_FIRST, last=REPLAY_FIRST + (contract.replay_days - 1) * DAY)
        if days is None:
            raise DataError(
                f"a backtest goes through the days that {name} holds",
                value=f"no folder day=YYYY-MM-DD below {contract.location}",
                remedy="Land the data.",
            )
        held.append(days)
    return Days(first=max(days.first for days in held), last=min(days.last for days in held))


def _reaches(project: Project, scope: Scope, contracts: Mapping[str, Contract], day: date) -> date | None:
    """The first day that a night of *project* on *day* reads; ``None``: it would train on too few."""
    ended = last_day(day_start(day))
    matured = ended - contracts[project.learning.target.dataset].matures_after_days * DAY
    try:
        train = Split.of(project.learning.window, matured).train
    except DataError:
        return None
    window = project.learning.window
    least = min(LEAST_TRAINING_DAYS, window.days - window.validation_days - window.holdout_days)
    if len(train) < least:
        return None
    first = min(ended - (part.window_days - 1) * DAY for part in scope.datasets if part.window_days is not None)
    since = window.since - project.learning.lookback_days * DAY if window.since else first
    return max(first, since)


def _looks(ledger: Ledger, projects: Sequence[Project], origins: Sequence[pairs.BacktestOrigin]) -> int:
    seen = {figures.day for origin in origins for figures in origin.own}
    return max(
        sum(any(day in look.days for day in seen) for look in steps.looks(ledger, each.name)) for each in projects
    )
