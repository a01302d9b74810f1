"""Overrides: a person lets models through a gate for a time, by the authority's signature."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from include.core.canonical import decode, encode
from include.core.errors import AuthorityError, DecisionUnusable, LedgerConflict
from include.core.events import GateOverridden
from include.core.records import Gate, Override
from include.core.words import reason as as_reason
from include.governance.access import ATTEMPTS, Access, crowded
from include.governance.holds import stewards_of_project
from include.governance.whole import require_whole
from include.ledger import Entry, Ledger

if TYPE_CHECKING:
    from include.governance.signing import Signer, Verifier

OVERRIDE_TYPE = "application/vnd.trainyard.override+json"
#: What is let through without being looked at again is an arrangement, not an exception.
LONGEST_DAYS = 90


@dataclass(frozen=True, kw_only=True)
class _Claim:
    """What the authority signs; ``position`` is the event's place in its stream."""

    override: Override
    position: int


class Overrides:
    """Answers for one ledger, trusting only what the authority's public key verifies."""

    def __init__(self, ledger: Ledger, verifier: "Verifier") -> None:
        self._ledger, self._verifier = ledger, verifier

    def in_force(self, project: str, *, now: datetime) -> tuple[Override, ...]:
        """The overrides of *project* that hold at *now* (UTC), by gate: the last about each counts."""
        found = {each.gate: each for each in self.all(project)}
        today = now.astimezone(UTC).date()
        return tuple(found[gate] for gate in sorted(found) if found[gate].until >= today)

    def all(self, project: str) -> Iterator[Override]:
        """Every override of *project*, in the order of their recording, whether or not it still holds."""
        for entry in self._ledger.read(stream_of(project)):
            if isinstance(entry.event, GateOverridden) and self._proven(entry, entry.event):
                yield entry.event.override

    def _proven(self, entry: Entry, event: GateOverridden) -> bool:
        try:
            signed = decode(_Claim, self._verifier.verify(event.envelope, OVERRIDE_TYPE))
        except (AuthorityError, ValueError):
            return False
        claimed = _Claim(override=event.override, position=entry.stream_version)
        return signed == claimed and entry.stream == stream_of(event.override.project)


def stream_of(project: str) -> str:
    return f"override/{project}"


def override(
    access: Access, signer: "Signer", project: str, gate: Gate, *, until: date, user: str, reason: str, now: datetime
) -> Override:
    """Record that *user* lets models of *project* through *gate* to the end of the day *until* (UTC).

    Raises:
        AuthorityError: *user* is no steward of a dataset that the project reads, the project asked for none, *until*
            has passed or lies too far, *reason* is empty, or the ledger was altered.
    """
    stewards = stewards_of_project(access, project)
    if user not in stewards:
        remedy = f"Ask {', '.join(stewards)}." if stewards else "Run a night of the project first: it asks for access."
        raise AuthorityError(f"{project}: only a steward of its data overrides a gate", value=user, remedy=remedy)
    today = now.astimezone(UTC).date()
    if not today <= until <= today + timedelta(days=LONGEST_DAYS):
        remedy = f"Choose a day from {today} to {today + timedelta(days=LONGEST_DAYS)}."
        raise DecisionUnusable(f"an override ends within {LONGEST_DAYS} days", value=until, remedy=remedy)
    require_whole(access.ledger)
    made = Override(project=project, gate=gate, until=until, by=user, reason=as_reason(reason))
    stream = stream_of(project)
    for _ in range(ATTEMPTS):
        version = access.ledger.version(stream)
        envelope = signer.sign(OVERRIDE_TYPE, encode(_Claim(override=made, position=version + 1)))
        try:
            access.ledger.append(stream, [GateOverridden(override=made, envelope=envelope)], expected_version=version)
        except LedgerConflict:
            continue
        return made
    raise crowded(stream)
