"""The tree and its tiles are those of RFC 9162 and C2SP, of every size, however they have grown."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.audit import tree as merkle
from include.audit.proofs import EMPTY_ROOT, leaf_hash, verify_consistency, verify_inclusion
from include.audit.tiles import Edge, PublishedTree, Tile, TileMissing, read_tile, tiles_between
from include.audit.tree import GrownTree, Tree
from tests.audit import reference

MOST = 70_000
LEAVES = [leaf_hash(str(each).encode()) for each in range(600)]


def grown(*sizes: int) -> Tree:
    tree, last = Tree(), 0
    for size in sizes:
        tree.grow(b"".join(LEAVES[last:size]))
        last = size
    return tree


def published(*sizes: int) -> dict[str, bytes]:
    """All tiles that a place has after checkpoints of these sizes."""
    place: dict[str, bytes] = {}
    for old, new in pairwise((0, *sizes)):
        edge = Edge.load(place.get, old)
        edge.grow(b"".join(LEAVES[old:new]))
        for tile in tiles_between(old, new):
            hashes = edge.hashes(tile)
            place[tile.name] = read_tile(place.get, tile) if hashes is None else hashes
    return place


SIZES = st.lists(st.integers(1, len(LEAVES)), min_size=1, max_size=4, unique=True).map(sorted)


@given(SIZES)
def test_a_tree_has_the_roots_and_proofs_of_the_text_in_whatever_steps_it_grew(sizes: list[int]) -> None:
    tree, size = grown(*sizes), sizes[-1]
    root = reference.root(LEAVES[:size])
    assert merkle.root(tree.node, size) == root
    for old in {1, sizes[0], size}:
        proof = merkle.consistency(tree.node, old, size)
        assert proof == reference.proof(old, LEAVES[:size])
        verify_consistency(old, size, reference.root(LEAVES[:old]), root, proof)
        path = merkle.inclusion(tree.node, old - 1, size)
        assert path == reference.path(old - 1, LEAVES[:size])
        verify_inclusion(LEAVES[old - 1], old - 1, size, path, root)


@given(SIZES)
def test_a_published_tree_has_every_node_of_the_tree_and_its_edge_goes_on_with_the_same_root(sizes: list[int]) -> None:
    place, size = published(*sizes), sizes[-1]
    tree, whole = PublishedTree(place.get, size), grown(size)
    assert tree.leaves() == whole.leaves()
    for level in range(size.bit_length()):
        last = (size >> level) - 1
        assert tree.node(level, last) == whole.node(level, last)
    edge = Edge.load(place.get, size)
    assert (edge.root, edge.last_leaf, edge.size) == (reference.root(LEAVES[:size]), LEAVES[size - 1], size)


@given(SIZES)
def test_a_tree_goes_on_from_a_published_one_as_if_it_had_grown_itself(sizes: list[int]) -> None:
    base, size = sizes[0], sizes[-1]
    whole = grown(size)
    tree = GrownTree(PublishedTree(published(base).get, base).node, base, b"".join(LEAVES[base:size]))
    assert (tree.size, tree.leaves()) == (size, whole.leaves())
    for each in sizes:
        assert merkle.root(tree.node, each) == merkle.root(whole.node, each)


def test_growing_by_leaves_takes_a_hash_for_each(monkeypatch: pytest.MonkeyPatch) -> None:
    place, hashed = published(599), 0
    edge, inner = Edge.load(place.get, 599), merkle.hashed_in_pairs

    def counted(hashes: bytes) -> bytes:
        nonlocal hashed
        hashed += len(hashes) // 64
        return inner(hashes)

    monkeypatch.setattr("include.audit.tiles.hashed_in_pairs", counted)
    edge.grow(b"".join(LEAVES))
    assert edge.size == 1199
    assert hashed <= 600


def test_an_empty_tree_has_the_root_of_nothing() -> None:
    assert merkle.root(Tree().node, 0) == Edge().root == EMPTY_ROOT


@pytest.mark.parametrize(
    ("tile", "name"),
    [
        (Tile(level=0, index=0, width=256), "tile/0/000"),
        (Tile(level=1, index=999, width=256), "tile/1/999"),
        (Tile(level=0, index=1000, width=17), "tile/0/x001/000.p/17"),
        (Tile(level=2, index=1234067, width=1), "tile/2/x001/x234/067.p/1"),
    ],
)
def test_a_tile_is_named_as_c2sp_names_it(tile: Tile, name: str) -> None:
    assert tile.name == name


def test_the_tiles_of_a_tree_of_seventy_thousand_are_those_that_c2sp_lists() -> None:
    tiles = list(tiles_between(0, MOST))
    full = [sum(each.width == 256 for each in tiles if each.level == level) for level in range(3)]
    partial = [[each.width for each in tiles if each.level == level and each.width < 256] for level in range(3)]
    assert (full, partial) == ([273, 1, 0], [[112], [17], [1]])


def test_a_partial_tile_that_became_full_is_read_from_the_full_one() -> None:
    place = {name: data for name, data in published(300, 600).items() if ".p/" not in name}
    assert read_tile(place.get, Tile(level=0, index=1, width=44)) == b"".join(LEAVES[256:300])
    with pytest.raises(TileMissing, match=r"tile/0/002\.p/88"):
        read_tile(place.get, Tile(level=0, index=2, width=88))
