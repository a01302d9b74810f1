"""What a notebook calls beside the steps themselves.

from include import notebook

notebook.features("flight_delay", "2013-05-01")
"""

import sys
import time
from collections.abc import Callable, Collection, Iterator
from datetime import date
from typing import TYPE_CHECKING

from include import steps
from include.core.project import Project
from include.core.records import Days, Run
from include.runtime.code.projects import load_anew
from include.runtime.nights.day_features import day_features
from include.runtime.nights.platform import utc_now
from include.settings import Settings
from include.steps import Platform
from include.training.progress import TrainingProgress

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["features", "gate", "show_training"]

_LOOKS_EVERY_SECONDS = 5.0


def features(
    project: str | Project, first: date | str, last: date | str | None = None, *, settings: Settings | None = None
) -> "pd.DataFrame":
    """The features of the UTC days *first* to *last* (inclusive; default: *first* alone), one row of the target a row.

    They are the values that nights compute, read under the project's grants, and it is recorded who read which days. Of
    a project that is named they are by the code as it lies in its folder now: edit it and call again.

    Raises as :func:`include.runtime.nights.day_features.day_features`.
    """
    settings = settings or Settings.from_environment()
    begin, end = (day if isinstance(day, date) else date.fromisoformat(day) for day in (first, last or first))
    named = load_anew(project, settings.projects) if isinstance(project, str) else project
    return day_features(settings, named, Days(first=begin, last=end))


def gate(
    platform: Platform,
    project: Project,
    run: Run,
    *,
    requester: str,
    minutes: float = 0.0,
    say: Callable[[str], object] = print,
) -> Run:
    """File what *run* reads and may not yet, *say* who decides about it and how, and wait up to *minutes* for them.

    Returns the run to go on with: a night gives its project's lease back while it waits, and takes it again.

    Raises:
        AccessDenied: something is not granted by then. Call it again with the same *run* once it is.
        LeaseHeld: another night of the project began meanwhile. Call it again once that has ended.
        CodeChanged: the code changed meanwhile: begin another run.
    """
    asked = steps.request_access(platform, run, requester=requester, now=utc_now())
    if not asked:
        return steps.resume(platform, project, run_id=run.run_id, now=utc_now())
    for line in _waits(platform, run, asked):
        say(line)
    steps.finish(platform, run)
    end = time.monotonic() + 60 * minutes
    while steps.missing_access(platform, run, now=utc_now()) and (left := end - time.monotonic()) > 0:
        time.sleep(min(_LOOKS_EVERY_SECONDS, left))
    platform.access.require(steps.scope_of(platform, run), now=utc_now())
    return steps.resume(platform, project, run_id=run.run_id, now=utc_now())


def _waits(platform: Platform, run: Run, asked: Collection[str]) -> Iterator[str]:
    """For each dataset that waits: who decides, and the commands that they type."""
    for request in platform.access.requests(run.project):
        if request.request_id not in asked:
            continue
        scope = request.scope
        adoption = platform.access.adoption(scope.dataset)
        current = adoption is not None and adoption.digest == scope.contract_digest
        stewards = adoption.stewards if adoption else platform.contracts[scope.dataset].stewards
        adopt = "" if current else f"`./trainyard contract adopt {scope.dataset} --as {stewards[0]}`, then "
        approve = f"`./trainyard access approve {request.request_id} --as {stewards[0]}`"
        yield f"{scope.dataset} waits for {' or '.join(stewards)}: {adopt}{approve}"


def show_training(step: str, progress: TrainingProgress) -> None:
    """Show how far a step that trains is, on one line that is written over."""
    sys.stdout.write(f"\r{step}: {progress.in_words():<90}" + ("\n" if progress.ended == progress.trials else ""))
    sys.stdout.flush()
