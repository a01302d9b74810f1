"""Data contracts as the platform works with them."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from include.core.project import Expectation


class Treatment(StrEnum):
    """What the reader does to a column before anyone sees it."""

    CLEAR = "clear"
    TOKEN = "token"  # noqa: S105 -- a treatment, no password: keyed HMAC, one key per purpose: joins still work, values are gone
    DROP = "drop"  # direct identifiers: never read


class PersonalKind(StrEnum):
    """What a contract says of a column about persons."""

    DIRECT_IDENTIFIER = "direct-identifier"  # names a person: never read
    JOIN_KEY = "join-key"  # leads to a person: read as a token
    NONE = "none"  # leads to nobody: read as it is


#: How a contract classifies a column whose values stay within the boundary, and each that nobody has classified.
RESTRICTED = "restricted"
#: The words of a classification, the strictest last. A deployment may add its own, each of which counts as one of them.
CLASSES = ("public", "internal", "confidential", RESTRICTED)


class ColumnType(StrEnum):
    """Physical types that production data may have, each read as one Arrow type."""

    STRING = "string"  # string
    INTEGER = "integer"  # int64
    NUMBER = "number"  # float64
    BOOLEAN = "boolean"  # bool
    TIMESTAMP = "timestamp"  # timestamp[us], in UTC, without a zone
    DATE = "date"  # date32


class AsOf(StrEnum):
    """Which of a table's snapshots is read, where it keeps those of before."""

    COMMIT = "commit"  # the one that was current at the run's instant: commits tell when rows were known
    CURRENT = "current"  # the one that is current: they do not, and only `knownAt` of a column does


@dataclass(frozen=True, kw_only=True)
class KnownAt:
    """When a value becomes known: the row's time in ``column`` plus ``offset``; ``column=None``: always known."""

    column: str | None
    offset: timedelta = timedelta(0)


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a contract.

    ``classification`` is ``restricted`` where the contract does not say; ``restricted``: whether it counts as that, as
    a word does that nobody knows. ``personal`` is ``None`` where the contract says nothing, and decides ``treatment``.
    An ``identifier`` has (nearly) a value of its own in each row, so that nothing can be learnt of it.
    ``physical_name`` is what files call the column, where that is not ``name``; ``field_id`` the field of a table of
    Iceberg that it is, where its name does not say that alone.
    """

    name: str
    type: ColumnType
    classification: str
    restricted: bool
    personal: PersonalKind | None
    treatment: Treatment
    known_at: KnownAt
    required: bool
    key: bool
    description: str
    identifier: bool = False
    physical_name: str | None = None
    field_id: int | None = None

    @property
    def silent(self) -> bool:
        """Whether it may lead to a person, being text or of the key, and its contract says nothing about that."""
        return self.personal is None and (self.key or self.type is ColumnType.STRING)


@dataclass(frozen=True, kw_only=True)
class Contract:
    """A data contract as its stewards wrote it; ``digest`` is that of the file's bytes.

    ``partition_column`` (a timestamp) places a row in a UTC day; ``None``: the dataset is one undivided table.
    ``matures_after_days``: a day's values are all known that many days after the day has ended.
    ``remind_after_days``: its stewards are reminded of a request that waits so long, and others are told after as long
    again; ``lapse_after_days``: it waits no longer than that.
    ``replay_days``: the source repeats its recorded days with that period (0: it does not).
    ``location`` is the folder of the Parquet files as written in the contract, or the address of a bucket or a table.
    ``stored_at`` is where the files of a table lie that is named by its catalog, if the contract says it.
    ``as_of`` says which snapshot of a table is read that keeps those of before.
    ``corrected_within_days``: rows of a day that ended longer ago are corrected no more, as far as its owner knows.
    ``retention_days``: for how long artifacts of it are kept, by :class:`~include.core.records.ArtifactKind`.
    ``not_understood``: the places of the file that decide nothing here, such as keys of other tools.
    ``unknown_classes``: the columns that are classified with a word that is none, which counts as ``restricted``.
    ``text`` is what the file says, word for word.
    """

    dataset: str
    version: str
    digest: str
    columns: tuple[Column, ...]
    stewards: tuple[str, ...]
    location: str
    partition_column: str | None
    matures_after_days: int
    freshness_hours: float | None
    replay_days: int
    retention_days: Mapping[str, float]
    expectations: tuple[Expectation, ...]
    not_understood: tuple[str, ...] = ()
    unknown_classes: tuple[str, ...] = ()
    remind_after_days: int = 3
    lapse_after_days: int = 14
    corrected_within_days: int = 7
    stored_at: str | None = None
    as_of: AsOf = AsOf.COMMIT
    text: str = field(default="", repr=False, compare=False)

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)

    def names_in(self, held: Collection[str]) -> dict[str, str]:
        """What a file with the columns *held* calls each column: by its physical name, or else as the contract does."""
        physical = {column.name: column.physical_name for column in self.columns}
        return {name: other if other is not None and other in held else name for name, other in physical.items()}

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns if column.key)
