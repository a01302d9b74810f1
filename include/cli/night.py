"""``run`` and ``score``: the night by hand, and the champion at work."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.status import Status

from include.cli.console import bold, console, line, styled
from include.cli.notices import show_decisions, tell_people
from include.cli.retention import keep_in_order
from include.cli.signals import unwound_by_signals
from include.cli.summary import show, show_sample
from include.contracts.files import ending_of
from include.core.addresses import without_credentials
from include.core.errors import AccessDenied, DeclarationError, TrainyardError
from include.core.project import Project
from include.core.runs import by_hand
from include.ledger import Ledger
from include.ledger.costs import cost_of
from include.runtime.code.projects import load_project
from include.runtime.nights import local
from include.runtime.nights.instants import require_past
from include.runtime.nights.platform import declared_digest
from include.runtime.nights.scoring import ScoringResult, score_file
from include.runtime.upkeep.lineage import deliver, set_aside
from include.settings import Settings

ProjectName = Annotated[str, typer.Argument(help="A folder under include/projects.")]
Instant = Annotated[
    str | None, typer.Option(help="What the data knew: YYYY-MM-DD or YYYY-MM-DDTHH:MM, UTC. Default: now.")
]


def run(
    project: ProjectName,
    instant: Instant = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Only try it: a few days and trials, beside nights; registers nothing.")
    ] = False,
    days: Annotated[int | None, typer.Option(min=3, help="With --sample: how many days. Default: 14.")] = None,
) -> None:
    """Run one night of PROJECT in this process, without Airflow. A night that was interrupted goes on.

    However it ends, by Ctrl-C or SIGTERM too, the project's lease is given back.
    """
    settings = Settings.from_environment()
    declared = load_project(project, settings.projects)
    at = parse_instant(instant)
    if sample:
        _try_out(settings, declared, at, days)
        return
    if days is not None:
        raise DeclarationError(
            "only a sample takes days of its own: a night learns from the project's window",
            value=f"--days {days}",
            remedy="Add `--sample`, or change `window` in the declaration.",
        )
    name = by_hand(at, declared_digest(settings, declared))
    show_decisions(settings, project)
    console.print(line("night ", bold(name), " of ", bold(project), f" at {at:%Y-%m-%d %H:%M} UTC"))
    try:
        with unwound_by_signals(), console.status("") as status:
            night = local.run_night(settings, declared, run_id=name, instant=at, display=shown_on(status))
    except AccessDenied:
        tell_people(settings, quietly=True)  # of what was asked for
        raise
    show(night)
    if found := cost_of(Ledger.open(settings.ledger), night.run.project, night.run.run_id):
        console.say(f"the night took {found.in_words()}")
    _deliver(settings)
    tell_people(settings, quietly=True)
    keep_in_order(settings)


def _try_out(settings: Settings, project: Project, at: datetime, days: int | None) -> None:
    from include.runtime.nights import sample as runtime

    before = f" before what a night of {at:%Y-%m-%d %H:%M} UTC holds out"
    console.print(line("sample of ", bold(project.name), before))
    try:
        with unwound_by_signals(), console.status("") as status:
            days = runtime.DAYS if days is None else days
            found = runtime.run_sample(settings, project, instant=at, days=days, display=shown_on(status))
    except AccessDenied:
        tell_people(settings, quietly=True)  # of what was asked for
        raise
    show_sample(found)


def shown_on(status: Status) -> local.Display:
    """Shows on *status* the step that runs and how far training is, and prints each step that has ended, and notes."""

    def on_step(step: str, digest: str | None) -> None:
        if digest is None:
            status.update(f"{step} …")
        else:
            console.print(line("  ", styled("✓", "green"), f" {step:10} ", styled(digest[:19], "dim")))

    return local.Display(
        step=on_step, note=tell_note, training=lambda progress: status.update(f"training: {progress.in_words()} …")
    )


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


def score(
    project: ProjectName,
    file: Annotated[
        Path, typer.Argument(help="Parquet or CSV with the columns that PROJECT reads; outcomes optional.")
    ],
    output: Annotated[Path | None, typer.Option(help="Where to write the predictions (Parquet or CSV).")] = None,
    instant: Instant = None,
) -> None:
    """Score the rows of FILE with the champion of PROJECT, and say what in them the champion knows nothing of."""
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
