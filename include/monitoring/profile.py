"""Profiles: how many rows lie in each bin of a column, with no group under 20 and no extreme told."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from include.core.errors import DataError
from include.core.records import DAY, ColumnProfile, Days, Profile, UnfamiliarValues

if TYPE_CHECKING:
    import pyarrow as pa

#: No profile shows a group of fewer rows.
LEAST_GROUP = 20
#: Numbers are cut into this many bins of about the same size, fewer where values repeat.
BINS = 10
_DAYS_OF_A_WEEK = 7


def profile(table: "pa.Table", days: Days) -> Profile:
    """The profile of all columns of *table* (the rows of *days*), in bins made for it.

    Strings are categories; numbers and booleans are cut at their deciles. NaN is null.

    Raises:
        DataError: a column is neither.
    """
    rows = table.num_rows
    columns = [_own_bins(name, table.column(name)) for name in sorted(table.column_names)]
    return _profile(days, rows, columns)


def profile_like(table: "pa.Table", days: Days, like: Profile) -> Profile:
    """The profile of all columns of *table* (the rows of *days*), in the bins of *like*.

    Raises:
        DataError: *like* lacks a column of *table*, or has numbers where that has categories.
    """
    if unknown := sorted(set(table.column_names) - {column.name for column in like.columns}):
        raise DataError(
            "rows are profiled by the columns of their reference",
            value=f"no column {', '.join(unknown)} in it",
            remedy="Profile the features of the model that the reference was made for.",
        )
    held = [column for column in like.columns if column.name in table.column_names]
    columns = [_counted(column, table.column(column.name)) for column in held]
    return _profile(days, table.num_rows, columns)


def weekly(table: "pa.Table", day: NDArray[np.int32], days: Days, like: Profile) -> tuple[Profile, ...]:
    """A profile in the bins of *like* for each whole week of *days*, counted back from the last; oldest first.

    *day* holds the ordinal of each row's day, rising. Days before the first whole week are left out.
    """
    weeks = []
    for back in range(len(days) // _DAYS_OF_A_WEEK):
        last = days.last - back * _DAYS_OF_A_WEEK * DAY
        week = Days(first=last - (_DAYS_OF_A_WEEK - 1) * DAY, last=last)
        first, end = np.searchsorted(day, [week.first.toordinal(), week.last.toordinal() + 1])
        weeks.append(profile_like(table.slice(first, end - first), week, like))
    return tuple(reversed(weeks))


def joined(parts: Sequence[Profile], like: Profile | None = None) -> Profile:
    """The profile of all columns of *parts* (at least one), which are of the same rows, in the order that it has if it
    is made at once: of *like*, or of their names.
    """
    found = {column.name: column for part in parts for column in part.columns}
    names = sorted(found) if like is None else [column.name for column in like.columns if column.name in found]
    return replace(parts[0], columns=tuple(found[name] for name in names))


def stability_index(reference: ColumnProfile, current: ColumnProfile) -> float:
    """The population stability index of two profiles in bins of one origin: 0 for equal shares, rising with distance.

    Shares are smoothed by half a row a bin, so that an empty bin is far, not infinitely far (Siddiqi, Credit Risk
    Scorecards, 2006, for the index itself). Where one profile counts two bins together, both do. 0 where one is empty.
    """
    mine, theirs = aligned(reference, current)
    if not mine.sum() or not theirs.sum():
        return 0.0
    expected = (mine + 0.5) / (mine + 0.5).sum()
    actual = (theirs + 0.5) / (theirs + 0.5).sum()
    return float(((actual - expected) * np.log(actual / expected)).sum())


def pooled(columns: Sequence[ColumnProfile]) -> ColumnProfile:
    """The profile of the rows of all *columns* (at least one, in bins of one origin), in the bins that all share."""
    whole = columns[0]
    for column in columns[1:]:
        if whole.categories is not None:
            bins = tuple(sorted(set(whole.categories) & set(column.categories or ())))
            counts = zip(_by_category(whole, bins), _by_category(column, bins), strict=True)
            edges, categories = None, bins
        else:
            cut = tuple(sorted(set(whole.edges or ()) & set(column.edges or ())))
            counts = zip(_by_edge(whole, cut), _by_edge(column, cut), strict=True)
            edges, categories = cut, None
        whole = ColumnProfile(
            name=whole.name,
            edges=edges,
            categories=categories,
            counts=tuple(mine + theirs for mine, theirs in counts),
            nulls=whole.nulls + column.nulls,
        )
    return whole


# ── counting ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _profile(days: Days, rows: int, columns: Sequence[ColumnProfile]) -> Profile:
    few = rows < LEAST_GROUP
    held = [_empty(column) for column in columns] if few else [_without_small_groups(column) for column in columns]
    return Profile(first=days.first, last=days.last, rows=0 if few else rows, columns=tuple(held))


def _empty(column: ColumnProfile) -> ColumnProfile:
    edges, categories = (None, ()) if column.edges is None else ((), None)
    return ColumnProfile(name=column.name, edges=edges, categories=categories, counts=(0,), nulls=0)


def _own_bins(name: str, column: "pa.ChunkedArray") -> ColumnProfile:
    import pyarrow.compute as pc

    if _is_category(name, column):
        counted = pc.value_counts(column).to_pylist()
        held = sorted(
            each["values"] for each in counted if each["values"] is not None and each["counts"] >= LEAST_GROUP
        )
        return _of_categories(name, column, tuple(held))
    numbers = _sorted_numbers(column)
    known = len(numbers)
    edges: tuple[float, ...] = ()
    if known:
        positions = [known * part // BINS - 1 for part in range(1, BINS)]
        found = np.unique(numbers[[position for position in positions if position >= 0]])
        edges = tuple(float(edge) for edge in found if edge < numbers[-1])
    return _of_numbers(name, column, edges, numbers)


def _counted(like: ColumnProfile, column: "pa.ChunkedArray") -> ColumnProfile:
    category = _is_category(like.name, column)
    if category != (like.categories is not None):
        raise DataError(
            "a column is of the kind that its reference has",
            value=f"{like.name}: {column.type}",
            remedy="Profile the features of the model that the reference was made for.",
        )
    if like.categories is not None:
        return _of_categories(like.name, column, like.categories)
    return _of_numbers(like.name, column, like.edges or (), _sorted_numbers(column))


def _is_category(name: str, column: "pa.ChunkedArray") -> bool:
    import pyarrow as pa

    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return True
    if pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind):
        return False
    raise DataError(
        "a profiled column holds numbers, booleans or strings",
        value=f"{name}: {column.type}",
        remedy="Cast it in the feature group.",
    )


def _of_categories(name: str, column: "pa.ChunkedArray", categories: tuple[str, ...]) -> ColumnProfile:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    found = {each["values"]: each["counts"] for each in pc.value_counts(column).to_pylist()}
    counts = [found.get(category, 0) for category in categories]
    nulls = found.get(None, 0)
    rest = len(column) - nulls - sum(counts)
    return ColumnProfile(name=name, edges=None, categories=categories, counts=(*counts, rest), nulls=nulls)


def _of_numbers(
    name: str, column: "pa.ChunkedArray", edges: tuple[float, ...], numbers: NDArray[np.float32]
) -> ColumnProfile:
    below = np.searchsorted(numbers, np.array(edges, dtype=np.float32), side="right")
    counts = np.diff(below, prepend=0, append=len(numbers))
    return ColumnProfile(
        name=name,
        edges=edges,
        categories=None,
        counts=tuple(int(count) for count in counts),
        nulls=len(column) - len(numbers),
    )


def _sorted_numbers(column: "pa.ChunkedArray") -> NDArray[np.float32]:
    """All values that are neither null nor NaN, rising: sorting once is cheaper than looking for each value's bin."""
    import pyarrow as pa

    if pa.types.is_null(column.type):
        return np.empty(0, dtype=np.float32)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    numbers: NDArray[np.float32] = column.drop_null().to_numpy().astype(np.float32)
    numbers.sort()
    return numbers[: np.searchsorted(numbers, np.float32("nan"))]  # NaN sorts last


