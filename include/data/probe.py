"""The truncation law, checked on a project's own data.

Features of a moment know only the past: take away, or change, all that became known after an instant, and every feature
of a row that had been asked for by then is what it was.
"""

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from include.core.errors import DataError, DeclarationError, FeatureLeak
from include.core.records import Contract, Days
from include.data.point_in_time import PointInTime, reach
from include.declared.compiled import PREDICTED_AT, DerivedTable
from include.engines.port import LateValues

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

#: Where in a day's rows, by the time at which they are asked for, a sampled instant lies: what counts whole days leaks
#: early in the day or not at all.
_EARLY, _ANY = (0.0, 0.1), (0.0, 1.0)
#: Sums of fractions may be added up in another order; nothing else may differ.
_RELATIVE_TOLERANCE, _ABSOLUTE_TOLERANCE = 1e-5, 1e-6
#: How many days before its lookback a disturbed table reaches, for a group whose day was built alone, or within so few:
#: a group that uses them is found out. What was built in a longer stretch had them, so there they are left out.
EXTRA_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class ProbedDay:
    """A day that is probed, and the groups that are."""

    day: date
    groups: tuple[DerivedTable, ...]


def sampled(
    days: Days, groups: Sequence[DerivedTable], is_new: Callable[[DerivedTable, date], bool], seed: str
) -> tuple[ProbedDay, ProbedDay]:
    """What a night probes: all groups on the newest day, and on another, at random, those that were built now.

    Of those that were built by an earlier night, which probed them then, one is probed again.
    """
    chance = random.Random(f"days {seed}")  # noqa: S311 -- a repeatable choice of samples, no secret
    day, again = chance.choice(list(days)), chance.choice(list(groups))
    chosen = tuple(group for group in groups if group == again or is_new(group, day))
    return ProbedDay(day=days.last, groups=tuple(groups)), ProbedDay(day=day, groups=chosen)


@dataclass(frozen=True, kw_only=True)
class BuiltDay:
    """A derived table's rows of one day, as they were built or found again, together with ``span_days``."""

    table: "pa.Table"
    span_days: int | None

    @property
    def extra_days(self) -> int:
        """How many days more than it may use a group is shown; ``span_days`` is unknown of what was found again."""
        return EXTRA_DAYS if self.span_days is not None and self.span_days <= EXTRA_DAYS else 0


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """The instants (UTC) that were probed, and the features for which later values could only be removed, not changed.

    Their expressions cannot be computed over values of other rows.
    """

    instants: tuple[datetime, ...]
    removal_only: tuple[str, ...]


def probe(
    rows: PointInTime,
    *,
    samples: Sequence[ProbedDay],
    built: Callable[[DerivedTable, date], BuiltDay],
    contract: Contract,
    seed: str,
) -> ProbeResult:
    """Check the project at an instant of each of *samples* (:func:`sampled`).

    *contract* is that of the target's dataset; *built* gives what is checked.

    Each instant is the moment at which some row was asked for: one early on the newest day, one at any time on any
    day, so that every night checks both what is new and the code on older days. In the tables that a group may use,
    what became known after the first is removed: then no figure of a whole day is what it was, however few values it
    can have. What became known after the second is disturbed: half of the rows are removed, and half given the values
    of other rows. Where an expression cannot be computed over these, the columns behind it are removed only. The tables
    hold what the group's lookback allows and nothing else where the day was built among many others, and more days on
    both sides where it was built alone: so what was built is what each day gives alone. The instants depend on *seed*
    and the rows, on nothing else.

    Raises:
        FeatureLeak: a feature is not what it was; the message names it, and no value.
        DeclarationError: a label depends on other days than its own, or a group cannot be computed where what became
            known later is missing.
    """
    chance = random.Random(seed)  # noqa: S311 -- a repeatable choice of samples, no secret
    instants: list[datetime] = []
    removal_only: set[str] = set()
    for sample, share, later in zip(samples, (_EARLY, _ANY), (LateValues.REMOVED, LateValues.DISTURBED), strict=True):
        day = sample.day
        asked = rows.engine.asked(day)
        if not asked.num_rows:
            continue
        place = min(int(chance.uniform(*share) * asked.num_rows), asked.num_rows - 1)
        instant = asked.column(PREDICTED_AT)[place].as_py().replace(tzinfo=UTC)
        _check_population(rows, contract, asked, day, instant)
        label = rows.derived[0]
        _check_label(rows, label, built(label, day), day)
        before = {group: built(group, day) for group in sample.groups}
        rows.engine.cut(_reaches(before, day), instant, later)
        failed = [group for group, known in before.items() if not _check_group(rows, group, known, day, instant)]
        if failed and later is LateValues.REMOVED:
            raise _refused_where_missing(f"group {failed[0].name!r}", ", ".join(failed[0].names), instant)
        for group in failed:  # last: they cut the tables anew
            removal_only.update(_check_by_removal(rows, group, before[group], day, instant))
        instants.append(instant)
    return ProbeResult(instants=tuple(sorted(instants)), removal_only=tuple(sorted(removal_only)))


