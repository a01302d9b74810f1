"""Going back by a look: the watch takes it, the authority decides."""

import logging

from include.core.errors import RegistryError
from include.core.events import LookTaken
from include.core.records import Run
from include.retraining import looks
from include.steps.platform import Platform

log = logging.getLogger(__name__)


def take_and_follow(platform: Platform, run: Run) -> None:
    """Take the looks that are due, and see to it that the project goes back where one of the watch *run* asks for it.

    Where no authority answers now, it goes back as soon as one does. A watch that was killed does the rest again.
    """
    looks.take(platform.ledger, platform.champions, run)
    for asked in looks.asked(platform.ledger, run.project):
        if asked.run_id == run.run_id:
            _go_back(platform, asked)


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
