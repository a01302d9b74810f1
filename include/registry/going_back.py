"""The authority's part in rollbacks: an earlier champion, or none, is in force again by its signature alone."""

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from include.core.canonical import encode
from include.core.errors import AuthorityError, DecisionConflict, LedgerConflict, RegistryError, UnknownId
from include.core.events import ArtifactsRemoved, ChampionRolledBack, LookTaken
from include.core.records import LookOutcome
from include.core.words import reason as as_reason
from include.governance import holds
from include.governance.access import ATTEMPTS, Access, crowded
from include.governance.marks import Marks, require_free
from include.governance.whole import require_whole
from include.ledger import Ledger
from include.registry.champions import Champions, Known, Version
from include.registry.looks import look_at, look_key
from include.registry.rollback import ROLLBACK_TYPE, Rollback

if TYPE_CHECKING:
    from include.governance.signing import Signer


log = logging.getLogger(__name__)


class RollbackAuthority:
    """Signs rollbacks, on behalf of a steward whom the caller has authenticated.

    A steward of any dataset that the project reads may go back, as with a hold. Nobody goes back on a ledger that was
    altered; retiring a version, which takes something away, is signed on it, too.
    """

    def __init__(self, ledger: Ledger, signer: "Signer") -> None:
        self._ledger, self._signer = ledger, signer
        self._access = Access(ledger, signer.verifier)
        self._champions = Champions(ledger, signer.verifier)
        self._marks = Marks(ledger, self._access)

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
            if self._append(rollback, known):
                return rollback
        raise crowded(f"promotion/{project}")

    def decide_looks(self, project: str) -> int:
        """Go back where a recorded look came to that, and comes to it again on the recorded days; how many did.

        A look at a version that is not in force any more is over, one whose predecessor may not come back is a human's
        to see, and none goes back from an instant that has not come: promotions would wait for it.
        """
        done = 0
        for entry in self._ledger.read(f"drift/{project}"):
            event = entry.event
            if isinstance(event, LookTaken) and event.project == project and event.outcome is LookOutcome.BACK:
                done += self._decide_look(event)
        return done

    def _decide_look(self, taken: LookTaken) -> bool:
        project = taken.project
        for _ in range(ATTEMPTS):
            known = self._champions.known(project)
            looked = look_at(self._ledger, known, project, taken)
            if looked is None or looked.outcome is not LookOutcome.BACK or looked.instant is None:
                return False
            if looked.instant > datetime.now(UTC):
                log.warning("%s: a look asks to go back from %s on, which has not come", project, looked.instant)
                return False
            try:
                self._require_way_back(known, project, looked.predecessor, looked.version)
            except (AuthorityError, RegistryError) as error:
                log.warning("%s: a look asks to go back, and nobody can: %s", project, error)
                return False
            rollback = Rollback(
                project=project,
                version=looked.predecessor,
                left=looked.version,
                reason=looked.in_words(),
                asked_by=None,
                look=look_key(project, looked.version, looked.look),
                instant=looked.instant,
                position=known.length + 1,
            )
            if self._append(rollback, known):
                return True
        raise crowded(f"promotion/{project}")

    def _append(self, rollback: Rollback, known: Known) -> bool:
        envelope = self._signer.sign(ROLLBACK_TYPE, encode(rollback))
        event = ChampionRolledBack(project=rollback.project, envelope=envelope)
        try:
            self._ledger.append(f"promotion/{rollback.project}", [event], expected_version=known.length)
        except LedgerConflict:
            return False
        return True

    def _require_steward(self, project: str, left: int, user: str) -> None:
        stewards = holds.stewards_of(self._access, f"{project}/{left}")
        if user not in stewards:
            remedy = f"Ask {', '.join(stewards) or 'for access first: no dataset of it has an adopted contract'}."
            rule = f"{project}: only a steward of a dataset that it reads goes back, or retires a version"
            raise AuthorityError(rule, value=user, remedy=remedy)

    def _require_way_back(self, known: Known, project: str, version: int, left: int) -> None:
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
        removed = self._ledger.read_all(kinds=(ArtifactsRemoved,))
        bundle = version.registered.bundle
        return any(isinstance(entry.event, ArtifactsRemoved) and bundle in entry.event.artifacts for entry in removed)


_OTHER = "Name another version, run a night of another instant, or retire the one in force."


def last_in_force(known: Known) -> int | None:
    """The version in force or, where nothing is, that which was retired; ``None``: there was never one."""
    change = known.change()
    if change is None:
        return None
    return change.version.number if change.version else change.rollback.left if change.rollback else None


def _done(known: Known, version: int | None, left: int) -> Rollback | None:
    """The rollback that has already done what is asked for: the last decision, or a version's retirement."""
    if version is None:
        return next((each for each in known.rollbacks if each.version is None and each.left == left), None)
    change = known.change()
    rollback = change.rollback if change else None
    return rollback if rollback and (rollback.version, rollback.left) == (version, left) else None


def _require_registered(known: Known, project: str, number: int) -> Version:
    found = known.numbered(number)
    if found is None:
        numbers = ", ".join(str(each.number) for each in known.versions) or "none"
        raise UnknownId(f"{project} has the version", value=number, remedy=f"Its versions: {numbers}.")
    return found


def _require_champion_ever(known: Known, project: str, number: int) -> Version:
    found = _require_registered(known, project, number)
    if not found.promoted:
        _refuse(
            f"version {number} of {project} was champion", "it never was", "Name one that was: `./trainyard served`."
        )
    return found


def _refuse(rule: str, value: str, remedy: str) -> None:
    raise DecisionConflict(rule, value=value, remedy=remedy)
