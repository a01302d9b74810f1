"""The authority's part in rollbacks: an earlier champion, or none, is in force again by its signature alone."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from include.core import streams
from include.core.errors import AuthorityError, DecisionConflict, RegistryError, UnknownId
from include.core.events import ArtifactsRemoved, LookTaken
from include.core.records import LookOutcome
from include.core.words import reason as as_reason
from include.governance import holds
from include.governance.access import ATTEMPTS, Access, crowded
from include.governance.deciding import require_whole
from include.governance.revocation_marks import RevocationMarks, require_free
from include.governance.signing import Signer
from include.ledger import Ledger
from include.registry import signed_decisions
from include.registry.champions import Champions, ProjectVersions, Version
from include.registry.looks import LookResult, look_at
from include.registry.rollback import Rollback

log = logging.getLogger(__name__)


class RollbackAuthority:
    """Signs rollbacks, on behalf of a steward whom the caller has authenticated.

    A steward of any dataset that the project reads may go back, as with a hold. Nobody goes back on a ledger that was
    altered; retiring a version, which takes something away, is signed on it, too.
    """

    def __init__(self, ledger: Ledger, signer: Signer) -> None:
        self._ledger, self._signer = ledger, signer
        self._access = Access(ledger, signer.verifier)
        self._champions = Champions(ledger, signer.verifier)
        self._marks = RevocationMarks(ledger, self._access)
        #: The projects that a look asks to go back, and cannot yet.
        self.waiting: set[str] = set()

    def roll_back(
        self, project: str, *, version: int | None, left: int, user: str, reason: str, instant: datetime
    ) -> Rollback:
        """Go back from *left* to *version*, from *instant* on (what the data knew); ``None``: retire *left*.

        What was signed is not signed again: the same once more changes nothing.

        Raises:
            AuthorityError: *user* is no steward of what the project reads, or *reason* cannot be used.
            UnknownId: there is no such version.
            DecisionConflict: *left* is not in force any more, *version* was never champion, is retired or was removed,
                or *instant* lies before that since which *left* is champion.
            Quarantined: *version* was made under a grant in quarantine.
        """
        for _ in range(ATTEMPTS):
            known = self._champions.known(project)
            _require_registered(known, project, left)
            self._require_steward(project, left, user)
            done = _done(known, version, left)
            if done is not None:
                return done
            if version is None:
                _require_champion_ever(known, project, left)
            else:
                self._require_way_back(known, project, version, left)
            self._require_later(project, left, instant)
            rollback = Rollback(
                project=project,
                version=version,
                left=left,
                reason=as_reason(reason),
                asked_by=user,
                look=None,
                instant=instant,
                position=known.length + 1,
            )
            if signed_decisions.append(self._ledger, self._signer, rollback):
                return rollback
        raise crowded(streams.promotion(project))

    def decide_looks(self, project: str) -> int:
        """Go back where a recorded look came to that, and comes to it again on the recorded days; how many did.

        A look at a version that is not in force any more is over. One whose predecessor may not come back, or that asks
        for an instant which has not come (promotions would wait for it), makes the project one of :attr:`waiting`.
        """
        taken = self._ledger.events(streams.drift(project), LookTaken)
        self.waiting.discard(project)
        asking = [each for each in taken if each.project == project and each.outcome is LookOutcome.BACK]
        return sum(self._decide_look(each) for each in asking)

    def _decide_look(self, taken: LookTaken) -> bool:
        project = taken.project
        for _ in range(ATTEMPTS):
            known = self._champions.known(project)
            looked = look_at(self._ledger, known, project, taken)
            if looked is None or looked.outcome is not LookOutcome.BACK or looked.instant is None:
                return False
            if (reason := self._reason_to_wait(known, project, looked)) is not None:
                self.waiting.add(project)
                log.warning("%s: a look asks to go back, and has to wait: %s", project, reason)
                return False
            rollback = Rollback(
                project=project,
                version=looked.predecessor,
                left=looked.version,
                reason=looked.in_words(),
                asked_by=None,
                look=streams.look_key(project, looked.version, looked.look.days),
                instant=looked.instant,
                position=known.length + 1,
            )
            if signed_decisions.append(self._ledger, self._signer, rollback):
                return True
        raise crowded(streams.promotion(project))

    def _reason_to_wait(self, known: ProjectVersions, project: str, looked: LookResult) -> str | None:
        if looked.instant is None or looked.instant > datetime.now(UTC):
            return f"{looked.instant} has not come"
        try:
            self._require_way_back(known, project, looked.predecessor, looked.version)
        except (AuthorityError, RegistryError) as error:
            return str(error)
        return None

    def _require_steward(self, project: str, left: int, user: str) -> None:
        stewards = holds.stewards_of(self._access, f"{project}/{left}")
        if user not in stewards:
            remedy = f"Ask {', '.join(stewards) or 'for access first: no dataset of it has an adopted contract'}."
            rule = f"{project}: only a steward of a dataset that it reads goes back, or retires a version"
            raise AuthorityError(rule, value=user, remedy=remedy)

    def _require_way_back(self, known: ProjectVersions, project: str, version: int, left: int) -> None:
        """That *left* is in force, and *version* may be."""
        found = _require_champion_ever(known, project, version)
        if left != last_in_force(known):
            _refuse(
                f"{project} goes back from the version in force",
                f"version {left} is not",
                "Look at `./trainyard status`.",
            )
        if version == left and known.champion() is not None:
            _refuse(f"{project} goes back to another version", f"version {version} is in force", "Nothing is to do.")
        if version in known.retired:
            _refuse(f"{project} goes back to no version that was retired", f"version {version} was", _OTHER)
        if self._is_removed(found):
            _refuse(f"{project} goes back to a version that is kept", f"version {version} was removed", _OTHER)
        marks = self._marks.on_night(project, found.registered.run_id)
        require_free(marks, rule=f"{project} goes back to version {version}")
        require_whole(self._ledger)

    def _require_later(self, project: str, left: int, instant: datetime) -> None:
        """A rollback does not say of days that another version served them before *left* was champion."""
        since = [each.since for each in self._champions.tenures(project) if each.version.number == left]
        if since and instant < since[-1]:
            rule = f"{project} goes back at an instant since which version {left} was champion"
            _refuse(rule, f"{instant:%Y-%m-%d %H:%M}Z, before {since[-1]:%Y-%m-%d %H:%M}Z", "Name a later --instant.")

    def _is_removed(self, version: Version) -> bool:
        bundle = version.registered.bundle
        return any(bundle in removed.artifacts for _, removed in self._ledger.all_of(ArtifactsRemoved))


_OTHER = "Name another version, run a night of another instant, or retire the one in force."


@dataclass(frozen=True, kw_only=True)
class RollbackPath:
    """From which version somebody goes back, and to which; ``again``: that is what the project did last."""

    left: int
    version: int
    again: bool


def way_back(known: ProjectVersions, project: str, version: int | None) -> RollbackPath:
    """What it means to go back now, to *version* or, with ``None``, to the one that the champion replaced.

    Whoever asks again after it was done asks for the same: a project goes back further only to a version by name.

    Raises:
        RegistryError: there was never a champion, or it replaced none.
    """
    left, change = require_left(known, project), known.change()
    done = change.rollback if change else None
    if done is not None and done.version is not None and version in (None, done.version):
        return RollbackPath(left=done.left, version=done.version, again=True)
    before = known.champion(before=left)
    target = version if version is not None else before.number if before else None
    if target is None:
        raise RegistryError(
            f"{project} goes back to the version that its champion replaced",
            value=f"version {left} replaced none",
            remedy="Name a version, or retire the champion: `./trainyard retire`.",
        )
    return RollbackPath(left=left, version=target, again=False)


def require_left(known: ProjectVersions, project: str) -> int:
    """As :func:`last_in_force`.

    Raises:
        RegistryError: there was never a champion.
    """
    left = last_in_force(known)
    if left is None:
        raise RegistryError("a champion is left", value=f"{project} has none", remedy="Run a night first.")
    return left


def last_in_force(known: ProjectVersions) -> int | None:
    """The version in force or, where nothing is, that which was retired; ``None``: there was never one."""
    change = known.change()
    if change is None:
        return None
    return change.version.number if change.version else change.rollback.left if change.rollback else None


def _done(known: ProjectVersions, version: int | None, left: int) -> Rollback | None:
    """The rollback that has already done what is asked for: the last decision, or a version's retirement."""
    if version is None:
        return next((each for each in known.rollbacks if each.version is None and each.left == left), None)
    change = known.change()
    rollback = change.rollback if change else None
    return rollback if rollback and (rollback.version, rollback.left) == (version, left) else None


def _require_registered(known: ProjectVersions, project: str, number: int) -> Version:
    found = known.numbered(number)
    if found is None:
        numbers = ", ".join(str(each.number) for each in known.versions) or "none"
        raise UnknownId(f"{project} has the version", value=number, remedy=f"Its versions: {numbers}.")
    return found


def _require_champion_ever(known: ProjectVersions, project: str, number: int) -> Version:
    found = _require_registered(known, project, number)
    if not found.promoted:
        _refuse(
            f"version {number} of {project} was champion", "it never was", "Name one that was: `./trainyard served`."
        )
    return found


def _refuse(rule: str, value: str, remedy: str) -> None:
    raise DecisionConflict(rule, value=value, remedy=remedy)
