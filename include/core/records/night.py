"""A night and its data: manifests without personal values, each named by the digest of its bytes."""

from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum

from include.core.canonical import LATER
from include.core.project import Objective, Severity
from include.core.records.access import Scope
from include.core.records.days import Days, Split
from include.core.runs import RunKind, kind_of


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one project. ``instant`` is what the data knew; ``fence`` the lease's token, 0 without a lease.

    Of runs that began before ``kind`` was recorded, their id says it.
    """

    project: str
    run_id: str
    instant: datetime
    code_digest: str
    declaration_digest: str
    fence: int
    kind: RunKind = field(default=RunKind.NIGHT, metadata=LATER)

    def __post_init__(self) -> None:
        if not self.fence and self.kind is RunKind.NIGHT:
            object.__setattr__(self, "kind", kind_of(self.run_id))


class Trigger(StrEnum):
    """What sets a run off."""

    SCHEDULE = "schedule"
    DRIFT = "drift"  # a verdict asked for it
    LOGIN = "login"  # a person who is signed in to Airflow, or to the operating system
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Start:
    """What set a run off, and who (as they are called where they are signed in), if anybody did."""

    trigger: Trigger
    who: str = ""


@dataclass(frozen=True, kw_only=True)
class Partition:
    """One Parquet file in the vault.

    ``table`` is a dataset or a feature group, ``day`` its UTC day (``None``: an undivided table). ``inputs`` is the
    digest of all that decided its bytes, ``content`` the digest of its bytes. ``complete``: no value in it was still
    unknown for its day at the instant it was made.
    """

    table: str
    day: date | None
    inputs: str
    content: str
    rows: int
    size_bytes: int
    complete: bool


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What was known at ``instant``, frozen. ``partitions`` are sorted by table and day.

    A function of the source, the scope and the instant alone: what was reused and what was read anew stands in the
    receipts, not here.
    """

    project: str
    instant: datetime
    scope: Scope
    days: Days
    last_matured: date
    partitions: tuple[Partition, ...]

    def of(self, table: str) -> tuple[Partition, ...]:
        return tuple(partition for partition in self.partitions if partition.table == table)


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """One expectation's outcome. ``days`` names the days that failed it (empty: it is about the window).

    Counts only, never a value: ``unexpected`` rows of ``rows``; where days are counted, ``rows`` are those of the days
    that failed. ``limits`` says the numbers that were declared.
    """

    dataset: str
    expectation: str
    column: str | None
    severity: Severity
    success: bool
    rows: int | None
    unexpected: int | None
    days: tuple[date, ...]
    limits: str = field(default="", metadata=LATER)


@dataclass(frozen=True, kw_only=True)
class Validation:
    """All outcomes of a snapshot's checks. ``report`` is the digest of the HTML page.

    ``covered`` are the contents of the complete partitions that no earlier night had checked with the same expectations
    (``expectations`` is their digest). Those that are not complete are checked beside them, and again when they are.
    """

    snapshot: str
    expectations: str
    covered: tuple[str, ...]
    checks: tuple[CheckResult, ...]
    report: str

    def failed(self, severity: Severity) -> tuple[CheckResult, ...]:
        return tuple(check for check in self.checks if not check.success and check.severity is severity)


@dataclass(frozen=True, kw_only=True)
class FeatureSpec:
    """A feature column. ``categories``: its values in their order, if it is categorical.

    Null has no code, nor have values that few rows have: manifests are kept in the open. ``definition`` is the digest
    of what the column means, whatever stands beside it in its group (of an earlier release: of what the whole group
    means): a feature of the same name and another definition is another feature.
    """

    name: str
    group: str
    definition: str
    categories: tuple[str, ...] | None


@dataclass(frozen=True, kw_only=True)
class FeatureSet:
    """Point-in-time feature tables and labels by day, and the columns that a model sees, in their order.

    Partitions of each group and of the table ``label``, sorted by table and day. ``label`` is the digest of the label's
    definition. ``probed`` lists the instants for which the truncation law was checked in this night; for the features
    ``removal_only`` what became known later could only be removed there, not changed. ``rounded``: the features (and
    ``label``) whose integers on the newest day are greater than those that a model, which sees float32, tells apart.
    """

    snapshot: str
    objective: Objective
    key: tuple[str, ...]
    label: str
    features: tuple[FeatureSpec, ...]
    split: Split
    partitions: tuple[Partition, ...]
    probed: tuple[datetime, ...]
    removal_only: tuple[str, ...] = ()
    rounded: tuple[str, ...] = ()

    def of(self, table: str) -> tuple[Partition, ...]:
        return tuple(partition for partition in self.partitions if partition.table == table)
