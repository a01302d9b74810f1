"""The truncation law, checked on a project's own data; and an alarm on features too good to be true.

Features of a moment know only the past: take away, or change, all that became known after an instant, and every feature
of a row that had been asked for by then is what it was.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from include.core.errors import DeclarationError, FeatureLeak
from include.core.project import Objective, Project
from include.core.records import Contract, Days
from include.data.point_in_time import PointInTime, reach
from include.data.relations import Later
from include.lineage.compiled import LABEL, PREDICTED_AT, Derived

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

#: Where in a day's rows, by the time at which they are asked for, a sampled instant lies: what counts whole days leaks
#: early in the day or not at all.
_EARLY, _ANY = (0.0, 0.1), (0.0, 1.0)
#: A single feature that separates the classes this well (area under the curve), or follows the label this closely
#: (absolute rank correlation), is the label in disguise.
TOO_GOOD_AUC = 0.95
TOO_GOOD_CORRELATION = 0.99
#: Sums of fractions may be added up in another order; nothing else may differ.
_RELATIVE_TOLERANCE, _ABSOLUTE_TOLERANCE = 1e-5, 1e-6
#: The alarm looks at this many rows at most, and says nothing about fewer than the least.
_MOST_ROWS, _LEAST_ROWS = 8000, 100
#: How many days before its lookback a disturbed table reaches, for a group whose day was built alone, or within so few:
#: a group that uses them is found out. What was built in a longer stretch had them, so there they are left out.
EXTRA_DAYS = 7


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A day that is probed, and the groups that are."""

    day: date
    groups: tuple[Derived, ...]


def sampled(
    days: Days, groups: Sequence[Derived], is_new: Callable[[Derived, date], bool], seed: str
) -> tuple[Sample, Sample]:
    """What a night probes: all groups on the newest day, and on another, at random, those that were built now.

    Of those that were built by an earlier night, which probed them then, one is probed again.
    """
    chance = random.Random(f"days {seed}")  # noqa: S311 -- a repeatable choice of samples, no secret
    day, again = chance.choice(list(days)), chance.choice(list(groups))
    chosen = tuple(group for group in groups if group == again or is_new(group, day))
    return Sample(day=days.last, groups=tuple(groups)), Sample(day=day, groups=chosen)


@dataclass(frozen=True, kw_only=True)
class Built:
    """A derived table's rows of one day, as they were built or found again, in a stretch of ``span_days``."""

    table: "pa.Table"
    span_days: int | None

    @property
    def extra_days(self) -> int:
        """How many days more than it may use a group is shown; ``span_days`` is unknown of what was found again."""
        return EXTRA_DAYS if self.span_days is not None and self.span_days <= EXTRA_DAYS else 0


def probe(
    rows: PointInTime,
    *,
    samples: Sequence[Sample],
    built: Callable[[Derived, date], Built],
    contract: Contract,
    seed: str,
) -> tuple[datetime, ...]:
    """Check the project at an instant of each of *samples* (:func:`sampled`); return them, in UTC.

    *contract* is that of the target's dataset; *built* gives what is checked.

    Each instant is the moment at which some row was asked for: one early on the newest day, one at any time on any
    day, so that every night checks both what is new and the code on older days. The tables that a group may use are
    disturbed: of what became known after the instant half of the rows are removed, and half changed. They hold what
    the group's lookback allows and nothing else where the day was built among many others, and more days on both sides
    where it was built alone: so what was built is what each day gives alone. The instants depend on *seed* and the
    rows, on nothing else.

    Raises:
        FeatureLeak: a feature is not what it was; the message names it, and no value.
        DeclarationError: a label depends on other days than its own.
    """
    chance = random.Random(seed)  # noqa: S311 -- a repeatable choice of samples, no secret
    probed = []
    for sample, share in zip(samples, (_EARLY, _ANY), strict=True):
        day = sample.day
        asked = rows.asked(day)
        if not asked.num_rows:
            continue
        place = min(int(chance.uniform(*share) * asked.num_rows), asked.num_rows - 1)
        instant = asked.column(PREDICTED_AT)[place].as_py().replace(tzinfo=UTC)
        _check_population(rows, contract, asked, day, instant)
        label = rows.derived[0]
        _check_label(rows, label, built(label, day), day)
        before = {group: built(group, day) for group in sample.groups}
        rows.cut(_reaches(before, day), instant)
        for group, known in before.items():
            _check_group(rows, group, known, day, instant)
        probed.append(instant)
    return tuple(sorted(probed))


def _reaches(before: Mapping[Derived, Built], day: date) -> dict[str, Days]:
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
    expected, found = _asked_until(asked.filter(known), instant), _asked_until(rows.asked_at(day, instant), instant)
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


