"""One request as a steward reads it: its columns by class, and what is new against the last grant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from include.core.names import among
from include.core.records import Column, Contract, DatasetScope, Grant, Treatment
from include.governance.registered import RegisteredRequest, RequestStatus

#: How a column is read, in words.
TREATMENTS = {
    Treatment.CLEAR: "as it is",
    Treatment.TOKEN: "as a token: rows can be joined, the value is gone",
    Treatment.DROP: "never",
}


@dataclass(frozen=True, kw_only=True)
class ColumnRow:
    """One column that is asked for. ``new``: the last grant did not let it be read, or not this way."""

    name: str
    type: str
    description: str
    treatment: str
    token: bool
    features: tuple[str, ...]
    new: str | None


@dataclass(frozen=True, kw_only=True)
class ColumnClass:
    """The columns of one class, by name."""

    title: str
    told: str
    columns: tuple[ColumnRow, ...]


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A request, ready to be drawn.

    ``changes`` says what is new against the last grant, in sentences (``unchanged``: nothing). ``removed`` names the
    columns that are asked for no more, ``tokens`` counts those that are read as tokens. What the reader may do stands
    in ``may_approve`` and ``may_deny``, why they may not approve in ``why_not``. ``adopt`` is the contract's version
    and digest that has to be adopted first. Files of ``overlapping`` datasets are files of this one.
    """

    asked: RegisteredRequest
    classes: tuple[ColumnClass, ...]
    changes: tuple[str, ...]
    unchanged: bool
    removed: tuple[str, ...]
    tokens: int
    window: str
    version: str | None
    adopt: tuple[str, str] | None
    overlapping: tuple[str, ...]
    may_approve: bool
    may_deny: bool
    why_not: str


def sheet_of(
    asked: RegisteredRequest,
    *,
    contract: Contract | None,
    features: Mapping[tuple[str, str], tuple[str, ...]],
    overlapping: tuple[str, ...] = (),
    user: str,
) -> Sheet:
    """*asked* as *user* reads it; *contract* is the one that it asks under, *features* by dataset and column."""
    scope, last = asked.request.scope, asked.last
    known = {column.name: column for column in contract.columns} if contract else {}
    rows: dict[str, list[ColumnRow]] = {}
    for name, treatment in scope.columns:
        column = known.get(name)
        shown = _row(name, treatment, column, last.scope if last else None, features.get((scope.dataset, name), ()))
        rows.setdefault(_class(treatment, column), []).append(shown)
    open_file = contract is not None and contract.digest == scope.contract_digest
    adopt = None
    if asked.standing is RequestStatus.UNADOPTED and contract is not None and open_file:
        adopt = (contract.version, contract.digest)
    changes = _changes(scope, last, asked)
    steward = user in asked.stewards
    own = among(user, asked.askers)
    return Sheet(
        asked=asked,
        classes=tuple(
            ColumnClass(title=title, told=_TOLD.get(title, ""), columns=tuple(rows[title]))
            for title in sorted(rows, key=_order)
        ),
        changes=changes or (_EVERYTHING if last is None else _NOTHING,),
        unchanged=last is not None and not changes,
        tokens=sum(treatment is Treatment.TOKEN for _, treatment in scope.columns),
        removed=tuple(name for name, _ in last.scope.columns if name not in scope.names) if last else (),
        window="all rows (one undivided table)" if scope.window_days is None else f"{scope.window_days} days back",
        version=contract.version if contract is not None and open_file else None,
        adopt=adopt,
        overlapping=overlapping,
        may_approve=asked.standing is RequestStatus.WAITING and steward and not own,
        may_deny=asked.waits and steward,
        why_not=_why_not(asked, steward=steward, own=own, user=user),
    )


_EVERYTHING = "The project was never granted this dataset: everything is new."
_NOTHING = "Nothing: the same columns, days, purpose and contract as the last grant."
_TOKENS, _RESTRICTED, _UNKNOWN = "personal: join keys", "restricted", "not in the contract's file"
_TOLD = {
    _TOKENS: "Read as keyed tokens, another for each purpose. Joins still work; values cannot be told.",
    _RESTRICTED: "Nobody classified them further: values stay inside.",
    _UNKNOWN: "The contract's file does not name them: it cannot be approved.",
}


def _order(title: str) -> tuple[int, str]:
    first = (_UNKNOWN, _TOKENS, _RESTRICTED)
    return (first.index(title) if title in first else len(first), title)


def _class(treatment: Treatment, column: Column | None) -> str:
    if treatment is Treatment.TOKEN:
        return _TOKENS
    if column is None:
        return _UNKNOWN
    return _RESTRICTED if column.restricted else column.classification


def _row(
    name: str, treatment: Treatment, column: Column | None, last: DatasetScope | None, features: tuple[str, ...]
) -> ColumnRow:
    new = None
    if last is not None:
        before = dict(last.columns).get(name)
        if before is None:
            new = "new"
        elif before is not treatment:
            new = f"was read {TREATMENTS[before]}"
    return ColumnRow(
        name=name,
        type=str(column.type) if column else "–",
        description=column.description if column else "",
        treatment=TREATMENTS[treatment],
        token=treatment is Treatment.TOKEN,
        features=features,
        new=new,
    )


def _changes(scope: DatasetScope, last: Grant | None, asked: RegisteredRequest) -> tuple[str, ...]:
    if last is None:
        return ()
    told = []
    before = dict(last.scope.columns)
    added = [name for name, treatment in scope.columns if before.get(name) is not treatment]
    if added:
        told.append(f"{len(added)} column{'s' if len(added) > 1 else ''} more, or read otherwise: {', '.join(added)}.")
    if scope.window_days != last.scope.window_days:
        days = ["all rows" if each.window_days is None else f"{each.window_days} days" for each in (last.scope, scope)]
        told.append(f"How far back changed: {days[0]} before, {days[1]} now.")
    if asked.request.purpose != last.purpose:
        told.append(f"The purpose changed. It was: {last.purpose}")
    if scope.contract_digest != last.scope.contract_digest:
        told.append("The contract was adopted again since: the last grant was for another version.")
    return tuple(told)


def _why_not(asked: RegisteredRequest, *, steward: bool, own: bool, user: str) -> str:
    if not asked.waits:
        return f"This request is decided: {asked.standing}."
    if not asked.stewards:
        return "The dataset's contract was never adopted: the stewards that its file names adopt it first."
    if not steward:
        return f"{', '.join(asked.stewards)} decide about {asked.request.scope.dataset}; you, {user}, may read."
    if own:
        return "You asked for this yourself: another steward of the dataset approves it. You may deny it."
    return ""


def days_left(expires_at: datetime, now: datetime) -> int:
    """Whole days until then, at least 0."""
    return max(0, (expires_at - now).days)


@dataclass(frozen=True, kw_only=True)
class ProjectRequests:
    """The open requests of one project: what a steward decides about at once."""

    project: str
    asked: tuple[RegisteredRequest, ...]

    @property
    def since(self) -> datetime:
        return min(one.at for one in self.asked)

    def waits_for(self, user: str) -> bool:
        return any(user in one.stewards for one in self.asked)


def cases_of(waiting: Sequence[RegisteredRequest]) -> list[ProjectRequests]:
    """The open requests by project, the longest open first."""
    by_project: dict[str, list[RegisteredRequest]] = {}
    for one in waiting:
        by_project.setdefault(one.request.project, []).append(one)
    cases = [ProjectRequests(project=project, asked=tuple(asked)) for project, asked in by_project.items()]
    return sorted(cases, key=lambda case: case.since)
