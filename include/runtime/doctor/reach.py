"""Whether what a deployment speaks to can be reached: MLflow, lineage, and the people who are to hear of it."""

import socket
import tempfile
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urlsplit

from include.core.addresses import without_credentials
from include.governance import secrets
from include.runtime import deployment
from include.runtime.airflow.alerts import undelivered
from include.runtime.doctor.examination import Finding, Health
from include.runtime.embedded.stewards import of_adopted
from include.runtime.upkeep.lineage import set_aside
from include.settings import Settings

#: The longest that an answer over HTTP is waited for.
HTTP_SECONDS = 5
_POSTGRESQL_PORT = 5432


def mlflow(settings: Settings) -> Iterator[Finding]:
    import httpx

    shown = without_credentials(settings.mlflow)
    scheme, _, path = settings.mlflow.partition(":///")
    if scheme == "sqlite" and not Path(path).exists():
        yield Finding(what="MLflow", sign=Health.GOOD, text=f"{shown} is made by the first night")
        return
    try:  # its own client would try again for minutes
        if settings.mlflow.startswith(("http://", "https://")):
            httpx.get(f"{settings.mlflow.rstrip('/')}/health", timeout=HTTP_SECONDS)
        elif scheme != "sqlite":
            _require_listener(settings.mlflow)
    except (httpx.TransportError, httpx.InvalidURL, OSError, ValueError) as error:
        told = f"{shown}: {type(error).__name__}. See whether it runs, and check TRAINYARD_MLFLOW."
        yield Finding(what="MLflow", sign=Health.BAD, text=told)
        return
    deployment.versions_of(settings).prepare()
    yield Finding(what="MLflow", sign=Health.GOOD, text=shown)


def _require_listener(database: str) -> None:
    """Raise ``OSError`` unless somebody listens where the address *database* says, ``ValueError`` if it is none."""
    where = urlsplit(database)
    if where.hostname:  # else it is a socket of this machine, which the database's own client finds
        socket.create_connection((where.hostname, where.port or _POSTGRESQL_PORT), HTTP_SECONDS).close()


def lineage(settings: Settings) -> Iterator[Finding]:
    """Whether the file can be written, or the endpoint answers whoever shows our key. No event is sent."""
    shown = without_credentials(settings.lineage)
    if not settings.lineage.startswith(("http://", "https://")):
        file = Path(settings.lineage)
        with file.open("ab") if file.exists() else tempfile.TemporaryFile(dir=file.parent):
            pass
        yield Finding(what="lineage", sign=Health.GOOD, text=shown)
        return
    fault = _endpoint_fault(settings)
    if fault is not None:
        told = f"{shown}: {fault}. Events wait for it; check TRAINYARD_LINEAGE and TRAINYARD_LINEAGE_KEY_FILE."
        yield Finding(what="lineage", sign=Health.BAD, text=told)
    else:
        yield Finding(what="lineage", sign=Health.GOOD, text=f"{shown} answers")
    if aside := set_aside(settings):
        told = (
            f"{len(aside)} events were refused for good, the last: {aside[-1].in_words()}. When the endpoint is mended"
        )
        told += ", `./trainyard lineage --send-again` sends them."
        yield Finding(what="lineage", sign=Health.ADVICE, text=told)


def _endpoint_fault(settings: Settings) -> str | None:
    import httpx

    file = settings.lineage_key_file
    headers = {"Authorization": f"Bearer {secrets.read(file).decode().strip()}"} if file else {}
    try:
        status = httpx.get(settings.lineage, headers=headers, timeout=HTTP_SECONDS).status_code
    except (httpx.TransportError, httpx.InvalidURL) as error:
        return type(error).__name__
    refused = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND)
    return f"status {status}" if refused or status >= HTTPStatus.INTERNAL_SERVER_ERROR else None


def alerts(settings: Settings) -> Iterator[Finding]:
    file = settings.alerts_file
    if file is None:
        told = "they are logged, and nobody hears them. Name a file of Apprise addresses in TRAINYARD_ALERTS_FILE."
        yield Finding(what="alerts", sign=Health.ADVICE, text=told)
        return
    failed = undelivered(
        file, "Trainyard: a test", "`./trainyard doctor` asks whether alerts arrive. Nothing is wrong."
    )
    for fault in failed:
        yield Finding(what="alerts", sign=Health.BAD, text=f"{file}, {fault}. Correct it: see Apprise's addresses.")
    if not failed:
        yield Finding(what="alerts", sign=Health.GOOD, text=f"a test was sent to each address of {file}")


def stewards(settings: Settings) -> Iterator[Finding]:
    """Whether each steward of a contract in effect has an address that Apprise understands and that takes messages."""
    import apprise

    from include.runtime.upkeep import notices

    if settings.addresses_file is None:
        told = "they are told of nothing that waits for them. Name a file of addresses in TRAINYARD_ADDRESSES_FILE."
        yield Finding(what="stewards", sign=Health.ADVICE, text=told)
        return
    faults = [
        f"an address of {name} ({address.service}) is not one that Apprise understands"
        for name, addresses in notices.addresses_of(settings).items()
        for address in addresses
        if not apprise.Apprise().add(address.secret)
    ]
    faults += [f"an address of {each.to} took no message" for each in notices.not_reached(settings)]
    people = tuple(sorted(of_adopted(settings)))
    faults += [f"{name} has no address" for name in notices.without_address(settings, people)]
    for fault in faults:
        yield Finding(what="stewards", sign=Health.BAD, text=f"{fault}. Correct {settings.addresses_file}.")
    if not faults:
        yield Finding(what="stewards", sign=Health.GOOD, text=f"{len(people)} have addresses")
