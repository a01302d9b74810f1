"""A project's model versions, as training registers them. Which one is champion: :mod:`include.registry.champions`."""

from collections.abc import Sequence

from include.core import streams
from include.core.events import ModelRegistered
from include.core.records import Run, Verdict
from include.ledger import Fence, Ledger
from include.registry.champions import sign_from_here


def models(ledger: Ledger, project: str) -> Sequence[ModelRegistered]:
    """All registered versions, oldest first."""
    return ledger.events(streams.model(project), ModelRegistered)


def register(ledger: Ledger, run: Run, *, evaluation: str, bundle: str, verdict: Verdict) -> ModelRegistered:
    """Register the evaluated model as a new version, for the authority to decide about; *verdict* is training's own.

    One that is registered already stays as it was.

    Raises:
        LedgerConflict: another version was registered at the same moment.
    """
    sign_from_here(ledger)
    stream, version = streams.model(run.project), ledger.version(streams.model(run.project))
    known = models(ledger, run.project)
    for model in known:
        if model.evaluation == evaluation:
            return model
    registered = ModelRegistered(
        project=run.project,
        run_id=run.run_id,
        model_version=max((model.model_version for model in known), default=0) + 1,
        evaluation=evaluation,
        bundle=bundle,
        verdict=verdict,
    )
    fence = Fence(project=run.project, token=run.fence)
    ledger.append(stream, [registered], expected_version=version, fence=fence)
    return registered
