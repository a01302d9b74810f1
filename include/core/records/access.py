"""What a project reads, and the permission to read it."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from include.core.canonical import LATER
from include.core.records.contract import Treatment


@dataclass(frozen=True, kw_only=True)
class DatasetScope:
    """What a project reads of one dataset: columns (sorted by name) with their treatment, and how far back.

    ``window_days`` counts back from the run's instant; ``None``: all rows of an undivided table. ``copy_model``: the
    models that are made of it are copied into MLflow, where they open without a grant.
    """

    dataset: str
    contract_digest: str
    columns: tuple[tuple[str, Treatment], ...]
    window_days: int | None
    copy_model: bool = field(default=False, metadata=LATER)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)


@dataclass(frozen=True, kw_only=True)
class Scope:
    """What a project reads, derived from its compiled expressions; independent of any instant."""

    project: str
    purpose: str
    datasets: tuple[DatasetScope, ...]

    def dataset(self, name: str) -> DatasetScope | None:
        return next((scope for scope in self.datasets if scope.dataset == name), None)


class RevocationKind(StrEnum):
    """What a revocation ends; each kind ends what the one before it does, and more."""

    STOP_NEW = "stop-new"  # no read and no run begins; a night under way goes on
    STOP_RUNNING = "stop-running"  # reads and trials under way end at their next check, too
    QUARANTINE = "quarantine"  # and what was made under the grant is neither promoted nor served

    def exceeds(self, other: "RevocationKind | None") -> bool:
        """Whether it ends more than *other*; ``None``: nothing is ended yet."""
        kinds = list(RevocationKind)
        return other is None or kinds.index(self) > kinds.index(other)


@dataclass(frozen=True, kw_only=True)
class Grant:
    """A steward's permission to read one dataset, signed by the authority.

    It holds from ``not_before`` (inclusive) to ``expires_at`` (exclusive), for the contract and purpose that it names.
    """

    grant_id: str
    request_id: str
    project: str
    purpose: str
    scope: DatasetScope
    not_before: datetime
    expires_at: datetime
    requester: str
    steward: str
    reason: str

    def covers(self, scope: DatasetScope, *, purpose: str, now: datetime) -> bool:
        """Whether *scope* may be read for *purpose* at *now* (UTC): same contract, no column, day or copy more."""
        if scope.window_days is None or self.scope.window_days is None:
            window = scope.window_days == self.scope.window_days
        else:
            window = scope.window_days <= self.scope.window_days
        return (
            window
            and purpose == self.purpose
            and scope.dataset == self.scope.dataset
            and scope.contract_digest == self.scope.contract_digest
            and set(scope.columns) <= set(self.scope.columns)
            and scope.copy_model <= self.scope.copy_model
            and self.not_before <= now < self.expires_at
        )
