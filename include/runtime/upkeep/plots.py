"""Plots of registered versions, drawn from the ledger for MLflow after their nights: no night waits for them."""

from include.core import streams
from include.core.events import FitRecorded, ImportanceRecorded
from include.registry.plots import plots_of
from include.steps import Platform

#: Up to which recorded version plots are drawn is kept in the ledger under this name.
_DRAWING = "plots of versions"


def draw_new(platform: Platform) -> int:
    """Draw the plots of all versions that were registered since the last call; of how many.

    Again is the same: one that was killed in the middle draws the same files once more. A version that MLflow does not
    show, or whose files nobody here can write, is passed over.

    Raises:
        RegistryUnavailable: MLflow cannot be reached, or failed; the next call goes on with that version.
    """
    ledger, drawn = platform.ledger, 0
    after, _ = ledger.delivered(_DRAWING)
    for entry, event in ledger.all_of(ImportanceRecorded, after=after):
        found = ledger.fact(streams.fit_key(event.project, event.evaluation), FitRecorded)
        plots = plots_of(
            f"{event.project}, version {event.model_version}", found.fit if found else None, event.importance
        )
        drawn += platform.versions.show_plots(event.project, event.evaluation, plots)
        ledger.mark_delivered(_DRAWING, position=entry.position)
    return drawn
