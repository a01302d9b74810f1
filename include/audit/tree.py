"""The Merkle tree of RFC 9162 (section 2.1), of any size up to that which it has grown to, and the proofs of it."""

import hashlib
from collections.abc import Callable

from include.audit.proofs import EMPTY_ROOT, HASH_BYTES, node_hash

#: The hash of the complete subtree of ``2 ** level`` leaves that is number ``index`` (from 0) of its level.
Node = Callable[[int, int], bytes]


class Tree:
    """All complete subtrees' hashes in memory. Growing by *n* leaves takes *n* hashes."""

    def __init__(self) -> None:
        self._levels = [bytearray()]

    #: So many leaves are known by a published tree alone.
    base = 0

    @property
    def size(self) -> int:
        return len(self._levels[0]) // HASH_BYTES

    def grow(self, leaves: bytes) -> None:
        """Append *leaves*, the hashes one after the other."""
        self._levels[0] += leaves
        for level, below in enumerate(self._levels):
            if level + 1 == len(self._levels):
                if len(below) < 2 * HASH_BYTES:
                    return
                self._levels.append(bytearray())
            above = self._levels[level + 1]
            pairs = bytes(below[2 * len(above) : len(below) // (2 * HASH_BYTES) * 2 * HASH_BYTES])
            above += hashed_in_pairs(pairs)

    def node(self, level: int, index: int) -> bytes:
        return bytes(self._levels[level][index * HASH_BYTES : (index + 1) * HASH_BYTES])

    def leaves(self) -> bytes:
        """The hashes of all leaves, one after the other."""
        return bytes(self._levels[0])


class GrownTree:
    """A tree whose first *size* leaves are known by *node* alone, and that *leaves* (hashes) were appended to."""

    def __init__(self, node: Node, size: int, leaves: bytes) -> None:
        self._below, self.base, self._leaves = node, size, leaves
        self._known: dict[tuple[int, int], bytes] = {}

    @property
    def size(self) -> int:
        return self.base + len(self._leaves) // HASH_BYTES

    def node(self, level: int, index: int) -> bytes:
        if (index + 1) << level <= self.base:
            return self._below(level, index)
        if level == 0:
            start = (index - self.base) * HASH_BYTES
            return self._leaves[start : start + HASH_BYTES]
        if (level, index) not in self._known:
            left, right = self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1)
            self._known[level, index] = node_hash(left, right)
        return self._known[level, index]

    def leaves(self) -> bytes:
        """The hashes of all leaves, one after the other."""
        return b"".join([*(self._below(0, index) for index in range(self.base)), self._leaves])


def hashed_in_pairs(hashes: bytes) -> bytes:
    """The level above *hashes*, an even number of them."""
    sha256 = hashlib.sha256
    step = 2 * HASH_BYTES
    return b"".join([sha256(b"\x01" + hashes[at : at + step]).digest() for at in range(0, len(hashes), step)])


def root(node: Node, size: int) -> bytes:
    """The root of the first *size* leaves."""
    return _of_range(node, 0, size) if size else EMPTY_ROOT


def inclusion(node: Node, index: int, size: int) -> list[bytes]:
    """The proof that the leaf at *index* (from 0) stands there in the tree of *size* leaves, which is larger."""
    start, stop, path = 0, size, list[bytes]()
    while stop - start > 1:
        middle = start + _split(stop - start)
        if index < middle:
            path.append(_of_range(node, middle, stop))
            stop = middle
        else:
            path.append(_of_range(node, start, middle))
            start = middle
    return path[::-1]


def consistency(node: Node, old: int, new: int) -> list[bytes]:
    """The proof that the tree of *new* leaves begins with that of *old* leaves, which are not more."""
    if old in (0, new):
        return []
    start, stop, path = 0, new, list[bytes]()
    while old != stop:
        middle = start + _split(stop - start)
        if old <= middle:
            path.append(_of_range(node, middle, stop))
            stop = middle
        else:
            path.append(_of_range(node, start, middle))
            start = middle
    if start:  # else the verifier has it: the root of the old tree
        path.append(_of_range(node, start, stop))
    return path[::-1]


def _of_range(node: Node, start: int, stop: int) -> bytes:
    """The hash of the leaves from *start* to before *stop*, a range that the recursion of the RFC comes to."""
    count = stop - start
    if count & (count - 1) == 0:
        return node(count.bit_length() - 1, start // count)
    middle = start + _split(count)
    return node_hash(_of_range(node, start, middle), _of_range(node, middle, stop))


def _split(count: int) -> int:
    """The largest power of two below *count*."""
    return 1 << ((count - 1).bit_length() - 1)
