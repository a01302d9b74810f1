"""A project's model versions, as the ledger tells them."""

from collections.abc import Sequence

from include.core.events import ModelRegistered
from include.core.records import Run, Verdict
from include.ledger import Fence, Ledger


def models(ledger: Ledger, project: str) -> Sequence[ModelRegistered]:
    """All registered versions, oldest first."""
    events = (entry.event for entry in ledger.read(f"model/{project}"))
    return [event for event in events if isinstance(event, ModelRegistered)]


def champion(ledger: Ledger, project: str, *, before: int | None = None) -> ModelRegistered | None:
    """The version in force: the last that was promoted (below version *before*, if it is given)."""
    promoted = [
        model
        for model in models(ledger, project)
        if model.verdict.promote and (before is None or model.model_version < before)
    ]
    return promoted[-1] if promoted else None


def registered(ledger: Ledger, project: str, evaluation: str) -> ModelRegistered | None:
    """The version of the model that *evaluation* (its digest) is about; ``None``: it has not been decided about."""
    return next((model for model in models(ledger, project) if model.evaluation == evaluation), None)


def register(ledger: Ledger, run: Run, *, evaluation: str, bundle: str, verdict: Verdict) -> ModelRegistered:
    """Register the evaluated model as a new version. One that is registered already stays as it was decided then.

    Raises:
        LedgerConflict: another version was registered at the same moment.
    """
    known = models(ledger, run.project)
    for model in known:
        if model.evaluation == evaluation:
            return model
    registered = ModelRegistered(
        project=run.project,
        run_id=run.run_id,
        model_version=known[-1].model_version + 1 if known else 1,
        evaluation=evaluation,
        bundle=bundle,
        verdict=verdict,
    )
    fence = Fence(project=run.project, token=run.fence)
    ledger.append(f"model/{run.project}", [registered], expected_version=len(known), fence=fence)
    return registered
