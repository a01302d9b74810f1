"""What a project's versions took: each night counts for one of them, or for the next."""

from include.core import streams
from include.core.events import ModelRegistered
from include.core.runs import RunKind, kind_of
from include.ledger import Entry, Ledger, of_kind
from include.ledger.costs import Cost, fold, run_of


def cost_of_version(ledger: Ledger, project: str, version: int | None) -> Cost:
    """What led to *version* since the one before it: its own night and, until then, those that registered nothing.

    Nights that failed count, attempts that were repeated or cut off, and trials of any end. What a night does after it
    registered counts for its version until the next is registered, for the next from then on: what is counted for one
    version is counted for no other. ``None``: what led to the next one so far. No other kind of run counts. Reads what
    was recorded between the version before and the one after.
    """
    registered = {
        model.model_version: (entry.position, model.run_id)
        for entry, model in of_kind(ledger.read(streams.model(project)), ModelRegistered)
    }
    number = max(registered, default=0) + 1 if version is None else version
    before, own, after = (registered.get(each) for each in (number - 1, number, number + 1))
    entries = ledger.read_below(
        streams.cost(project), after=before[0] if before else 0, before=after[0] if after else None
    )

    def is_of_a_night(entry: Entry) -> bool:
        run_id = run_of(entry)
        return run_id is not None and kind_of(run_id) is RunKind.NIGHT

    def counts(entry: Entry) -> bool:
        if own is not None and entry.position > own[0]:
            return run_of(entry) == own[1]
        return before is None or run_of(entry) != before[1]

    return fold(entry.event for entry in entries if is_of_a_night(entry) and counts(entry))
