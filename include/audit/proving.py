"""Proofs of single events against the ledger's newest checkpoint, for whoever shows them to somebody else."""

from collections.abc import Sequence

from include.audit import tree as merkle
from include.audit.checkpoints import HISTORY, SignedCheckpoint, newest
from include.audit.comparison import published
from include.audit.places import Place
from include.audit.proofs import leaf_hash
from include.core.errors import LedgerError
from include.ledger import Ledger, leaves

#: To so many of the last checkpoints a proof is at hand.
_EARLIER = 100


class Proofs:
    """Proofs that a verifier checks with :mod:`include.audit.proofs` alone. Positions count from 1, as the ledger's.

    ``signed`` is the checkpoint that they lead to. Ten thousand proofs take a second.
    """

    def __init__(
        self, ledger: Ledger, signed: SignedCheckpoint, places: Sequence[Place], *, earlier: Sequence[int] = ()
    ) -> None:
        """*earlier* are the sizes that :meth:`consistency` is for. Raises LedgerError: the ledger is not *signed*."""
        self._ledger, self.signed, self._earlier = ledger, signed, earlier
        self._node = self._node_of(places)

    @classmethod
    def open(
        cls, ledger: Ledger, places: Sequence[Place], publics: Sequence[bytes], *, earlier: Sequence[int] = ()
    ) -> "Proofs | None":
        """Proofs against the newest checkpoint in *places*; ``None``: nothing was signed yet.

        It is shown to continue the first, the last ones before it, and those of the sizes *earlier*.

        Raises:
            LedgerError: it is not signed with one of *publics*, or the ledger does not agree with it.
            LedgerUnavailable: no place can be read.
        """
        found = newest(places, publics)
        if found is None:
            return None
        published = found[1].names(HISTORY)
        sizes = sorted({*(int(each) for each in published[:1] + published[-_EARLIER:]), *earlier})
        return cls(ledger, found[0], places, earlier=sizes)

    @property
    def checkpoint(self) -> str:
        """The note that says and signs it."""
        return str(self.signed.note)

    @property
    def size(self) -> int:
        """The last position that the checkpoint covers."""
        return self.signed.checkpoint.size

    def leaf(self, position: int) -> bytes:
        """The sealed bytes of the event at *position*, which the checkpoint covers.

        Raises:
            LedgerError: it does not, or the event is not the one that was signed.
        """
        self._require_covered(position, self.size)
        raw = self._ledger.examine(lambda transaction: leaves.raw(transaction, position))
        if raw is None or leaf_hash(raw) != self._node(0, position - 1):
            raise _altered(f"position {position} is not what the checkpoint of {self.signed.signed_at} covers")
        return raw

    def inclusion(self, position: int, size: int | None = None) -> list[bytes]:
        """The proof that the event at *position* stands there in the tree of *size*: that of the checkpoint, or less.

        Raises:
            LedgerError: that tree does not reach so far.
        """
        size = self.size if size is None else size
        self._require_covered(position, size)
        return merkle.inclusion(self._node, position - 1, size)

    def consistency(self) -> dict[int, list[bytes]]:
        """By the sizes of earlier checkpoints, the proofs that this one continues them."""
        return {size: self.between(size) for size in self._earlier if size < self.size}

    def between(self, old: int, new: int | None = None) -> list[bytes]:
        """The proof that the tree of *new* events (those of the checkpoint, or less) continues that of *old*.

        Raises:
            LedgerError: the checkpoint does not reach so far, or *old* is larger.
        """
        new = self.size if new is None else new
        if not 0 <= old <= new <= self.size:
            raise _altered(f"a proof from {old} to {new} events, where {self.size} are signed")
        return merkle.consistency(self._node, old, new)

    def _node_of(self, places: Sequence[Place]) -> merkle.Node:
        signed = self.signed.checkpoint
        found = published(places, signed)
        if found is not None:
            return found.node
        tree = merkle.Tree()
        tree.grow(self._ledger.examine(lambda transaction: leaves.hashes(transaction, until=signed.size)))
        if tree.size != signed.size or merkle.root(tree.node, tree.size) != signed.root:
            raise _altered(f"the ledger is not the one of the checkpoint of {self.signed.signed_at}")
        return tree.node

    def _require_covered(self, position: int, size: int) -> None:
        if not 1 <= position <= size <= self.size:
            raise LedgerError(
                "what is proved is covered by a checkpoint",
                value=f"position {position}, and {min(size, self.size)} are signed",
                remedy="Wait for the next checkpoint, half a minute while an authority runs, and ask again.",
            )


def _altered(found: str) -> LedgerError:
    return LedgerError(
        "the ledger continues what was signed of it", value=found, remedy="`./trainyard verify` names what is altered."
    )
