"""Holds: what a steward keeps from removal, whatever time is declared for it."""

from dataclasses import dataclass
from datetime import datetime

from include.core import streams
from include.core.errors import AuthorityError, UnknownId
from include.core.events import AccessRequested, Event, HoldLifted, HoldPlaced, ModelRegistered
from include.governance.access import ATTEMPTS, Access, crowded
from include.governance.claims import is_signed, signed
from include.governance.decisions import place_of
from include.governance.signing import Signer, Verifier
from include.ledger import Ledger


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Nothing of ``subject`` is removed since ``since`` (UTC): a dataset, a project, or ``<project>/<version>``."""

    subject: str
    steward: str
    reason: str
    since: datetime


def holds(ledger: Ledger, verifier: Verifier) -> dict[str, Hold]:
    """The holds in force, by subject. What the authority did not sign for its place neither holds nor lifts."""
    found: dict[str, Hold] = {}
    for entry in ledger.read_all(kinds=(HoldPlaced, HoldLifted)):
        event = entry.event
        if not isinstance(event, HoldPlaced | HoldLifted) or entry.stream != streams.hold(event.subject):
            continue
        if not is_signed(event, verifier, position=entry.stream_version):
            continue
        if isinstance(event, HoldLifted):
            found.pop(event.subject, None)
        else:
            hold = Hold(subject=event.subject, steward=event.steward, reason=event.reason, since=entry.recorded_at)
            found.setdefault(event.subject, hold)
    return found


def place(
    access: Access, signer: Signer, kind: type[HoldPlaced | HoldLifted], subject: str, *, user: str, reason: str
) -> None:
    """Record that *user* holds *subject* or lifts that; holding what is held changes nothing.

    Raises:
        AuthorityError: there is no such subject, no hold to lift, or *user* is no steward of it.
    """
    ledger, stream = access.ledger, streams.hold(subject)
    for _ in range(ATTEMPTS):
        version = ledger.version(stream)
        stewards = stewards_of(access, subject)
        if user not in stewards:
            remedy = f"Ask {', '.join(stewards)}."
            raise AuthorityError(f"{subject}: only a steward holds it, and lifts that", value=user, remedy=remedy)
        is_held = subject in holds(ledger, access.verifier)
        if is_held and kind is HoldPlaced:
            return
        if not is_held and kind is HoldLifted:
            remedy = "List them: `./trainyard hold list`."
            raise UnknownId("a hold that is lifted is in force", value=subject, remedy=remedy)
        event: Event = kind(subject=subject, steward=user, reason=reason, envelope="")
        if ledger.offer(stream, signed(event, signer, position=version + 1), expected_version=version):
            return
    raise crowded(stream)


def stewards_of(access: Access, subject: str) -> tuple[str, ...]:
    """Of a dataset its stewards, of a model those of all datasets that its project ever asked for."""
    project, slash, number = subject.partition("/")
    named = project.isidentifier()
    if named and not slash and (adoption := access.adoption(subject)):
        return adoption.stewards
    models = access.ledger.events(streams.model(project), ModelRegistered) if named else []
    numbers = [str(model.model_version) for model in models]
    if not numbers or (slash and number not in numbers):
        remedy = "Name a dataset with an adopted contract, a project that has models, or PROJECT/VERSION."
        raise UnknownId("what is held is there", value=subject, remedy=remedy)
    return stewards_of_project(access, project)


def stewards_of_project(access: Access, project: str) -> tuple[str, ...]:
    """The stewards of all datasets that *project* ever asked for, sorted."""
    places = filter(None, (place_of(entry) for entry in access.ledger.read_all(kinds=(AccessRequested,))))
    adoptions = [access.adoption(dataset) for dataset in {place[1] for place in places if place[0] == project}]
    return tuple(sorted({steward for adoption in adoptions if adoption for steward in adoption.stewards}))
