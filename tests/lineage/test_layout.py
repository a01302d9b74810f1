"""A graph is placed in layers: what comes first stands above, nothing overlaps, and the same graph is placed alike."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from include.lineage.layout import Edge, place

GAP = 10.0


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[int], list[Edge]]:
    """Nodes 0…n-1 and edges from lower to higher numbers: no circles."""
    count = draw(st.integers(1, 14))
    pairs = [(upper, lower) for upper in range(count) for lower in range(upper + 1, count)]
    edges = draw(st.lists(st.sampled_from(pairs), max_size=30)) if pairs else []
    return list(range(count)), edges


@given(graphs())
def test_every_edge_leads_down_and_no_two_nodes_of_a_layer_overlap(graph: tuple[list[int], list[Edge]]) -> None:
    nodes, edges = graph
    widths = {node: 20.0 + 7 * node for node in nodes}
    placed = place(nodes, edges, widths, gap=GAP)
    assert sorted(node for layer in placed.layers for node in layer) == nodes
    assert all(placed.layers)
    layer_of = {node: index for index, layer in enumerate(placed.layers) for node in layer}
    for upper, lower in edges:
        assert layer_of[upper] < layer_of[lower]
        assert len(placed.paths[upper, lower]) == layer_of[lower] - layer_of[upper] + 1
        assert (placed.paths[upper, lower][0], placed.paths[upper, lower][-1]) == (placed.x[upper], placed.x[lower])
    for layer in placed.layers:
        for left, right in pairwise(layer):
            assert placed.x[right] - placed.x[left] >= (widths[left] + widths[right]) / 2 + GAP - 1e-6
    assert all(widths[node] / 2 <= placed.x[node] + 1e-6 for node in nodes)
    assert all(placed.x[node] + widths[node] / 2 <= placed.width + 1e-6 for node in nodes)


@given(graphs())
def test_the_same_graph_is_placed_alike(graph: tuple[list[int], list[Edge]]) -> None:
    nodes, edges = graph
    widths = {node: 30.0 for node in nodes}
    assert place(nodes, edges, widths, gap=GAP) == place(nodes, edges, widths, gap=GAP)


def test_a_source_of_a_late_step_stands_just_above_it() -> None:
    edges: list[Edge] = [("a", "b"), ("b", "c"), ("c", "d"), ("late", "d")]
    placed = place(["a", "b", "c", "d", "late"], edges, dict.fromkeys("abcd", 10.0) | {"late": 10.0}, gap=GAP)
    assert set(placed.layers[2]) == {"c", "late"}


def test_lines_that_can_do_without_crossing_do() -> None:
    edges: list[Edge] = [("a", "z"), ("b", "y"), ("c", "x")]
    placed = place(["a", "b", "c", "x", "y", "z"], edges, dict.fromkeys("abcxyz", 10.0), gap=GAP)
    upper = [placed.x[node] for node in "abc"]
    lower = [placed.x[node] for node in "zyx"]
    assert [sorted(upper).index(x) for x in upper] == [sorted(lower).index(x) for x in lower]


def test_edges_that_close_a_circle_are_left_out() -> None:
    placed = place(["a", "b"], [("a", "b"), ("b", "a")], {"a": 10.0, "b": 10.0}, gap=GAP)
    assert len(placed.layers) == 2
    assert len(placed.paths) == 1
