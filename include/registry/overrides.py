"""Overrides: a person lets models through a gate for a time, by the authority's signature."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

from include.core import streams
from include.core.errors import AuthorityError, DecisionUnusable, UnknownId
from include.core.events import GateOverridden, GateOverrideEnded
from include.core.records import Gate, Override
from include.core.words import reason as as_reason
from include.governance.access import ATTEMPTS, Access, crowded
from include.governance.claims import is_signed, signed
from include.governance.deciding import require_whole
from include.governance.holds import stewards_of_project
from include.governance.signing import Signer, Verifier
from include.ledger import Entry, Ledger

#: What is let through without being looked at again is an arrangement, not an exception.
LONGEST_DAYS = 90


class Overrides:
    """Answers for one ledger, trusting only what the authority's public key verifies."""

    def __init__(self, ledger: Ledger, verifier: Verifier) -> None:
        self._ledger, self._verifier = ledger, verifier

    def in_force(self, project: str, *, now: datetime) -> tuple[Override, ...]:
        """The overrides of *project* that hold at *now* (UTC), by gate: the last word about each counts."""
        found: dict[Gate, Override] = {}
        for entry in self._ledger.read(streams.override(project)):
            event = entry.event
            if isinstance(event, GateOverridden) and self._proven(entry, event):
                found[event.override.gate] = event.override
            elif isinstance(event, GateOverrideEnded) and self._proven(entry, event):
                found.pop(event.gate, None)
        today = now.astimezone(UTC).date()
        return tuple(found[gate] for gate in sorted(found) if found[gate].until >= today)

    def _proven(self, entry: Entry, event: GateOverridden | GateOverrideEnded) -> bool:
        project = event.override.project if isinstance(event, GateOverridden) else event.project
        here = entry.stream == streams.override(project)
        return here and is_signed(event, self._verifier, position=entry.stream_version)


def override(
    access: Access, signer: Signer, project: str, gate: Gate, *, until: date, user: str, reason: str, now: datetime
) -> Override:
    """Record that *user* lets models of *project* through *gate* to the end of the day *until* (UTC).

    Raises:
        AuthorityError: *user* is no steward of a dataset that the project reads, the project asked for none, *until*
            has passed or lies too far, *reason* is empty, or the ledger was altered.
    """
    _require_steward(access, project, user)
    today = now.astimezone(UTC).date()
    if not today <= until <= today + timedelta(days=LONGEST_DAYS):
        remedy = f"Choose a day from {today} to {today + timedelta(days=LONGEST_DAYS)}."
        raise DecisionUnusable(f"an override ends within {LONGEST_DAYS} days", value=until, remedy=remedy)
    require_whole(access.ledger)
    made = Override(project=project, gate=gate, until=until, by=user, reason=as_reason(reason))
    _append(access.ledger, signer, project, lambda: GateOverridden(override=made, envelope=""))
    return made


def end_override(
    access: Access, signer: Signer, project: str, gate: Gate, *, user: str, reason: str, now: datetime
) -> None:
    """Record that *user* ends the override of *gate* that is in force at *now* (UTC): models must pass it again.

    Raises:
        AuthorityError: *user* is no steward of a dataset that the project reads, or *reason* is empty.
        UnknownId: no override of the gate is in force.
    """
    _require_steward(access, project, user)
    ended = GateOverrideEnded(project=project, gate=gate, by=user, reason=as_reason(reason), envelope="")
    overrides = Overrides(access.ledger, access.verifier)

    def end() -> GateOverrideEnded:
        held = [each.gate for each in overrides.in_force(project, now=now)]
        if gate not in held:
            remedy = f"In force: {', '.join(held) or 'none'}."
            raise UnknownId(f"an override of {project} that is ended is in force", value=gate, remedy=remedy)
        return ended

    _append(access.ledger, signer, project, end)


def _require_steward(access: Access, project: str, user: str) -> None:
    stewards = stewards_of_project(access, project)
    if user not in stewards:
        remedy = f"Ask {', '.join(stewards)}." if stewards else "Run a night of the project first: it asks for access."
        rule = f"{project}: only a steward of its data overrides a gate, or ends that"
        raise AuthorityError(rule, value=user, remedy=remedy)


def _append(
    ledger: Ledger, signer: Signer, project: str, decide: Callable[[], GateOverridden | GateOverrideEnded]
) -> None:
    """Sign what *decide* makes of the stream as it stands, for its next place."""
    stream = streams.override(project)
    for _ in range(ATTEMPTS):
        version = ledger.version(stream)
        if ledger.offer(stream, signed(decide(), signer, position=version + 1), expected_version=version):
            return
    raise crowded(stream)
