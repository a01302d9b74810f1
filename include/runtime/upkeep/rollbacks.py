"""Reports to ops that a project went back to an earlier champion, or retired one: who asked for it, and why."""

from datetime import datetime, timedelta

from include.core.events import ChampionRolledBack
from include.ledger import Ledger
from include.registry.champions import Champions
from include.registry.rollback import Rollback
from include.runtime.airflow import alerts
from include.settings import Settings

#: Up to which rollback ops were told is kept in the ledger under this name.
_TELLING = "ops told of rollbacks"
#: What lies further back is no news, to a deployment that is new to telling it above all.
_NEWS = timedelta(days=7)


def tell_rollbacks(settings: Settings, ledger: "Ledger", champions: "Champions", *, now: datetime) -> int:
    """Alert once for each rollback and retirement since the last call; how many alerts were sent.

    One that an address did not take is sent again by the next call, and what came after it with it; so is one after
    which this process was killed.
    """
    told, (after, _) = 0, ledger.delivered(_TELLING)
    for entry in ledger.read_all(after=after, kinds=(ChampionRolledBack,)):
        known = champions.known(entry.stream.removeprefix("promotion/"))
        rollback = next((each for each in known.rollbacks if each.position == entry.stream_version), None)
        if rollback is not None and entry.recorded_at > now - _NEWS:
            if not alerts.send(settings, *_in_words(rollback)):
                break
            told += 1
        ledger.mark_delivered(_TELLING, position=entry.position)
    return told


def _in_words(rollback: "Rollback") -> tuple[str, str]:
    """Title and text."""
    did = f"{rollback.did()} version {rollback.left}"
    now = "" if rollback.version is None else f"Version {rollback.version} is champion again. "
    by = f"The look {rollback.look} showed it" if rollback.look else f"{rollback.asked_by} asked for it"
    return (
        f"{rollback.project}: {did}",
        f"{now}{by}: {rollback.reason}. Look at the page Drift, and at `./trainyard served {rollback.project} "
        f"{rollback.instant:%Y-%m-%d}`.",
    )
