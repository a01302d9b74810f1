"""``run``, ``explain``, ``score``: the night by hand, what it would do, and the champion at work."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.status import Status
from rich.table import Table

from include.core.addresses import without_credentials
from include.core.errors import DeclarationError, LedgerUnavailable
from include.core.project import Choice, FloatRange, IntRange, Project, Window
from include.runtime import local
from include.runtime.code import code_digest
from include.runtime.instants import require_past
from include.runtime.lineage import deliver
from include.runtime.projects import load_project
from include.settings import ROOT, Settings

if TYPE_CHECKING:
    from include.runtime.local import Night

ProjectName = Annotated[str, typer.Argument(help="A folder under include/projects.")]
Instant = Annotated[
    str | None, typer.Option(help="What the data knew: YYYY-MM-DD or YYYY-MM-DDTHH:MM, UTC. Default: now.")
]

console = Console()


def add_to(app: typer.Typer) -> None:
    app.command()(run)
    app.command()(explain)
    app.command()(score)


def run(
    project: ProjectName,
    instant: Instant = None,
) -> None:
    """Run one night of PROJECT in this process, without Airflow. A night that was interrupted goes on."""
    settings = Settings.from_environment()
    declared = load_project(project, settings.projects)
    at = parse_instant(instant)
    code = code_digest(ROOT / "include", settings.projects, project).removeprefix("sha256:")
    name = f"manual__{at:%Y-%m-%dT%H:%M}__{code[:8]}"
    with console.status("") as status:
        console.print(f"night [bold]{name}[/bold] of [bold]{project}[/bold] at {at:%Y-%m-%d %H:%M} UTC")
        night = local.run_night(
            settings, declared, run_id=name, instant=at, on_step=step_teller(status), on_note=tell_note
        )
    show(night)
    _deliver(settings)


def step_teller(status: Status) -> local.Progress:
    """Shows on *status* the step that runs, and prints each that has ended."""

    def on_step(step: str, digest: str | None) -> None:
        if digest is None:
            status.update(f"{step} …")
        else:
            console.print(f"  [green]✓[/green] {step:10} [dim]{digest[:19]}[/dim]")

    return on_step


def tell_note(what: str) -> None:
    """Print what training pods wait for and say."""
    console.print(f"    [dim]{escape(what)}[/dim]", soft_wrap=True, highlight=False)


def _deliver(settings: Settings) -> None:
    """Hand on the night's lineage. That it cannot be delivered now takes nothing from the night."""
    try:
        events = deliver(settings)
    except LedgerUnavailable as error:
        console.print(f"lineage: {error}", soft_wrap=True, markup=False)
    else:
        console.print(
            f"lineage: {events} events delivered to {without_credentials(settings.lineage)}",
            soft_wrap=True,
            markup=False,
        )


def show(night: "Night") -> None:
    """The summary that ends a night: version, decision, metrics beside the champion's, reasons."""
    evaluation, promotion = night.evaluation, night.promotion
    state = "[green]champion[/green]" if promotion.verdict.promote else "candidate (the champion stays)"
    console.print(f"\n{night.run.project} version {promotion.version}: {state}")
    table = Table("holdout", f"version {promotion.version}", f"version {evaluation.champion or '-'} (champion before)")
    alike = evaluation.compared_metrics if evaluation.champion_metrics else evaluation.metrics
    for metric, value in alike.items():
        before = evaluation.champion_metrics.get(metric)
        table.add_row(metric, f"{value:.4f}", "–" if before is None else f"{before:.4f}")
    console.print(table)
    console.print(f"{evaluation.rows:,} rows, {evaluation.holdout.first} to {evaluation.holdout.last}")
    for reason in promotion.verdict.reasons:
        console.print(f"  · {reason}", markup=False)
    if features := night.features.removal_only:
        told = (
            f"  · the past was checked by removing later values only, not by changing them, for {', '.join(features)}"
        )
        console.print(told, markup=False, soft_wrap=True)


