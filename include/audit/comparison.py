"""A ledger's tree, held against checkpoints: whether it agrees with them, and where it parts from one."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from include.audit import tree as merkle
from include.audit.checkpoints import HISTORY, LATEST, SignedCheckpoint, origin_of, said_time, verified
from include.audit.places import Place
from include.audit.proofs import HASH_BYTES, Checkpoint, Note, ProofError
from include.audit.tiles import PublishedTree, TileMissing
from include.audit.tree import GrownTree, Tree


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is not as it was recorded, in a sentence; ``position`` is the first event that it is about, if one is."""

    text: str
    position: int | None = None


def published(places: Sequence[Place], checkpoint: Checkpoint) -> PublishedTree | None:
    """The tree of *checkpoint* as it lies in the first place that has it: with the root that was signed."""
    for place in places:
        tree = PublishedTree(place.read, checkpoint.size)
        try:
            if merkle.root(tree.node, checkpoint.size) == checkpoint.root:
                return tree
        except (TileMissing, OSError):
            continue
    return None


class Comparison:
    """Holds *tree* against checkpoints. *stopped*: it ends at an event that is unsound, and the ledger may go on.

    ``number`` counts the published ones that were compared, ``signed`` is the newest that the tree agrees with, and
    ``signed_at`` the sizes of the published ones with when they were signed, as they say.
    """

    def __init__(
        self, tree: Tree | GrownTree, places: Sequence[Place], publics: Sequence[bytes], *, stopped: bool
    ) -> None:
        self._tree, self._places, self._publics, self._stopped = tree, places, publics, stopped
        self._origin = origin_of(tree.node(0, 0)) if tree.size else ""
        self._agreed = tree.base
        self.number = 0
        self.signed: SignedCheckpoint | None = None
        self.signed_at: list[tuple[int, datetime]] = []

    def all_published(self) -> list[Fault]:
        """The first thing of each place that the ledger does not agree with."""
        return [fault for place in self._places if (fault := self._in(place)) is not None]

    def of(self, checkpoint: Checkpoint, shown: str) -> Fault | None:
        """Where the ledger parts from *checkpoint*; ``None``: it does not."""
        size = checkpoint.size
        if self._tree.size and checkpoint.origin != self._origin:
            text = f"{shown} is of another ledger, {checkpoint.origin}: this one begins as {self._origin}"
            return Fault(text=text, position=1)
        if size <= self._tree.size and merkle.root(self._tree.node, size) == checkpoint.root:
            self._agreed = max(self._agreed, size)
            return None
        return self._parting(checkpoint, shown)

    def _in(self, place: Place) -> Fault | None:
        first = place is self._places[0]
        try:
            for name, written in _notes(place, self._tree.base):
                if (fault := self._one(f"{place.shown}/{name}", written, listed=first)) is not None:
                    return fault
        except OSError as error:
            return Fault(text=f"{place.shown} cannot be read: {error}")
        return None

    def _one(self, shown: str, written: bytes, *, listed: bool) -> Fault | None:
        """What is wrong with a published checkpoint. Its signature is looked at where it is the newest, or differs."""
        try:
            note = Note.parse(written.decode())
            checkpoint = note.checkpoint
        except (ProofError, UnicodeDecodeError) as error:
            return Fault(text=f"{shown} is no checkpoint: {error}")
        fault, newest = self.of(checkpoint, shown), shown.endswith(f"/{LATEST}")
        self.number += not newest
        if fault is None and not newest:
            if listed:
                self.signed_at.append((checkpoint.size, datetime.fromtimestamp(said_time(note), UTC)))
            return None
        try:
            signed = verified(written, self._publics)
        except ProofError as error:
            return Fault(text=f"{shown} is not what the authority signed: {error}")
        if fault is None and (self.signed is None or checkpoint.size > self.signed.checkpoint.size):
            self.signed = signed
        return fault

    def _parting(self, checkpoint: Checkpoint, shown: str) -> Fault | None:
        have, tree = self._tree.size, published(self._places, checkpoint)
        if tree is None:
            if checkpoint.size > have:
                return None if self._stopped else _missing(have, checkpoint.size, shown)
            text = f"an event from position {self._agreed + 1} to {checkpoint.size} is not what {shown} covers"
            return Fault(text=text, position=self._agreed + 1)
        was, now = tree.leaves(), self._tree.leaves()[: checkpoint.size * HASH_BYTES]
        place = _first_difference(was, now)
        if place * HASH_BYTES >= len(now):
            return None if self._stopped else _missing(have, checkpoint.size, shown)
        text = f"position {place + 1} {_what_became(was, now, place)}: {shown} covers another event there"
        return Fault(text=text, position=place + 1)


def _notes(place: Place, base: int) -> Iterator[tuple[str, bytes]]:
    """The checkpoints in *place* from size *base* on, the smallest first; last the one that it calls its newest."""
    named = (each for each in place.names(HISTORY) if not each.isdigit() or int(each) >= base)
    for name in (*(f"{HISTORY}/{each}" for each in named), LATEST):
        written = place.read(name)
        if written is not None:
            yield name, written


def _missing(have: int, size: int, shown: str) -> Fault:
    text = f"positions {have + 1} to {size} are missing: the ledger ends at {have}, and {shown} covers {size} events"
    return Fault(text=text, position=have + 1)


def _first_difference(was: bytes, now: bytes) -> int:
    """The index of the first leaf that is another, or that only one of them has."""
    low, high = 0, min(len(was), len(now)) // HASH_BYTES
    while low < high:
        middle = (low + high + 1) // 2
        if was[: middle * HASH_BYTES] == now[: middle * HASH_BYTES]:
            low = middle
        else:
            high = middle - 1
    return low


def _what_became(was: bytes, now: bytes, place: int) -> str:
    """What happened to the event at index *place*, if that can be seen from the others."""
    moved_to, came_from = _index_of(now, _leaf(was, place)), _index_of(was, _leaf(now, place))
    if moved_to is not None and came_from is not None and _leaf(was, moved_to) == _leaf(now, place):
        return f"was swapped with position {moved_to + 1}"
    if moved_to is not None and came_from is None:
        return f"was inserted (the event of then stands at position {moved_to + 1})"
    if moved_to is None and came_from is not None:
        return f"was taken out (the event of position {came_from + 1} stands there)"
    return "is not what was recorded"


def _leaf(hashes: bytes, index: int) -> bytes:
    return hashes[index * HASH_BYTES : (index + 1) * HASH_BYTES]


def _index_of(hashes: bytes, leaf: bytes) -> int | None:
    at = hashes.find(leaf)
    while at != -1 and at % HASH_BYTES:
        at = hashes.find(leaf, at + 1)
    return None if at == -1 else at // HASH_BYTES
