"""``impact``: what stands or falls with a dataset, a grant, a feature or a model."""

from collections.abc import Iterator
from typing import Annotated

import typer

from include.cli.console import console
from include.governance.impact import Impact
from include.runtime import deployment
from include.settings import Settings

_SUBJECT = "DATASET, DATASET.COLUMN, a grant (g-…), a FEATURE, or a model: PROJECT (its champion) or PROJECT@VERSION."


def impact(
    subject: Annotated[str, typer.Argument(help=_SUBJECT)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what SUBJECT rests on, and which projects, versions, champions and nights stand or fall with it."""
    import json

    from include.runtime.server.impact import of_deployment

    settings = Settings.from_environment()
    deployment.require(settings)
    found = of_deployment(settings).of(subject)
    if as_json:
        typer.echo(json.dumps(shown(found), indent=2, ensure_ascii=False))
        return
    for line in lines_of(found):
        console.say(line)


def shown(found: Impact) -> dict[str, object]:
    """The answer as JSON takes it."""
    return {
        "subject": found.subject,
        "columns": [f"{dataset}.{column}" for dataset, column in found.columns],
        "grants": list(found.grants),
        "features": [{"project": project, "feature": feature} for project, feature in found.features],
        "projects": list(found.projects),
        "versions": [{"project": each.project, "version": each.number} for each in found.versions],
        "champions": [{"project": each.project, "version": each.number} for each in found.champions],
        "pending": [
            {"project": each.project, "run_id": each.run_id, "asked_by_drift": each.ask_id} for each in found.pending
        ],
    }


def lines_of(found: Impact) -> Iterator[str]:
    """The answer in words, one matter a line."""
    yield f"{found.subject} rests on"
    yield from _listed("columns", [f"{dataset}.{column}" for dataset, column in found.columns])
    yield from _listed("grants", found.grants)
    yield f"{found.subject} is what these rest on"
    yield from _listed("features", [f"{project}: {feature}" for project, feature in found.features])
    yield from _listed("projects", found.projects)
    yield from _listed("versions", [f"{each.project}@{each.number}" for each in found.versions])
    yield from _listed("champions in force", [f"{each.project}@{each.number}" for each in found.champions])
    nights = [f"{each.project}: {each.run_id or f'asked for by drift ({each.ask_id})'}" for each in found.pending]
    yield from _listed("nights to come", nights)


def _listed(what: str, names: "list[str] | tuple[str, ...]") -> Iterator[str]:
    yield f"  {what + ':':20} {', '.join(names) or 'none'}"
