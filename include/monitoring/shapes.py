"""What of two profiles may be shown to whoever watches: how rows spread over bins, and no value of any of them."""

from collections.abc import Iterator, Sequence

from include.core.records import Profile, Shape
from include.monitoring.profile import aligned


def shapes(then: Sequence[Profile], now: Sequence[Profile]) -> tuple[Shape, ...]:
    """The columns that *then* and *now* share and have rows of, by name. Shares are rounded to a hundredth percent."""
    return tuple(sorted(_shapes(then, now), key=lambda shape: shape.column))


def _shapes(then: Sequence[Profile], now: Sequence[Profile]) -> Iterator[Shape]:
    for profile in then:
        for column in profile.columns:
            later = next((found for other in now if (found := other.column(column.name))), None)
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
