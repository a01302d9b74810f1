"""What was removed when its time was over, and what is held back from removal."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from include.core.events.event import Event
from include.core.records import ArtifactKind


@dataclass(frozen=True, kw_only=True)
class ArtifactsRemoved(Event):
    """A tombstone: recorded before the bytes of ``artifacts`` (digests) are removed.

    They were of ``kind``, made of ``datasets`` (sorted), and due since ``due_since`` by ``rule``, in words.
    ``versions`` (``<project>/<version>``) are the models that cannot be rebuilt from then on. Stream
    ``retention``.
    """

    kind: ClassVar[str] = "artifacts_removed"
    artifact_kind: ArtifactKind
    datasets: tuple[str, ...]
    artifacts: tuple[str, ...]
    due_since: datetime
    rule: str
    versions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class RetentionCarriedOut(Event):
    """All that was due was removed but ``left`` artifacts. Stream ``retention``.

    Those are known to a project of which something was running.
    """

    kind: ClassVar[str] = "retention_carried_out"
    removed: int
    left: int


@dataclass(frozen=True, kw_only=True)
class HoldPlaced(Event):
    """Nothing of ``subject`` is removed from now on. Stream ``hold/<subject>``.

    ``subject`` is a dataset, a project (all of its model's versions) or ``<project>/<version>``; ``envelope`` a DSSE
    envelope (JSON) over all of it.
    """

    kind: ClassVar[str] = "hold_placed"
    subject: str
    steward: str
    reason: str
    envelope: str


@dataclass(frozen=True, kw_only=True)
class HoldLifted(Event):
    """The hold has ended. Stream ``hold/<subject>``, fields as those of :class:`HoldPlaced`."""

    kind: ClassVar[str] = "hold_lifted"
    subject: str
    steward: str
    reason: str
    envelope: str
