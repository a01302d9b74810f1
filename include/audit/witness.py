"""A witness: it keeps the last checkpoint that it saw, and cosigns one that continues it, and no other.

It needs to read a place of checkpoints, and nothing else of the deployment: it belongs on another machine, with another
owner. The past that it cosigned is the only one that this ledger can ever show to whoever asks for its signature.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from include.audit import tree as merkle
from include.audit.checkpoints import LATEST, SignedCheckpoint, newest, verified
from include.audit.places import FolderPlace, Place
from include.audit.proofs import COSIGNATURE, Key, ProofError, verify_consistency
from include.audit.tiles import PublishedTree, TileMissing
from include.core.clocks import utc_now
from include.core.errors import LedgerError
from include.governance.signing import Signer, create_key

#: Its private key, in its own folder, beside the last checkpoint that it cosigned.
KEY_FILE = "witness.key"


class Witness:
    """Who cosigns the checkpoints in one place, under a *name* of its own; its memory is *folder*."""

    def __init__(
        self, folder: Path, name: str, publics: Sequence[bytes], *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        """*publics* are the keys of the ledger's authority, as somebody handed them over.

        Raises:
            AuthorityError: the key in *folder* cannot be made, or read by others.
        """
        create_key(folder / KEY_FILE)
        self._signer = Signer.load(folder / KEY_FILE)
        self._own, self._publics, self._clock = FolderPlace(folder), publics, clock
        self.key = Key(name=name, kind=COSIGNATURE, public=self._signer.verifier.public)

    def last(self) -> SignedCheckpoint | None:
        """The last checkpoint that it cosigned; ``None``: it saw none yet."""
        kept = self._own.read(LATEST)
        return None if kept is None else verified(kept, self._publics)

    def look(self, place: Place) -> SignedCheckpoint | None:
        """Cosign what *place* shows, if it continues what was cosigned before; ``None``: nothing is there.

        Raises:
            LedgerError: it does not, or is not signed by the ledger's authority: this ledger has two pasts.
            LedgerUnavailable: the place cannot be read.
        """
        found = newest([place], self._publics)
        if found is None:
            return None
        seen, last = found[0], self.last()
        if last is not None:
            self._require_continued(place, last, seen)
            if seen.checkpoint == last.checkpoint:
                return last
        mine = self.key.sign(seen.note.text, self._signer.signature, time=int(self._clock().timestamp()))
        note = seen.note.with_signatures(mine)
        self._own.replace(LATEST, str(note).encode())
        return SignedCheckpoint(note=note, checkpoint=seen.checkpoint, signed_at=seen.signed_at)

    def _require_continued(self, place: Place, last: SignedCheckpoint, seen: SignedCheckpoint) -> None:
        before, after = last.checkpoint, seen.checkpoint
        tree = PublishedTree(place.read, after.size)
        try:
            if before.origin != after.origin:
                raise ProofError(f"it is of another ledger, {after.origin}")
            proof = merkle.consistency(tree.node, before.size, after.size) if before.size <= after.size else []
            verify_consistency(before.size, after.size, before.root, after.root, proof)
        except (ProofError, TileMissing, IndexError) as error:
            raise LedgerError(
                f"a ledger continues the {before.size} events that {self.key.name} cosigned",
                value=f"{place.shown} shows {after.size} events: {error or type(error).__name__}",
                remedy="It is not cosigned. Keep both checkpoints: they prove that the ledger has two pasts.",
            ) from None
