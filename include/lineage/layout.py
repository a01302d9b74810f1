"""A directed graph placed in layers, top to bottom: what comes first stands above, and few lines cross.

After Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System Structures" (1981): layers by
the longest path, an order within each by barycentres, and positions that draw neighbours together. The same graph is
always placed alike.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Node = Hashable
Edge = tuple[Node, Node]

_ORDER_ROUNDS = 12
_PLACE_ROUNDS = 24

#: The room that a line takes where it passes a layer, in pixels, and how much more than a node it wants its place: a
#: long line is to be straight.
_LINE_WIDTH, _LINE_WEIGHT = 14.0, 8.0


@dataclass(frozen=True, kw_only=True)
class GraphLayout:
    """``layers`` from top to bottom. ``x`` is each node's centre, ``width`` that of all, in pixels from the left edge.

    ``paths`` are the x of each edge where it passes a layer, from its first to its last.
    """

    layers: tuple[tuple[Node, ...], ...]
    x: Mapping[Node, float]
    width: float
    paths: Mapping[Edge, tuple[float, ...]]


@dataclass(frozen=True)
class _Bend:
    """Where an edge passes a layer between its ends."""

    edge: Edge
    layer: int


def place(nodes: Sequence[Node], edges: Sequence[Edge], widths: Mapping[Node, float], *, gap: float) -> GraphLayout:
    """Place *nodes* of *widths* (pixels), *gap* between neighbours. Edges that close a circle are not followed."""
    layer_of = _layers(nodes, edges)
    edges = [edge for edge in dict.fromkeys(edges) if layer_of[edge[0]] < layer_of[edge[1]]]
    layers: list[list[Node]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    for node in nodes:
        layers[layer_of[node]].append(node)
    chains = {edge: _chain(edge, layer_of) for edge in edges}
    for chain in chains.values():
        for bend in chain[1:-1]:
            assert isinstance(bend, _Bend)  # noqa: S101  # only the ends are nodes
            layers[bend.layer].append(bend)
    above, below = _neighbours(pair for chain in chains.values() for pair in pairwise(chain))
    layers = _ordered(layers, above, below)
    sizes = {node: widths.get(node, _LINE_WIDTH) for layer in layers for node in layer}
    x = _positions(layers, above, below, sizes, gap)
    left = min((x[node] - sizes[node] / 2 for node in x), default=0.0)
    right = max((x[node] + sizes[node] / 2 for node in x), default=0.0)
    return GraphLayout(
        layers=tuple(tuple(node for node in layer if not isinstance(node, _Bend)) for layer in layers),
        x={node: x[node] - left for node in nodes},
        width=right - left,
        paths={edge: tuple(x[node] - left for node in chain) for edge, chain in chains.items()},
    )


def _neighbours(edges: Iterable[Edge]) -> tuple[dict[Node, list[Node]], dict[Node, list[Node]]]:
    """What stands above each node, and what below."""
    above: dict[Node, list[Node]] = defaultdict(list)
    below: dict[Node, list[Node]] = defaultdict(list)
    for upper, lower in edges:
        above[lower].append(upper)
        below[upper].append(lower)
    return above, below


def _layers(nodes: Sequence[Node], edges: Sequence[Edge]) -> dict[Node, int]:
    """For each node the length of the longest path that leads to it, or as far below that as what it leads to allows:
    a late step's sources stand just above it.
    """
    above, below = _neighbours(edges)
    found: dict[Node, int] = {}
    open_: set[Node] = set()
    order: list[Node] = []

    def depth(node: Node) -> int:
        if node not in found:
            open_.add(node)
            found[node] = max((depth(each) + 1 for each in above[node] if each not in open_), default=0)
            open_.discard(node)
            order.append(node)
        return found[node]

    for node in nodes:
        depth(node)
    for node in reversed(order):
        under = [found[each] for each in below[node] if found[each] > found[node]]
        if under:
            found[node] = min(under) - 1
    return found


def _chain(edge: Edge, layer_of: Mapping[Node, int]) -> list[Node]:
    upper, lower = edge
    return [upper, *(_Bend(edge, layer) for layer in range(layer_of[upper] + 1, layer_of[lower])), lower]


def _ordered(
    layers: list[list[Node]], above: Mapping[Node, list[Node]], below: Mapping[Node, list[Node]]
) -> list[list[Node]]:
    """The order with the fewest crossings that sweeping down and up by barycentres came by."""
    best, fewest = [list(layer) for layer in layers], _crossings(layers, below)
    for number in range(_ORDER_ROUNDS):
        downwards = number % 2 == 0
        neighbours = above if downwards else below
        for layer in layers[1:] if downwards else reversed(layers[:-1]):
            places = _places(layers)
            layer.sort(key=lambda node: _mean((places[each] for each in neighbours.get(node, ())), places[node]))
        crossings = _crossings(layers, below)
        if crossings < fewest:
            best, fewest = [list(layer) for layer in layers], crossings
    return best


def _places(layers: Iterable[Sequence[Node]]) -> dict[Node, float]:
    """Where each node stands in its layer, from 0 to 1, so that layers of other lengths compare."""
    return {node: (index + 0.5) / len(layer) for layer in layers for index, node in enumerate(layer)}


def _crossings(layers: Sequence[Sequence[Node]], below: Mapping[Node, list[Node]]) -> int:
    places = _places(layers)
    count = 0
    for layer in layers:
        lines = [(places[upper], places[lower]) for upper in layer for lower in below.get(upper, ())]
        count += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for index, a in enumerate(lines) for b in lines[index + 1 :])
    return count


def _positions(
    layers: Sequence[Sequence[Node]],
    above: Mapping[Node, list[Node]],
    below: Mapping[Node, list[Node]],
    sizes: Mapping[Node, float],
    gap: float,
) -> dict[Node, float]:
    """The centres: each node between its neighbours, as near as the order and the gaps allow."""
    x: dict[Node, float] = {}
    for layer in layers:
        offsets = _offsets(layer, sizes, gap)
        middle = offsets[-1] / 2 if offsets else 0.0
        x.update({node: offset - middle for node, offset in zip(layer, offsets, strict=True)})
    for number in range(_PLACE_ROUNDS):
        both = number >= _PLACE_ROUNDS - 4  # at the end each node settles between above and below
        downwards = number % 2 == 0
        for layer in layers if downwards else reversed(layers):
            wanted = [
                _mean(
                    (
                        x[each]
                        for side in ((above, below) if both else (above,) if downwards else (below,))
                        for each in side.get(node, ())
                    ),
                    x[node],
                )
                for node in layer
            ]
            weights = [_LINE_WEIGHT if isinstance(node, _Bend) else 1.0 for node in layer]
            x.update(zip(layer, _apart(wanted, _offsets(layer, sizes, gap), weights), strict=True))
    return x


def _offsets(layer: Sequence[Node], sizes: Mapping[Node, float], gap: float) -> list[float]:
    """Where the centres of *layer* would be, packed from 0 on."""
    offsets = [0.0] if layer else []
    for left, right in pairwise(layer):
        offsets.append(offsets[-1] + (sizes[left] + sizes[right]) / 2 + gap)
    return offsets


def _apart(wanted: Sequence[float], offsets: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The positions nearest to *wanted* (weighted least squares) that are as far apart as *offsets*.

    By pooling neighbours that would overlap (isotonic regression).
    """
    from scipy.optimize import isotonic_regression

    bases = isotonic_regression([want - offset for want, offset in zip(wanted, offsets, strict=True)], weights=weights)
    return [float(base + offset) for base, offset in zip(bases.x, offsets, strict=True)]


def _mean(values: Iterable[float], otherwise: float) -> float:
    found = list(values)
    return sum(found) / len(found) if found else otherwise
