"""A champion's features then and now, in the order of how much it uses them, each with what its figures mean."""

from dataclasses import dataclass

from include.core.records import FeatureDrift, LiveFigures, Shape
from include.monitoring.figures import LABEL, SCORE
from include.runtime.server.pages.drift_watches import ProjectWatches

#: The drawing of a small histogram.
BARS_WIDTH, BARS_HEIGHT = 132, 46
#: The part of a bin's width that stays free at each of its sides.
_GAP = 0.08
#: A distance above which a column's rows have little in common: what is usual above it says nothing.
_WILD = 1.0
_OUTCOMES = {
    SCORE: "what the model says: it is judged by its loss",
    LABEL: "what came: it is judged by calibration",
}


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bin of a small histogram, in its drawing's units: heights grow upwards from the bottom."""

    x: float
    width: float
    then: float
    now: float


@dataclass(frozen=True, kw_only=True)
class FeatureComparison:
    """A column then and now. ``meaning`` explains its distance; ``share`` of the model is its; ``None``: not known."""

    shape: Shape
    meaning: str
    drifted: bool
    share: float | None
    bars: tuple[Bar, ...]


@dataclass(frozen=True, kw_only=True)
class Features:
    """Those that were asked for by ``wanted`` of ``count`` columns. ``ranked``: how much the model uses each is known.

    ``version`` is the champion that they were judged for.
    """

    shown: tuple[FeatureComparison, ...] = ()
    count: int = 0
    wanted: str = ""
    ranked: bool = False
    version: int | None = None


def features_of(live: LiveFigures | None, watched: ProjectWatches, *, wanted: str) -> Features:
    """Score and label, then the features by their share of the model; where that is not recorded, by their drift."""
    if live is None:
        return Features()
    judged = watched.verdicts[-1]
    drifts = {each.feature: each for each in judged.verdict.inputs}
    shares = watched.importance.get(judged.model_version, {})
    moved = {name: place for place, name in enumerate(drifts)}

    def place(shape: Shape) -> tuple[int, float, int, str]:
        column = shape.column
        outcome = (SCORE, LABEL).index(column) if column in (SCORE, LABEL) else 2
        return outcome, -shares.get(column, 0.0), moved.get(column, len(moved)), column

    features = [
        FeatureComparison(
            shape=shape,
            meaning=_OUTCOMES.get(shape.column) or _meaning(drifts.get(shape.column)),
            drifted=shape.column in drifts and drifts[shape.column].drifted,
            share=None if shape.column in _OUTCOMES or not shares else shares.get(shape.column, 0.0),
            bars=_bars(shape),
        )
        for shape in sorted(live.shapes, key=place)
    ]
    asked = wanted.strip().lower()
    return Features(
        shown=tuple(each for each in features if asked in each.shape.column.lower()),
        count=len(features),
        wanted=wanted,
        ranked=bool(shares),
        version=judged.model_version,
    )


def _meaning(drift: FeatureDrift | None) -> str:
    if drift is None:
        return "not judged: it moves with the calendar"
    if drift.limit is None:
        return f"distance {drift.psi:.2f}; too few weeks before to say what is usual"
    if drift.drifted:
        times = f", {drift.psi / drift.limit:.1f} times that" if drift.limit > 0 else ""
        return f"moved: distance {drift.psi:.2f}, where up to {drift.limit:.2f} is usual for it{times}"
    if drift.limit > _WILD:
        return f"no two weeks of it are alike (distances up to {drift.limit:.1f} are usual): drift cannot be shown"
    return f"as usual: distance {drift.psi:.2f}, and up to {drift.limit:.2f} is usual for it"


def _bars(shape: Shape) -> tuple[Bar, ...]:
    top = max(*shape.then, *shape.now)
    step = BARS_WIDTH / len(shape.then)
    return tuple(
        Bar(
            x=round(place * step + step * _GAP, 2),
            width=round(step * (1 - 2 * _GAP), 2),
            then=round(then / top * BARS_HEIGHT, 1),
            now=round(now / top * BARS_HEIGHT, 1),
        )
        for place, (then, now) in enumerate(zip(shape.then, shape.now, strict=True))
    )
