"""What a night will need, tried now: each check says that it is well, or what to do.

Nothing is left behind: what is written as a test is removed, the ledger gets no event. One alert is sent.
"""

import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from include.contracts import load_folder
from include.core.addresses import without_credentials
from include.core.errors import TrainyardError
from include.core.events import RunStarted
from include.governance import secrets
from include.governance.signing import Signer, Verifier
from include.ledger import Ledger
from include.runtime import deployment
from include.runtime.code.projects import load_project, project_names
from include.runtime.doctor import reach
from include.runtime.doctor.examination import Check, Finding, Health, examine
from include.runtime.embedded import process
from include.runtime.embedded.health import pulses, silent
from include.runtime.nights.platform import open_platform
from include.runtime.trainers import trainer_of
from include.settings import Settings
from include.store import Store

#: Less room than that on a disk is told.
ROOM_BYTES = 2 << 30
_CLOCK_OFF = timedelta(seconds=30)
_PATIENCE_SECONDS = 30.0


def doctor(settings: Settings, *, patience_seconds: float = _PATIENCE_SECONDS) -> Iterator[Finding]:
    """All that can be tried of the deployment of *settings*; without a home and its keys, only those."""
    ready = True
    for finding in examine(settings, {"home": _home}, patience_seconds=patience_seconds):
        ready = ready and finding.sign is not Health.BAD
        yield finding
    yield from examine(settings, CHECKS if ready else {"room": _room}, patience_seconds=patience_seconds)
    if not ready:
        yield Finding(what="the rest", sign=Health.ADVICE, text="not tried: it needs a home with its keys.")


def _home(settings: Settings) -> Iterator[Finding]:
    """The home, closed to others, with the deployment's keys, whole and their owner's alone."""
    if not settings.home.is_dir():
        told = f"{settings.home} is not there. Run `./trainyard start`, or `./trainyard setup` for the demo's data."
        yield Finding(what="home", sign=Health.BAD, text=told)
        return
    deployment.make_home(settings)
    deployment.require(settings)
    secrets.read_key(settings.keys / deployment.PSEUDONYM_KEY)
    Signer.load(settings.keys / deployment.MODEL_KEY)
    Verifier.load(settings.keys / deployment.AUTHORITY_PUBLIC_KEY)
    yield Finding(what="home", sign=Health.GOOD, text=f"{settings.home} and its keys")


def _rights(settings: Settings) -> Iterator[Finding]:
    """Whether this account may do what a night does in the folders that settings name."""
    with tempfile.TemporaryFile(dir=settings.home):
        pass
    for what, folder in (("projects", settings.projects), ("contracts", settings.contracts)):
        if not folder.is_dir():
            told = f"no folder of {what} at {folder}. Make it, or correct TRAINYARD_{what.upper()}."
            yield Finding(what="rights", sign=Health.BAD, text=told)
        else:
            next(folder.iterdir(), None)
    if settings.production.is_dir():
        next(settings.production.iterdir(), None)
    yield Finding(what="rights", sign=Health.GOOD, text="the home can be written, what is declared can be read")


def _room(settings: Settings) -> Iterator[Finding]:
    """Room on each disk that something of this deployment is written to."""
    named = (settings.home, *(Path(each) for each in (settings.store, settings.vault) if "://" not in each))
    seen: set[int] = set()
    for place in named:
        there = next(each for each in (place, *place.parents) if each.exists())
        if (disk := there.stat().st_dev) in seen:
            continue
        seen.add(disk)
        free = shutil.disk_usage(there).free
        told = f"{free / (1 << 30):.1f} GiB are free where {place} lies"
        if free < ROOM_BYTES:
            remedy = f"{told}. Make room, {ROOM_BYTES >> 30} GiB at least: a night that finds none stops."
            yield Finding(what="room", sign=Health.BAD, text=remedy)
        else:
            yield Finding(what="room", sign=Health.GOOD, text=told)


def _clock(settings: Settings) -> Iterator[Finding]:
    """Whether this clock agrees with the disk's, and with what was recorded before."""
    now = datetime.now(UTC)
    with tempfile.NamedTemporaryFile(dir=settings.home) as file:
        written = datetime.fromtimestamp(Path(file.name).stat().st_mtime, UTC)
    begun = [entry.recorded_at for entry in Ledger.open(settings.ledger).read_all(kinds=(RunStarted,))]
    ahead = max((at for at in begun if at > now + _CLOCK_OFF), default=None)
    if abs(written - now) > _CLOCK_OFF:
        told = f"the disk of the home says {written:%Y-%m-%d %H:%M:%S}Z, this machine {now:%Y-%m-%d %H:%M:%S}Z."
    elif ahead is not None:
        told = f"a run was recorded as begun at {ahead:%Y-%m-%d %H:%M:%S}Z, after now ({now:%Y-%m-%d %H:%M:%S}Z)."
    else:
        yield Finding(what="clock", sign=Health.GOOD, text=f"{now:%Y-%m-%d %H:%M}Z, as the disk and the ledger have it")
        return
    remedy = "Synchronise the clocks (NTP): grants, leases and retention go by them."
    yield Finding(what="clock", sign=Health.BAD, text=f"{told} {remedy}")


