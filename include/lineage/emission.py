"""What a step took and made, or that it failed, as an OpenLineage event: the walk from a model to source columns.

Data sets live in the namespace ``trainyard``, as :mod:`include.lineage.walk` names them. Each carries its version (a
digest), so that one night's walk never strays into another's. Every event names the run that called its step and the
root of that: the task and the DAG run where Airflow runs it, the night elsewhere. Events hold names of columns and
digests, never a value.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.core.project import Project
from include.core.records import Grant, Run
from include.lineage.access_facet import FACET, access_facet
from include.lineage.datasets import NAMESPACE, PRODUCER, Dataset, input_of, output_of

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset

#: Names our events' run ids, so that a step that runs again is the same OpenLineage run.
_RUNS = uuid.UUID("6f1b7f9e-5d3c-5b0a-9a55-0f6f7a1d2c11")


@dataclass(frozen=True, kw_only=True)
class RunReference:
    """An OpenLineage run that is not ours: the job's name in its namespace, and the run's UUID."""

    namespace: str
    job: str
    run_id: str


@dataclass(frozen=True, kw_only=True)
class ParentRuns:
    """Within which run a step runs (``parent``), and what began it all (``root``)."""

    parent: RunReference
    root: RunReference


def event(
    *,
    run: Run,
    project: Project,
    step: str,
    at: datetime,
    inputs: Sequence[Dataset],
    outputs: Sequence[Dataset],
    parameters: Mapping[str, object] | None = None,
    tags: Mapping[str, str] | None = None,
    parents: ParentRuns | None = None,
    grants: Sequence[Grant] | None = None,
) -> str:
    """The OpenLineage ``COMPLETE`` event (JSON) of *step*, which took *inputs* and made *outputs* by *at* (UTC).

    *parameters* are recorded as execution parameters (hyper-parameters of a trial, say), *tags* as tags of the run
    (where it ran, say), beside the run's own id and the digest of its code. Without *parents*, the night is both.
    *grants* are those in force (``None``: nobody asked).
    """
    facets = _run_facets(run, parameters or {}, tags or {}, parents)
    if grants is not None:
        facets[FACET] = access_facet(grants, producer=PRODUCER)
    return _event(
        "COMPLETE",
        run,
        project,
        step,
        at,
        facets,
        [input_of(dataset) for dataset in inputs],
        [output_of(dataset) for dataset in outputs],
    )


def failure(
    *, run: Run, project: Project, step: str, at: datetime, message: str, parents: ParentRuns | None = None
) -> str:
    """The OpenLineage ``FAIL`` event (JSON) of *step*, which failed at *at* (UTC) with *message*, and made nothing.

    A ``COMPLETE`` event of the same OpenLineage run follows where an attempt after it ends well.
    """
    from openlineage.client.facet_v2 import error_message_run

    told = error_message_run.ErrorMessageRunFacet(message=message, programmingLanguage="PYTHON", producer=PRODUCER)
    facets = {**_run_facets(run, {}, {}, parents), "errorMessage": told}
    return _event("FAIL", run, project, step, at, facets, [], [])


def _event(
    state: str,
    run: Run,
    project: Project,
    step: str,
    at: datetime,
    facets: dict[str, Any],
    inputs: "list[InputDataset]",
    outputs: "list[OutputDataset]",
) -> str:
    from openlineage.client.event_v2 import Job, RunEvent, RunState
    from openlineage.client.event_v2 import Run as LineageRun
    from openlineage.client.serde import Serde

    made = RunEvent(
        eventType=RunState[state],
        eventTime=at.isoformat(),
        run=LineageRun(runId=run_uuid(run, step), facets=facets),
        job=Job(namespace=NAMESPACE, name=f"{run.project}.{step}", facets=_job_facets(project)),
        inputs=inputs,
        outputs=outputs,
        producer=PRODUCER,
    )
    return Serde.to_json(made)


def run_uuid(run: Run, step: str) -> str:
    """The OpenLineage run id of *step* of *run*: the same each time."""
    return step_uuid(run.project, run.run_id, step)


def step_uuid(project: str, run_id: str, step: str) -> str:
    """:func:`run_uuid`, of a run that is known by its id alone."""
    return str(uuid.uuid5(_RUNS, f"{project}/{run_id}/{step}"))


def night_of(run: Run) -> RunReference:
    """The whole night as an OpenLineage run: the parent and root of its steps where Airflow does not run them."""
    return RunReference(namespace=NAMESPACE, job=f"{run.project}.night", run_id=run_uuid(run, "night"))


def _run_facets(
    run: Run, parameters: Mapping[str, object], tags: Mapping[str, str], parents: ParentRuns | None
) -> dict[str, Any]:
    from openlineage.client.facet_v2 import execution_parameters_run, nominal_time_run, tags_run

    night = night_of(run)
    known = {"trainyard_run": run.run_id, "code_digest": run.code_digest, **tags}
    facets: dict[str, Any] = {
        "parent": _parent_facet(parents or ParentRuns(parent=night, root=night)),
        "nominalTime": nominal_time_run.NominalTimeRunFacet(
            nominalStartTime=run.instant.isoformat(), producer=PRODUCER
        ),
        "tags": tags_run.TagsRunFacet(
            tags=[
                tags_run.TagsRunFacetFields(key=key, value=value, source="TRAINYARD") for key, value in known.items()
            ],
            producer=PRODUCER,
        ),
    }
    if parameters:
        facets["executionParameters"] = execution_parameters_run.ExecutionParametersRunFacet(
            parameters=[
                execution_parameters_run.ExecutionParameter(key=key, name=key, value=str(value))
                for key, value in parameters.items()
            ],
            producer=PRODUCER,
        )
    return facets


def _parent_facet(parents: ParentRuns) -> object:
    from openlineage.client.facet_v2 import parent_run as facet

    parent, root = parents.parent, parents.root
    return facet.ParentRunFacet(
        run=facet.Run(runId=parent.run_id),
        job=facet.Job(namespace=parent.namespace, name=parent.job),
        root=facet.Root(
            run=facet.RootRun(runId=root.run_id), job=facet.RootJob(namespace=root.namespace, name=root.job)
        ),
        producer=PRODUCER,
    )


def _job_facets(project: Project) -> dict[str, Any]:
    from openlineage.client.facet_v2 import documentation_job, job_type_job, ownership_job

    return {
        "jobType": job_type_job.JobTypeJobFacet(
            processingType="BATCH", integration="TRAINYARD", jobType="TASK", producer=PRODUCER
        ),
        "ownership": ownership_job.OwnershipJobFacet(
            owners=[ownership_job.Owner(name=f"team:{project.ownership.owner}", type="MAINTAINER")], producer=PRODUCER
        ),
        "documentation": documentation_job.DocumentationJobFacet(
            description=project.ownership.purpose, producer=PRODUCER
        ),
    }
