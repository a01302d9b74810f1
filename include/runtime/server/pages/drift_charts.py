"""Lines over days as the points of an SVG: what the browser draws, worked out here."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from include.core.records import DAY, DayOfSeries

#: The drawing's size and what its scales take at the left, right, top and bottom, in its own units.
WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 18, 26
#: A line is the mean of this many days up to and with its own: single days are noise.
SMOOTH_DAYS = 7
#: So wide is the text beside a vertical line.
_TEXT_WIDTH = 130


@dataclass(frozen=True, kw_only=True)
class ChartLine:
    """One line. ``style`` is its class in the style sheet, ``points`` what ``<polyline>`` takes, a stretch each."""

    name: str
    style: str
    stretches: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark on a scale: where it stands (in the drawing's units) and what it says."""

    at: float
    text: str


@dataclass(frozen=True, kw_only=True)
class ChartEvent:
    """What happened on a day: a retraining, say. ``style`` is its class in the style sheet."""

    day: date
    text: str
    style: str


@dataclass(frozen=True, kw_only=True)
class EventMark:
    """An event as a vertical line. ``room``: its text fits beside it, where no other one stands."""

    at: float
    text: str
    style: str
    room: bool


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Lines over days. ``told`` says in a sentence what it shows, for who does not see it, ``note`` what it means.

    ``changes`` is the path of a small stroke for each day on which another champion came into force; ``zero`` is where
    a line stands for nothing gained, if it is drawn.
    """

    title: str
    note: str
    told: str
    lines: tuple[ChartLine, ...]
    days: tuple[Tick, ...]
    values: tuple[Tick, ...]
    marks: tuple[EventMark, ...]
    changes: str
    zero: float | None


@dataclass(frozen=True, kw_only=True)
class Series:
    """What a line shows of a day's figures."""

    name: str
    style: str
    of: Callable[[DayOfSeries], float | None]


def chart(
    title: str,
    series: Sequence[Series],
    figures: Sequence[DayOfSeries],
    *,
    note: str,
    events: Sequence[ChartEvent] = (),
    changes: Sequence[date] = (),
    zero: bool = False,
) -> Chart | None:
    """The *series* over all *figures* (one a day, sorted); ``None``: nothing to draw.

    Whatever happened before the first day is left out; *zero* keeps the line of 0 in sight.
    """
    smoothed = {one.name: _smoothed(figures, one.of) for one in series}
    values = [value for line in smoothed.values() for value in line.values()]
    if not values:
        return None
    days = [day for line in smoothed.values() for day in line]
    first = min(days)
    told = sorted((each for each in events if each.day >= first), key=lambda each: each.day)
    last = max([*days, *(each.day for each in told)])
    low, high = min([*values, 0.0] if zero else values), max([*values, 0.0] if zero else values)
    pad = (high - low) * 0.08 or abs(high) * 0.1 or 1.0
    low, high = low - pad, high + pad

    def x(day: date) -> float:
        return round(LEFT + (day - first).days / max((last - first).days, 1) * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM), 1)

    def drawn(one: Series) -> ChartLine:
        stretches = _stretches(smoothed[one.name])
        points = (" ".join(f"{x(day)},{y(value)}" for day, value in stretch) for stretch in stretches)
        return ChartLine(name=one.name, style=one.style, stretches=tuple(points))

    return Chart(
        title=title,
        note=note,
        told=_told(series, smoothed),
        lines=tuple(drawn(one) for one in series),
        days=tuple(Tick(at=x(day), text=f"{day:%-d %b}") for day in _some_days(first, last)),
        values=tuple(
            Tick(at=y(value), text=f"{value:.2f}") for value in (low + (high - low) * part for part in (0.1, 0.5, 0.9))
        ),
        marks=_marks([(x(each.day), each) for each in told]),
        changes="".join(f"M{x(day)} {HEIGHT - BOTTOM}v6" for day in sorted(set(changes)) if first <= day <= last),
        zero=y(0.0) if zero else None,
    )


def _marks(placed: Sequence[tuple[float, ChartEvent]]) -> tuple[EventMark, ...]:
    marks, free = list[EventMark](), 0.0
    for at, event in placed:
        room = at >= free
        free = at + _TEXT_WIDTH if room else free
        marks.append(EventMark(at=at, text=event.text, style=event.style, room=room))
    return tuple(marks)


def _smoothed(figures: Sequence[DayOfSeries], of: Callable[[DayOfSeries], float | None]) -> dict[date, float]:
    found = {each.day: value for each in figures if (value := of(each)) is not None}
    line = {}
    for day in found:
        near = [found[day - back * DAY] for back in range(SMOOTH_DAYS) if day - back * DAY in found]
        line[day] = sum(near) / len(near)
    return line


def _stretches(line: Mapping[date, float]) -> Iterator[list[tuple[date, float]]]:
    """The points of *line*, cut where days are missing."""
    stretch: list[tuple[date, float]] = []
    for day, value in sorted(line.items()):
        if stretch and day - stretch[-1][0] > DAY:
            yield stretch
            stretch = []
        stretch.append((day, value))
    if stretch:
        yield stretch


def _some_days(first: date, last: date) -> Iterator[date]:
    """The first of each month where there are enough of them, else about five days."""
    months = [day for offset in range((last - first).days + 1) if (day := first + offset * DAY).day == 1]
    if 2 <= len(months) <= 12:
        yield from months
        return
    step = max((last - first).days // 4, 1)
    yield from (first + offset * DAY for offset in range(0, (last - first).days + 1, step))


def _told(series: Sequence[Series], smoothed: Mapping[str, Mapping[date, float]]) -> str:
    parts = []
    for one in series:
        line = smoothed[one.name]
        if line:
            first, last = min(line), max(line)
            parts.append(f"{one.name} {line[first]:.3f} on {first}, {line[last]:.3f} on {last}")
    return "; ".join(parts)
