"""The data sets of OpenLineage events: what one is, and the facets that tell of it.

They live in the namespace ``trainyard``, but for production data on a server, which is named by OpenLineage's rules.
Of columns they hold names, never a value.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openlineage.client.event_v2 import InputDataset, OutputDataset

NAMESPACE = "trainyard"
PRODUCER = "urn:trainyard:platform"


class DatasetType(StrEnum):
    """What a data set is, in OpenLineage's words."""

    TABLE = "TABLE"
    MODEL = "MODEL"
    JOB_OUTPUT = "JOB_OUTPUT"  # what a step says of data: trials, an evaluation, a report, a verdict


@dataclass(frozen=True, kw_only=True)
class Assertion:
    """One expectation that a data set was held against; ``column=None``: it is about the whole data set."""

    expectation: str
    column: str | None
    severity: str
    success: bool


@dataclass(frozen=True, kw_only=True)
class SourceColumn:
    """A column that another is made of; ``masked``: its values do not survive."""

    dataset: str
    column: str
    masked: bool = False
    namespace: str = NAMESPACE


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A data set of one version. ``fields`` are its columns and their types; ``columns`` where each comes from;
    ``rows_from`` what decides which rows there are, and so every column of them. ``assertions`` is what was checked of
    it as an input.
    """

    name: str
    version: str
    type: DatasetType = DatasetType.TABLE
    fields: Sequence[tuple[str, str]] = ()
    columns: Mapping[str, Iterable[SourceColumn]] = field(default_factory=dict)
    rows_from: Sequence[SourceColumn] = ()
    rows: int | None = None
    assertions: Sequence[Assertion] = ()
    namespace: str = NAMESPACE


def _facets(dataset: Dataset) -> dict[str, Any]:
    from openlineage.client.facet_v2 import dataset_type_dataset, dataset_version_dataset, schema_dataset

    facets: dict[str, Any] = {
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(
            datasetVersion=dataset.version, producer=PRODUCER
        ),
        "datasetType": dataset_type_dataset.DatasetTypeDatasetFacet(datasetType=dataset.type.value, producer=PRODUCER),
    }
    if dataset.fields:
        facets["schema"] = schema_dataset.SchemaDatasetFacet(
            fields=[schema_dataset.SchemaDatasetFacetFields(name=name, type=kind) for name, kind in dataset.fields],
            producer=PRODUCER,
        )
    if dataset.columns or dataset.rows_from:
        facets["columnLineage"] = _column_lineage(dataset.columns, dataset.rows_from)
    return facets


def _column_lineage(columns: Mapping[str, Iterable[SourceColumn]], rows_from: Sequence[SourceColumn]) -> object:
    from openlineage.client.facet_v2 import column_lineage_dataset as facet

    def input_field(source: SourceColumn, kind: str = "DIRECT") -> facet.InputField:
        transformation = facet.Transformation(type=kind, masking=source.masked)
        return facet.InputField(
            namespace=source.namespace, name=source.dataset, field=source.column, transformations=[transformation]
        )

    return facet.ColumnLineageDatasetFacet(
        fields={
            name: facet.Fields(inputFields=[input_field(source) for source in sources])
            for name, sources in columns.items()
        },
        dataset=[input_field(source, "INDIRECT") for source in rows_from],
        producer=PRODUCER,
    )


def input_of(dataset: Dataset) -> "InputDataset":
    from openlineage.client.event_v2 import InputDataset

    return InputDataset(
        namespace=dataset.namespace,
        name=dataset.name,
        facets=_facets(dataset),
        inputFacets=_checked(dataset.assertions),
    )


def _checked(assertions: Sequence[Assertion]) -> dict[str, Any]:
    from openlineage.client.facet_v2 import data_quality_assertions_dataset as facet

    if not assertions:
        return {}
    told = [
        facet.Assertion(assertion=one.expectation, column=one.column, severity=one.severity, success=one.success)
        for one in assertions
    ]
    return {"dataQualityAssertions": facet.DataQualityAssertionsDatasetFacet(assertions=told, producer=PRODUCER)}


def output_of(dataset: Dataset) -> "OutputDataset":
    from openlineage.client.event_v2 import OutputDataset
    from openlineage.client.facet_v2 import output_statistics_output_dataset as statistics

    counted: dict[str, Any] = {}
    if dataset.rows is not None:
        counted["outputStatistics"] = statistics.OutputStatisticsOutputDatasetFacet(
            rowCount=dataset.rows, producer=PRODUCER
        )
    return OutputDataset(namespace=NAMESPACE, name=dataset.name, facets=_facets(dataset), outputFacets=counted)
