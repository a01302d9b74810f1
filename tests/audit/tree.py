"""A Merkle tree by the definitions of RFC 9162, section 2.1, and a checkpoint over it: what a verifier is held against.

Written by recursion as the text has it, and of no code of ours.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence

from include.governance.signing import Signer

ORIGIN = "trainyard.test/ledger"


def root_of(leaves: Sequence[bytes]) -> bytes:
    """MTH of 2.1.1."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    cut = _cut(len(leaves))
    return hashlib.sha256(b"\x01" + root_of(leaves[:cut]) + root_of(leaves[cut:])).digest()


def inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH of 2.1.3.1."""
    if len(leaves) == 1:
        return []
    cut = _cut(len(leaves))
    if index < cut:
        return [*inclusion(index, leaves[:cut]), root_of(leaves[cut:])]
    return [*inclusion(index - cut, leaves[cut:]), root_of(leaves[:cut])]


def consistency(size: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """PROOF and SUBPROOF of 2.1.4.1."""
    if size == len(leaves):
        return [] if whole else [root_of(leaves)]
    cut = _cut(len(leaves))
    if size <= cut:
        return [*consistency(size, leaves[:cut], whole=whole), root_of(leaves[cut:])]
    return [*consistency(size - cut, leaves[cut:], whole=False), root_of(leaves[:cut])]


def _cut(count: int) -> int:
    cut = 1
    while cut * 2 < count:
        cut *= 2
    return cut


class SignedTree:
    """All *leaves*, and a checkpoint that *signer* signed: what a passport takes its proofs from."""

    def __init__(self, leaves: Sequence[bytes], signer: Signer, *, earlier: Sequence[int] = ()) -> None:
        self._leaves, self._signer, self._earlier = leaves, signer, earlier

    @property
    def size(self) -> int:
        return len(self._leaves)

    @property
    def checkpoint(self) -> str:
        return note(self.size, root_of(self._leaves), self._signer)

    def inclusion(self, position: int) -> Sequence[bytes]:
        return inclusion(position - 1, self._leaves)

    def consistency(self) -> Mapping[int, Sequence[bytes]]:
        return {size: consistency(size, self._leaves) for size in self._earlier}


def note(size: int, root: bytes, signer: Signer, *, origin: str = ORIGIN) -> str:
    """A checkpoint of C2SP tlog-checkpoint, signed as signed-note says."""
    body = f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"
    return f"{body}\n{signature_line(origin, signer, body.encode())}"


def signature_line(name: str, signer: Signer, message: bytes, *, kind: bytes = b"\x01", before: bytes = b"") -> str:
    public = signer.verifier.public
    key_hash = hashlib.sha256(name.encode() + b"\n" + kind + public).digest()[:4]
    signed = bytes.fromhex(signer._signer.sign(message).signature)  # a note is no envelope
    return f"— {name} {base64.b64encode(key_hash + before + signed).decode()}\n"


def cosignature(name: str, signer: Signer, body: str, *, at: int) -> str:
    """A witness's line of C2SP tlog-cosignature."""
    message = f"cosignature/v1\ntime {at}\n{body}".encode()
    return signature_line(name, signer, message, kind=b"\x04", before=at.to_bytes(8, "big"))


def witness_key(name: str, signer: Signer) -> str:
    public = b"\x04" + signer.verifier.public
    key_hash = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    return f"{name}+{key_hash.hex()}+{base64.b64encode(public).decode()}"
