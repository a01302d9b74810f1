"""What all kinds of events are."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, kw_only=True)
class Event:
    """The root of all kinds."""

    kind: ClassVar[str]
    version: ClassVar[int] = 1


@dataclass(frozen=True, kw_only=True)
class RunEvent(Event):
    """What happened in a run: ``run_id`` of ``project``."""

    project: str
    run_id: str
