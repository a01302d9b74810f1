"""What a step took and made, as one OpenLineage event each: the walk from a model back to source columns.

Data sets live in the namespace ``trainyard``: ``production/<dataset>``, ``snapshot/<project>/<dataset>``,
``features/<project>/<group>``, ``training/<project>``, ``trials/<project>/<shard>``, ``model/<project>`` and
``registry/<project>``. Each carries its version (a digest), so that one night's walk never strays into another's.
Events hold names of columns and digests, never a value.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from include.core.project import Project
from include.core.records import Run

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset

NAMESPACE = "trainyard"
PRODUCER = "urn:trainyard:platform"

#: Names our events' run ids, so that a step that runs again is the same OpenLineage run.
_RUNS = uuid.UUID("6f1b7f9e-5d3c-5b0a-9a55-0f6f7a1d2c11")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A column that another is made of; ``masked``: its values do not survive."""

    dataset: str
    column: str
    masked: bool = False


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set of one version. ``fields`` are its columns and their types; ``columns`` where each comes from;
    ``rows_from`` what decides which rows there are, and so every column of them.
    """

    name: str
    version: str
    fields: Sequence[tuple[str, str]] = ()
    columns: Mapping[str, Iterable[Source]] = field(default_factory=dict)
    rows_from: Sequence[Source] = ()
    rows: int | None = None


def event(
    *,
    run: Run,
    project: Project,
    step: str,
    at: datetime,
    inputs: Sequence[Dataset],
    outputs: Sequence[Dataset],
    parameters: Mapping[str, object] | None = None,
) -> str:
    """The OpenLineage ``COMPLETE`` event (JSON) of *step*, which took *inputs* and made *outputs* by *at* (UTC).

    *parameters* are recorded as execution parameters (hyper-parameters of a trial, say).
    """
    from openlineage.client.event_v2 import Job, RunEvent, RunState
    from openlineage.client.event_v2 import Run as LineageRun
    from openlineage.client.serde import Serde

    made = RunEvent(
        eventType=RunState.COMPLETE,
        eventTime=at.isoformat(),
        run=LineageRun(runId=run_uuid(run, step), facets=_run_facets(run, parameters or {})),
        job=Job(namespace=NAMESPACE, name=f"{run.project}.{step}", facets=_job_facets(project)),
        inputs=[_input(dataset) for dataset in inputs],
        outputs=[_output(dataset) for dataset in outputs],
        producer=PRODUCER,
    )
    return Serde.to_json(made)


def run_uuid(run: Run, step: str) -> str:
    """The OpenLineage run id of *step* of *run*: the same each time."""
    return str(uuid.uuid5(_RUNS, f"{run.project}/{run.run_id}/{step}"))


def _run_facets(run: Run, parameters: Mapping[str, object]) -> dict[str, Any]:
    from openlineage.client.facet_v2 import execution_parameters_run, nominal_time_run, parent_run

    night, name = run_uuid(run, "night"), f"{run.project}.night"
    facets: dict[str, Any] = {
        "parent": parent_run.ParentRunFacet(
            run=parent_run.Run(runId=night),
            job=parent_run.Job(namespace=NAMESPACE, name=name),
            root=parent_run.Root(
                run=parent_run.RootRun(runId=night), job=parent_run.RootJob(namespace=NAMESPACE, name=name)
            ),
            producer=PRODUCER,
        ),
        "nominalTime": nominal_time_run.NominalTimeRunFacet(
            nominalStartTime=run.instant.isoformat(), producer=PRODUCER
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


def _job_facets(project: Project) -> dict[str, Any]:
    from openlineage.client.facet_v2 import documentation_job, job_type_job, ownership_job

    return {
        "jobType": job_type_job.JobTypeJobFacet(
            processingType="BATCH", integration="TRAINYARD", jobType="TASK", producer=PRODUCER
        ),
        "ownership": ownership_job.OwnershipJobFacet(
            owners=[ownership_job.Owner(name=f"team:{project.owner}", type="MAINTAINER")], producer=PRODUCER
        ),
        "documentation": documentation_job.DocumentationJobFacet(description=project.purpose, producer=PRODUCER),
    }


def _facets(dataset: Dataset) -> dict[str, Any]:
    from openlineage.client.facet_v2 import dataset_version_dataset, schema_dataset

    facets: dict[str, Any] = {
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=dataset.version, producer=PRODUCER)
    }
    if dataset.fields:
        facets["schema"] = schema_dataset.SchemaDatasetFacet(
            fields=[schema_dataset.SchemaDatasetFacetFields(name=name, type=kind) for name, kind in dataset.fields],
            producer=PRODUCER,
        )
    if dataset.columns or dataset.rows_from:
        facets["columnLineage"] = _column_lineage(dataset.columns, dataset.rows_from)
    return facets


def _column_lineage(columns: Mapping[str, Iterable[Source]], rows_from: Sequence[Source]) -> object:
    from openlineage.client.facet_v2 import column_lineage_dataset as facet

    def input_field(source: Source, kind: str = "DIRECT") -> facet.InputField:
        transformation = facet.Transformation(type=kind, masking=source.masked)
        return facet.InputField(
            namespace=NAMESPACE, name=source.dataset, field=source.column, transformations=[transformation]
        )

    return facet.ColumnLineageDatasetFacet(
        fields={
            name: facet.Fields(inputFields=[input_field(source) for source in sources])
            for name, sources in columns.items()
        },
        dataset=[input_field(source, "INDIRECT") for source in rows_from],
        producer=PRODUCER,
    )


def _input(dataset: Dataset) -> "InputDataset":
    from openlineage.client.event_v2 import InputDataset

    return InputDataset(namespace=NAMESPACE, name=dataset.name, facets=_facets(dataset))


def _output(dataset: Dataset) -> "OutputDataset":
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    counted: dict[str, Any] = {}
    if dataset.rows is not None:
        counted["outputStatistics"] = statistics.OutputStatisticsOutputDatasetFacet(
            rowCount=dataset.rows, producer=PRODUCER
        )
    return OutputDataset(namespace=NAMESPACE, name=dataset.name, facets=_facets(dataset), outputFacets=counted)
