"""Which version of a project is in force, and what must be said beside it: the one place that answers.

A version is champion by the authority's signed decision about it, and by nothing else. Decisions were not signed before
:class:`~include.core.events.PromotionsSigned` was recorded: a version that was promoted before stays in force until the
next one, or until the authority decides otherwise about it, and says that it is not signed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING

from include.core.canonical import decode
from include.core.errors import AuthorityError, RegistryError
from include.core.events import ModelRegistered, PromotionDecided, PromotionsSigned
from include.core.project import Gates
from include.core.records import Verdict, day_start
from include.governance.access import Access
from include.governance.marks import Marks
from include.ledger import Ledger
from include.ledger.journal import begun

if TYPE_CHECKING:
    from include.governance.signing import Verifier

#: What the envelope of a decision is about; part of what is signed, so that none passes for another.
PROMOTION_TYPE = "application/vnd.trainyard.promotion+json"
NOT_SIGNED = "promotion: NOT SIGNED"
#: The key of the first event, and the stream, that says that promotions are signed from there on.
SIGNED_FROM = "promotions"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the authority signs about a registered version: on which figures, by which gates, and what came of it.

    ``evaluation``, ``model`` and ``bundle`` are digests; ``champion`` is the version that was in force before.
    ``position`` is the event's place in the stream ``promotion/<project>``, so that an envelope is worth nothing
    elsewhere. ``asked_by``: the person who had an unsigned promotion of before decided again.
    """

    project: str
    version: int
    evaluation: str
    model: str
    bundle: str
    gates: Gates
    verdict: Verdict
    champion: int | None
    position: int
    asked_by: str | None


@dataclass(frozen=True, kw_only=True)
class Version:
    """A registered version, and the authority's decision about it, if there is one that holds.

    ``before``: it was registered before promotions were signed, when its own verdict decided.
    """

    registered: ModelRegistered
    decision: Decision | None
    before: bool

    @property
    def number(self) -> int:
        return self.registered.model_version

    @property
    def promoted(self) -> bool:
        """Whether it became champion when it was decided about."""
        if self.decision is not None:
            return self.decision.verdict.promote
        return self.before and self.registered.verdict.promote


@dataclass(frozen=True, kw_only=True)
class InForce:
    """The champion, as whoever uses it must see it: ``notes`` are said beside it wherever it is used.

    ``refused`` says why it may not be used at all; ``None``: it may.
    """

    version: Version
    notes: tuple[str, ...] = ()
    refused: str | None = None

    @property
    def registered(self) -> ModelRegistered:
        return self.version.registered

    @property
    def number(self) -> int:
        return self.version.number

    def usable(self) -> "InForce":
        """This very champion.

        Raises:
            RegistryError: it may not be used.
        """
        if self.refused is not None:
            raise RegistryError(
                f"version {self.number} of {self.registered.project!r} may be used",
                value=self.refused,
                remedy="A steward lifts a quarantine (`./trainyard access lift`); a night that is promoted replaces "
                "the version.",
            )
        return self


@dataclass(frozen=True, kw_only=True)
class Known:
    """All versions of a project in the order of their registration, and how long its stream of decisions is."""

    versions: Sequence[Version]
    length: int

    def champion(self, *, before: int | None = None) -> Version | None:
        """The version in force: the last that was promoted (below version *before*, if it is given)."""
        promoted = [each for each in self.versions if each.promoted and (before is None or each.number < before)]
        return max(promoted, key=lambda each: each.number, default=None)

    def of(self, evaluation: str) -> Version | None:
        """The version of the model that *evaluation* is about: the one that is decided about, else the first."""
        found = [each for each in self.versions if each.registered.evaluation == evaluation]
        return next((each for each in found if each.decision is not None), found[0] if found else None)


@dataclass(frozen=True, kw_only=True)
class Tenure:
    """From the instant ``since`` on, of what the data knew, ``version`` is champion: until the next tenure.

    ``since`` is that of the night which made it, not when it was decided about: a replay judges days as they were
    lived.
    """

    version: Version
    since: datetime


def in_force_before(tenures: Sequence[Tenure], day: date) -> Tenure | None:
    """Whose predictions *day* (UTC) was lived with: of the tenures that began before it or at its very beginning, the
    last that was decided.
    """
    return next((each for each in reversed(tenures) if each.since <= day_start(day)), None)


class Champions:
    """Answers for one ledger, trusting only what the authority's public key verifies."""

    def __init__(self, ledger: Ledger, verifier: "Verifier") -> None:
        self._ledger, self._verifier = ledger, verifier
        self._marks = Marks(ledger, Access(ledger, verifier))

    def in_force(self, project: str, *, before: int | None = None) -> InForce | None:
        """The version in force (below version *before*, if it is given), with what must be said beside it."""
        version = self.known(project).champion(before=before)
        if version is None:
            return None
        marks = self._marks.on_night(project, version.registered.run_id)
        quarantined = [mark.in_words() for mark in marks if mark.quarantined]
        return InForce(
            version=version,
            notes=(*(() if version.decision else (NOT_SIGNED,)), *(mark.in_words() for mark in marks)),
            refused=f"in quarantine: {'; '.join(quarantined)}" if quarantined else None,
        )

    def known(self, project: str) -> Known:
        """All that is registered and decided of *project*."""
        signed_from = self._signed_from()
        decided, length = self._decisions(project)
        versions = []
        for entry in self._ledger.read(f"model/{project}"):
            event = entry.event
            if isinstance(event, ModelRegistered) and event.project == project:
                key = (event.model_version, event.evaluation, event.bundle)
                before = signed_from is None or entry.position < signed_from
                versions.append(Version(registered=event, decision=decided.pop(key, None), before=before))
        return Known(versions=versions, length=length)

    def tenures(self, project: str) -> tuple[Tenure, ...]:
        """Every champion that *project* had, in the order in which they were decided."""
        found = []
        for version in self.known(project).versions:
            run = begun(self._ledger, project, version.registered.run_id) if version.promoted else None
            if run is not None:
                found.append(Tenure(version=version, since=run.instant))
        return tuple(found)

    def _signed_from(self) -> int | None:
        entry = self._ledger.find(SIGNED_FROM)
        return None if entry is None else entry.position

    def _decisions(self, project: str) -> tuple[dict[tuple[int, str, str], Decision], int]:
        """The decisions that hold, by version, evaluation and bundle; the first about each counts."""
        found: dict[tuple[int, str, str], Decision] = {}
        entries = self._ledger.read(f"promotion/{project}")
        for entry in entries:
            event = entry.event
            decision = self._proven(event.envelope) if isinstance(event, PromotionDecided) else None
            if decision is not None and (decision.project, decision.position) == (project, entry.stream_version):
                found.setdefault((decision.version, decision.evaluation, decision.bundle), decision)
        return found, len(entries)

    def _proven(self, envelope: str) -> Decision | None:
        try:
            return decode(Decision, self._verifier.verify(envelope, PROMOTION_TYPE))
        except (AuthorityError, ValueError):
            return None


def sign_from_here(ledger: Ledger) -> None:
    """Record, once for a ledger, that from here on nothing is promoted without a signature."""
    if ledger.find(SIGNED_FROM) is None:
        ledger.record(SIGNED_FROM, PromotionsSigned(), key=SIGNED_FROM)
