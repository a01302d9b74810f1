"""Who may read, and who has read: contracts, requests, grants, receipts."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar

from include.core.events.event import Event, RunEvent
from include.core.records import DatasetScope, RevocationKind


@dataclass(frozen=True, kw_only=True)
class ContractAdopted(Event):
    """Stream ``contract/<dataset>``. ``envelope`` is a DSSE envelope (JSON) over dataset, version, digest, stewards."""

    kind: ClassVar[str] = "contract_adopted"
    dataset: str
    contract_version: str
    digest: str
    stewards: tuple[str, ...]
    adopted_by: str
    envelope: str


@dataclass(frozen=True, kw_only=True)
class ContractKept(Event):
    """Stream ``contract-text/<dataset>``: what a contract says, word for word; the digest proves it."""

    kind: ClassVar[str] = "contract_kept"
    dataset: str
    digest: str
    text: str


@dataclass(frozen=True, kw_only=True)
class AccessRequested(Event):
    """A project asks to read a dataset. Stream ``access/<project>/<dataset>``."""

    kind: ClassVar[str] = "access_requested"
    version: ClassVar[int] = 2
    request_id: str
    project: str
    purpose: str
    scope: DatasetScope
    requester: str


@dataclass(frozen=True, kw_only=True)
class AccessGranted(Event):
    """Stream ``access/<project>/<dataset>``.

    ``envelope`` is a DSSE envelope (JSON) whose payload is the canonical :class:`~include.core.records.Grant`.
    """

    kind: ClassVar[str] = "access_granted"
    request_id: str
    grant_id: str
    envelope: str


@dataclass(frozen=True, kw_only=True)
class RequestDenied(Event):
    """Stream ``access/<project>/<dataset>``.

    ``envelope`` is a DSSE envelope (JSON) over the denial; ``None``: recorded when denials were not signed.
    """

    kind: ClassVar[str] = "access_refused"
    version: ClassVar[int] = 2
    request_id: str
    steward: str
    reason: str
    envelope: str | None


@dataclass(frozen=True, kw_only=True)
class AccessLapsed(Event):
    """Nobody decided about the request within ``days``: it waits no more. It takes away, and is not signed.

    Stream ``access/<project>/<dataset>``.
    """

    kind: ClassVar[str] = "access_lapsed"
    request_id: str
    days: int


@dataclass(frozen=True, kw_only=True)
class AccessRevoked(Event):
    """Stream ``access/<project>/<dataset>``.

    ``envelope`` is a DSSE envelope (JSON) over the revocation; ``None``: recorded when they were not signed.
    ``effect`` says what it ends. A later one may end more, none ends less.
    """

    kind: ClassVar[str] = "access_revoked"
    version: ClassVar[int] = 3
    grant_id: str
    steward: str
    reason: str
    envelope: str | None
    effect: RevocationKind = RevocationKind.STOP_RUNNING


@dataclass(frozen=True, kw_only=True)
class DataOpened(RunEvent):
    """The receipt of opening production data, written before the first open. Stream ``receipt/<project>``.

    ``first`` and ``last`` are days, both inclusive (``None``: an undivided table). A :class:`DataRead` that tells what
    was read follows, unless the process died.
    """

    kind: ClassVar[str] = "data_opened"
    version: ClassVar[int] = 2
    grant_id: str
    scope: DatasetScope
    first: date | None
    last: date | None


@dataclass(frozen=True, kw_only=True)
class DataRead(RunEvent):
    """What was read of production data, after it was. Stream ``receipt/<project>``."""

    kind: ClassVar[str] = "data_read"
    version: ClassVar[int] = 2
    grant_id: str
    scope: DatasetScope
    first: date | None
    last: date | None
    rows: int
    files: int
    reused: int


@dataclass(frozen=True, kw_only=True)
class ArtifactOpened(RunEvent):
    """The receipt of opening artifacts that hold personal data. Stream ``receipt/<project>``.

    ``artifacts`` is the digest of the sorted list of the opened digests (canonical JSON), which the open store keeps
    since lists are stored; ``count`` how many they were.
    """

    kind: ClassVar[str] = "artifact_opened"
    step: str
    grants: tuple[str, ...]
    artifacts: str
    count: int


@dataclass(frozen=True, kw_only=True)
class QuarantineLifted(Event):
    """What was made under a revoked grant may be promoted and serve again; the grant stays revoked.

    Stream ``access/<project>/<dataset>``. ``envelope`` is a DSSE envelope (JSON) over the decision.
    """

    kind: ClassVar[str] = "quarantine_lifted"
    grant_id: str
    steward: str
    reason: str
    envelope: str
