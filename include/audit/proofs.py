"""Proofs for somebody who trusts nobody: Merkle proofs, checkpoints, and the notes in which they are signed.

Hashes and proofs are those of RFC 9162 (section 2.1), checkpoints, notes and cosignatures those of C2SP
(``tlog-checkpoint``, ``signed-note``, ``tlog-cosignature``), with Ed25519.

This file imports nothing of its house, so that a verifier can contain it as it is: the standard library, and
``cryptography`` where a signature is checked.
"""

import base64
import binascii
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

HASH_BYTES = 32
#: The root of a tree without leaves.
EMPTY_ROOT = hashlib.sha256(b"").digest()

#: What kind of signature a key makes: of a note, or the cosignature of a checkpoint, which says when.
SIGNATURE, COSIGNATURE = 0x01, 0x04

_DASH = "\u2014 "
_KEY_ID_BYTES, _TIME_BYTES, _SIGNATURE_BYTES = 4, 8, 64
_MOST_SIGNATURES = 100


class ProofError(ValueError):
    """What was given proves nothing; the text says why."""


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || *data*)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || *left* || *right*)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Check that *leaf* (a hash) stands at *index* (from 0) of the tree of *size* leaves that has *root*.

    Raises:
        ProofError: *proof* does not show that.
    """
    if not 0 <= index < size:
        raise ProofError(f"a tree of {size} leaves has none at index {index}")
    first, last, found = index, size - 1, leaf
    for each in proof:
        if last == 0:
            raise ProofError("the inclusion proof is too long")
        if first & 1 or first == last:
            found = node_hash(each, found)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            found = node_hash(found, each)
        first, last = first >> 1, last >> 1
    if last or found != root:
        raise ProofError(f"the inclusion proof of index {index} does not lead to the root of size {size}")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Check that the tree of *new* leaves begins with that of *old* leaves, unchanged.

    Raises:
        ProofError: *proof* does not show that.
    """
    if not 0 <= old <= new:
        raise ProofError(f"a tree of {new} leaves does not continue one of {old}")
    if old in (0, new):
        if proof or old_root != (EMPTY_ROOT if old == 0 else new_root):
            raise ProofError(f"two trees of size {old} have one root, and need no proof")
        return
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    if not path or _led_to(path, old, new) != (old_root, new_root):
        raise ProofError(f"the tree of size {new} does not continue that of size {old}")


def _led_to(path: Sequence[bytes], old: int, new: int) -> tuple[bytes, bytes] | None:
    """The roots of both trees that a consistency proof, completed to *path*, leads to; ``None``: not of that length."""
    first, last = old - 1, new - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    before = after = path[0]
    for each in path[1:]:
        if last == 0:
            return None
        if first & 1 or first == last:
            before, after = node_hash(each, before), node_hash(each, after)
            while first and not first & 1:
                first, last = first >> 1, last >> 1
        else:
            after = node_hash(after, each)
        first, last = first >> 1, last >> 1
    return None if last else (before, after)


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A tree at a moment: which (``origin``), how many leaves, and its root."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        """The text that is signed."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """The checkpoint that *text* says.

        Raises:
            ProofError: it says none, or more than a checkpoint does.
        """
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0]:
            raise ProofError("a checkpoint has three lines: origin, size, root")
        origin, size, root = lines[:3]
        if not (size.isascii() and size.isdigit() and len(size) < 20) or str(int(size)) != size:
            raise ProofError("a checkpoint's size is a whole number")
        return cls(origin=origin, size=int(size), root=_decoded(root, HASH_BYTES, "a checkpoint's root"))


@dataclass(frozen=True, kw_only=True)
class NoteSignature:
    """A signature under a note, by the key of that ``name`` and ``key_id`` (4 bytes)."""

    name: str
    key_id: bytes
    signature: bytes

    @property
    def line(self) -> str:
        return f"{_DASH}{self.name} {base64.b64encode(self.key_id + self.signature).decode()}\n"


@dataclass(frozen=True, kw_only=True)
class Note:
    """A text and who signed it. Until :meth:`Key.signed` found a signature of a known key, it says nothing."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def __str__(self) -> str:
        """As it is written: :meth:`parse` reads the same again."""
        return f"{self.text}\n{''.join(each.line for each in self.signatures)}"

    @classmethod
    def parse(cls, written: str) -> "Note":
        """The note that is *written* there.

        Raises:
            ProofError: it is none.
        """
        if any(ord(each) < 0x20 and each != "\n" for each in written):
            raise ProofError("a signed note holds no control characters")
        text, blank, below = written.rpartition("\n\n")
        lines = below.split("\n")
        if not blank or lines.pop() or not 0 < len(lines) <= _MOST_SIGNATURES:
            raise ProofError("a signed note is a text, an empty line, and one line for each signature")
        return cls(text=f"{text}\n", signatures=tuple(map(_signature, lines)))

    @property
    def checkpoint(self) -> Checkpoint:
        """The checkpoint that the text says. Raises ProofError: it says none."""
        return Checkpoint.parse(self.text)

    def with_signatures(self, *more: NoteSignature) -> "Note":
        """This note with *more* signatures, each once."""
        return Note(text=self.text, signatures=tuple(dict.fromkeys((*self.signatures, *more))))


