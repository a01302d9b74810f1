"""Looks at a new champion beside the one before it: taken by the watch, decided by the authority."""

import logging

from include.core import streams
from include.core.errors import LedgerError, RegistryError
from include.core.events import LookTaken
from include.core.records import LookOutcome, Run
from include.ledger import Ledger
from include.ledger.journal import Journal
from include.registry.champions import Champions
from include.steps.platform import Platform

log = logging.getLogger(__name__)


def take_and_follow(platform: Platform, run: Run) -> None:
    """Take the looks that are due, and see to it that the project goes back where one of the watch *run* asks for it.

    Where no authority answers now, it goes back as soon as one does. A watch that was killed does the rest again.
    """
    take(platform.ledger, platform.champions, run)
    for asked in _asked(platform.ledger, run.project):
        if asked.run_id == run.run_id:
            _go_back(platform, asked)


def take(ledger: Ledger, champions: Champions, run: Run) -> None:
    """Record the looks that are due, once each, whichever watch comes first and however often."""
    from include.registry.looks import looks_to_take

    project = run.project
    for looked in tuple(looks_to_take(ledger, champions.known(project), project)):
        key = streams.look_key(project, looked.version, looked.look.days)
        event = LookTaken(
            project=project,
            run_id=run.run_id,
            instant=run.instant,
            model_version=looked.version,
            predecessor=looked.predecessor,
            look=looked.look,
            days=looked.days,
            estimate=looked.estimate,
            lower=looked.lower,
            outcome=looked.outcome,
        )
        log.info("%s: %s: %s", project, looked.outcome.value, looked.in_words())
        try:
            Journal(ledger, run).fact(streams.drift(project), event, key=key)
        except LedgerError:  # another watch was quicker
            if ledger.find(key) is None:
                raise


def asking(ledger: Ledger, champions: Champions, project: str) -> tuple[LookTaken, ...]:
    """The looks that ask to go back from the version in force."""
    champion = champions.in_force(project)
    number = champion.number if champion else None
    return tuple(event for event in _asked(ledger, project) if event.model_version == number)


def _asked(ledger: Ledger, project: str) -> tuple[LookTaken, ...]:
    """The looks that ever asked to go back."""
    events = (entry.event for entry in ledger.read(streams.drift(project)))
    return tuple(each for each in events if isinstance(each, LookTaken) and each.outcome is LookOutcome.BACK)


def _go_back(platform: Platform, asked: LookTaken) -> None:
    project, left = asked.project, asked.model_version

    def gone() -> bool:
        champion = platform.champions.in_force(project)
        return champion is None or champion.number != left

    if not gone():
        platform.await_authority(gone)
    if not gone():
        log.warning("%s: the authority has not gone back from version %s; it does once it runs", project, left)
        return
    champion = platform.champions.in_force(project)
    try:
        platform.versions.put_back(project, champion.number if champion else None)
    except RegistryError as error:  # told, and made good by the stewardship: nothing goes by the alias
        log.warning("%s", error)
