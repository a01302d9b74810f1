"""``runs`` and ``lineage``: which runs there are, and what one took and made, in words or as a picture."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from include.cli.console import bold, console, line
from include.core.errors import DeclarationError
from include.ledger import Ledger
from include.lineage.graph import Graph
from include.runtime import deployment
from include.runtime.upkeep import lineage as events
from include.settings import Settings


def runs(
    project: Annotated[str | None, typer.Argument(help="A project that has run. Default: all.")] = None,
    last: Annotated[int, typer.Option(min=1, help="How many, at most.")] = 20,
) -> None:
    """List the last runs by their ids, the newest last: what each is, and how far or what it came to."""
    from include.runtime.nights.runs import last_runs, require_known

    settings = Settings.from_environment()
    deployment.require(settings)
    ledger = Ledger.open(settings.ledger)
    if project is not None:
        require_known(settings, ledger, project)
    found = last_runs(ledger, project, count=last)
    for each in found:  # a line each: in a table's column an id would be broken
        about = f"  {each.run.project}: {each.run.kind} as of {each.run.instant:%Y-%m-%d %H:%M}Z, began "
        console.say(line(bold(each.run.run_id), f"{about}{each.began:%Y-%m-%d %H:%M}Z; {each.stands}"))
    if not found:
        console.print("no run has begun")


def lineage(
    project: Annotated[str | None, typer.Argument(help="A project that has run.")] = None,
    run: Annotated[str | None, typer.Option(help="The run's id, as `runs` lists it. Default: the champion's.")] = None,
    svg: Annotated[Path | None, typer.Option(help="Draw it to this file, which any browser shows.")] = None,
    set_aside: Annotated[
        bool, typer.Option("--set-aside", help="Instead: show the events that the endpoint refused for good.")
    ] = False,
    send_again: Annotated[bool, typer.Option("--send-again", help="Instead: send these once more.")] = False,
) -> None:
    """Show what a run of PROJECT was made of, from production data to the registered model and its verdicts."""
    settings = Settings.from_environment()
    deployment.require(settings)
    if set_aside or send_again:
        _show_set_aside(settings, again=send_again)
    elif project is not None:
        _show_run(settings, project, run, svg)
    else:
        raise DeclarationError(
            "lineage is that of a project's run",
            value="no PROJECT",
            remedy="Name one, or ask for what an endpoint refused: `./trainyard lineage --set-aside`.",
        )


def _show_set_aside(settings: Settings, *, again: bool) -> None:
    if again:
        console.print(f"{events.send_again(settings)} events that were set aside were taken now")
    left = events.set_aside(settings)
    for each in left:
        console.say(f"set aside: {each.in_words()}")
    if not left:
        console.print("no lineage event is set aside")


def _show_run(settings: Settings, project: str, run: str | None, svg: Path | None) -> None:
    from include.lineage.drawing import lines_of, svg_of
    from include.runtime.upkeep.lineage import graph

    found = graph(settings, project, run=run)
    console.say(line("run ", bold(found.run), f", from what the data knew at {found.instant}"))
    for told in gone(settings, found):
        console.say(told)
    if svg is None:
        for told in lines_of(found):
            console.say(f"  {told}")
        console.print("with --svg FILE it is drawn")
        return
    draft = svg.with_name(f".{svg.name}.draft")
    try:
        draft.write_text(svg_of(found), encoding="utf-8")
        draft.replace(svg)
    except OSError as error:
        raise DeclarationError(
            "a picture is written where there is a folder that may be written",
            value=f"{svg}: {error.strerror}",
            remedy="Name another file.",
        ) from None
    console.say(f"{len(found.steps)} steps and {len(found.datasets)} data sets drawn to {svg}")


def gone(settings: Settings, graph: "Graph") -> Iterator[str]:
    """Of which versions in *graph* some rows were removed, a line each."""
    from include.steps.retention import not_rebuildable

    drawn = {name for name, _ in graph.datasets}
    for (project, version), since in not_rebuildable(Ledger.open(settings.ledger)).items():
        if f"registry/{project}/{version}" in drawn:
            yield f"version {version} of {project}: NOT REBUILDABLE since {since:%Y-%m-%d}, when its rows were removed"
