"""Which runs there are, and how far each is, as the ledger has it."""

from dataclasses import dataclass
from datetime import datetime

from include.core import streams
from include.core.errors import UnknownId
from include.core.events import ModelRegistered, RunStarted, StepFailed, StepFinished, StepReused, StepStarted
from include.core.records import Run
from include.ledger import Ledger
from include.runtime.code.projects import project_names
from include.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ShownRun:
    """``began`` (UTC) when, ``stands`` how far it is or what it came to, in words."""

    run: Run
    began: datetime
    stands: str


def last_runs(ledger: "Ledger", project: str | None = None, *, count: int) -> tuple[ShownRun, ...]:
    """The *count* runs that began last, of *project* or of all, the newest last."""
    started = ((event.run, entry.recorded_at) for entry, event in ledger.all_of(RunStarted))
    begun = [(run, at) for run, at in started if project in (None, run.project)][-count:]
    versions = {
        (name, model.run_id): model.model_version
        for name in {run.project for run, _ in begun}
        for model in ledger.events(streams.model(name), ModelRegistered)
    }
    return tuple(ShownRun(run=run, began=began, stands=_stands(ledger, run, versions)) for run, began in begun)


def require_known(settings: Settings, ledger: Ledger, project: str) -> None:
    """Check that there is such a project: declared here, or removed since a night of it took its lease.

    Raises:
        UnknownId: there is none.
    """
    names = project_names(settings.projects)
    if project not in names and not ledger.version(streams.lease(project)):
        remedy = f"Projects: {', '.join(names) or 'none is declared'}."
        raise UnknownId("there is a project of that name", value=project, remedy=remedy)


def _stands(ledger: "Ledger", run: Run, versions: dict[tuple[str, str], int]) -> str:
    version = versions.get((run.project, run.run_id))
    events = (entry.event for entry in reversed(ledger.read(streams.run(run.project, run.run_id))))
    last = next(
        (each for each in events if isinstance(each, StepStarted | StepFailed | StepFinished | StepReused)), None
    )
    if last is None:
        return "begun"
    if isinstance(last, StepFailed):
        return f"{last.step} failed: {last.error}"
    if isinstance(last, StepStarted):
        return f"{last.step} began"
    return f"version {version}" if version is not None and last.step == "promote" else f"{last.step} is done"