def _reaches(before: Mapping[DerivedTable, BuiltDay], day: date) -> dict[str, Days]:
    """For each dataset the days that the groups' queries of *day* are shown."""
    longest: dict[str, Days] = {}
    for group, known in before.items():
        shown = reach(group, Days(first=day, last=day), known.extra_days)
        for dataset in group.datasets:
            held = longest.get(dataset, shown)
            longest[dataset] = Days(first=min(held.first, shown.first), last=max(held.last, shown.last))
    return longest


# ── the truncation law ────────────────────────────────────────────────────────────────────────────────────────────────


def _check_population(rows: PointInTime, contract: Contract, asked: "pa.Table", day: date, instant: datetime) -> None:
    """Whether a row is asked for, and when, does not depend on what became known after it was asked for.

    Rows whose key is not known by then (tomorrow's hours, say) are asked for on faith: they cannot be checked.
    """
    known = _key_known(contract, asked, rows.key, instant)
    try:
        at_instant = rows.engine.asked_at(day, instant)
    except DataError:
        raise _refused_where_missing("the population", "it", instant) from None
    expected, found = _asked_until(asked.filter(known), instant), _asked_until(at_instant, instant)
    if expected != found:
        raise FeatureLeak(
            "which rows are predicted for, and when, depends only on what is known by then",
            value=f"{len(expected ^ found)} of {len(expected)} rows asked for until {_text(instant)} differ",
            remedy="Leave outcomes out of the population; a row without an outcome gets a null label.",
        )


def _asked_until(asked: "pa.Table", instant: datetime) -> set[tuple[object, ...]]:
    import pyarrow.compute as pc

    early = asked.filter(pc.less_equal(asked.column(PREDICTED_AT), instant.replace(tzinfo=None)))
    return set(zip(*early.to_pydict().values(), strict=True))


def _key_known(contract: Contract, asked: "pa.Table", key: tuple[str, ...], instant: datetime) -> "pa.Array":
    import numpy as np
    import pyarrow as pa

    known = np.ones(asked.num_rows, dtype=bool)
    moment = _moment(instant)
    for name in {*key, contract.partition_column}:
        column = contract.column(name) if name else None
        if column is None or column.known_at.column is None:
            continue
        if column.known_at.column not in asked.column_names:
            return pa.array(np.zeros(asked.num_rows, dtype=bool))
        times = asked.column(column.known_at.column).to_numpy()
        known &= times + np.timedelta64(column.known_at.offset) <= moment
    return pa.array(known)