# ── small groups ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _small(count: int) -> bool:
    """Whether a group is small: one without any row tells of nobody."""
    return 0 < count < LEAST_GROUP


def of_groups(found: Iterable[UnfamiliarValues]) -> tuple[UnfamiliarValues, ...]:
    """*found*, with no count of fewer than 20 rows; what has none left is left out."""
    held = [
        replace(
            each,
            nulls=0 if _small(each.nulls) else each.nulls,
            categories=0 if _small(each.categories) else each.categories,
            outside=0 if _small(each.outside) else each.outside,
        )
        for each in found
    ]
    return tuple(each for each in held if each.nulls or each.categories or each.outside)


def _without_small_groups(column: ColumnProfile) -> ColumnProfile:
    """*column* with each small group counted with another; at least 20 rows in all."""
    merged = _merged_categories(column) if column.categories is not None else _merged_bins(column)
    if not _small(merged.nulls):
        return merged
    counts = list(merged.counts)
    counts[counts.index(max(counts))] += merged.nulls
    return ColumnProfile(
        name=merged.name, edges=merged.edges, categories=merged.categories, counts=tuple(counts), nulls=0
    )


def _merged_bins(column: ColumnProfile) -> ColumnProfile:
    edges, counts, nulls = list(column.edges or ()), list(column.counts), column.nulls
    while len(counts) > 1 and (small := [index for index, count in enumerate(counts) if _small(count)]):
        index = small[0]
        beside = [other for other in (index - 1, index + 1) if 0 <= other < len(counts)]
        left = min(index, max(beside, key=lambda other: (counts[other] > 0, -counts[other])))
        counts[left : left + 2] = [counts[left] + counts[left + 1]]
        del edges[left]
    if _small(counts[0]) and len(counts) == 1:  # nearly all are null
        nulls, counts = nulls + counts[0], [0]
    return ColumnProfile(name=column.name, edges=tuple(edges), categories=None, counts=tuple(counts), nulls=nulls)


