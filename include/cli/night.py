"""``run`` and ``score``: the night by hand, and the champion at work."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.status import Status
from rich.table import Table

from include.cli.console import bold, console, line, styled
from include.cli.notices import show_decisions, tell_people
from include.cli.retention import keep_in_order
from include.cli.signals import unwound_by_signals
from include.contracts.files import ending_of
from include.core.addresses import without_credentials
from include.core.errors import AccessDenied, DeclarationError, TrainyardError
from include.core.project import Objective
from include.core.records import Evaluation, Interval, TrialState
from include.core.runs import by_hand
from include.ledger import Ledger
from include.ledger.costs import cost_of
from include.runtime.code.projects import load_project
from include.runtime.nights import local
from include.runtime.nights.instants import require_past
from include.runtime.nights.local import NightResult
from include.runtime.nights.platform import declared_digest
from include.runtime.nights.scoring import ScoringResult
from include.runtime.upkeep.lineage import deliver, set_aside
from include.settings import Settings

ProjectName = Annotated[str, typer.Argument(help="A folder under include/projects.")]
Instant = Annotated[
    str | None, typer.Option(help="What the data knew: YYYY-MM-DD or YYYY-MM-DDTHH:MM, UTC. Default: now.")
]


def run(
    project: ProjectName,
    instant: Instant = None,
) -> None:
    """Run one night of PROJECT in this process, without Airflow. A night that was interrupted goes on.

    However it ends, by Ctrl-C or SIGTERM too, the project's lease is given back.
    """
    settings = Settings.from_environment()
    declared = load_project(project, settings.projects)
    at = parse_instant(instant)
    name = by_hand(at, declared_digest(settings, declared))
    show_decisions(settings, project)
    console.print(line("night ", bold(name), " of ", bold(project), f" at {at:%Y-%m-%d %H:%M} UTC"))
    try:
        with unwound_by_signals(), console.status("") as status:
            night = local.run_night(
                settings,
                declared,
                run_id=name,
                instant=at,
                on_step=step_teller(status),
                on_note=tell_note,
                on_training=lambda progress: status.update(f"training: {progress.in_words()} …"),
            )
    except AccessDenied:
        tell_people(settings, quietly=True)  # of what was asked for
        raise
    show(night)
    if found := cost_of(Ledger.open(settings.ledger), night.run.project, night.run.run_id):
        console.say(f"the night took {found.in_words()}")
    _deliver(settings)
    tell_people(settings, quietly=True)
    keep_in_order(settings)


def step_teller(status: Status) -> local.Progress:
    """Shows on *status* the step that runs, and prints each that has ended."""

    def on_step(step: str, digest: str | None) -> None:
        if digest is None:
            status.update(f"{step} …")
        else:
            console.print(line("  ", styled("✓", "green"), f" {step:10} ", styled(digest[:19], "dim")))

    return on_step


def tell_note(what: str) -> None:
    """Print what training pods wait for and say."""
    console.say(styled(f"    {what}", "dim"))


def _deliver(settings: Settings) -> None:
    """Hand on the night's lineage. That it cannot be delivered now takes nothing from the night."""
    try:
        events = deliver(settings)
    except TrainyardError as error:
        console.say(f"lineage: {error}")
    else:
        console.say(f"lineage: {events} events delivered to {without_credentials(settings.lineage)}")
    for each in set_aside(settings):
        console.say(f"lineage: set aside: {each.in_words()}")


def show(night: "NightResult") -> None:
    """The summary that ends a night, to whoever iterates: what was learnt, and what was decided.

    Nothing of it is a figure of the holdout: whoever chose by these would have looked.
    """
    learnt, verdict = night.learnt, night.promotion.verdict
    _show_state(night)
    loss = "log loss" if learnt.objective is Objective.BINARY else "mean absolute error"
    told = "–" if learnt.trial.loss is None else f"{learnt.trial.loss:.4f}"
    console.say(
        f"  trial {learnt.number} was chosen: {loss} {told} on the validation days, {learnt.days.first} to "
        f"{learnt.days.last}, after {learnt.trial.rounds} rounds"
    )
    ended = ", ".join(f"{learnt.ended[state]} {state}" for state in TrialState if learnt.ended.get(state))
    console.say(f"  trials: {ended}")
    for warning in learnt.warnings:
        console.say(line("  ", styled("warning", "yellow"), f" {warning}"))
    for refusal in verdict.refusals:
        console.say(f"  · did not pass {refusal}")
    console.say(
        f"  · decided on the holdout, {night.evaluation.holdout.first} to {night.evaluation.holdout.last}, whose "
        "figures MLflow shows: what is chosen by them looks better on it than it is"
    )
    if verdict.promote and night.evaluation.champion is None:
        told = f"  · `./trainyard calibrate {night.run.project}` proposes a floor and limits of the watch from its days"
        console.say(told)
    _show_features(night)


