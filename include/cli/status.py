"""``status``: what this deployment is, what runs in it, what waits for whom, and what is broken."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime

from rich.table import Column, Table

from include.cli.console import console
from include.cli.notices import show_messages
from include.cli.retention import show_retention
from include.contracts import load_folder, not_understood
from include.contracts.servers import scheme_of
from include.contracts.tables import POSTGRES
from include.core import streams
from include.core.errors import LedgerError, TrainyardError
from include.core.events import DriftJudged
from include.core.records import Grant
from include.governance.access import Access
from include.governance.kept_contracts import KeptContracts
from include.governance.overlaps import Overlaps
from include.governance.register import Register
from include.governance.registered import RequestStatus
from include.governance.signing import Verifier
from include.ledger import Ledger, of_kind
from include.retraining import series
from include.retraining.series import series_of
from include.runtime import deployment
from include.runtime.code.projects import load_project, project_names
from include.runtime.embedded import process
from include.runtime.embedded.client import AirflowRefused
from include.runtime.embedded.health import pulses, silent
from include.runtime.embedded.process import RunningAirflow
from include.runtime.embedded.supervision import endings
from include.runtime.nights.aliases import put_back
from include.runtime.nights.platform import open_platform
from include.settings import Settings
from include.steps import Platform
from include.steps.inputs import makers


def status() -> None:
    """Show what runs, who may read what, what waits or was denied, which models are in force, and what is broken."""
    from include.governance.outstanding_addresses import in_words, outstanding

    settings = Settings.from_environment()
    airflow = process.attach(settings)
    console.say(f"home:     {settings.home}")
    _show_airflow(settings, airflow)
    console.say(f"separation of duties: {deployment.separation_of_duties(settings)}")
    platform = open_platform(settings)
    _show_ledger(settings, platform.ledger)
    for order in outstanding(platform.ledger, now=datetime.now(UTC)):
        console.print(in_words(order))
    _show_contracts(settings, platform)
    _show_access(platform.access)
    _show_denials(Register(platform.ledger, Verifier.load(settings.keys / deployment.AUTHORITY_PUBLIC_KEY)))
    _show_projects(settings, platform)
    _show_standing(settings, platform)
    _show_losses(settings, platform)
    _show_altered(platform)
    adoptions = [platform.access.adoption(name) for name in load_folder(settings.contracts, settings.classes)]
    show_messages(settings, tuple(sorted({name for each in adoptions if each for name in each.stewards})))
    show_retention(platform, now=datetime.now(UTC))


def _show_airflow(settings: Settings, airflow: "RunningAirflow | None") -> None:
    """Where it is, which of its processes give no sign of life, what ended since it was started, and what is paused."""
    from include.runtime.embedded.new_projects import paused_dags

    if airflow is None:
        console.print("airflow:  not running")
        return
    quiet = silent(pulses(airflow.url))
    told = f"no sign of life of: {', '.join(quiet)}" if quiet else "all its processes give signs of life"
    console.say(f"airflow:  {airflow.url}; {told}")
    for ended in endings(settings)[-5:]:
        console.print(f"  the {ended.name} ended at {ended.at:%Y-%m-%d %H:%M:%S}Z, and was started again")
    with suppress(AirflowRefused), airflow.client("ada") as client:
        if paused := paused_dags(client):
            console.say(f"  paused: {', '.join(sorted(paused))}")


def _show_ledger(settings: Settings, ledger: "Ledger") -> None:
    """Check all of it, row by row; what is wrong comes first, since whatever else is shown is read from it."""
    with console.status("Checking the ledger"):
        faults = ledger.check()
    if not faults:
        console.print("ledger:   sound: no gap, and each event as it was recorded")
    for fault in faults:
        console.say(f"altered ledger: {fault}; nothing is granted on it")
    _show_checkpoint(settings, ledger)


def _show_checkpoint(settings: Settings, ledger: "Ledger") -> None:
    """How far the ledger is signed, and since when: what was recorded later nobody vouches for yet."""
    from include.audit.checkpoints import newest, trusted_keys
    from include.ledger import leaves

    try:
        found = newest(deployment.places_of(settings), trusted_keys(settings.keys))
    except LedgerError as error:
        console.say(f"checkpoints: {error}")
        return
    size = ledger.examine(leaves.size)
    if found is None:
        console.say(f"signed:   none of {size:,} events; the authority signs them when it runs")
        return
    signed, _ = found
    console.say(f"signed:   {signed.checkpoint.size:,} of {size:,} events, at {signed.signed_at:%Y-%m-%d %H:%M:%S}Z")


def _show_contracts(settings: Settings, platform: "Platform") -> None:
    table = Table("dataset", "contract", "stewards", title="contracts")
    contracts = load_folder(settings.contracts, settings.classes)
    edited: list[str] = []
    for name, contract in contracts.items():
        adoption = platform.access.adoption(name)
        state = "never adopted"
        if adoption is not None:
            state = "in effect" if adoption.digest == contract.digest else "edited since its adoption"
            edited += [name] if adoption.digest != contract.digest else []
        table.add_row(name, state, ", ".join((adoption or contract).stewards))
    for name in contracts.broken:
        table.add_row(name, "broken", "")
    console.print(table)
    for name in edited:
        console.say(
            f"contract {name}: its file was edited, and nobody adopted the edit: runs that began before go on as "
            "adopted, and new ones wait. Adopt the file, or restore it."
        )
    for name, contract in contracts.items():
        for told in not_understood(contract):
            console.say(f"contract {name}: {told}")
    for name, fault in contracts.broken.items():
        _show_broken(f"contract {name}", fault)
    kept = KeptContracts(platform.ledger, platform.access, contracts.read)
    for one, other in Overlaps(platform.access, kept, settings.production).all(contracts):
        console.say(f"contracts {one} and {other}: files of one are files of the other, and who grants one grants them")


def _show_access(access: "Access") -> None:
    waiting = Table("request", "project", "dataset", "columns", title="open requests")
    for asked in access.requests():
        waiting.add_row(asked.request_id, asked.project, asked.scope.dataset, ", ".join(asked.scope.names))
    console.print(waiting)
    now = datetime.now(UTC)
    held = [each for each in access.grants(now=now) if each.scope.contract_digest == access.adopted(each.scope.dataset)]
    console.print(_grants("grants in force", held))
    ended = _grants("grants to renew", access.ended_with_contract(now=now))
    if ended.row_count:
        console.print(ended)
        told = (
            "another version of their contract was adopted: the project's next night asks again, then "
            "`./trainyard access approve`"
        )
        console.say(told)


def _grants(title: str, grants: Iterable[Grant]) -> Table:
    table = Table(Column("grant", no_wrap=True), "project", "dataset", "until", "by", title=title)
    for each in grants:
        until = f"{each.expires_at:%Y-%m-%d %H:%M}Z"
        table.add_row(each.grant_id, each.project, each.scope.dataset, until, each.steward)
    return table


def _show_denials(register: Register) -> None:
    """The latest request of each project and dataset, where it was denied, or lapsed, and nobody asked again."""
    table = Table("request", "project", "dataset", "by", "reason", title="denied or lapsed, and not asked for again")
    for project in register.projects():
        for asked in register.latest(project):
            if asked.standing in (RequestStatus.DENIED, RequestStatus.LAPSED) and asked.decided is not None:
                request, decided = asked.request, asked.decided
                cells = (request.request_id, project, request.scope.dataset, decided.by or "nobody", decided.reason)
                table.add_row(*cells)
    if table.row_count:
        console.print(table)


def _show_projects(settings: Settings, platform: "Platform") -> None:
    from include.registry import history
    from include.registry.standing import in_words
    from include.steps.retention import not_rebuildable

    gone = not_rebuildable(platform.ledger)
    models = Table("project", "champion", "versions", "recipe", "skill", title="models")
    broken: list[tuple[str, TrainyardError]] = []
    said: list[str] = []
    for name in project_names(settings.projects):
        champion = platform.champions.in_force(name)
        versions = len(history.models(platform.ledger, name))
        try:
            load_project(name, settings.projects)
            shown = name
        except TrainyardError as error:
            broken.append((name, error))
            shown = f"{name} (broken)"
        in_force = f"version {champion.number}" if champion else "none"
        models.add_row(shown, in_force, str(versions), *_recipe(platform.ledger, name))
        if champion is None and (change := platform.champions.known(name).change()) and change.rollback:
            said.append(f"{name}: nothing is in force: {change.rollback.in_words()}")
        said += _helped(platform.ledger, name)
        said += _costs(platform.ledger, name, champion.number if champion else None)
        said += [f"{name} version {champion.number}: {note}" for note in champion.notes] if champion else []
        said += [moved.text] if (moved := put_back(platform, name)) else []
        said += in_words(platform.ledger, platform.champions.overrides, name, now=datetime.now(UTC))
    console.print(models)
    for told in said:
        console.say(told)
    for (name, version), since in gone.items():
        console.say(f"version {version} of {name}: NOT REBUILDABLE since {since:%Y-%m-%d}, when its rows were removed")
    for name, fault in broken:
        _show_broken(name, fault)


def _show_standing(settings: Settings, platform: "Platform") -> None:
    """Since when the days of tables on servers stand as they were read, and which days of datasets were corrected."""
    from include.data.looks import Standing

    for project in project_names(settings.projects):
        for dataset, contract in load_folder(settings.contracts, settings.classes).items():
            if standing := Standing.of(platform.ledger, project, dataset):
                in_table = scheme_of(contract.location) == POSTGRES
                told = standing.in_words() if in_table else standing.corrected_in_words()
                if told:
                    console.say(f"{project}: {dataset}: {told}")


def _recipe(ledger: "Ledger", project: str) -> tuple[str, str]:
    """What the last verdict says of the project's recipe, and the mean skill of its newest judged days."""
    from include.runtime.server.pages.drift_recipe import mean_skill
    from include.runtime.server.pages.drift_view import WORDS

    entries = ledger.read(streams.drift(project))
    verdicts = [event.verdict for _, event in of_kind(entries, DriftJudged)]
    skill = mean_skill(series.fold(entries))
    word = WORDS[verdicts[-1].state][0] if verdicts else "not judged yet"
    return word, "" if skill is None else f"{skill:+.4f}"


