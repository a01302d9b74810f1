"""UTC days, and how a window of them is divided."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from include.core.errors import DataError
from include.core.project import Window

DAY = timedelta(days=1)


def last_day(instant: datetime) -> date:
    """The last UTC day that had ended at *instant*."""
    return (instant.astimezone(UTC) - DAY).date()


def day_start(day: date) -> datetime:
    """00:00 UTC of *day*."""
    return datetime.combine(day, time(), tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Days:
    """Whole UTC days from ``first`` to ``last``, both inclusive."""

    first: date
    last: date

    def __iter__(self) -> Iterator[date]:
        return (self.first + offset * DAY for offset in range(len(self)))

    def __len__(self) -> int:
        return max(0, (self.last - self.first).days + 1)

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last


def window_days(window: Window, last_matured: date) -> Days:
    """The days that *window* may hold if it ends on *last_matured* (inclusive)."""
    first = last_matured - (window.days - 1) * DAY
    return Days(first=first if window.since is None else max(first, window.since), last=last_matured)


@dataclass(frozen=True, kw_only=True)
class Split:
    """The three stretches of a window, in time order."""

    train: Days
    validation: Days
    holdout: Days

    @classmethod
    def of(cls, window: Window, last_matured: date) -> "Split":
        """The split of *window* that ends on *last_matured* (inclusive).

        Raises:
            DataError: no day is left to train on after those to validate and to hold out.
        """
        holdout = Days(first=last_matured - (window.holdout_days - 1) * DAY, last=last_matured)
        validation = Days(first=holdout.first - window.validation_days * DAY, last=holdout.first - DAY)
        train = Days(first=window_days(window, last_matured).first, last=validation.first - DAY)
        if not len(train):
            raise DataError(
                "a window holds at least one day to train on",
                value=f"none from {train.first} to {train.last}",
                remedy="Choose a later instant, or an earlier `since` of the window.",
            )
        return cls(
            train=train,
            validation=validation,
            holdout=holdout,
        )
