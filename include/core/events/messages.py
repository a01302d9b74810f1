"""What people are told: who set a run off, and what was sent to whom. No event holds an address: it may be a secret."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from include.core.events.event import Event, RunEvent
from include.core.records import Trigger


@dataclass(frozen=True, kw_only=True)
class RunTriggered(RunEvent):
    """What set a run off, and who, where that is known. Runs of before this was recorded have none.

    Stream ``triggers/<project>``, key ``triggered/<project>/<run_id>``.
    """

    kind: ClassVar[str] = "run_triggered"
    trigger: Trigger
    who: str


@dataclass(frozen=True, kw_only=True)
class MessageTried(Event):
    """A message is being sent, which nobody else sends before ``until``. Stream ``message/<message_id>/<address>``.

    ``to`` is a person's name, ``address`` a digest of the one of theirs, ``service`` what it begins with (``mailto``).
    """

    kind: ClassVar[str] = "message_tried"
    message_id: str
    to: str
    address: str
    service: str
    until: datetime


@dataclass(frozen=True, kw_only=True)
class MessageSent(Event):
    """The address took the message. Stream ``message/<message_id>/<address>``."""

    kind: ClassVar[str] = "message_sent"
    message_id: str
    to: str
    address: str
    service: str


@dataclass(frozen=True, kw_only=True)
class MessageFailed(Event):
    """The address did not take the message, for the ``attempts``-th time; it is tried again after ``again_at``.

    Stream ``message/<message_id>/<address>``.
    """

    kind: ClassVar[str] = "message_failed"
    message_id: str
    to: str
    address: str
    service: str
    attempts: int
    again_at: datetime