def _ledger(settings: Settings) -> Iterator[Finding]:
    """Opened, in order, and written to: of its working state a line that says nothing."""
    ledger = Ledger.open(settings.ledger)
    ledger.require_order()
    ledger.mark_delivered("doctor", position=0)
    yield Finding(what="ledger", sign=Health.GOOD, text=without_credentials(settings.ledger))


def _store(settings: Settings) -> Iterator[Finding]:
    from include.store import Store

    _require_kept(Store(settings.store))
    yield Finding(what="store", sign=Health.GOOD, text=without_credentials(settings.store))


def _vault(settings: Settings) -> Iterator[Finding]:
    _require_kept(deployment.vault_of(settings))
    yield Finding(what="vault", sign=Health.GOOD, text=without_credentials(settings.vault))


def _require_kept(store: Store) -> None:
    """Check that what is put is there, and can be removed. What is put is like nothing else."""
    digest = store.put(f"trainyard doctor {uuid.uuid4()}".encode())
    try:
        store.get(digest)
    finally:
        store.remove(digest)


def _contracts(settings: Settings) -> Iterator[Finding]:
    contracts = load_folder(settings.contracts, settings.classes)
    for name, fault in contracts.broken.items():
        yield Finding(what="contracts", sign=Health.BAD, text=f"{name}: {fault}")
    if not contracts.broken:
        yield Finding(
            what="contracts",
            sign=Health.GOOD,
            text=f"{len(contracts)} can be loaded: `./trainyard status` says which are in effect",
        )


def _projects(settings: Settings) -> Iterator[Finding]:
    from include.runtime.embedded.new_projects import why_not

    names, broken = project_names(settings.projects), 0
    for name in names:
        try:
            reason = why_not(settings, name, now=datetime.now(UTC))
        except TrainyardError as error:
            broken += 1
            yield Finding(what="projects", sign=Health.BAD, text=f"{name}: {error}")
            continue
        if reason:
            told = f"{name}: {reason}. Nights by schedule would find none: land it, or pause its DAGs."
            yield Finding(what="projects", sign=Health.ADVICE, text=told)
    if not broken:
        yield Finding(what="projects", sign=Health.GOOD, text=f"{len(names)} can be loaded")


def _sources(settings: Settings) -> Iterator[Finding]:
    """Whether servers of production data answer, and let the reader list; a folder of this machine is none."""
    from include.contracts.servers import scheme_of
    from include.data.sources import source_of

    contracts = load_folder(settings.contracts, settings.classes).values()
    elsewhere, faults = [contract for contract in contracts if scheme_of(contract.location)], 0
    for contract in elsewhere:
        try:
            source_of(contract, settings.production, settings.source_credentials_file).is_empty()
        except TrainyardError as error:
            faults += 1
            yield Finding(what="sources", sign=Health.BAD, text=f"{contract.dataset}: {error}")
    if elsewhere and not faults:
        yield Finding(what="sources", sign=Health.GOOD, text=f"{len(elsewhere)} on servers, which answer")


def _champions(settings: Settings) -> Iterator[Finding]:
    """Whether what the ledger says is kept lies there, and the bundles of champions are as they were kept."""
    from include.runtime.doctor.lost_artifacts import losses

    platform = open_platform(settings)
    lost = [loss.in_words() for loss in losses(settings, platform)]
    for told in lost:
        yield Finding(what="champions", sign=Health.BAD, text=told)
    whole = 0
    for name in () if lost else project_names(settings.projects):
        champion = platform.champions.in_force(name)
        if champion is not None:
            platform.vault.verify(champion.registered.bundle)
            whole += 1
    if not lost:
        yield Finding(what="champions", sign=Health.GOOD, text=f"{whole} in force, their bundles as they were kept")


def _airflow(settings: Settings) -> Iterator[Finding]:
    running = process.attach(settings)
    if running is None:
        told = "not started by us in this home. Nights by schedule need one: `./trainyard start`."
        yield Finding(what="Airflow", sign=Health.ADVICE, text=told)
    elif quiet := silent(pulses(running.url, timeout_seconds=reach.HTTP_SECONDS)):
        told = f"no sign of life of {', '.join(quiet)}. Its logs are in {settings.home / 'airflow' / 'logs'}."
        yield Finding(what="Airflow", sign=Health.BAD, text=told)
    else:
        yield Finding(what="Airflow", sign=Health.GOOD, text=running.url)


def _cluster(settings: Settings) -> Iterator[Finding]:
    """Whether each project could be trained, where that is done elsewhere."""
    trainer = trainer_of(settings)
    for name in project_names(settings.projects) if trainer.elsewhere else ():
        try:
            where = trainer.require_ready(load_project(name, settings.projects))
        except TrainyardError as error:
            yield Finding(what="cluster", sign=Health.BAD, text=f"{name}: {error}")
        else:
            yield Finding(what="cluster", sign=Health.GOOD, text=f"takes {name}, in {where}")


CHECKS: Mapping[str, Check] = {
    "rights": _rights,
    "room": _room,
    "clock": _clock,
    "ledger": _ledger,
    "store": _store,
    "vault": _vault,
    "MLflow": reach.mlflow,
    "lineage": reach.lineage,
    "alerts": reach.alerts,
    "stewards": reach.stewards,
    "contracts": _contracts,
    "sources": _sources,
    "projects": _projects,
    "champions": _champions,
    "Airflow": _airflow,
    "cluster": _cluster,
}
