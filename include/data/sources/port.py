"""The port of production data: what every kind of source does, wherever it lies."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from include.core.records import Contract, Days

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What a source is asked with, and for what.

    ``production`` is the folder of all production data, ``credentials`` the file of those that only the reader has.
    ``instant``: the data is asked for as it was then, by a source that keeps how it was; ``None``: as it is now.
    ``columns``: no others are ever read; ``None``: all of the contract are granted.
    """

    production: Path
    credentials: Path | None = None
    instant: datetime | None = None
    columns: tuple[str, ...] | None = None


class SourceDay(Protocol):
    """What a source holds of one UTC day (``None``: of an undivided table), as it stood when it was loaded.

    The same data has the same ``digest`` wherever files of it lie, and on every server of a kind, whatever the order of
    its rows. What is read is what was digested.
    """

    @property
    def day(self) -> date | None: ...

    @property
    def digest(self) -> str: ...

    def read(self, columns: Collection[str]) -> "pa.Table":
        """*columns*, in their order, typed as the contract says; rows in the source's order.

        The same data is the same table from every kind of source once it is sorted by the contract's key. NaN of a
        number is null, as the writers that use it mean it.

        Raises:
            DataError: the data is corrupt or truncated, or holds rows of another day.
            ContractError: it does not match the contract.
            SourceUnavailable: the server that holds it went away, or the day is another by now.
        """

    def batches(self, columns: Collection[str]) -> "Iterator[pa.RecordBatch]":
        """The rows of :meth:`read` in pieces, of which few are held at a time where a source can. Raises as it."""

    def holds_nan(self, columns: Collection[str]) -> bool:
        """Whether a number among *columns* is NaN. Raises as :meth:`read`."""


class Source(Protocol):
    """A dataset as its contract describes it: the only reader of production data, one UTC day at a time.

    With ``replay_days`` N it has every UTC day: it repeats the N recorded days from the demo's first on, with all times
    shifted by the difference. (So N is a multiple of 7: a Monday stays a Monday.)

    Nothing is read before it is asked for, and nothing but the rows of the days and the columns that are. No error
    holds a value of the data or a credential, and none is shown. Where a source keeps how its data was, all methods
    answer as of the instant that it is asked with.
    """

    contract: Contract
    shown: str

    @property
    def settled_before(self) -> date | None:
        """Days before it stand as they were last looked at, until somebody asks to have them looked at again.

        ``None``: each is looked at every night, as files are.
        """

    def is_empty(self) -> bool:
        """Whether nothing at all lies there. Raises OSError where this account cannot look, and as :meth:`load`."""

    def filed(self) -> Days | None:
        """From the first to the last day that is filed; ``None``: no day is, or the source repeats and has every day.

        Raises as :meth:`load`.
        """

    def load(self, day: date | None) -> SourceDay:
        """What is held of *day* (``None``: of an undivided table), not decoded yet.

        A server may hold one day at a time: what was loaded before is then looked at again when it is read.

        Raises:
            DataError: there is nothing, or it cannot be read.
            ContractError: what holds it does not match the contract.
            SourceUnavailable: the server that holds it does not answer, or refuses.
        """

    def layouts(self, day: date | None) -> frozenset[tuple[str, ...]]:
        """The names of all columns of each part of *day*, in its order; those of the contract as the contract does.

        Raises as :meth:`load`.
        """

    def close(self) -> None:
        """Let go of what a server holds for it; it may be asked again."""
