"""Which version of a project is in force, and what must be said beside it: the one place that answers.

A version is champion by the authority's signed decision, and by nothing else. Promotions and rollbacks are decisions
alike, and the last one says who is champion. Decisions were not signed before
:class:`~include.core.events.PromotionsSigned` was recorded: a version that was promoted before stays in force until the
next decision, or until the authority decides otherwise about it, and says that it is not signed.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from include.core import streams
from include.core.errors import RegistryError
from include.core.events import ModelRegistered, PromotionsSigned
from include.core.records import day_start
from include.governance.access import Access
from include.governance.revocation_marks import RevocationMark, RevocationMarks
from include.governance.signing import Verifier
from include.ledger import Ledger, of_kind
from include.ledger.journal import all_begun
from include.registry.overrides import Overrides
from include.registry.rollback import Rollback
from include.registry.signed_decisions import Decision, SignedDecisions

NOT_SIGNED = "promotion: NOT SIGNED"


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
class Change:
    """A decision after which ``version`` is in force; ``None``: nothing is.

    ``rollback``: it is one; ``None``: it is the promotion of ``version``.

    ``position`` is that of the decision in the stream ``promotion/<project>``; 0 before promotions were signed.
    ``decided_at`` (UTC) is when the ledger recorded it.
    """

    version: Version | None
    rollback: Rollback | None
    position: int
    decided_at: datetime


@dataclass(frozen=True, kw_only=True)
class ChampionInForce:
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

    def usable(self) -> "ChampionInForce":
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
class ProjectVersions:
    """All versions of a project in the order of their registration, and how long its stream of decisions is.

    ``changes`` are the decisions that changed who is in force, in their order; ``retired`` the versions that nobody can
    go back to; ``rollbacks`` all rollbacks that hold, in their order.
    """

    versions: Sequence[Version]
    length: int
    changes: Sequence[Change] = ()
    rollbacks: Sequence[Rollback] = ()

    @property
    def retired(self) -> frozenset[int]:
        """The versions that nobody can go back to."""
        return frozenset(each.left for each in self.rollbacks if each.version is None)

    def champion(self, *, before: int | None = None) -> Version | None:
        """The version in force; with *before*, that which was in force when version *before* was decided about."""
        change = self.change(before=before)
        return None if change is None else change.version

    def change(self, *, before: int | None = None) -> Change | None:
        """The decision by which :meth:`champion` is in force, or nothing is; ``None``: there was none yet."""
        changes = self.changes if before is None else self._changes_before(before)
        return changes[-1] if changes else None

    def of(self, evaluation: str) -> Version | None:
        """The version of the model that *evaluation* is about: the one that is decided about, else the first."""
        found = [each for each in self.versions if each.registered.evaluation == evaluation]
        return next((each for each in found if each.decision is not None), found[0] if found else None)

    def numbered(self, number: int) -> Version | None:
        """Version *number*: the one that is decided about, else the first of that number."""
        found = [each for each in self.versions if each.number == number]
        return next((each for each in found if each.decision is not None), found[0] if found else None)

    def _changes_before(self, number: int) -> Sequence[Change]:
        version = self.numbered(number)
        if version is not None and version.before:
            unsigned = (each for each in self.changes if not each.position)
            return [each for each in unsigned if each.version is not None and each.version.number < number]
        if version is None or version.decision is None:
            return self.changes
        return [each for each in self.changes if each.position < version.decision.position]


@dataclass(frozen=True, kw_only=True)
class Tenure:
    """``version`` is champion from the instant ``since`` on, of what the data knew, until the next tenure or ``until``.

    ``since`` is the instant of the night which made it, or of the rollback that ``change`` is, not when it was decided:
    a replay judges days as they were lived. From ``until`` on nothing is in force, if it is given.
    """

    version: Version
    since: datetime
    change: Change
    until: datetime | None = None


def in_force_before(tenures: Sequence[Tenure], day: date) -> Tenure | None:
    """Whose predictions *day* (UTC) was lived with: of the tenures that began before it or at its very beginning, the
    last that was decided. ``None``: there was none, or it had ended without another.
    """
    return in_force_at(tenures, day_start(day))


def in_force_at(tenures: Sequence[Tenure], moment: datetime) -> Tenure | None:
    """As :func:`in_force_before`, of any *moment*: a tenure holds from its beginning on."""
    found = next((each for each in reversed(tenures) if each.since <= moment), None)
    return None if found is None or (found.until is not None and found.until <= moment) else found


class Champions:
    """Answers for one ledger, trusting only what the authority's public key verifies.

    ``overrides`` answers for the gates, by the same key.
    """

    def __init__(self, ledger: Ledger, verifier: Verifier) -> None:
        self._ledger = ledger
        self._marks = RevocationMarks(ledger, Access(ledger, verifier))
        self.overrides = Overrides(ledger, verifier)
        self._signed = SignedDecisions(ledger, verifier)
        # A run keeps its instant, and hundreds are asked for again.
        self._instants: dict[tuple[str, str], datetime] = {}

    def in_force(self, project: str, *, before: int | None = None) -> ChampionInForce | None:
        """The version in force, with what must be said beside it; *before*: as in :meth:`ProjectVersions.champion`."""
        change = self.known(project).change(before=before)
        if change is None or change.version is None:
            return None
        return self.seen(project, [change.version], rollback=change.rollback)[0]

    def seen(
        self, project: str, versions: Sequence[Version], *, rollback: Rollback | None = None
    ) -> list[ChampionInForce]:
        """What must be said beside each of *versions*, in force now or not; *rollback*: by which they are."""
        marks = self._marks.on_nights(project, [each.registered.run_id for each in versions])
        return [_beside(each, marks[each.registered.run_id], rollback) for each in versions]

    def known(self, project: str) -> ProjectVersions:
        """All that is registered and decided of *project*."""
        signed_from = self._signed_from()
        decided, rollbacks, length = self._signed.of(project)
        made, versions = [], []
        for entry, event in of_kind(self._ledger.read(streams.model(project)), ModelRegistered):
            if event.project == project:
                key = (event.model_version, event.evaluation, event.bundle)
                before = signed_from is None or entry.position < signed_from
                decision, decided_at = decided.pop(key, (None, entry.recorded_at))
                version = Version(registered=event, decision=decision, before=before)
                versions.append(version)
                position = decision.position if decision is not None and not before else 0
                if version.promoted:
                    made.append(Change(version=version, rollback=None, position=position, decided_at=decided_at))
        changes = _in_order(made, rollbacks)
        return ProjectVersions(
            versions=versions, length=length, changes=changes, rollbacks=[each for each, _ in rollbacks]
        )

    def tenures(self, project: str) -> tuple[Tenure, ...]:
        """Every champion that *project* had, in the order in which they were decided."""
        changes = self.known(project).changes
        self._learn_instants(project, changes)
        found: list[Tenure] = []
        for change in changes:
            since = self._since(project, change)
            if change.version is None and found and since is not None:
                found[-1] = replace(found[-1], until=since)
            elif change.version is not None and since is not None:
                found.append(Tenure(version=change.version, since=since, change=change))
        return tuple(found)

    def signed_by(self, project: str, position: int) -> str:
        """With which key the decision at *position* of the project's stream is signed, as its envelope names it."""
        return self._signed.key_of(project, position)

    def _since(self, project: str, change: Change) -> datetime | None:
        if change.rollback is not None:
            return change.rollback.instant
        return self._instants.get((project, change.version.registered.run_id)) if change.version else None

    def _learn_instants(self, project: str, changes: Sequence[Change]) -> None:
        """Look up, in one query, when the nights of *changes* were that are not known yet."""
        nights = {each.version.registered.run_id for each in changes if each.version and not each.rollback}
        unknown = {each for each in nights if (project, each) not in self._instants}
        for run_id, run in all_begun(self._ledger, project, unknown).items():
            self._instants[project, run_id] = run.instant

    def _signed_from(self) -> int | None:
        entry = self._ledger.find(streams.PROMOTIONS)
        return None if entry is None else entry.position


