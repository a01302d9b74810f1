"""How a published tree lies: in tiles of 256 hashes, by the names of C2SP's ``tlog-tiles``; they make any node."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from include.audit.proofs import EMPTY_ROOT, HASH_BYTES, node_hash
from include.audit.tree import hashed_in_pairs

#: A full tile has so many hashes, each of a full tile below it: two to the power of its height.
WIDTH, HEIGHT = 256, 8

#: Reads what lies under a name; ``None``: nothing does.
Read = Callable[[str], bytes | None]


class TileMissing(LookupError):
    """A tile is not there, or has not as many hashes as it should have."""


@dataclass(frozen=True, kw_only=True)
class Tile:
    """Which hashes: number ``index * 256`` and the ``width - 1`` after it, each over 256 ** ``level`` leaves."""

    level: int
    index: int
    width: int

    @property
    def whole(self) -> str:
        """The name of the tile when it is full."""
        rest, groups = self.index, [f"{self.index % 1000:03}"]
        while rest >= 1000:
            rest //= 1000
            groups.append(f"x{rest % 1000:03}")
        return f"tile/{self.level}/{'/'.join(reversed(groups))}"

    @property
    def name(self) -> str:
        return self.whole if self.width == WIDTH else f"{self.partial}/{self.width}"

    @property
    def partial(self) -> str:
        """What the tile lies in until it is full, by its widths."""
        return f"{self.whole}.p"


def tiles_between(old: int, new: int) -> Iterator[Tile]:
    """The tiles of a tree of *new* leaves that one of *old* leaves has not."""
    level = 0
    while (before := old >> (HEIGHT * level)) < (after := new >> (HEIGHT * level)):
        for index in range(before // WIDTH, -(-after // WIDTH)):
            yield Tile(level=level, index=index, width=min(WIDTH, after - index * WIDTH))
        level += 1


def read_tile(read: Read, tile: Tile) -> bytes:
    """The hashes of *tile*; a partial one may lie there as the full one that it became.

    Raises:
        TileMissing: it does not lie there.
    """
    data = read(tile.name)
    if data is None and tile.width < WIDTH:
        data = (read(tile.whole) or b"")[: tile.width * HASH_BYTES]
    if data is None or len(data) != tile.width * HASH_BYTES:
        raise TileMissing(tile.name)
    return data


class PublishedTree:
    """The tree of *size* leaves as it lies in a place. Whoever asks compares its root with a signed one first."""

    def __init__(self, read: Read, size: int) -> None:
        self._read, self.size = read, size
        self._tiles: dict[tuple[int, int], bytes] = {}

    def node(self, level: int, index: int) -> bytes:
        """As :data:`~include.audit.tree.Node`. Raises TileMissing."""
        tile_level, height = divmod(level, HEIGHT)
        number, offset = divmod(index << height, WIDTH)
        hashes = self.hashes(tile_level, number)[offset * HASH_BYTES : (offset + (1 << height)) * HASH_BYTES]
        return _root_of_tile(hashes)

    def hashes(self, level: int, index: int) -> bytes:
        """What the tile holds. Raises TileMissing."""
        if (level, index) not in self._tiles:
            width = min(WIDTH, (self.size >> (HEIGHT * level)) - index * WIDTH)
            self._tiles[level, index] = read_tile(self._read, Tile(level=level, index=index, width=width))
        return self._tiles[level, index]

    def leaves(self) -> bytes:
        """All leaves' hashes, one after the other. Raises TileMissing."""
        return b"".join(self.hashes(0, index) for index in range(-(-self.size // WIDTH)))


class Edge:
    """The right edge of a tree: of each level the last tile, which is not full yet. It grows by a hash a leaf.

    ``full`` are the tiles that became full since it was loaded.
    """

    def __init__(self) -> None:
        self.size, self.last_leaf = 0, b""
        self.full: dict[Tile, bytes] = {}
        self._hashes: list[bytearray] = []
        self._filled: list[int] = []

    @classmethod
    def load(cls, read: Read, size: int) -> "Edge":
        """The edge of the published tree of *size* leaves. Raises TileMissing."""
        edge, level = cls(), 0
        while count := size >> (HEIGHT * level):
            filled, width = divmod(count, WIDTH)
            hashes = read_tile(read, Tile(level=level, index=filled, width=width)) if width else b""
            edge._hashes.append(bytearray(hashes))
            edge._filled.append(filled)
            level += 1
        edge.size = size
        if size:
            last = edge._hashes[0] or read_tile(read, Tile(level=0, index=edge._filled[0] - 1, width=WIDTH))
            edge.last_leaf = bytes(last[-HASH_BYTES:])
        return edge

    def grow(self, leaves: bytes) -> None:
        """Append *leaves*, the hashes one after the other."""
        if leaves:
            self.size += len(leaves) // HASH_BYTES
            self.last_leaf = leaves[-HASH_BYTES:]
            self._push(0, leaves)

    @property
    def root(self) -> bytes:
        found = b""
        for hashes in self._hashes:  # what is left over below stands to the right of what is complete above
            parts = [bytes(hashes[at : at + HASH_BYTES]) for at in range(0, len(hashes), HASH_BYTES)]
            parts += [found] if found else []
            found = _root_of(parts) if parts else found
        return found or EMPTY_ROOT

    def hashes(self, tile: Tile) -> bytes | None:
        """What *tile* of the tree as it is now holds; ``None``: it was full before the edge was loaded."""
        if tile.width == WIDTH:
            return self.full.get(tile)
        return bytes(self._hashes[tile.level])

    def _push(self, level: int, hashes: bytes) -> None:
        if level == len(self._hashes):
            self._hashes.append(bytearray())
            self._filled.append(0)
        edge, above, size_bytes = self._hashes[level], bytearray(), WIDTH * HASH_BYTES
        edge += hashes
        while len(edge) >= size_bytes:
            full = bytes(edge[:size_bytes])
            del edge[:size_bytes]
            self.full[Tile(level=level, index=self._filled[level], width=WIDTH)] = full
            self._filled[level] += 1
            above += _root_of_tile(full)
        if above:
            self._push(level + 1, bytes(above))


def _root_of_tile(hashes: bytes) -> bytes:
    while len(hashes) > HASH_BYTES:
        hashes = hashed_in_pairs(hashes)
    return hashes


def _root_of(parts: Sequence[bytes]) -> bytes:
    if len(parts) == 1:
        return parts[0]
    middle = 1 << ((len(parts) - 1).bit_length() - 1)
    return node_hash(_root_of(parts[:middle]), _root_of(parts[middle:]))
