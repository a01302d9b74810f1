"""``calibrate``: limits of a drift policy, proposed from the project's own days."""

from collections.abc import Iterator, Sequence
from dataclasses import MISSING, fields, replace
from datetime import date
from typing import Annotated

import typer

from include.cli.console import console
from include.cli.night import ProjectName
from include.core import streams
from include.core.events import HoldoutDaysRecorded
from include.core.project import DriftPolicy, Gates, Look, Project, SkillPolicy
from include.core.records import DayOfSeries, Evaluation
from include.ledger import Ledger
from include.retraining.series import series_of
from include.runtime.code.projects import load_project
from include.settings import Settings


def calibrate(
    project: ProjectName,
    false_asks: Annotated[
        float, typer.Option(min=0.005, max=0.5, help="In which share of 180 nights it may ask though nothing changed.")
    ] = 0.05,
) -> None:
    """Propose the limits of PROJECT's drift policy from the days that its watch has judged, as a block to paste.

    It belongs into `quality`. Before there are enough days, they come from the first evaluation's holdout, with a floor
    for the gates. Reads the ledger only, and changes nothing.
    """
    from include.monitoring.calibration import LEAST_DAYS

    settings = Settings.from_environment()
    declared = load_project(project, settings.projects)
    ledger = Ledger.open(settings.ledger)
    series = series_of(ledger, project)
    first = first_evaluated(ledger, project)
    if first is not None and sum(each.skill is not None for each in series) < LEAST_DAYS:
        lines = list(_started(declared, *first, share=false_asks))
    else:
        lines = list(_proposed(declared, series, share=false_asks))
    for text in (*_imports("\n".join(lines)), *lines):
        console.say(text)


def first_evaluated(ledger: "Ledger", project: str) -> "tuple[HoldoutDaysRecorded, Evaluation] | None":
    """The days of the first version's holdout, and its evaluation; ``None``: nobody recorded them yet."""
    from include.registry.authority import recorded_evaluation

    first = next(iter(ledger.events(streams.holdout(project), HoldoutDaysRecorded)), None)
    return None if first is None else (first, recorded_evaluation(ledger, project, first.evaluation))


def _started(
    declared: Project, days: "HoldoutDaysRecorded", evaluation: "Evaluation", *, share: float
) -> Iterator[str]:
    from include.monitoring.calibration import started

    found = started(declared.quality.drift or DriftPolicy(), days.figures, evaluation, share=share)
    yield (
        f"        # To start with, from the {found.days} days of the holdout of version {days.model_version}, "
        f"{found.first} to {found.last}."
    )
    yield "        # Calibrate again when the watch has judged 28 days."
    if found.floor_share is not None:
        yield from _block("gates", replace(declared.quality.gates, floor_share=found.floor_share))
    yield from _block("drift", found.policy)


def _proposed(declared: Project, series: "Sequence[DayOfSeries]", *, share: float) -> Iterator[str]:
    from include.monitoring.calibration import proposed

    found = proposed(declared.quality.drift or DriftPolicy(), series, share=share)
    yield (
        f"        # From {found.days} judged days, {found.first} to {found.last}: of stretches of 180 nights like "
        f"these, {found.false_asks:.1%} ask."
    )
    yield from _block("drift", found.policy)


def _imports(block: str) -> Iterator[str]:
    """What the block needs, for the head of the project's file."""
    if "date(" in block:
        yield "from datetime import date"
    names = [kind.__name__ for kind in (DriftPolicy, Gates, Look, SkillPolicy) if f"{kind.__name__}(" in block]
    yield f"from include.core.project import {', '.join(names)}"
    yield ""


def _block(name: str, record: DriftPolicy | Gates) -> Iterator[str]:
    yield f"        {name}={type(record).__name__}("
    for field, value in _said(record):
        if isinstance(value, SkillPolicy):
            value = f"SkillPolicy({', '.join(f'{inner}={_python(each)}' for inner, each in _said(value))})"
        else:
            value = _python(value)
        yield f"            {field}={value},"
    yield "        ),"


def _said(record: DriftPolicy | Gates | SkillPolicy) -> Iterator[tuple[str, object]]:
    """The fields that are not at their defaults."""
    for field in fields(record):
        value = getattr(record, field.name)
        if field.default is MISSING or value != field.default:
            yield field.name, value


def _python(value: object) -> str:
    if isinstance(value, date):
        return f"date({value.year}, {value.month}, {value.day})"
    return repr(value).replace("'", '"')
