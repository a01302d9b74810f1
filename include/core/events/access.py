"""Who may read, and who has read: contracts, requests, grants, receipts."""

from datetime import date

from include.core.events.event import Event, RunEvent
from include.core.records import DatasetScope, RevocationKind


class ContractAdopted(Event, kind="contract_adopted"):
    """Stream ``contract/<dataset>``. ``envelope`` is a DSSE envelope (JSON) over dataset, version, digest, stewards."""

    dataset: str
    contract_version: str
    digest: str
    stewards: tuple[str, ...]
    adopted_by: str
    envelope: str


class ContractKept(Event, kind="contract_kept"):
    """Stream ``contract-text/<dataset>``: what a contract says, word for word; the digest proves it."""

    dataset: str
    digest: str
    text: str


class AccessRequested(Event, kind="access_requested", version=2):
    """A project asks to read a dataset. Stream ``access/<project>/<dataset>``."""

    request_id: str
    project: str
    purpose: str
    scope: DatasetScope
    requester: str


class AccessGranted(Event, kind="access_granted"):
    """Stream ``access/<project>/<dataset>``.

    ``envelope`` is a DSSE envelope (JSON) whose payload is the canonical :class:`~include.core.records.Grant`.
    """

    request_id: str
    grant_id: str
    envelope: str


class RequestDenied(Event, kind="access_refused", version=2):
    """Stream ``access/<project>/<dataset>``.

    ``envelope`` is a DSSE envelope (JSON) over the denial; ``None``: recorded when denials were not signed.
    """

    request_id: str
    steward: str
    reason: str
    envelope: str | None


class AccessLapsed(Event, kind="access_lapsed"):
    """Nobody decided about the request within ``days``: it waits no more. It takes away, and is not signed.

    Stream ``access/<project>/<dataset>``.
    """

    request_id: str
    days: int


class AccessRevoked(Event, kind="access_revoked", version=3):
    """Stream ``access/<project>/<dataset>``.

    ``envelope`` is a DSSE envelope (JSON) over the revocation; ``None``: recorded when they were not signed.
    ``effect`` says what it ends. A later one may end more, none ends less.
    """

    grant_id: str
    steward: str
    reason: str
    envelope: str | None
    effect: RevocationKind = RevocationKind.STOP_RUNNING


class DataOpened(RunEvent, kind="data_opened", version=2):
    """The receipt of opening production data, written before the first open. Stream ``receipt/<project>``.

    ``first`` and ``last`` are days, both inclusive (``None``: an undivided table). A :class:`DataRead` that tells what
    was read follows, unless the process died.
    """

    grant_id: str
    scope: DatasetScope
    first: date | None
    last: date | None


class DataRead(RunEvent, kind="data_read", version=2):
    """What was read of production data, after it was. Stream ``receipt/<project>``."""

    grant_id: str
    scope: DatasetScope
    first: date | None
    last: date | None
    rows: int
    files: int
    reused: int


class DaysDigested(RunEvent, kind="days_digested"):
    """What the server of a dataset said of the days that a run looked at. Stream ``digests/<project>/<dataset>``.

    ``asked`` is the digest of the contract and of the columns that were asked for, ``digests`` has that of each day
    (``None``: an undivided table).
    """

    dataset: str
    asked: str
    digests: tuple[tuple[date | None, str], ...]


class LookAgainAsked(Event, kind="look_again_asked"):
    """Days of a dataset on a server, both inclusive, are looked at again though nobody corrects them any more.

    Stream ``look-again/<dataset>``. ``user`` is who asked for it.
    """

    dataset: str
    first: date
    last: date
    user: str


class ArtifactOpened(RunEvent, kind="artifact_opened"):
    """The receipt of opening artifacts that hold personal data. Stream ``receipt/<project>``.

    ``artifacts`` is the digest of the sorted list of the opened digests (canonical JSON), which the open store keeps
    since lists are stored; ``count`` how many they were.
    """

    step: str
    grants: tuple[str, ...]
    artifacts: str
    count: int


class QuarantineLifted(Event, kind="quarantine_lifted"):
    """What was made under a revoked grant may be promoted and serve again; the grant stays revoked.

    Stream ``access/<project>/<dataset>``. ``envelope`` is a DSSE envelope (JSON) over the decision.
    """

    grant_id: str
    steward: str
    reason: str
    envelope: str
