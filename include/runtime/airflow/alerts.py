"""Reports to ops what they must know, wherever they listen: Apprise addresses, one a line in a file."""

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from include.settings import Settings

log = logging.getLogger(__name__)

#: Where the reason of a failed run is found.
LOOK = "Its tasks' logs in Airflow say why and what to do."


def reason_of(context: Mapping[str, Any]) -> str:
    """Why a run failed, as Airflow has it (``task_failure``, ``timed_out``), in words."""
    return str(context.get("reason") or "failed").replace("_", " ")


def send(settings: Settings, title: str, body: str) -> bool:
    """Log the message as a warning, and send it to every configured address. ``False``: an address did not take it.

    An alert that cannot be sent is logged and never raises: what it tells of is worse than its own loss.
    """
    log.warning("%s. %s", title, body)
    return deliver(settings, title, body)


def deliver(settings: Settings, title: str, body: str) -> bool:
    """As :func:`send`, for who has shown the message already."""
    if settings.alerts_file is None:
        return True
    try:
        failed = undelivered(settings.alerts_file, title, body)
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        log.error("No alert was sent: %s cannot be read (%s)", settings.alerts_file, why)
        return False
    if failed:
        log.error("An alert did not reach every address in %s", settings.alerts_file)
    return not failed


def undelivered(file: Path, title: str, body: str) -> tuple[str, ...]:
    """Send the message to each address in *file*; who did not take it, in words without the address itself.

    Raises:
        OSError: the file cannot be read.
        UnicodeDecodeError: it is not UTF-8.
    """
    lines = file.read_text(encoding="utf-8").splitlines()
    addresses = [
        (number, line.strip())
        for number, line in enumerate(lines, start=1)
        if line.strip() and not line.startswith("#")
    ]
    if not addresses:
        return ("it names no address",)
    with ThreadPoolExecutor(max_workers=8) as pool:
        faults = pool.map(lambda each: _fault(each[1], title, body), addresses)
        return tuple(f"line {number}: {fault}" for (number, _), fault in zip(addresses, faults, strict=True) if fault)


def _fault(address: str, title: str, body: str) -> str | None:
    import apprise

    listener = apprise.Apprise()
    if not listener.add(address):
        return "no address that Apprise understands"
    return None if listener.notify(title=title, body=body) else "the message was not taken"
