"""A rollback: a decision by which an earlier champion, or none, is in force again."""

from dataclasses import dataclass
from datetime import datetime

#: What the envelope of a rollback is about; part of what is signed, so that none passes for another.
ROLLBACK_TYPE = "application/vnd.trainyard.rollback+json"


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """What the authority signs: from ``instant`` on, of what the data knew, ``version`` is champion, and not ``left``.

    ``version`` is ``None`` where ``left`` is retired: nobody goes back to it, and nothing is in force if it was. Asked
    for by a person (``asked_by``), or by the ``look`` that decided, which is the key of its event. ``position`` is the
    event's place in the stream ``promotion/<project>``.
    """

    project: str
    version: int | None
    left: int
    reason: str
    asked_by: str | None
    look: str | None
    instant: datetime
    position: int

    def in_words(self) -> str:
        """What is said beside a champion that is in force by it."""
        return f"{self.did()} version {self.left} on {self.instant:%Y-%m-%d}, {self.by()}: {self.reason}"

    def did(self) -> str:
        """What the project did about the version that it left."""
        return "went back from" if self.version is not None else "retired"

    def by(self) -> str:
        return f"asked by {self.asked_by}" if self.look is None else f"by the look {self.look}"
