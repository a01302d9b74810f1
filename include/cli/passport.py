"""``passport``, ``audit`` and ``inventory``: what a model is made of, as evidence; which questions it answers."""

from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from include.audit.proofs import Note
from include.cli.console import bold, console, line, styled
from include.core.errors import DeclarationError
from include.runtime import deployment
from include.runtime.nights import promoting
from include.runtime.nights.platform import open_platform
from include.settings import Settings

if TYPE_CHECKING:
    from include.audit.passport import Passport

_SUBJECT = "PROJECT (its champion), PROJECT@3, PROJECT@champion, or PROJECT@2013-07-01 (what served on that day)."


class InventoryFormat(StrEnum):
    CSV = "csv"
    JSON = "json"


def passport(
    subject: Annotated[str, typer.Argument(help=_SUBJECT)],
    output: Annotated[Path, typer.Option(help="The folder that it is written into.")] = Path(),
    against: Annotated[Path | None, typer.Option(help="A checkpoint that it is to be held against.")] = None,
) -> None:
    """Write the passport of SUBJECT: evidence, which `trainyard-verify` verifies, and a page that shows it."""
    write(Settings.from_environment(), subject, output, against=against)


def write(settings: Settings, subject: str, output: Path, *, against: Path | None = None) -> Path:
    """Write the passport of *subject* into the folder *output*, and say so; the evidence file.

    It holds the proof that the ledger continues the checkpoint in the file *against*.

    Raises:
        DeclarationError: there is no such version, or the folder cannot be written.
    """
    from include.audit.bill_of_materials import bill_of_materials
    from include.audit.page import render

    with console.status("Collecting what is recorded"):
        earlier = [] if against is None else [_size_of(against)]
        promoting.sign_now(settings)
        made = _made(settings, subject, earlier=earlier)
        page, packages = render(made), bill_of_materials(made.document)
    evidence = output / f"{made.name}.json"
    try:
        output.mkdir(parents=True, exist_ok=True)
        _write(evidence, made.data)
        _write(output / f"{made.name}.html", page.encode())
        if packages is not None:
            _write(output / f"{made.name}.cdx.json", packages)
    except OSError as error:
        raise DeclarationError(
            "a passport is written into a folder that may be written",
            value=f"{error.filename}: {error.strerror}",
            remedy="Name another with `--output`.",
        ) from None
    missing = sum(len(section.not_shown) for section in made.sections)
    console.say(line("passport of ", bold(f"{made.project}, version {made.version}"), f": {evidence}"))
    console.say(f"  {_answered(made)} of the auditors' questions answered; {missing} things are NOT SHOWN, and why")
    console.say(f"  to be read: {evidence.with_suffix('.html')}; to be verified: ./trainyard-verify {evidence}")
    return evidence


def verify(evidence: Path) -> None:
    """Say what the verifier says of the passport *evidence*, without a checkpoint from outside."""
    from include.audit import verifier

    report, _ = verifier.verify(evidence.read_bytes())
    for told in (*report.said, *(f"✗ {problem}" for problem in report.problems)):
        console.say(f"  {told}")
    state = styled("NOT VERIFIED", "red") if report.problems else styled("VERIFIED", "green")
    console.say(line("  ", state))


def audit(subject: Annotated[str, typer.Argument(metavar="PROJECT", help=_SUBJECT)]) -> None:
    """Show which of the questions that auditors ask of a model are answered, and where the answers stand."""
    with console.status("Collecting what is recorded"):
        made = _made(Settings.from_environment(), subject)
    for each in made.answers:
        state = styled("answered", "green") if each.answered else styled("open    ", "yellow")
        console.say(line(f"{each.number:>2}  ", state, f"  {each.question}"))
        told = [f"{place.section}: {place.what} ({place.source})" for place in each.places] if each.answered else []
        console.say(f"              {'; '.join(told) or each.why_open}")
    console.say(line(bold(_answered(made)), f" answered, of {made.project}, version {made.version}"))


def inventory(
    form: Annotated[InventoryFormat, typer.Option("--format", help="How it is printed.")] = InventoryFormat.CSV,
) -> None:
    """Print all registered versions of all projects: purpose, rating, owner, limits, data, state, monitoring."""
    import json
    from dataclasses import asdict

    from include.audit.inventory import as_csv
    from include.audit.inventory import inventory as lines_of

    platform = open_platform(Settings.from_environment())
    lines = lines_of(platform.ledger, platform.champions)
    if form is InventoryFormat.CSV:
        typer.echo(as_csv(lines), nl=False)
    else:
        typer.echo(json.dumps([asdict(each) for each in lines], indent=2, ensure_ascii=False))


def _made(settings: Settings, subject: str, *, earlier: Sequence[int] = ()) -> "Passport":
    from include.audit.checkpoints import trusted_keys
    from include.audit.passport import passport_of
    from include.audit.version_records import asked_for

    platform = open_platform(settings)
    return passport_of(
        asked_for(platform.ledger, platform.champions, subject),
        platform.store,
        authority=trusted_keys(settings.keys),
        signer=platform.signer,
        now=datetime.now(UTC),
        proofs=deployment.proofs_of(settings, platform.ledger, earlier=earlier),
    )


def _size_of(file: Path) -> int:
    """How many events the checkpoint in *file* covers."""
    try:
        return Note.parse(file.read_text()).checkpoint.size
    except (OSError, ValueError) as error:
        remedy = "Give one that `./trainyard verify --keep` wrote, or a witness."
        raise DeclarationError(f"{file}: a checkpoint of the ledger", value=str(error), remedy=remedy) from None


def _answered(made: "Passport") -> str:
    return f"{sum(each.answered for each in made.answers)} of {len(made.answers)}"


def _write(file: Path, data: bytes) -> None:
    """Whole, or not at all."""
    draft = file.with_name(f".{file.name}.draft")
    draft.write_bytes(data)
    draft.replace(file)
