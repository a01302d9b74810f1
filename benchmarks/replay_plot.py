"""The plots of the replay, as SVG that reads in both themes."""

from collections.abc import Sequence
from math import log1p
from pathlib import Path
from typing import Any

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 720, 400, 70, 50, 40
LETTER = 7.5
COLOURS = {"ours": "#c2410c", "ours, first scored": "#f59e0b", "never": "#6b7280", "every 4 weeks": "#2563eb"}
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#1f2937}rect.sheet{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#e5e7eb}rect.sheet{fill:#111827}}"
)


class Sheet:
    """An x and a y axis, and what is drawn between them."""

    def __init__(self, title: str, x: tuple[float, float, str], y: tuple[float, float, str]) -> None:
        self._x, self._y = x, y
        self._words: list[tuple[float, float, float]] = []
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">',
            f"<style>{_STYLE}</style>",
            f'<rect class="sheet" width="{WIDTH}" height="{HEIGHT}"/>',
            f'<text x="{LEFT}" y="22" font-weight="bold">{title}</text>',
            f'<text x="{WIDTH / 2}" y="{HEIGHT - 10}" text-anchor="middle">{x[2]}</text>',
        ]
        for step in range(6):
            value = y[0] + (y[1] - y[0]) * step / 5
            place = self.down(value)
            self._parts.append(f'<line x1="{LEFT}" x2="{WIDTH - 20}" y1="{place:.1f}" y2="{place:.1f}" '
                               'stroke="#9ca3af" stroke-width="0.5"/>')  # fmt: skip
            self.text(LEFT - 8, place + 4, f"{value:.4f}" if y[1] < 10 else f"{value:.0f}", anchor="end")

    def across(self, value: float) -> float:
        low, high, _ = self._x
        return LEFT + (value - low) / (high - low) * (WIDTH - 20 - LEFT)

    def down(self, value: float) -> float:
        low, high, _ = self._y
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP)

    def text(self, x: float, y: float, words: str, *, anchor: str = "start") -> None:
        self._parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>')

    def dot(self, x: float, y: float, words: str, colour: str, *, before: bool = False) -> None:
        """*words* lie to its right, or *before* it, and further down where others are."""
        self._parts.append(f'<circle cx="{self.across(x):.1f}" cy="{self.down(y):.1f}" r="5" fill="{colour}"/>')
        near = before or self.across(x) > WIDTH - 180
        across, down = self.across(x) + (-9 if near else 9), self.down(y) + 4
        start = across - (LETTER * len(words) if near else 0)
        end = start + LETTER * len(words)
        while words and any(start < last and first < end and abs(down - at) < 15 for first, last, at in self._words):
            down += 1
        self._words.append((start, end, down))
        self.text(across, down, words, anchor="end" if near else "start")

    def bar(self, x: float, low: float, high: float, colour: str) -> None:
        place = self.across(x)
        ends = f'y1="{self.down(low):.1f}" y2="{self.down(high):.1f}"'
        drawn = f'stroke="{colour}" stroke-width="9" opacity="0.3"'
        self._parts.append(f'<line x1="{place:.1f}" x2="{place:.1f}" {ends} {drawn}/>')

    def line(self, values: Sequence[float], colour: str) -> None:
        points = " ".join(f"{self.across(place):.1f},{self.down(value):.1f}" for place, value in enumerate(values))
        self._parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')

    def svg(self) -> str:
        return "\n".join([*self._parts, "</svg>"]) + "\n"


def write(found: dict[str, Any], folder: Path) -> None:
    """``replay.svg``: loss against retrainings. ``replay-weeks.svg``: loss week by week."""
    (folder / "replay.svg").write_text(_against_retrainings(found))
    (folder / "replay-weeks.svg").write_text(_by_week(found))


def _against_retrainings(found: dict[str, Any]) -> str:
    rules, random = found["rules"], found["random"]
    losses = [rule["log_loss"] for rule in rules] + [random["percentile_5"], random["percentile_95"]]
    most = log1p(max(rule["retrainings"] for rule in rules))
    room = (max(losses) - min(losses)) * 0.1
    sheet = Sheet(
        "Mean daily log loss, July to December 2013",
        (-most * 0.03, most * 1.05, "retrainings, on a logarithmic scale"),
        (min(losses) - room, max(losses) + room, "log loss"),
    )
    place = log1p(random["retrainings"])
    sheet.bar(place, random["percentile_5"], random["percentile_95"], "#9333ea")
    above = sheet.down(random["percentile_95"]) - 6
    sheet.text(sheet.across(place), above, "random schedules, 5 to 95 %", anchor="middle")
    for count in sorted({0, *(round(rule["retrainings"]) for rule in rules)}):
        sheet.text(sheet.across(log1p(count)), HEIGHT - 30, str(count), anchor="middle")
    for rule in sorted(rules, key=lambda rule: -float(rule["log_loss"])):
        colour = COLOURS.get(rule["rule"], "#059669")
        sheet.dot(
            log1p(rule["retrainings"]), rule["log_loss"], rule["rule"], colour, before=rule["rule"].startswith("ours")
        )
    return sheet.svg()


def _by_week(found: dict[str, Any]) -> str:
    series = found["weekly"]
    values = [value for each in series.values() for value in each]
    weeks = len(series["ours"])
    sheet = Sheet("Log loss by week from 1 July 2013", (0, weeks - 1, "week"), (min(values), max(values), "log loss"))
    for place, (name, each) in enumerate(series.items()):
        sheet.line(each, COLOURS[name])
        sheet.text(LEFT + 10 + 150 * place, TOP + 12, f'<tspan style="fill:{COLOURS[name]}">■</tspan> {name}')
    for week in range(0, weeks, 4):
        sheet.text(sheet.across(week), HEIGHT - 30, str(week + 1), anchor="middle")
    return sheet.svg()
