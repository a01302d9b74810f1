"""What all kinds of events are."""

from dataclasses import dataclass, field
from typing import ClassVar, dataclass_transform


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
@dataclass(frozen=True, kw_only=True)
class Event:
    """The root of all kinds: whatever is made of it is a frozen dataclass with keyword-only fields.

    ``kind`` and ``version`` are what the ledger stores beside the canonical bytes.
    """

    kind: ClassVar[str]
    version: ClassVar[int] = 1

    def __init_subclass__(cls, *, kind: str | None = None, version: int = 1) -> None:
        """*kind* ``None``: it is no kind itself, and others are made of it."""
        if kind is not None:
            cls.kind, cls.version = kind, version
        dataclass(frozen=True, kw_only=True)(cls)


class RunEvent(Event):
    """What happened in a run: ``run_id`` of ``project``."""

    project: str
    run_id: str
