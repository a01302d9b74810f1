"""The one fold of access: what was asked and decided, where each request and grant stands, and what was adopted."""

from dataclasses import dataclass, field

from include.core import streams
from include.core.errors import UnknownId
from include.core.events import (
    AccessGranted,
    AccessLapsed,
    AccessRequested,
    AccessRevoked,
    ContractAdopted,
    Event,
    QuarantineLifted,
    RequestDenied,
)
from include.governance.claims import AdoptionClaim, proven_adoption
from include.governance.decisions import Decisions, Proof, place_of
from include.governance.signing import Verifier
from include.ledger import Entry

#: All that :func:`fold` looks at.
KINDS: tuple[type[Event], ...] = (
    AccessRequested,
    AccessGranted,
    RequestDenied,
    AccessLapsed,
    AccessRevoked,
    QuarantineLifted,
    ContractAdopted,
)


@dataclass(kw_only=True)
class AccessFold:
    """``decided`` by project and dataset, ``adoptions`` those proven of each dataset, oldest first.

    ``places`` says of a request or grant, by its kind and id, of which project and dataset it is: the first place of
    what is recorded twice.
    """

    verifier: Verifier
    decided: dict[tuple[str, str], Decisions] = field(default_factory=dict)
    adoptions: dict[str, list[AdoptionClaim]] = field(default_factory=dict)
    places: dict[tuple[type[Event], str], tuple[str, str]] = field(default_factory=dict)

    def of(self, project: str, dataset: str) -> Decisions:
        """What was asked and decided about one dataset of one project."""
        return self.decided.setdefault((project, dataset), Decisions(project=project, dataset=dataset))

    def adoption(self, dataset: str) -> AdoptionClaim | None:
        return next(reversed(self.adoptions.get(dataset, [])), None)

    def find(self, kind: type[AccessRequested | AccessGranted], name: str) -> Decisions:
        """All that was decided where the request or grant *name* stands.

        Raises:
            UnknownId: there is none.
        """
        place = self.places.get((kind, name))
        if place is None:
            raise unknown(kind, name)
        return self.decided[place]

    def take(self, entry: Entry) -> Proof | None:
        """Fold *entry* in; what vouches for it. ``None``: it stands where it does not belong, and does nothing."""
        event, stands = entry.event, entry.stream.split("/")
        if len(stands) == 3 and stands[0] == "access":  # access/<project>/<dataset>, whatever lies in it
            return self._decided(entry, *stands[1:])
        if not isinstance(event, ContractAdopted):
            return None
        dataset = streams.subject(entry.stream)
        adoption = proven_adoption(dataset, entry, self.verifier)
        if adoption is not None:
            self.adoptions.setdefault(dataset, []).append(adoption)
        return Proof.BROKEN if adoption is None else Proof.SIGNED

    def _decided(self, entry: Entry, project: str, dataset: str) -> Proof | None:
        event = entry.event
        proof, place = self.of(project, dataset).take(entry, self.verifier), place_of(entry)
        if place is not None and isinstance(event, AccessRequested | AccessGranted):
            name = event.request_id if isinstance(event, AccessRequested) else event.grant_id
            self.places.setdefault((type(event), name), place)
        return proof if place is not None else None


def fold(state: AccessFold, entry: Entry) -> AccessFold:
    state.take(entry)
    return state


def unknown(kind: type[Event], name: str) -> UnknownId:
    what = "request" if kind is AccessRequested else "grant"
    return UnknownId(f"there is a {what} of that id", value=name, remedy="List them: `./trainyard access list`.")
