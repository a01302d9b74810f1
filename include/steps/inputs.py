"""What a step takes: only what the ledger says that an earlier step of its own run made.

Whoever may edit an XCom or mark a task as successful changes what a step is given, and nothing of what is recorded.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NoReturn

from include.core import streams
from include.core.errors import AccessDenied, TrainyardError, ValidationFailed
from include.core.events import PartitionsMade, StepFinished, StepReused
from include.core.project import Project, Severity
from include.core.records import Run, Validation
from include.ledger import Ledger
from include.ledger.journal import Journal
from include.steps.chain import MADE_BY
from include.steps.platform import Platform, failure_reported, known

#: The step that trains the winner again.
REFIT = MADE_BY["model"]


def require_made(platform: Platform, project: Project, run: Run, step: str, *, now: datetime, **given: str) -> None:
    """Check that each digest *given*, by a name of :data:`MADE_BY`, is what that step of this very *run* made or took.

    A model must be that of the plan that is given beside it. What is refused is recorded as a failure of *step*.

    Raises:
        AccessDenied: another run made it, or nobody: it may hold what no grant of this project covers.
    """
    for name, digest in given.items():
        made = _made(platform, run, MADE_BY[name])
        if digest not in made:
            instead = f"the step {MADE_BY[name]!r} of this run made {', '.join(dict.fromkeys(made)) or 'nothing'}"
            _refuse(platform, project, run, step, _not_of(run, name, digest, instead), now=now)
    if "model" in given and (model := known(platform, run, REFIT, (given["plan"],))) != given["model"]:
        instead = f"that of {given['plan']} is {model}"
        _refuse(platform, project, run, step, _not_of(run, "model", given["model"], instead), now=now)


def require_validated(
    platform: Platform, project: Project, run: Run, step: str, snapshot: str, *, now: datetime
) -> None:
    """Check that this very *run* validated *snapshot*, and that no critical expectation failed the last time.

    What is refused is recorded as a failure of *step*.

    Raises:
        ValidationFailed: it did not, or one failed.
    """
    from include.data.validation import summary

    validations = (platform.load(Validation, digest) for digest in reversed(_made(platform, run, "validate")))
    found = next((each for each in validations if each.snapshot == snapshot), None)
    if found is None:
        rule = f"the data of {project.name!r} are validated before a model is planned or promoted"
        value = f"no validation of {snapshot} in run {run.run_id!r}"
        remedy = "Clear the task `validate`. Marking it as successful validates nothing."
        _refuse(platform, project, run, step, ValidationFailed(rule, value=value, remedy=remedy), now=now)
    elif failed := found.failed(Severity.CRITICAL):
        rule = f"the data of {project.name!r} meet their critical expectations before a model is planned or promoted"
        remedy = (
            "Repair the named days at the source, then clear the task `snapshot`. Marking `validate` as successful "
            "changes nothing."
        )
        _refuse(platform, project, run, step, ValidationFailed(rule, value=summary(failed), remedy=remedy), now=now)


def makers(ledger: Ledger, digests: Collection[str]) -> Mapping[str, str]:
    """In words, which step of which run made those of *digests* whose making is recorded by itself."""
    found: dict[str, str] = {}
    if not digests:
        return found
    for entry in ledger.read_all(kinds=(PartitionsMade, StepFinished)):
        event = entry.event
        if isinstance(event, StepFinished) and event.output in digests:
            found.setdefault(event.output, f"the step {event.step} of {event.project}, run {event.run_id}")
        elif isinstance(event, PartitionsMade):
            for part in event.partitions:
                if part.content in digests:
                    day = f" of {part.day}" if part.day else ""
                    found.setdefault(part.content, f"{part.table}{day}, for {event.project}, run {event.run_id}")
    return found


def _made(platform: Platform, run: Run, step: str) -> list[str]:
    """What *step* of *run* made or found made, in the order in which it did."""
    events = (entry.event for entry in platform.ledger.read(streams.run(run.project, run.run_id)))
    return [event.output for event in events if isinstance(event, StepFinished | StepReused) and event.step == step]


def _not_of(run: Run, name: str, digest: str, instead: str) -> AccessDenied:
    return AccessDenied(
        f"a step takes only what an earlier step of its own run made, its {name} too",
        value=f"{digest} in run {run.run_id!r} of {run.project!r}; {instead}",
        remedy=f"Clear the task `{MADE_BY[name]}` of this run: it hands on what it made. Find out who changed what the "
        "step was given.",
    )


def _refuse(
    platform: Platform, project: Project, run: Run, step: str, error: TrainyardError, *, now: datetime
) -> NoReturn:
    """Raise *error* as an attempt of *step*: recorded, and reported to OpenLineage, by a run that holds its lease."""
    with failure_reported(platform, project, run, step, now=now), Journal(platform.ledger, run).attempt(step):
        raise error
