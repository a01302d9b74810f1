"""What the ledger says that is kept, and that lies there no more: a store that was lost, found before a night needs it.

An empty folder in the place of a disk that is not mounted looks like a new store.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from include.core.events import StepFinished
from include.runtime.code.projects import project_names
from include.settings import Settings
from include.steps import Platform

#: What a night records first of all: a manifest, which no retention removes.
_FIRST = "snapshot"


@dataclass(frozen=True, kw_only=True)
class Loss:
    """``what`` (an artifact, by what made it) is missing in ``place``."""

    place: str
    what: str
    digest: str

    def in_words(self) -> str:
        return (
            f"{self.what} ({self.digest[:19]}) is missing in the {self.place}. See whether its disk is mounted or its "
            "bucket is the right one, else restore it from a backup: the next night would stop at it."
        )


def losses(settings: Settings, platform: "Platform") -> Iterator[Loss]:
    """What of each project's champion is missing, and what its last snapshot recorded.

    Raises:
        StoreUnavailable: store or vault cannot be reached.
    """
    last = {event.project: event for _, event in platform.ledger.all_of(StepFinished) if event.step == _FIRST}
    for project in project_names(settings.projects):
        champion = platform.champions.in_force(project)
        if champion is not None:
            version = f"version {champion.number} of {project}"
            kept = champion.registered
            if not platform.vault.has(kept.bundle):
                yield Loss(place="vault", what=f"the model of {version}", digest=kept.bundle)
            if not platform.store.has(kept.evaluation):
                yield Loss(place="store", what=f"the evaluation of {version}", digest=kept.evaluation)
        if project in last and not platform.store.has(last[project].output):
            what = f"the last snapshot's manifest of {project}"
            yield Loss(place="store", what=what, digest=last[project].output)
