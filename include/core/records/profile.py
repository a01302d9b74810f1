"""How columns are distributed, and what in them is new."""

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, kw_only=True)
class ColumnProfile:
    """How often the values of a column lie in each of its bins, nulls beside; of numbers or of categories.

    ``edges`` (rising, n) cut numbers into n + 1 bins, each holding its upper edge: the last has none, and no extreme is
    told. ``categories`` (n) are counted each, and all others in one last bin. ``counts`` (n + 1) and ``nulls`` are 0 or
    at least 20, and add up to all rows: smaller groups are counted with a neighbour.
    """

    name: str
    edges: tuple[float, ...] | None
    categories: tuple[str, ...] | None
    counts: tuple[int, ...]
    nulls: int


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The columns of the rows of the days ``first`` to ``last`` (both inclusive), sorted by name.

    Fewer than 20 rows are told of as none. It holds personal data all the same, and is kept in the vault.
    """

    first: date
    last: date
    rows: int
    columns: tuple[ColumnProfile, ...]

    def column(self, name: str) -> ColumnProfile | None:
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, kw_only=True)
class UnfamiliarValues:
    """How many rows have, in a feature, what the model learnt nothing of.

    ``nulls`` have no value, where it learnt from none without: it takes a number for 0 there, and sends a category to
    the far side of each split. ``categories`` have one that training did not have, or in too few rows: such a value is
    taken for missing. ``missing_learnt``: it knows what to make of that. ``outside`` lie below or above all numbers
    that it learnt from.
    """

    feature: str
    nulls: int
    categories: int
    outside: int
    missing_learnt: bool


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How a column's rows spread over the bins that then and now share: shares, in the bins' order, and no value.

    The last bin is that of nulls. ``then`` and ``now`` add up to 1 each.
    """

    column: str
    numeric: bool
    then: tuple[float, ...]
    now: tuple[float, ...]
