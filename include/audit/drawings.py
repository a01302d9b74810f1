"""The drawings of a passport: SVG of what its tables say, and of nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 14, 12, 30

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Line:
    """Points, joined or not. ``style`` is its class in the style sheet."""

    style: str
    points: tuple[Point, ...]
    joined: bool = True

    @property
    def path(self) -> str:
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A mark on a scale: where, in the drawing's units, and what it says."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A drawing beside the ``table`` of a ``section``. ``told`` says what it shows, for who does not see it."""

    section: str
    table: str
    told: str
    across: str
    lines: tuple[Line, ...]
    x_marks: tuple[Mark, ...]
    y_marks: tuple[Mark, ...]


def drawings_of(document: Mapping[str, Any]) -> tuple[Drawing, ...]:
    """What can be drawn of a passport's *document*."""
    makers: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], Drawing | None]] = {
        ("search", "Trials"): _trials,
        ("performance", "Calibration"): _calibration,
        ("performance", "Holdout by day"): lambda table: _days("performance", table),
        ("since", "Judged days"): lambda table: _days("since", table),
    }
    found = []
    for section in document["sections"]:
        for table in section["tables"]:
            make = makers.get((section["id"], table["title"]))
            if make is not None and table["rows"] and (drawn := make(table)) is not None:
                found.append(drawn)
    return tuple(found)


def _column(table: Mapping[str, Any], name: str) -> list[Any]:
    place = table["columns"].index(name)
    cells = (row["cells"][place] for row in table["rows"])
    return [None if cell is None else cell["value"] for cell in cells]


def _trials(table: Mapping[str, Any]) -> Drawing | None:
    losses, chosen = _column(table, "loss by rung"), _column(table, "chosen")
    curves = [
        ([(float(rung), loss) for rung, loss in enumerate(each, start=1)], bool(best))
        for each, best in zip(losses, chosen, strict=True)
        if each
    ]
    if not curves:
        return None
    curves.sort(key=lambda curve: curve[1])
    rungs = max(len(points) for points, _ in curves)
    return _drawing(
        "search",
        "Trials",
        f"the validation loss of {len(curves)} trials by rung, the chosen one emphasised",
        "rung",
        [(points, "chosen" if best else "other", True) for points, best in curves],
        [(float(rung), str(rung)) for rung in range(1, rungs + 1)],
    )


def _calibration(table: Mapping[str, Any]) -> Drawing | None:
    scores, labels = _column(table, "mean score"), _column(table, "mean label")
    points = [(x, y) for x, y in zip(scores, labels, strict=True) if x is not None and y is not None]
    if len(points) < 2:
        return None
    ends = (min(min(point) for point in points), max(max(point) for point in points))
    marks = [(value, f"{value:.3g}") for value in (ends[0], sum(ends) / 2, ends[1])]
    lines = [([(ends[0], ends[0]), (ends[1], ends[1])], "even", True), (points, "chosen", False)]
    return _drawing(
        "performance",
        "Calibration",
        "mean label over mean prediction, by groups of predictions; on the line both are equal",
        "mean prediction",
        lines,
        marks,
    )


def _days(section: str, table: Mapping[str, Any]) -> Drawing | None:
    days = _column(table, "day")
    lines = []
    for name, style in (("constant loss", "even"), ("expected loss", "other"), ("loss", "chosen")):
        if name in table["columns"]:
            values = _column(table, name)
            points = [(float(place), value) for place, value in enumerate(values) if value is not None]
            lines.append((points, style, True))
    if not any(len(points) > 1 for points, _, _ in lines):
        return None
    places = sorted({0, len(days) // 2, len(days) - 1})
    beside = {"other": "what the model expected (thin)", "even": "the constant (dashed)"}
    drawn = " and ".join(
        words for style, words in beside.items() if any(points and each == style for points, each, _ in lines)
    )
    told = f"the loss by day from {days[0]} to {days[-1]}{f', beside {drawn}' if drawn else ''}"
    return _drawing(section, table["title"], told, "day", lines, [(float(place), days[place]) for place in places])


def _drawing(
    section: str,
    table: str,
    told: str,
    across: str,
    lines: Sequence[tuple[Sequence[Point], str, bool]],
    marks: Sequence[tuple[float, str]],
) -> Drawing:
    points = [point for some, _, _ in lines for point in some]
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    low, high = min(y for _, y in points), max(y for _, y in points)
    pad = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    low, high = low - pad, high + pad

    def across_at(x: float) -> float:
        return _LEFT + (x - left) / ((right - left) or 1.0) * (WIDTH - _LEFT - _RIGHT)

    def up_at(y: float) -> float:
        return _TOP + (high - y) / (high - low) * (HEIGHT - _TOP - _BOTTOM)

    return Drawing(
        section=section,
        table=table,
        told=told,
        across=across,
        lines=tuple(
            Line(style=style, points=tuple((across_at(x), up_at(y)) for x, y in some), joined=joined)
            for some, style, joined in lines
        ),
        x_marks=tuple(Mark(at=across_at(x), text=text) for x, text in marks),
        y_marks=tuple(
            Mark(at=up_at(low + (high - low) * part), text=f"{low + (high - low) * part:.3g}")
            for part in (0.1, 0.5, 0.9)
        ),
    )
