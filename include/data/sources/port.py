"""The port of production data: what every kind of source does, wherever it lies."""

from collections.abc import Collection
from datetime import date
from typing import TYPE_CHECKING, Protocol

from include.core.records import Contract, Days

if TYPE_CHECKING:
    import pyarrow as pa


class SourceDay(Protocol):
    """What a source holds of one UTC day (``None``: of an undivided table), as it stood when it was loaded.

    The same data has the same ``digest`` in every kind of source, and what is read is what was digested.
    """

    @property
    def day(self) -> date | None: ...

    @property
    def digest(self) -> str: ...

    def read(self, columns: Collection[str]) -> "pa.Table":
        """*columns*, in their order, typed as the contract says; rows in the source's order, which repeats.

        NaN of a number is null, as the writers that use it mean it.

        Raises:
            DataError: the data is corrupt or truncated, or holds rows of another day.
            ContractError: it does not match the contract.
        """

    def holds_nan(self, columns: Collection[str]) -> bool:
        """Whether a number among *columns* is NaN. Raises as :meth:`read`."""


class Source(Protocol):
    """A dataset as its contract describes it: the only reader of production data, one UTC day at a time.

    With ``replay_days`` N it has every UTC day: it repeats the N recorded days from the demo's first on, with all times
    shifted by the difference. (So N is a multiple of 7: a Monday stays a Monday.)

    Nothing is read before it is asked for. No error holds a value of the data or a credential, and none is shown.
    """

    contract: Contract
    shown: str

    def is_empty(self) -> bool:
        """Whether nothing at all lies there. Raises OSError where this account cannot look, and as :meth:`load`."""

    def filed(self) -> Days | None:
        """From the first to the last day that is filed; ``None``: no day is, or the source repeats and has every day.

        Raises as :meth:`load`.
        """

    def load(self, day: date | None) -> SourceDay:
        """What is held of *day* (``None``: of an undivided table), not decoded yet.

        Raises:
            DataError: there is nothing, or it cannot be read.
            SourceUnavailable: the server that holds it does not answer, or refuses.
        """

    def layouts(self, day: date | None) -> frozenset[tuple[str, ...]]:
        """The names of all columns of each part of *day*, in its order; those of the contract as the contract does.

        Raises as :meth:`load`.
        """
