"""``backtest``: what nights of earlier instants would have learnt, beside what a variant would have."""

from datetime import date
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table

from include.cli.console import bold, console, line
from include.cli.night import ProjectName, parse_instant, tell_note
from include.cli.notices import tell_people
from include.cli.signals import unwound_by_signals
from include.core.errors import AccessDenied
from include.core.project import Objective, Project
from include.core.records import Interval
from include.core.words import visible
from include.runtime.code.projects import load_project
from include.runtime.nights import backtest as runtime
from include.runtime.nights.backtest import Backtest
from include.settings import Settings
from include.steps.chain import BACKTEST


def backtest(
    project: ProjectName,
    origins: Annotated[int, typer.Option(min=1, help="How many instants, spread over the project's history.")] = 8,
    against: Annotated[
        str | None, typer.Option(help="Another project that predicts the same: does what it does otherwise help?")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="No origin after that day: the days from it on stay unseen, to decide on.")
    ] = None,
) -> None:
    """Train PROJECT as nights of earlier instants would have, and score each model on its holdout.

    Nothing is registered or promoted, and no night waits for it. What is known is not computed again.
    """
    settings = Settings.from_environment()
    declared = load_project(project, settings.projects)
    variant = load_project(against, settings.projects) if against is not None else None
    last = parse_instant(until).date() if until else None
    days = runtime.prepare(settings, declared, variant, count=origins, until=last)
    models = len(days) * (2 if variant else 1)
    told = f" of {days[0]} to {days[-1]}" if len(days) > 1 else f" of {days[0]}"
    console.print(line("backtest of ", bold(project), f": {models} models as nights{told} would have made them"))
    try:
        with unwound_by_signals(), Progress(console=console, transient=True) as bar:
            task = bar.add_task("", total=models * len(BACKTEST.steps))

            def on_step(name: str, day: "date", step: str, digest: str | None) -> None:
                if digest is None:
                    bar.update(task, description=visible(f"{name}, {day}: {step}"))
                else:
                    bar.advance(task)

            found = runtime.run_backtest(settings, declared, variant, days=days, on_step=on_step, on_note=tell_note)
    except AccessDenied:
        tell_people(settings, quietly=True)  # of what was asked for
        raise
    show(declared, variant, found)


def show(project: "Project", variant: "Project | None", found: Backtest) -> None:
    """A row an origin, and what may be said of all."""
    loss = "log loss" if project.learning.target.objective is Objective.BINARY else "mean absolute error"
    table = Table("origin", "held out", "days", project.name, title=f"{loss} of the holdout, each day counting once")
    if variant is not None:
        table.add_column(variant.name)
        table.add_column("difference")
    for origin in found.origins:
        held = f"{origin.own[0].day} to {origin.own[-1].day}"
        row = [str(origin.day), held, str(len(origin.own)), f"{origin.loss:.4f}"]
        if origin.other_loss is not None:
            row += [f"{origin.other_loss:.4f}", f"{origin.other_loss - origin.loss:+.4f}"]
        table.add_row(*row)
    console.print(table)
    days = sum(len(origin.own) for origin in found.origins)
    mean = sum(origin.loss * len(origin.own) for origin in found.origins) / days
    console.say(f"over {days} days, the {loss} of {project.name} is {mean:.4f}")
    if variant is not None:
        console.say(in_words(project.name, variant.name, found.difference))
    looks = f"{found.looks} backtested nights have looked at some of these days so far"
    console.say(f"{looks}: what is chosen by them looks better on them than it is")
    seen = max(origin.own[-1].day for origin in found.origins)
    console.say(f"so another recipe than the champion's is compared with it on days after {seen} at the earliest")


def in_words(project: str, variant: str, difference: "Interval | None") -> str:
    """Whether what *variant* does otherwise helps, as far as *difference* (variant minus project) can show."""
    if difference is None:
        return f"{variant}: one day shows nothing"
    bounds = f"between {difference.lower:+.4f} and {difference.upper:+.4f} (90 % interval, {difference.days} stretches)"
    if difference.upper < 0:
        return f"{variant} helps: its loss differs from that of {project} by {difference.estimate:+.4f}, {bounds}"
    if difference.lower > 0:
        return f"{variant} harms: its loss differs from that of {project} by {difference.estimate:+.4f}, {bounds}"
    return f"no difference is shown: {variant} minus {project} is {difference.estimate:+.4f}, {bounds}"