def _in_order(promotions: Sequence[Change], rollbacks: Sequence[tuple[Rollback, datetime]]) -> Sequence[Change]:
    """The decisions that changed who is in force. One that retires a version which is not in force changes nothing.

    A rollback to a version that the authority found not promoted since leaves nothing in force: not what it left.
    """
    by_number = {each.version.number: each.version for each in promotions if each.version is not None}
    back = [
        Change(
            version=None if each.version is None else by_number.get(each.version),
            rollback=each,
            position=each.position,
            decided_at=at,
        )
        for each, at in rollbacks
    ]
    changes: list[Change] = []
    for change in sorted((*promotions, *back), key=lambda each: each.position):
        before = changes[-1].version if changes else None
        retired = change.rollback.left if change.rollback and change.rollback.version is None else None
        if retired is None or (before is not None and before.number == retired):
            changes.append(change)
    return changes


def _beside(version: Version, marks: Sequence[RevocationMark], rollback: Rollback | None) -> ChampionInForce:
    quarantined = [mark.in_words() for mark in marks if mark.quarantined]
    notes = (*(() if version.decision else (NOT_SIGNED,)), *((rollback.in_words(),) if rollback else ()))
    return ChampionInForce(
        version=version,
        notes=(*notes, *(mark.in_words() for mark in marks)),
        refused=f"in quarantine: {'; '.join(quarantined)}" if quarantined else None,
    )


def sign_from_here(ledger: Ledger) -> None:
    """Record, once for a ledger, that from here on nothing is promoted without a signature."""
    if ledger.find(streams.PROMOTIONS) is None:
        ledger.record(streams.PROMOTIONS, PromotionsSigned(), key=streams.PROMOTIONS)
