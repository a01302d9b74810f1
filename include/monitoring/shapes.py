"""What of two profiles may be shown to whoever watches: how rows spread over bins, and no value of any of them."""

from collections.abc import Iterator, Sequence

from include.core.records import Profile, Shape
from include.monitoring.profile import aligned


def shapes(then: Sequence[Profile], now: Sequence[Profile]) -> tuple[Shape, ...]:
    """The columns that a profile of *then* and that of *now* in its place share and have rows of, by name.

    A feature may be called as an outcome is. Shares are rounded to a hundredth percent.
    """
    return tuple(sorted(_shapes(then, now), key=lambda shape: shape.column))


def _shapes(then: Sequence[Profile], now: Sequence[Profile]) -> Iterator[Shape]:
    for before, after in zip(then, now, strict=True):
        for column in before.columns:
            later = after.column(column.name)
            if later is None:
                continue
            mine, theirs = aligned(column, later)
            if mine.sum() and theirs.sum():
                yield Shape(
                    column=column.name,
                    numeric=column.categories is None,
                    then=tuple(round(float(share), 4) for share in mine / mine.sum()),
                    now=tuple(round(float(share), 4) for share in theirs / theirs.sum()),
                )
