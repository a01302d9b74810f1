"""How a version fits its holdout and what it goes by, drawn from recorded figures: the same figures, the same bytes.

SVG by hand: a plotting library takes a second of processor to import, and dates what it draws.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import accumulate
from math import ceil, floor, log10, sqrt

from include.core.project import Objective
from include.core.records import Fit, FitGroup

_SIDE, _LEFT, _TOP, _BOTTOM, _RIGHT = 320, 60, 40, 46, 20
#: This many groups are one point of the calibration; this many features are named.
_TOGETHER, _FEATURES = 4, 20
_INK, _SOFT, _BLUE = "#333333", "#bbbbbb", "#1f5fa8"

_Point = tuple[float, float]


def plots_of(name: str, fit: Fit | None, importance: Mapping[str, float]) -> Mapping[str, str]:
    """SVG by file name of the version *name*: calibration; ROC, or residuals of numbers; importance.

    Without *fit* (versions of before it was recorded), or where it has no groups, only the last.
    """
    drawn = {"importance.svg": _importance(name, importance)}
    if fit is not None and fit.groups:
        drawn["calibration.svg"] = _calibration(name, fit)
        if fit.objective is Objective.REGRESSION:
            drawn["residuals.svg"] = _residuals(name, fit)
        elif 0 < sum(group.rows * group.mean_label for group in fit.groups) < sum(group.rows for group in fit.groups):
            drawn["roc.svg"] = _roc(name, fit)
    return drawn


def _calibration(name: str, fit: Fit) -> str:
    parts = range(0, len(fit.groups), _TOGETHER)
    points = [_mean(fit.groups[first : first + _TOGETHER]) for first in parts]
    scale = _Scale.of([value for point in points for value in point])
    axes = _Axes(title=f"Calibration of {name}", across="mean prediction", up="mean label", x=scale, y=scale)
    ideal = axes.line([(scale.low, scale.low), (scale.high, scale.high)], dashed=True)
    return axes.drawn([ideal, axes.line(points), *axes.dots(points)], _about(fit))


def _roc(name: str, fit: Fit) -> str:
    falling = fit.groups[::-1]
    positive = [0.0, *accumulate(group.rows * group.mean_label for group in falling)]
    negative = [0.0, *accumulate(group.rows * (1 - group.mean_label) for group in falling)]
    points = [(no / negative[-1], yes / positive[-1]) for no, yes in zip(negative, positive, strict=True)]
    unit = _Scale(low=0.0, high=1.0)
    axes = _Axes(title=f"ROC of {name}", across="false positive rate", up="true positive rate", x=unit, y=unit)
    chance = axes.line([(0.0, 0.0), (1.0, 1.0)], dashed=True)
    return axes.drawn([chance, axes.line(points)], _about(fit))


def _residuals(name: str, fit: Fit) -> str:
    middle = [(group.mean_score, group.mean_label - group.mean_score) for group in fit.groups]
    spread = [sqrt(group.mean_squared_error) for group in fit.groups]
    upper = [(x, far) for (x, _), far in zip(middle, spread, strict=True)]
    lower = [(x, -far) for x, far in upper]
    x, y = _Scale.of([x for x, _ in middle]), _Scale.of([each for _, each in (*middle, *upper, *lower)])
    axes = _Axes(
        title=f"Residuals of {name}",
        across="mean prediction",
        up="label minus prediction: mean, root mean square",
        x=x,
        y=y,
    )
    nothing = axes.line([(x.low, 0.0), (x.high, 0.0)], dashed=True)
    marks = [nothing, axes.line(upper, soft=True), axes.line(lower, soft=True), axes.line(middle), *axes.dots(middle)]
    return axes.drawn(marks, _about(fit))


def _importance(name: str, importance: Mapping[str, float]) -> str:
    shown = sorted(importance.items(), key=lambda each: (-each[1], each[0]))[:_FEATURES]
    longest, left = max((share for _, share in shown), default=1.0) or 1.0, 200
    height = _TOP + 20 * len(shown) + 30
    marks = []
    for number, (feature, share) in enumerate(shown):
        top, width = _TOP + 20 * number, _SIDE * share / longest
        label = feature if len(feature) <= 30 else f"{feature[:29]}…"
        marks.append(_text(left - 6, top + 12, label, anchor="end"))
        marks.append(f'<rect x="{left}" y="{top + 2}" width="{width:.1f}" height="14" fill="{_BLUE}"/>')
        marks.append(_text(left + width + 6, top + 12, f"{share:.1%}"))
    marks.append(
        _text(left, height - 12, f"share of the gain of all splits, {len(shown)} of {len(importance)} features")
    )
    return _svg(left + _SIDE + 70, height, f"What {name} goes by", marks)


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """From ``low`` to ``high`` in steps that read well."""

    low: float
    high: float
    step: float = 0.25

    @classmethod
    def of(cls, values: Sequence[float]) -> "_Scale":
        low, high = min(values), max(values)
        width = max(high - low, 1e-6 * max(abs(low), abs(high))) or 1.0
        power = 10.0 ** floor(log10(width / 4))
        step = power * next(each for each in (1, 2, 5, 10) if power * each * 4 >= width)
        first = floor(low / step)
        return cls(low=first * step, high=max(ceil(high / step), first + 1) * step, step=step)

    @property
    def ticks(self) -> Sequence[float]:
        return [self.low + number * self.step for number in range(round((self.high - self.low) / self.step) + 1)]

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)


@dataclass(frozen=True, kw_only=True)
class _Axes:
    title: str
    across: str
    up: str
    x: _Scale
    y: _Scale

    def _at(self, point: _Point) -> str:
        x, y = _LEFT + _SIDE * self.x.share(point[0]), _TOP + _SIDE * (1 - self.y.share(point[1]))
        return f"{x:.1f},{y:.1f}"

    def line(self, points: Iterable[_Point], *, dashed: bool = False, soft: bool = False) -> str:
        dash = ' stroke-dasharray="4 4"' if dashed else ""
        colour = _SOFT if dashed or soft else _BLUE
        along = " ".join(self._at(point) for point in points)
        return f'<polyline points="{along}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'

    def dots(self, points: Iterable[_Point]) -> Iterable[str]:
        for x, y in (self._at(point).split(",") for point in points):
            yield f'<circle cx="{x}" cy="{y}" r="3" fill="{_BLUE}"/>'

    def drawn(self, marks: Iterable[str], about: str) -> str:
        bottom, right = _TOP + _SIDE, _LEFT + _SIDE
        frame = f'<rect x="{_LEFT}" y="{_TOP}" width="{_SIDE}" height="{_SIDE}" fill="none" stroke="{_SOFT}"/>'
        ticks = []
        for x in self.x.ticks:
            ticks.append(_text(_LEFT + self.x.share(x) * _SIDE, bottom + 14, f"{round(x, 9):g}", anchor="middle"))
        for y in self.y.ticks:
            ticks.append(_text(_LEFT - 6, bottom - self.y.share(y) * _SIDE + 4, f"{round(y, 9):g}", anchor="end"))
        middle = _TOP + _SIDE / 2
        up = f'<g transform="rotate(-90 14 {middle})">{_text(14, middle, self.up, anchor="middle")}</g>'
        across = _text(_LEFT + _SIDE / 2, bottom + 30, self.across, anchor="middle")
        told = _text(_LEFT, bottom + 48, about)
        return _svg(right + _RIGHT, bottom + _BOTTOM + 12, self.title, [frame, *ticks, up, across, *marks, told])


def _mean(groups: Sequence[FitGroup]) -> _Point:
    rows = sum(each.rows for each in groups)
    score = sum(each.rows * each.mean_score for each in groups)
    return score / rows, sum(each.rows * each.mean_label for each in groups) / rows


def _about(fit: Fit) -> str:
    return f"{sum(group.rows for group in fit.groups):,} rows of the holdout, {fit.days.first} to {fit.days.last}"


def _text(x: float, y: float, text: str, *, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{_INK}" font-size="11">{escape(text)}</text>'


def _svg(width: float, height: float, title: str, marks: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" font-family="sans-serif" role="img">'
        f"<title>{escape(title)}</title>"
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
        f'<text x="{width / 2:.1f}" y="24" text-anchor="middle" fill="{_INK}" font-size="14">{escape(title)}</text>'
        f"{''.join(marks)}</svg>\n"
    )
