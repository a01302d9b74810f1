"""Marks on versions and nights: which revoked grants stand behind them. Derived, never written, and gone by a lift."""

from collections.abc import Iterable
from dataclasses import dataclass

from include.core import streams
from include.core.errors import Quarantined
from include.core.events import AccessRevoked, Event, RunStarted
from include.core.records import RevocationKind
from include.governance.access import Access
from include.governance.basis import Basis, fold
from include.governance.decisions import place_of
from include.ledger import Ledger


@dataclass(frozen=True, kw_only=True)
class RevocationMark:
    """A revoked grant that stands behind a version or a night, and what its revocation ends now."""

    grant_id: str
    dataset: str
    effect: RevocationKind
    steward: str
    reason: str

    @property
    def quarantined(self) -> bool:
        return self.effect is RevocationKind.QUARANTINE

    def in_words(self) -> str:
        return f"grant {self.grant_id} for {self.dataset} was revoked by {self.steward} ({self.effect}): {self.reason}"


class RevocationMarks:
    """The marks of one ledger. Where nothing of a project was revoked, one query answers."""

    def __init__(self, ledger: Ledger, access: Access) -> None:
        self._ledger, self._access = ledger, access

    def on_night(self, project: str, run_id: str) -> tuple[RevocationMark, ...]:
        """The marks on what the night *run_id* of *project* has made so far, by grant."""
        return self.on_nights(project, (run_id,))[run_id]

    def on_nights(self, project: str, run_ids: Iterable[str]) -> dict[str, tuple[RevocationMark, ...]]:
        """:meth:`on_night` of each, for the price of one."""
        revoked = self._revoked(project)
        basis = self._basis(project) if revoked else None
        return {each: _among(revoked, basis.grants_of(project, each) if basis else ()) for each in run_ids}

    def require_promotable(self, project: str, run_id: str) -> None:
        """Refuse a night made under a grant in quarantine.

        Raises:
            Quarantined: a steward has not lifted it.
        """
        require_free(self.on_night(project, run_id), rule=f"the model of run {run_id!r} of {project!r} is promoted")

    def _revoked(self, project: str) -> dict[str, RevocationMark]:
        """All marks that anything of *project* can have, by grant."""
        revocations = self._ledger.read_all(kinds=(AccessRevoked,))
        places = {place for entry in revocations if (place := place_of(entry)) and place[0] == project}
        found: dict[str, RevocationMark] = {}
        for _, dataset in sorted(places):
            decisions = self._access.decisions(project, dataset)
            for grant_id, event in decisions.revocations.items():
                found[grant_id] = RevocationMark(
                    grant_id=grant_id,
                    dataset=dataset,
                    effect=decisions.effects[grant_id],
                    steward=event.steward,
                    reason=event.reason,
                )
        return found

    def _basis(self, project: str) -> Basis:
        """Folded from the project's own streams, and from what else tells when its nights began."""
        begun: tuple[type[Event], ...] = (RunStarted,)
        entries = [
            *self._ledger.read(streams.receipt(project)),
            *self._ledger.read(streams.partitions(project)),
            *self._ledger.read(streams.model(project)),
            *self._ledger.read_all(kinds=begun),
        ]
        basis = Basis()
        for entry in sorted(entries, key=lambda each: each.position):
            fold(basis, entry)
        return basis


def require_free(marks: Iterable[RevocationMark], *, rule: str) -> None:
    """Refuse what stands under a quarantine.

    Raises:
        Quarantined: one of *marks* is a quarantine; the message names its grants and what ends it.
    """
    found = [mark for mark in marks if mark.quarantined]
    if found:
        raise Quarantined(
            f"{rule} under no grant in quarantine",
            value="; ".join(mark.in_words() for mark in found),
            remedy="Let a steward lift it (`./trainyard access lift "
            f"{found[0].grant_id}`), or run a night of another instant under a grant in force.",
        )


def _among(revoked: dict[str, RevocationMark], grants: Iterable[str]) -> tuple[RevocationMark, ...]:
    return tuple(revoked[grant] for grant in sorted(set(grants) & revoked.keys()))