@dataclass(frozen=True, kw_only=True)
class Key:
    """The public key (32 bytes of Ed25519) of whoever signs as *name*, for one kind of signature."""

    name: str
    kind: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(f"{self.name}\n".encode() + bytes([self.kind]) + self.public).digest()[:_KEY_ID_BYTES]

    def __str__(self) -> str:
        """As verifiers are told of it: name, id, and kind with key, with a ``+`` between them."""
        encoded = base64.b64encode(bytes([self.kind]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{encoded}"

    @classmethod
    def parse(cls, text: str) -> "Key":
        """The key that *text* says.

        Raises:
            ProofError: it says none, or one of a kind that is not known.
        """
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        data = _decoded(encoded, 1 + HASH_BYTES, "a verifier's key")
        if not _is_name(name) or data[0] not in (SIGNATURE, COSIGNATURE):
            raise ProofError("a verifier's key is of Ed25519, and has a name")
        key = cls(name=name, kind=data[0], public=data[1:])
        if key.key_id.hex() != key_id:
            raise ProofError("a verifier's key has the id that it says")
        return key

    def of_kind(self, kind: int) -> "Key":
        """The same key of the same name, for another kind of signature."""
        return Key(name=self.name, kind=kind, public=self.public)

    def sign(self, text: str, sign: Callable[[bytes], bytes], *, time: int = 0) -> NoteSignature:
        """The signature of *text* that *sign* makes with our private key; a cosignature says *time* (POSIX seconds)."""
        stamp = time.to_bytes(_TIME_BYTES, "big") if self.kind == COSIGNATURE else b""
        return NoteSignature(name=self.name, key_id=self.key_id, signature=stamp + sign(self._signed(text, time)))

    def signed(self, note: Note) -> int | None:
        """When this key signed *note*, in POSIX seconds (0: a signature that does not say); ``None``: it did not.

        Raises:
            ProofError: a signature says that it is of this key, and is not.
        """
        for each in note.signatures:
            if (each.name, each.key_id) == (self.name, self.key_id):
                return self._verified(note.text, each.signature)
        return None

    def _verified(self, text: str, signature: bytes) -> int:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        stamp, signature = signature[:-_SIGNATURE_BYTES], signature[-_SIGNATURE_BYTES:]
        time = int.from_bytes(stamp, "big")
        if len(signature) != _SIGNATURE_BYTES or len(stamp) != (_TIME_BYTES if self.kind == COSIGNATURE else 0):
            raise ProofError(f"the signature of {self.name!r} has the length of one")
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, self._signed(text, time))
        except (InvalidSignature, ValueError):
            raise ProofError(f"the signature of {self.name!r} is not of this text and key") from None
        return time

    def _signed(self, text: str, time: int) -> bytes:
        header = f"cosignature/v1\ntime {time}\n" if self.kind == COSIGNATURE else ""
        return f"{header}{text}".encode()


def _signature(line: str) -> NoteSignature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    data = _decoded(encoded, None, "a note's signature")
    if not line.startswith(_DASH) or not _is_name(name) or len(data) <= _KEY_ID_BYTES:
        raise ProofError("a note's signature names its key, and is one")
    return NoteSignature(name=name, key_id=data[:_KEY_ID_BYTES], signature=data[_KEY_ID_BYTES:])


def _is_name(name: str) -> bool:
    return bool(name) and "+" not in name and not any(each.isspace() for each in name)


def _decoded(text: str, size_bytes: int | None, what: str) -> bytes:
    """The bytes of *text*, which has one spelling only."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ProofError(f"{what} is in base64") from None
    if size_bytes not in (None, len(data)) or base64.b64encode(data).decode() != text:
        raise ProofError(f"{what} is in base64, {size_bytes or 'some'} bytes")
    return data
