"""A run's lineage as one self-contained SVG, for light and dark, and as plain lines."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from include.lineage.datasets import DatasetType
from include.lineage.graph import DatasetNode, Graph, Key, StepNode, with_shards_joined
from include.lineage.layout import Edge, GraphLayout, Node, place

_MARGIN = 32
_HEADER = 74
_BOX_HEIGHT = 58
_STEP_HEIGHT = 30
_LAYER_GAP = 46
_NODE_GAP = 22
#: An average letter's width in pixels: of titles (13 px, semibold), of what stands above and below, of digests.
_TITLE_LETTER, _SMALL_LETTER, _MONO_LETTER = 7.6, 6.3, 6.1
_LONGEST = 34

#: For each room of a name (what stands before its first slash) the words above its box, and its colour's number.
_ROOMS = {
    "production": ("production data", 1),
    "snapshot": ("snapshot", 2),
    "features": ("features", 3),
    "training": ("training data", 4),
    "trials": ("trials", 4),
    "model": ("model", 5),
    "registry": ("registered model", 5),
    "validation": ("validation report", 6),
    "evaluation": ("evaluation", 6),
    "reference": ("reference profile", 6),
    "scores": ("scores", 7),
    "drift": ("drift report", 6),
    "verdict": ("verdict", 6),
}

_STYLE = Path(__file__).with_name("drawing.css")


def svg_of(graph: Graph) -> str:
    """*graph* from production at the top to what it led to at the bottom, self-contained.

    Sizes are pixels. Whoever points at a box is shown its columns and its whole digest.
    """
    shown = with_shards_joined(graph)
    steps = {step.run_id: step for step in shown.steps}
    nodes: list[Node] = [*shown.datasets, *steps]
    edges: list[Edge] = [
        edge
        for step in shown.steps
        for edge in (*((key, step.run_id) for key in step.inputs), *((step.run_id, key) for key in step.outputs))
    ]
    widths: dict[Node, float] = {key: _box_width(node, shown.project) for key, node in shown.datasets.items()}
    widths |= {run_id: _step_width(step) for run_id, step in steps.items()}
    placed = place(nodes, edges, widths, gap=_NODE_GAP)
    middles = _middles(placed, steps)
    title = f"Lineage of {shown.project}"
    subtitle = f"run {shown.run}, from what the data knew at {datetime.fromisoformat(shown.instant):%Y-%m-%d %H:%M} UTC"
    width = max(placed.width, len(subtitle) * 7.0, 360) + 2 * _MARGIN
    left = (width - placed.width) / 2
    bottom = middles[-1] + _BOX_HEIGHT / 2 + _MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {bottom:.0f}" width="{width:.0f}" '
            f'height="{bottom:.0f}" role="img" aria-labelledby="title description">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="description">{escape(subtitle)}. {escape(" ".join(lines_of(graph)))}</desc>',
            f"<style>{_STYLE.read_text().strip()}</style>",
            f'<rect class="paper" width="{width:.0f}" height="{bottom:.0f}"/>',
            f'<text class="h1" x="{_MARGIN}" y="{_MARGIN + 8}">{escape(title)}</text>',
            f'<text class="sub" x="{_MARGIN}" y="{_MARGIN + 30}">{escape(subtitle)}</text>',
            *_lines(placed, middles, steps, left),
            *(_box(node, shown.project, placed.x[key] + left, middles, placed) for key, node in shown.datasets.items()),
            *(_pill(step, placed.x[run_id] + left, middles, placed) for run_id, step in steps.items()),
            "</svg>",
            "",
        ]
    )


def lines_of(graph: Graph) -> list[str]:
    """*graph* in words, a step a line, in the order of their times."""
    told = []
    for step in with_shards_joined(graph).steps:
        took = ", ".join(sorted(_short(key) for key in step.inputs))
        made = ", ".join(sorted(_short(key) for key in step.outputs))
        about = f" ({', '.join(step.details)})" if step.details else ""
        told.append(f"{step.name}{about}: {took} → {made}.")
    return told


# ── sizes and places ──────────────────────────────────────────────────────────────────────────────────────────────────


def _middles(placed: GraphLayout, steps: dict[str, StepNode]) -> list[float]:
    """The y of each layer's middle."""
    found: list[float] = []
    top = float(_HEADER + _MARGIN)
    for layer in placed.layers:
        height = _STEP_HEIGHT if all(node in steps for node in layer) else _BOX_HEIGHT
        found.append(top + height / 2)
        top += height + _LAYER_GAP
    return found


def _layer_of(node: Node, placed: GraphLayout) -> int:
    return next(index for index, layer in enumerate(placed.layers) if node in layer)


def _box_width(node: DatasetNode, project: str) -> float:
    above, title, below = _words(node, project)
    first = (len(above) + 3) * _SMALL_LETTER + len(_versions(node)) * _MONO_LETTER
    return max(first, len(title) * _TITLE_LETTER, len(below) * _SMALL_LETTER) + 30


def _step_width(step: StepNode) -> float:
    return len(_label(step)) * _TITLE_LETTER + 30