def _check_label(rows: PointInTime, label: DerivedTable, before: BuiltDay, day: date) -> None:
    if before.span_days is None or before.span_days == 1:
        return  # computed from its own day, now or when it was new
    alone = rows.rows(label, Days(first=day, last=day))
    if len(alone) != len(before.table) or any(
        _differ(before.table[name], alone[name]).any() for name in alone.column_names
    ):
        raise DeclarationError(
            "a row's label comes from rows of its own day",
            value=f"labels of {day} differ when other days are there",
            remedy="Compute the label from the row itself.",
        )


def _check_group(rows: PointInTime, derived: DerivedTable, before: BuiltDay, day: date, instant: datetime) -> bool:
    """Whether *derived* can be computed over the tables as they were cut; FeatureLeak unless it is what it was."""
    try:
        after = rows.rows_known(derived, day, extra_days=before.extra_days)
    except DataError:  # over values that no row had together; what is really there was computed when it was built
        return False
    until = after.column(PREDICTED_AT).to_numpy() <= _moment(instant)
    for name in derived.names:
        changed = int((_differ(before.table.column(name), after.column(name)) & until).sum())
        if changed:
            raise FeatureLeak(
                f"feature {name!r} of group {derived.name!r} knows only the past {derived.lookback_days} days",
                value=f"{changed} of {int(until.sum())} rows asked for until {_text(instant)} change when what "
                f"became known later is {LateValues.DISTURBED.value}"
                + (" and more days are there" if before.extra_days else " and other days are gone"),
                remedy="Use a value only from the moment that its contract's `knownAt` gives, or raise the "
                "group's lookback_days if it reaches further back.",
            )
    return True


def _check_by_removal(
    rows: PointInTime, derived: DerivedTable, before: BuiltDay, day: date, instant: datetime
) -> list[str]:
    """Check *derived* with the columns removed over whose changed values it fails; return the features concerned."""
    reaches, later = _reaches({derived: before}, day), frozenset(rows.engine.later(derived.datasets))

    def computes(changed: Collection[tuple[str, str]], names: Sequence[str] = derived.names) -> bool:
        rows.engine.cut(reaches, instant, LateValues.DISTURBED, removed=later.difference(changed))
        part = replace(derived, names=tuple(names), categories=tuple({*names} & {*derived.categories}))
        try:
            rows.rows_known(part, day, extra_days=before.extra_days)
        except DataError:
            return False
        return True

    concerned = [name for name in derived.names if not computes(later, [name])] or list(derived.names)
    failing: set[tuple[str, str]] = set()
    for dataset in derived.datasets:
        columns = {column for column in later if column[0] == dataset}
        if not computes(columns):
            failing |= {column for column in sorted(columns) if not computes([column])} or columns
    for removed in (failing, later):
        rows.engine.cut(reaches, instant, LateValues.DISTURBED, removed=removed)
        if _check_group(rows, derived, before, day, instant):
            return concerned
    raise _refused_where_missing(f"group {derived.name!r}", ", ".join(concerned), instant)


def _refused_where_missing(what: str, concerned: str, instant: datetime) -> DeclarationError:
    return DeclarationError(
        f"{what} can be computed at every moment, when what becomes known later is missing",
        value=f"{concerned} cannot, as of {_text(instant)}",
        remedy="Let the expression return null where a value that it needs is null.",
    )


def _differ(before: "pa.ChunkedArray", after: "pa.ChunkedArray") -> "NDArray[np.bool_]":
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(before.type):
        same: NDArray[np.bool_] = np.isclose(
            before.to_numpy(), after.to_numpy(), rtol=_RELATIVE_TOLERANCE, atol=_ABSOLUTE_TOLERANCE, equal_nan=True
        )
        return np.logical_not(same)
    one_null = pc.xor(pc.is_null(before), pc.is_null(after))
    differ: NDArray[np.bool_] = pc.or_(pc.fill_null(pc.not_equal(before, after), False), one_null).to_numpy()
    return differ


def _moment(instant: datetime) -> "np.datetime64":
    import numpy as np

    return np.datetime64(instant.replace(tzinfo=None), "us")


def _text(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}Z"
