"""``watch``: champions on the days that came after them, and the retraining that these ask for."""

from typing import Annotated

import typer
from rich.table import Table

from include.cli.console import bold, console, line
from include.cli.night import Instant, ProjectName, parse_instant, shown_on
from include.cli.retention import keep_in_order
from include.cli.signals import unwound_by_signals
from include.cli.summary import show
from include.core.events import RetrainingAsked
from include.core.runs import RunKind, by_hand, run_id_of
from include.runtime.code.projects import load_project
from include.runtime.nights import watch as runtime
from include.runtime.nights.platform import declared_digest, open_platform
from include.runtime.nights.watch import WatchResult
from include.settings import Settings


def watch(
    project: ProjectName,
    instant: Instant = None,
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Run the training night that is asked for, here and now.")
    ] = False,
) -> None:
    """Judge PROJECT on the days that matured and were not judged yet, each by the champion before it, in this process.

    With --retrain and without an instant, a retraining that was asked for and is not done goes on instead.
    """
    settings = Settings.from_environment()
    declared = load_project(project, settings.projects)
    at = parse_instant(instant)
    name = run_id_of(RunKind.WATCH, by_hand(at, declared_digest(settings, declared)))
    ask = runtime.unfinished(open_platform(settings), project) if retrain and instant is None else None
    with unwound_by_signals(), console.status("") as status:
        display = shown_on(status)
        if ask is None:
            console.print(line("watch ", bold(name), " of ", bold(project), f" at {at:%Y-%m-%d %H:%M} UTC"))
            watched = runtime.run_watch(settings, declared, run_id=name, instant=at, display=display)
            _show(watched)
            ask = watched.answer if isinstance(watched.answer, RetrainingAsked) else None
        else:
            console.say(
                f"Retraining {ask.ask_id}, which {ask.run_id} asked for, is not done: it goes on. "
                "Name an --instant to watch instead."
            )
        if retrain and ask is not None:
            console.print(line("retraining ", bold(ask.ask_id), f" at {ask.instant:%Y-%m-%d %H:%M} UTC"))
            _, night = runtime.retrain(settings, declared, ask.ask_id, display=display)
            show(night)
    keep_in_order(settings)


def _show(watched: "WatchResult") -> None:
    if watched.alias:
        console.say(watched.alias)
    if watched.judged is None:
        console.say(watched.nothing)
        return
    judged, verdict = watched.judged, watched.judged.verdict
    table = Table("figure", "value", title=f"version {judged.model_version}: {verdict.state.value}")
    for name, value in verdict.figures.items():
        table.add_row(name, f"{value:.4f}")
    console.print(table)
    console.print(f"covers {judged.days.first} to {judged.days.last}")
    for told in watched.unjudged:
        console.say(told)
    for reason in verdict.reasons:
        console.say(f"  · {reason}")
    if verdict.guarantee:
        console.say(f"  · {verdict.guarantee}")
    if isinstance(watched.answer, RetrainingAsked):
        console.say(
            f"retraining {watched.answer.ask_id} is asked for: Airflow starts it within a quarter of an hour, "
            "`--retrain` here"
        )
    elif watched.answer is not None:
        console.say(f"no retraining: {watched.answer.reason}")
