"""The walk over ledger, tree and checkpoints, from nothing: the first thing that is not as it was recorded is named."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from include.audit import tree as merkle
from include.audit.checkpoints import SignedCheckpoint
from include.audit.comparison import Comparison, Fault, published
from include.audit.places import Place
from include.audit.proofs import Checkpoint, leaf_hash
from include.audit.tiles import PublishedTree
from include.audit.tree import GrownTree, Tree
from include.core.errors import LedgerError
from include.ledger import Ledger, leaves, schema, soundness
from include.ledger.entry import header
from include.ledger.transaction import Transaction

#: What was recorded longer before it was signed was vouched for by nobody meanwhile.
LATE = timedelta(minutes=2)


@dataclass(frozen=True, kw_only=True)
class Outside:
    """A checkpoint that was kept where the ledger's operators cannot write: whatever is altered, it is not."""

    shown: str
    checkpoint: Checkpoint


@dataclass(frozen=True, kw_only=True)
class Late:
    """Events, from position ``first`` to ``last``, the first of which was signed long after it was recorded."""

    first: int
    last: int
    recorded_at: datetime
    signed_at: datetime


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What a walk found: of ``size`` events it ``read`` the last, and ``faults``, the first position first.

    ``signed`` is the newest checkpoint that the ledger agrees with, of ``checkpoints`` that were compared. ``outside``
    are the names of those from outside that it agrees with: without one, that all of it was replaced is not excluded.
    """

    size: int
    read: int
    root: bytes
    faults: tuple[Fault, ...]
    checkpoints: int
    signed: SignedCheckpoint | None
    outside: tuple[str, ...]
    late: tuple[Late, ...]


def verify(
    ledger: Ledger,
    places: Sequence[Place],
    publics: Sequence[bytes],
    *,
    outside: Sequence[Outside] = (),
    since: Checkpoint | None = None,
) -> Verification:
    """Walk the ledger, hold it against the checkpoints in *places*, signed with *publics*, and those from *outside*.

    Below *since*, a checkpoint that was verified before, no row is read again: its tree is taken from *places*.

    Raises:
        LedgerUnavailable: the database cannot be reached.
        LedgerError: no place has the tree of *since*.
    """
    base = _base(places, since)
    tree, walked, order = ledger.examine(lambda transaction: _walked(transaction, base))
    compared = Comparison(tree, places, publics, stopped=walked is not None)
    positions = [walked, *compared.all_published(), *(compared.of(each.checkpoint, each.shown) for each in outside)]
    faults = sorted(filter(None, positions), key=lambda fault: fault.position or tree.size + 1)
    faults += [Fault(text=text) for text in order]
    return Verification(
        size=tree.size,
        read=tree.size - (base.size if base else 0),
        root=merkle.root(tree.node, tree.size),
        faults=tuple(dict.fromkeys(faults)),
        checkpoints=compared.number,
        signed=compared.signed,
        outside=() if faults else tuple(each.shown for each in outside),
        late=tuple(ledger.examine(lambda transaction: list(_late(transaction, compared.signed_at)))),
    )


def _base(places: Sequence[Place], since: Checkpoint | None) -> PublishedTree | None:
    if since is None:
        return None
    found = published(places, since)
    if found is None:
        raise LedgerError(
            "what was verified before has its tree in a place of checkpoints",
            value=f"none has that of the first {since.size} events, with the root of then",
            remedy="Verify all of it, without --since.",
        )
    return found


def _walked(
    transaction: Transaction, base: PublishedTree | None
) -> tuple[Tree | GrownTree, Fault | None, tuple[str, ...]]:
    """The tree of the events as far as they are sound, the first that is not, and what is wrong with the order."""
    after = base.size if base else 0
    hashes, fault = _sound_leaves(transaction, after)
    if base is not None:
        missing = schema.missing_triggers(transaction.connection)
        return GrownTree(base.node, after, hashes), fault, tuple(map(soundness.no_trigger, missing))
    tree = Tree()
    tree.grow(hashes)
    return tree, fault, soundness.order_faults(transaction)


def _sound_leaves(transaction: Transaction, after: int) -> tuple[bytes, Fault | None]:
    """The leaf hashes of the events above position *after*, up to the first that is not what was recorded there."""
    found, versions, begun, place = list[bytes](), dict[str, int](), dict[str, int](), after
    for row in leaves.rows(transaction, after=after):
        place += 1
        stream, version = row[1], row[2]
        digest = _digest(row, place)
        if digest is None:
            return b"".join(found), _unsound(row, place)
        before = versions.get(stream)
        if before is None:
            begun[stream] = version
        elif version != before + 1:
            return b"".join(found), _moved(place, stream, before + 1, version)
        versions[stream] = version
        found.append(digest)
    return b"".join(found), _wrongly_begun(transaction, begun, after)


def _digest(row: leaves.Row, place: int) -> bytes | None:
    """The leaf hash of *row*, if that stands at *place*, and says in its columns what its sealed bytes do."""
    position, stream, _, kind, received, received_kind, version, key, recorded_at, raw, stored = row
    try:
        digest = leaf_hash(raw)  # type: ignore[arg-type]  # of a row that is missing all of this raises
        begins = header(received, received_kind, version, key, recorded_at)  # type: ignore[arg-type]
        sound = digest.hex() == stored and raw.startswith(begins)  # type: ignore[union-attr]
    except (TypeError, ValueError, AttributeError):
        return None
    return digest if sound and (position, stream, kind) == (place, received, received_kind) else None


def _unsound(row: leaves.Row, place: int) -> Fault:
    if row[0] != place:
        return Fault(text=f"position {place} is missing: the next that is there is {row[0]}", position=place)
    if row[9] is None:
        return Fault(text=f"position {place} has no event: its row in the inbox is missing", position=place)
    return Fault(text=f"position {place} is not what was recorded", position=place)


def _moved(place: int, stream: str, expected: int, version: int) -> Fault:
    text = f"position {place} was moved: it says version {version} of stream {stream!r}, expected {expected}"
    return Fault(text=text, position=place)


def _wrongly_begun(transaction: Transaction, begun: dict[str, int], after: int) -> Fault | None:
    """The first stream whose first version above position *after* does not follow those before it."""
    for stream, version in begun.items():
        expected = 1 + (leaves.version_at(transaction, stream, after) if after else 0)
        if version != expected:
            return Fault(text=f"stream {stream!r} goes on with version {version}, expected {expected}")
    return None


def _late(transaction: Transaction, signed_at: Sequence[tuple[int, datetime]]) -> Iterator[Late]:
    """The stretches between two checkpoints (sizes and times, in order) that were signed late."""
    for (size, before), (next_size, then) in pairwise(signed_at):
        if then - before > LATE:
            recorded_at = leaves.recorded_at(transaction, size + 1)
            if recorded_at is not None and then - recorded_at > LATE:
                yield Late(first=size + 1, last=next_size, recorded_at=recorded_at, signed_at=then)
