"""The recipe across its champions: the series of judged days drawn, its newest figures, and who was champion when."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from include.core.records import DayOfSeries
from include.retraining.helped import RetrainingEffect, RetrainingEffects
from include.runtime.server.pages.drift_charts import Chart, ChartEvent, Series, chart
from include.runtime.server.pages.drift_watches import ProjectWatches

#: The newest figures are means of this many judged days.
NEWEST_DAYS = 28
#: This many champions, the last ones, stand in the list.
LISTED = 10


@dataclass(frozen=True, kw_only=True)
class HeadlineFigure:
    """A figure in large, and what it means. ``style`` is its class in the style sheet."""

    name: str
    value: str
    meaning: str
    style: str = ""


@dataclass(frozen=True, kw_only=True)
class TenureFigures:
    """A stay in force, from ``since`` on; ``skill`` and ``loss`` are means of the days that were judged in it."""

    version: int
    since: date
    how: str
    days: int
    skill: float | None
    loss: float | None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """``tenures`` counts all that ``champions`` shows the last of, ``helped`` all of whose last ``retrainings`` are."""

    figures: tuple[HeadlineFigure, ...]
    charts: tuple[Chart, ...]
    champions: tuple[TenureFigures, ...]
    tenures: int
    helped: RetrainingEffects
    retrainings: tuple[RetrainingEffect, ...]


def recipe_of(watched: ProjectWatches, helped: RetrainingEffects) -> Recipe:
    return Recipe(
        figures=_figures(watched),
        charts=_charts(watched),
        champions=_champions(watched),
        tenures=len(watched.tenures),
        helped=helped,
        retrainings=tuple(reversed(helped.retrainings[-LISTED:])),
    )


def newest(days: Iterable[DayOfSeries]) -> Sequence[DayOfSeries]:
    """The last of *days* (sorted) that have figures."""
    return [day for day in days if day.loss is not None][-NEWEST_DAYS:]


def mean_skill(days: Iterable[DayOfSeries]) -> float | None:
    """That of the newest of *days* (sorted); ``None``: none of them has one."""
    return means(newest(days))["skill"]


def means(days: Sequence[DayOfSeries]) -> Mapping[str, float | None]:
    """The mean of each figure over those of *days* that have it; each day counts once."""
    names = ("skill", "loss", "constant_loss", "mean_score", "mean_label")
    found = {name: [value for day in days if (value := getattr(day, name)) is not None] for name in names}
    return {name: sum(values) / len(values) if values else None for name, values in found.items()}


def _judged(watched: ProjectWatches) -> list[DayOfSeries]:
    return [day for _, day in sorted(watched.days.items()) if day.loss is not None]


def _figures(watched: ProjectWatches) -> tuple[HeadlineFigure, ...]:
    days = _judged(watched)
    last = newest(days)
    if not last:
        return ()
    mean, stretch = means(last), f"mean of the {len(last)} days to {last[-1].day}"
    skill, constant, score, label = (mean[name] for name in ("skill", "constant_loss", "mean_score", "mean_label"))
    told = []
    if skill is not None:
        meaning = "knows more than the base rate alone" if skill > 0 else "knows no more than the base rate alone"
        meaning += _usual(watched)
        told.append(
            HeadlineFigure(name="Skill", value=f"{skill:+.4f}", meaning=meaning, style="" if skill > 0 else "bad")
        )
    beside = "" if constant is None else f"the base rate alone: {constant:.4f}; "
    told.append(HeadlineFigure(name="Loss", value=f"{mean['loss']:.4f}", meaning=f"{beside}{stretch}"))
    if score is not None and label is not None:
        meaning = f"{score:.4f} predicted, {label:.4f} came"
        told.append(HeadlineFigure(name="Calibration gap", value=f"{score - label:+.4f}", meaning=meaning))
    by = len({day.champion for day in days})
    meaning = f"each once, by {by} champion{'' if by == 1 else 's'}"
    return (*told, HeadlineFigure(name="Judged days", value=str(len(days)), meaning=meaning))


def _usual(watched: ProjectWatches) -> str:
    figures = watched.verdicts[-1].verdict.figures if watched.verdicts else {}
    if "skill_score" in figures:
        names = ("skill_score", "usual_skill_score", "tolerated_skill_score")
        score, usual, tolerated = (figures[name] for name in names)
        return f"; skill score {score:.1%}: {usual:.1%} is usual, down to {tolerated:.1%} is tolerated"
    if "usual_skill" not in figures or "tolerated_skill" not in figures:
        return ""
    return f"; {figures['usual_skill']:+.4f} is usual, down to {figures['tolerated_skill']:+.4f} is tolerated"


def _charts(watched: ProjectWatches) -> tuple[Chart, ...]:
    changes = [each.since.date() for each in watched.tenures]
    drawn = partial(chart, figures=_judged(watched), events=_events(watched), changes=changes)
    skill = drawn(
        "Skill",
        [Series(name="skill", style="a", of=lambda day: day.skill)],
        note="By how much the loss lies below that of the base rate of the days before. At 0 the model knows no more "
        "than that.",
        zero=True,
    )
    loss = drawn(
        "Loss",
        [
            Series(name="loss", style="a", of=lambda day: day.loss),
            Series(name="expected by the model", style="b", of=lambda day: day.expected_loss),
            Series(name="the base rate alone", style="c", of=lambda day: day.constant_loss),
        ],
        note="Lower is better. What the model expects of itself rises where it is less sure; what the base rate alone "
        "would lose says how hard the days were.",
    )
    calibration = drawn(
        "Calibration",
        [
            Series(name="predicted", style="a", of=lambda day: day.mean_score),
            Series(name="came", style="b", of=lambda day: day.mean_label),
        ],
        note="The mean of what was predicted, and of what came: they should lie upon each other.",
    )
    return tuple(each for each in (skill, loss, calibration) if each is not None)


def _events(watched: ProjectWatches) -> list[ChartEvent]:
    asked = [
        ChartEvent(
            day=each.ask.instant.date(),
            text=f"retraining {each.outcome.value if each.outcome else 'in flight'}",
            style="retraining",
        )
        for each in watched.known.retrainings
    ]
    back = [
        ChartEvent(day=each.since.date(), text=f"back to version {each.version.number}", style="rollback")
        for each in watched.tenures
        if each.change.rollback is not None
    ]
    last = watched.verdicts[-1].verdict if watched.verdicts else None
    began = [ChartEvent(day=last.began, text="the change began", style="began")] if last and last.began else []
    return [*asked, *back, *began]


def _champions(watched: ProjectWatches) -> tuple[TenureFigures, ...]:
    """The last of them first."""
    days, told, until = _judged(watched), list[TenureFigures](), date.max
    for tenure in reversed(watched.tenures[-LISTED:]):
        first = tenure is watched.tenures[0]  # days from before it are judged by it too
        version, since = tenure.version.number, tenure.since.date()
        own = [each for each in days if each.champion == version and (first or each.day >= since) and each.day < until]
        mean, rollback = means(own), tenure.change.rollback
        told.append(
            TenureFigures(
                version=version,
                since=since,
                how=rollback.in_words() if rollback is not None else "promoted",
                days=len(own),
                skill=mean["skill"],
                loss=mean["loss"],
            )
        )
        until = since
    return tuple(told)