def explain(project: ProjectName) -> None:
    """Show what a night of PROJECT would read, build and search, and warn of leaks that show already. Reads no data."""
    from include import lineage
    from include.contracts import load_folder
    from include.lineage.late import late_reads

    settings = Settings.from_environment()
    declared = load_project(project, settings.projects)
    contracts = load_folder(settings.contracts)
    console.print(f"[bold]{declared.name}[/bold] · {escape(declared.owner)}\n{escape(declared.purpose)}\n")
    reads = Table("dataset", "days back", "columns read", "treatment", "approved by", title="reads")
    for dataset in lineage.scope_of(declared, contracts).datasets:
        treated = ", ".join(f"{name}: {how}" for name, how in dataset.columns if how.value != "clear") or "all clear"
        reads.add_row(
            dataset.dataset,
            "all rows" if dataset.window_days is None else str(dataset.window_days),
            ", ".join(dataset.names),
            treated,
            escape(", ".join(contracts[dataset.dataset].stewards)),
        )
    console.print(reads)
    builds = Table("feature group", "days back", "what", title="builds")
    for group in declared.features:
        summary = (group.build.__doc__ or "").strip().splitlines()
        builds.add_row(group.name, str(group.lookback_days), escape(summary[0]) if summary else "")
    console.print(builds)
    _explain_search(declared)
    for read in late_reads(declared, contracts):
        late = f"{read.known_at.column}{_offset(read.known_at.offset)}"
        console.print(
            f"[yellow]warning[/yellow] feature {read.group}.{read.feature} reads {read.dataset}.{read.column} of the "
            f"very row that it is asked for, which is known only at {late}: a night will end with FeatureLeak. "
            "Use it of earlier rows, or leave it out.",
            soft_wrap=True,
        )


def _offset(offset: timedelta) -> str:
    return f" {'+' if offset > timedelta(0) else '-'} {abs(offset)}" if offset else ""


def _since(window: Window) -> str:
    return "" if window.since is None else f" at most, none before {window.since}"


def _explain_search(project: Project) -> None:
    window, search = project.window, project.search
    table = Table("parameter", "range", title=f"searches ({search.trials} trials in {search.shards} shards)")
    for name, part in search.space.items():
        table.add_row(name, escape(_in_words(part)))
    console.print(table)
    train = window.days - window.validation_days - window.holdout_days
    console.print(
        f"trains on {train} days{_since(window)}, chooses on the next {window.validation_days}, reports on the last "
        f"{window.holdout_days}; boosting rounds {' → '.join(map(str, search.rungs))}, "
        f"the best 1/{search.reduction} of a shard go on; seed {search.seed}; schedule {project.operations.schedule}"
    )


def _in_words(part: IntRange | FloatRange | Choice) -> str:
    if isinstance(part, Choice):
        return "one of " + ", ".join(map(str, part.options))
    return f"{part.low} to {part.high}" + (", on a logarithmic scale" if part.log else "")


def score(
    project: ProjectName,
    file: Annotated[Path, typer.Argument(help="Parquet or CSV with rows of the target's dataset; outcomes optional.")],
    output: Annotated[Path | None, typer.Option(help="Where to write the predictions (Parquet or CSV).")] = None,
    instant: Instant = None,
) -> None:
    """Score the rows of FILE with the champion of PROJECT."""
    from include.runtime.scoring import score_file

    settings = Settings.from_environment()
    declared = load_project(project, settings.projects)
    target = output or file.with_name(f"{file.stem}.scored{file.suffix}")
    scored = score_file(settings, declared, file, target, instant=parse_instant(instant) if instant else None)
    console.print(f"{scored.rows:,} predictions written to {target}", soft_wrap=True, markup=False)
    console.print(f"from what the data knew at {scored.instant:%Y-%m-%d %H:%M} UTC")
    if scored.ahead:
        told = (
            f"{scored.ahead:,} rows are of later days: features see no other rows of these, so give all that there are"
        )
        console.print(told, soft_wrap=True, markup=False)


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
