"""Looks at a new champion beside the one before it: taken once each, by whichever watch comes first."""

import logging

from include.core import streams
from include.core.errors import LedgerError
from include.core.events import LookTaken
from include.core.records import LookOutcome, Run
from include.ledger import Ledger
from include.ledger.journal import Journal
from include.registry.champions import Champions

log = logging.getLogger(__name__)


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


def asked(ledger: Ledger, project: str) -> tuple[LookTaken, ...]:
    """The looks that ever asked to go back."""
    taken = ledger.events(streams.drift(project), LookTaken)
    return tuple(each for each in taken if each.outcome is LookOutcome.BACK)
