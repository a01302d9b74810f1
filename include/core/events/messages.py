"""What people are told: who set a run off, and what was sent to whom. No event holds an address: it may be a secret."""

from datetime import datetime

from include.core.events.event import Event, RunEvent
from include.core.records import Trigger


class RunTriggered(RunEvent, kind="run_triggered"):
    """What set a run off, and who, where that is known. Runs of before this was recorded have none.

    Stream ``triggers/<project>``, key ``triggered/<project>/<run_id>``.
    """

    trigger: Trigger
    who: str


class MessageTried(Event, kind="message_tried"):
    """A message is being sent, which nobody else sends before ``until``. Stream ``message/<message_id>/<address>``.

    ``to`` is a person's name, ``address`` a digest of the one of theirs, ``service`` what it begins with (``mailto``).
    """

    message_id: str
    to: str
    address: str
    service: str
    until: datetime


class MessageSent(Event, kind="message_sent"):
    """The address took the message. Stream ``message/<message_id>/<address>``."""

    message_id: str
    to: str
    address: str
    service: str


class MessageFailed(Event, kind="message_failed"):
    """The address did not take the message, for the ``attempts``-th time; it is tried again after ``again_at``.

    Stream ``message/<message_id>/<address>``.
    """

    message_id: str
    to: str
    address: str
    service: str
    attempts: int
    again_at: datetime