def _helped(ledger: "Ledger", project: str) -> list[str]:
    """Whether retraining helped, where a retraining has a day that shows it."""
    from include.retraining.helped import helped

    found = helped(series_of(ledger, project))
    return [f"{project}: {found.in_words()}"] if found.retrainings else []


def _show_losses(settings: Settings, platform: "Platform") -> None:
    from include.runtime.doctor.lost_artifacts import losses

    try:
        for loss in losses(settings, platform):
            console.flag(loss.in_words(), "lost", "red")
    except TrainyardError as fault:
        _show_broken("store or vault", fault)


def _costs(ledger: "Ledger", project: str, champion: int | None) -> list[str]:
    """What led to the champion, to the newest candidate after it, and to the next version so far, where recorded."""
    from include.registry import history
    from include.registry.spending import cost_of_version

    newest = len(history.models(ledger, project))
    told = [(f"version {champion}, the champion,", champion)] if champion else []
    told += [(f"version {newest}", newest)] if newest not in (0, champion) else []
    asked = [*told, ("the next version, so far,", None)]
    sums = [(what, cost_of_version(ledger, project, number)) for what, number in asked]
    return [f"{project}: {what} took {cost.in_words()}" for what, cost in sums if cost.steps or cost.pods]


def _show_altered(platform: "Platform") -> None:
    """What was found altered in the stores and set aside, what it was, and whether it has been made again."""
    for place, artifacts in (("store", platform.store), ("vault", platform.vault)):
        try:
            found = artifacts.altered()
            made = makers(platform.ledger, {each.digest for each in found})
            for each in found:
                what = made.get(each.digest, "an unknown step")
                now = "made again since" if artifacts.has(each.digest) else "missing until it is made again"
                told = f"{each.digest} of the {place}, by {what}: set aside as {each.name}, {now}"
                console.flag(told, "altered", "red")
        except TrainyardError as fault:
            _show_broken(place, fault)


def _show_broken(what: str, fault: TrainyardError) -> None:
    console.flag(f"{what}: {fault}", "broken", "red")
