"""What was removed when its time was over, and what is held back from removal."""

from datetime import datetime

from include.core.events.event import Event
from include.core.records import ArtifactKind


class ArtifactsRemoved(Event, kind="artifacts_removed"):
    """A tombstone: recorded before the bytes of ``artifacts`` (digests) are removed.

    They were of ``kind``, made of ``datasets`` (sorted), and due since ``due_since`` by ``rule``, in words.
    ``versions`` (``<project>/<version>``) are the models that cannot be rebuilt from then on. Stream
    ``retention``.
    """

    artifact_kind: ArtifactKind
    datasets: tuple[str, ...]
    artifacts: tuple[str, ...]
    due_since: datetime
    rule: str
    versions: tuple[str, ...]


class RetentionCarriedOut(Event, kind="retention_carried_out"):
    """All that was due was removed but ``left`` artifacts. Stream ``retention``.

    Those are known to a project of which something was running.
    """

    removed: int
    left: int


class HoldPlaced(Event, kind="hold_placed"):
    """Nothing of ``subject`` is removed from now on. Stream ``hold/<subject>``.

    ``subject`` is a dataset, a project (all of its model's versions) or ``<project>/<version>``; ``envelope`` a DSSE
    envelope (JSON) over all of it.
    """

    subject: str
    steward: str
    reason: str
    envelope: str


class HoldLifted(Event, kind="hold_lifted"):
    """The hold has ended. Stream ``hold/<subject>``, fields as those of :class:`HoldPlaced`."""

    subject: str
    steward: str
    reason: str
    envelope: str