def _merged_categories(column: ColumnProfile) -> ColumnProfile:
    held = dict(zip(column.categories or (), column.counts[:-1], strict=True))
    rest, nulls = column.counts[-1], column.nulls
    small = [name for name, count in held.items() if _small(count)]
    rest += sum(held.pop(name) for name in small)
    while _small(rest) and (others := {name: count for name, count in held.items() if count}):
        rest += held.pop(min(others, key=lambda name: (others[name], name)))
    if _small(rest):  # nearly all are null
        nulls, rest = nulls + rest, 0
    return ColumnProfile(
        name=column.name, edges=None, categories=tuple(held), counts=(*held.values(), rest), nulls=nulls
    )


def aligned(one: ColumnProfile, other: ColumnProfile) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The counts of both in the bins that they share, the last of them the nulls."""
    if one.categories is not None:
        shared = sorted(set(one.categories) & set(other.categories or ()))
        mine, theirs = (_by_category(column, shared) for column in (one, other))
    else:
        edges = sorted(set(one.edges or ()) & set(other.edges or ()))
        mine, theirs = (_by_edge(column, edges) for column in (one, other))
    return np.array([*mine, one.nulls], dtype=np.float64), np.array([*theirs, other.nulls], dtype=np.float64)


def _by_category(column: ColumnProfile, shared: Sequence[str]) -> list[int]:
    held = dict(zip(column.categories or (), column.counts[:-1], strict=True))
    counts = [held[name] for name in shared]
    return [*counts, sum(column.counts) - sum(counts)]


def _by_edge(column: ColumnProfile, shared: Sequence[float]) -> list[int]:
    below = dict(zip(column.edges or (), np.cumsum(column.counts), strict=False))
    return [int(count) for count in np.diff([below[edge] for edge in shared], prepend=0, append=sum(column.counts))]
