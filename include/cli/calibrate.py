"""``calibrate``: limits of a drift policy, proposed from the project's own days."""

from collections.abc import Iterator
from dataclasses import MISSING, fields
from datetime import date
from typing import Annotated

import typer

from include.cli.night import ProjectName
from include.cli.shown import Words
from include.core.project import DriftPolicy, SkillPolicy
from include.runtime.projects import load_project
from include.settings import Settings

console = Words()


def add_to(app: typer.Typer) -> None:
    app.command()(calibrate)


def calibrate(
    project: ProjectName,
    false_asks: Annotated[
        float, typer.Option(min=0.005, max=0.5, help="In which share of 180 nights it may ask though nothing changed.")
    ] = 0.05,
) -> None:
    """Propose the limits of PROJECT's drift policy from the days that its watch has judged, as a block to paste.

    Reads the ledger only, and changes nothing.
    """
    from include.ledger import Ledger
    from include.monitoring.calibration import proposed
    from include.steps.series import series_of

    settings = Settings.from_environment()
    declared = load_project(project, settings.projects).drift or DriftPolicy()
    found = proposed(declared, series_of(Ledger.open(settings.ledger), project), share=false_asks)
    told = (
        f"    # From {found.days} judged days, {found.first} to {found.last}: of stretches of 180 nights like these, "
        f"{found.false_asks:.1%} ask."
    )
    for text in (told, *_block(found.policy)):
        console.print(text, soft_wrap=True)


def _block(policy: DriftPolicy) -> Iterator[str]:
    yield "    drift=DriftPolicy("
    for name, value in _said(policy):
        if isinstance(value, SkillPolicy):
            value = f"SkillPolicy({', '.join(f'{inner}={_python(each)}' for inner, each in _said(value))})"
        else:
            value = _python(value)
        yield f"        {name}={value},"
    yield "    ),"


def _said(record: DriftPolicy | SkillPolicy) -> Iterator[tuple[str, object]]:
    """The fields that are not at their defaults."""
    for field in fields(record):
        value = getattr(record, field.name)
        if field.default is MISSING or value != field.default:
            yield field.name, value


def _python(value: object) -> str:
    if isinstance(value, date):
        return f"date({value.year}, {value.month}, {value.day})"
    return repr(value).replace("'", '"')