def show_holdout(night: "NightResult") -> None:
    """How the model did on the holdout beside the champion before, and each gate's reason: for who does not iterate."""
    evaluation, promotion = night.evaluation, night.promotion
    _show_state(night)
    table = Table("holdout", f"version {promotion.version}", f"version {evaluation.champion or '-'} (champion before)")
    alike = evaluation.compared_metrics if evaluation.champion_metrics else evaluation.metrics
    for metric, value in alike.items():
        before = evaluation.champion_metrics.get(metric)
        table.add_row(metric, f"{value:.4f}", "–" if before is None else f"{before:.4f}")
    console.print(table)
    console.print(f"{evaluation.rows:,} rows, {evaluation.holdout.first} to {evaluation.holdout.last}")
    _show_slices(evaluation)
    for reason in promotion.verdict.reasons:
        console.say(f"  · {reason}")
    _show_features(night)


def _show_state(night: "NightResult") -> None:
    promotion = night.promotion
    left = "the champion stays" if night.evaluation.champion else "no version is champion"
    state = styled("champion", "green") if promotion.verdict.promote else f"candidate ({left})"
    console.print(line(f"\n{night.run.project} version {promotion.version}: ", state))


def _show_features(night: "NightResult") -> None:
    if features := night.features.removal_only:
        console.say(
            f"  · the past was checked by removing later values only, not by changing them, for {', '.join(features)}"
        )
    if features := night.features.rounded:
        console.say(f"  · models see float32, so integers from 2**24 on were rounded: {', '.join(features)}")


def _show_slices(evaluation: "Evaluation") -> None:
    """How the model does on each slice: its skill over the constant and its difference to the champion before."""
    for each in evaluation.slices:
        told = f"  {each.feature} {each.category}: {each.rows:,} rows, loss {each.loss:.4f}"
        told += f", skill over the constant {_bounds(each.skill)}" if each.skill else ""
        told += f", beside the champion before {_bounds(each.difference)}" if each.difference else ""
        console.say(told)


def _bounds(interval: "Interval") -> str:
    return f"{interval.estimate:+.4f} ({interval.lower:+.4f} to {interval.upper:+.4f})"


def score(
    project: ProjectName,
    file: Annotated[
        Path, typer.Argument(help="Parquet or CSV with the columns that PROJECT reads; outcomes optional.")
    ],
    output: Annotated[Path | None, typer.Option(help="Where to write the predictions (Parquet or CSV).")] = None,
    instant: Instant = None,
) -> None:
    """Score the rows of FILE with the champion of PROJECT, and say what in them the champion knows nothing of."""
    from include.runtime.nights.scoring import score_file

    settings = Settings.from_environment()
    declared = load_project(project, settings.projects)
    ending = ending_of(file)
    target = output or file.with_name(f"{file.name.removesuffix(ending)}.scored{ending}")
    scored = score_file(settings, declared, file, target, instant=parse_instant(instant) if instant else None)
    console.say(f"{scored.rows:,} predictions of {project} version {scored.version} written to {target}")
    for note in scored.notes:
        console.say(note)
    console.print(f"from what the data knew at {scored.instant:%Y-%m-%d %H:%M} UTC")
    if scored.ahead:
        console.say(
            f"{scored.ahead:,} rows are of later days: features see no other rows of these, so give all that there are"
        )
    for told in familiarity(scored):
        console.say(told)


def familiarity(scored: ScoringResult) -> Iterator[str]:
    """In which features the rows are unlike all that the version learnt from, a line each."""
    if not scored.unfamiliar:
        yield f"all rows are like those that version {scored.version} learnt from, feature by feature"
    for each in scored.unfamiliar:
        if each.nulls:
            yield f"{each.feature}: null in {each.nulls:,} of {scored.rows:,} rows, and in none of the training"
        if each.categories:
            yield (
                f"{each.feature}: a category in {each.categories:,} of {scored.rows:,} rows that the training did not "
                "have, or in few rows: it counts as missing"
            )
        if each.outside:
            yield f"{each.feature}: outside the range of the training in {each.outside:,} of {scored.rows:,} rows"


def parse_instant(text: str | None) -> datetime:
    """The UTC moment that *text* names; now if there is none.

    Raises:
        DeclarationError: it is no date and no time, or in the future.
    """
    now = datetime.now(UTC)
    if text is None:
        return now.replace(second=0, microsecond=0)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise DeclarationError(
            "an instant is a date or a time in UTC", value=text, remedy="Write 2013-07-01 or 2013-07-01T04:00."
        ) from None
    return require_past(moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC), now=now)