def _label(step: StepNode) -> str:
    return " · ".join([step.name, *step.details])


def _words(node: DatasetNode, project: str) -> tuple[str, str, str]:
    """What stands in a box: above, its title, and below."""
    room, *rest = node.name.split("/")
    above = _ROOMS.get(room, (room, 1))[0]
    parts = [part for part in rest if part != project] or [project]
    title = " ".join(parts)
    if room == "trials":
        title = f"{node.parts} shards" if node.parts > 1 else f"shard {title}"
    if room in {"registry", "reference"}:
        title = f"version {title}"
    known = [f"{node.rows:,} rows"] if node.rows is not None else []
    known += [f"{len(node.columns)} columns"] if node.columns and node.type is DatasetType.TABLE else []
    return above, title if len(title) <= _LONGEST else title[: _LONGEST - 1] + "…", " · ".join(known)


def _versions(node: DatasetNode) -> str:
    return _digest(node.version) if node.parts == 1 else f"{node.parts} digests"


def _digest(version: str) -> str:
    return version.removeprefix("sha256:")[:8]


def _short(key: Key) -> str:
    return f"{key[0]}@{_digest(key[1])}"


# ── shapes ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lines(placed: GraphLayout, middles: Sequence[float], steps: dict[str, StepNode], left: float) -> Iterator[str]:
    for (upper, lower), path in placed.paths.items():
        first = _layer_of(upper, placed)
        start = middles[first] + (_STEP_HEIGHT if upper in steps else _BOX_HEIGHT) / 2
        end = middles[first + len(path) - 1] - (_STEP_HEIGHT if lower in steps else _BOX_HEIGHT) / 2 - 6
        yield f'<path class="line" d="{_curve(path, middles, first, start, end, left)}"/>'
        x = path[-1] + left
        yield f'<path class="head" d="M{x - 4:.1f} {end - 1:.1f}h8l-4 7z"/>'


def _curve(path: Sequence[float], middles: Sequence[float], first: int, start: float, end: float, left: float) -> str:
    """Down from *start* to *end*, straight through the layers between, bent between them."""
    stations = [(path[0] + left, start, start)]
    for offset, x in enumerate(path[1:-1], 1):
        middle = middles[first + offset]
        stations.append((x + left, middle - _BOX_HEIGHT / 2, middle + _BOX_HEIGHT / 2))
    stations.append((path[-1] + left, end, end))
    drawn = [f"M{stations[0][0]:.1f} {start:.1f}"]
    for (x, _, leaves), (to_x, enters, then) in pairwise(stations):
        middle = (leaves + enters) / 2
        drawn.append(f"C{x:.1f} {middle:.1f} {to_x:.1f} {middle:.1f} {to_x:.1f} {enters:.1f}")
        if then > enters:
            drawn.append(f"V{then:.1f}")
    return "".join(drawn)


def _box(node: DatasetNode, project: str, x: float, middles: Sequence[float], placed: GraphLayout) -> str:
    above, title, below = _words(node, project)
    colour = _ROOMS.get(node.name.split("/")[0], ("", 1))[1]
    width = _box_width(node, project)
    left, top = x - width / 2, middles[_layer_of(node.key, placed)] - _BOX_HEIGHT / 2
    shift = 0 if below else 7
    pointed = "\n".join([f"{node.name}", node.version, *([", ".join(node.columns)] if node.columns else [])])
    return (
        f'<g class="node" aria-label={quoteattr(f"{above} {title}")}><title>{escape(pointed)}</title>'
        f'<rect class="box" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{_BOX_HEIGHT}" rx="7"/>'
        f'<rect class="c{colour}" x="{left:.1f}" y="{top + 8:.1f}" width="4" height="{_BOX_HEIGHT - 16}" rx="2"/>'
        f'<text class="room c{colour}" x="{left + 16:.1f}" y="{top + 17 + shift:.1f}">{escape(above)}</text>'
        f'<text class="digest" x="{left + width - 10:.1f}" y="{top + 17 + shift:.1f}">{escape(_versions(node))}</text>'
        f'<text class="title" x="{left + 16:.1f}" y="{top + 33 + shift:.1f}">{escape(title)}</text>'
        + (f'<text class="small" x="{left + 16:.1f}" y="{top + 48:.1f}">{escape(below)}</text>' if below else "")
        + "</g>"
    )


def _pill(step: StepNode, x: float, middles: Sequence[float], placed: GraphLayout) -> str:
    width = _step_width(step)
    left, middle = x - width / 2, middles[_layer_of(step.run_id, placed)]
    return (
        f'<g class="step"><title>{escape(step.name)}, {step.at:%Y-%m-%d %H:%M:%S} UTC</title>'
        f'<rect x="{left:.1f}" y="{middle - _STEP_HEIGHT / 2:.1f}" width="{width:.1f}" height="{_STEP_HEIGHT}" '
        f'rx="{_STEP_HEIGHT / 2}"/>'
        f'<text x="{x:.1f}" y="{middle + 4:.1f}">{escape(_label(step))}</text></g>'
    )