def _check_label(rows: PointInTime, label: Derived, before: Built, day: date) -> None:
    if before.span_days is None or before.span_days == 1:
        return  # computed from its own day, now or when it was new
    if not before.table.equals(rows.rows(label, Days(first=day, last=day))):
        raise DeclarationError(
            "a row's label comes from rows of its own day",
            value=f"labels of {day} differ when other days are there",
            remedy="Compute the label from the row itself.",
        )


def _check_group(rows: PointInTime, derived: Derived, before: Built, day: date, instant: datetime) -> None:
    after = rows.rows_known(derived, day, extra_days=before.extra_days)
    until = after.column(PREDICTED_AT).to_numpy() <= _moment(instant)
    for name in derived.names:
        changed = int((_differ(before.table.column(name), after.column(name)) & until).sum())
        if changed:
            raise FeatureLeak(
                f"feature {name!r} of group {derived.name!r} knows only the past {derived.lookback_days} days",
                value=f"{changed} of {int(until.sum())} rows asked for until {_text(instant)} change when what "
                f"became known later is {Later.DISTURBED.value}"
                + (" and more days are there" if before.extra_days else " and other days are gone"),
                remedy="Use a value only from the moment that its contract's `knownAt` gives, or raise the "
                "group's lookback_days if it reaches further back.",
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


# ── too good to be true ───────────────────────────────────────────────────────────────────────────────────────────────


def alarm(project: Project, tables: Iterable[tuple[Derived, "pa.Table", "pa.Table"]], *, seed: str) -> None:
    """No feature is the label in disguise; *tables* are what was built of a group, and the labels of its rows.

    Raises:
        FeatureLeak: a feature predicts too well; the message names it.
    """
    chance = random.Random(seed)  # noqa: S311 -- a repeatable choice of samples, no secret
    for derived, table, labels in tables:
        _check_plausible(project, derived, table, labels, chance)


def _check_plausible(
    project: Project, derived: Derived, table: "pa.Table", labels: "pa.Table", chance: random.Random
) -> None:
    import numpy as np

    label = labels.column(LABEL).to_numpy()
    known = np.flatnonzero(np.isfinite(label))
    sample = known
    if len(known) > _MOST_ROWS:
        sample = known[sorted(chance.sample(range(len(known)), _MOST_ROWS))]
    binary = project.target.objective is Objective.BINARY
    if len(sample) < _LEAST_ROWS or len(np.unique(label[sample])) < 2:
        return
    bound = TOO_GOOD_AUC if binary else TOO_GOOD_CORRELATION
    for name in derived.names:
        values, outcome = _scores(table.column(name).take(sample), label[sample])
        strength = _separation(values, outcome) if binary else _rank_correlation(values, outcome)
        if strength > bound:
            raise FeatureLeak(
                f"no single feature predicts {project.name!r} alone: at most {bound} "
                + ("(area under the curve)" if binary else "(absolute rank correlation)"),
                value=f"feature {name!r} of group {derived.name!r}: {strength:.3f} over {len(sample)} rows",
                remedy="It is probably the label in disguise: check where its columns come from, and their `knownAt`.",
            )


def _scores(
    values: "pa.ChunkedArray", label: "NDArray[np.float64]"
) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """A number for each row, and its label; a category's is its mean label among every other row, kept out of it."""
    import numpy as np
    import pyarrow as pa

    if not pa.types.is_string(values.type) and not pa.types.is_large_string(values.type):
        return values.to_numpy().astype(np.float64), label
    codes = values.combine_chunks().dictionary_encode().indices.fill_null(-1).to_numpy() + 1
    sums = np.bincount(codes[::2], weights=label[::2], minlength=codes.max() + 1)
    counts = np.bincount(codes[::2], minlength=codes.max() + 1)
    means = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return means[codes[1::2]], label[1::2]


def _ranks(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Ranks from 1; equal values share their mean rank."""
    import numpy as np

    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    ranks: NDArray[np.float64] = (ends - (counts - 1) / 2)[place]
    return ranks


def _separation(values: "NDArray[np.float64]", label: "NDArray[np.float64]") -> float:
    """The area under the ROC curve of *values* alone, in the better direction. A missing value ranks lowest."""
    import numpy as np

    positives = label > 0
    count, others = int(positives.sum()), int((~positives).sum())
    if not count or not others:
        return 0.5
    ranks = _ranks(np.where(np.isnan(values), -np.inf, values))
    area = (ranks[positives].sum() - count * (count + 1) / 2) / (count * others)
    return float(max(area, 1 - area))


def _rank_correlation(values: "NDArray[np.float64]", label: "NDArray[np.float64]") -> float:
    """Spearman's coefficient over the rows that have a value, without its sign; 0 if it is not defined."""
    import numpy as np

    known = ~np.isnan(values)
    if known.sum() < _LEAST_ROWS:
        return 0.0
    ranks, order = _ranks(values[known]), _ranks(label[known])
    if ranks.std() == 0 or order.std() == 0:
        return 0.0
    return float(abs(np.corrcoef(ranks, order)[0, 1]))
