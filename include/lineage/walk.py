"""The data sets of a night and of a watch, step by step, as :mod:`include.lineage.emission` reports them.

    production/<dataset> → snapshot/<project>/<dataset> → features/<project>/<group>, features/<project>/label
    → training/<project> → trials/<project>/<shard> → model/<project>, evaluation/<project>
    → registry/<project>/<version> → scores/<project> → drift/<project> → verdict/<project>

where production data on a server has its own namespace and name (``s3://bucket`` and the folder), and beside them
validation/<project>, of the snapshot, and reference/<project>/<version>, which a watch compares with.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from include.contracts.servers import lineage_name
from include.core.canonical import record_digest
from include.core.project import Severity
from include.core.records import Contract, FeatureSet, Partition, Plan, Snapshot, Treatment, Validation
from include.declared.compiled import LABEL
from include.declared.declaration import Declaration
from include.lineage.datasets import NAMESPACE, Assertion, Dataset, DatasetType, SourceColumn

#: What a model's one output column is called.
PREDICTION = "prediction"


def sources(taken: Snapshot, contracts: Mapping[str, Contract]) -> list[Dataset]:
    """The production tables that the snapshot was read from, only the columns that were read."""
    return [
        Dataset(
            namespace=_production(contracts[scope.dataset])[0],
            name=_production(contracts[scope.dataset])[1],
            version=record_digest([partition.inputs for partition in taken.of(scope.dataset)]),
            fields=[(name, "granted") for name in scope.names],
        )
        for scope in taken.scope.datasets
    ]


def snapshots(taken: Snapshot, contracts: Mapping[str, Contract]) -> list[Dataset]:
    """The frozen tables: each column from its own, tokens marked as masked."""
    return [
        Dataset(
            name=f"snapshot/{taken.project}/{scope.dataset}",
            version=_version(taken.of(scope.dataset)),
            fields=[(name, treatment.value) for name, treatment in scope.columns],
            columns={
                name: [_source_column(contracts[scope.dataset], name, treatment)] for name, treatment in scope.columns
            },
            rows=sum(partition.rows for partition in taken.of(scope.dataset)),
        )
        for scope in taken.scope.datasets
    ]


def features(project: str, built: FeatureSet, declared: Declaration) -> list[Dataset]:
    """The feature tables and the label, each column from the columns of the snapshot that it is computed from, and the
    rows from all that the expression reads: join keys and filters too.
    """
    names = sorted({partition.table for partition in built.partitions})
    return [
        Dataset(
            name=f"features/{project}/{table}",
            version=_version(built.of(table)),
            fields=[(origin.column, origin.type) for origin in declared.of(table)],
            columns={
                origin.column: [
                    SourceColumn(dataset=f"snapshot/{project}/{dataset}", column=column)
                    for dataset, column in origin.sources
                ]
                for origin in declared.of(table)
                if origin.sources
            },
            rows_from=[
                SourceColumn(dataset=f"snapshot/{project}/{dataset}", column=column)
                for dataset, column in declared.read_by(table)
            ],
            rows=sum(partition.rows for partition in built.of(table)),
        )
        for table in names
    ]


def training(project: str, built: FeatureSet, drawn: Plan) -> list[Dataset]:
    """The binned data set that all trials share."""
    columns = {
        feature.name: [SourceColumn(dataset=f"features/{project}/{feature.group}", column=feature.name)]
        for feature in built.features
    }
    columns[LABEL] = [SourceColumn(dataset=f"features/{project}/{LABEL}", column=LABEL)]
    fields = [(feature.name, "category" if feature.categories else "float32") for feature in built.features]
    return [
        Dataset(name=f"training/{project}", version=drawn.binned, fields=[*fields, (LABEL, "float64")], columns=columns)
    ]


def validation(taken: Snapshot, contracts: Mapping[str, Contract], outcome: Validation) -> list[Dataset]:
    """The snapshot's tables with what was checked of each: outcomes, never a value or a count."""
    checked: dict[str, list[Assertion]] = {}
    for check in outcome.checks:
        severity = "error" if check.severity is Severity.CRITICAL else "warn"
        checked.setdefault(check.dataset, []).append(
            Assertion(expectation=check.expectation, column=check.column, severity=severity, success=check.success)
        )
    tables = zip(taken.scope.datasets, snapshots(taken, contracts), strict=True)
    return [replace(table, assertions=checked.get(scope.dataset, ())) for scope, table in tables]


def validated(project: str, outcome: str) -> list[Dataset]:
    """The outcome of a validation (its digest) and its report."""
    return [_output(f"validation/{project}", outcome)]


def trials(project: str, shard: int, outcomes: str) -> list[Dataset]:
    return [_output(f"trials/{project}/{shard}", outcomes)]


def model(project: str, built: FeatureSet, refitted: str) -> list[Dataset]:
    """The refitted model (the digest of its text): its prediction comes from every training column."""
    columns: Iterable[str] = [*(feature.name for feature in built.features), LABEL]
    made_of = [SourceColumn(dataset=f"training/{project}", column=column) for column in columns]
    return [_model(f"model/{project}", refitted, made_of)]


def evaluation(project: str, evaluated: str) -> list[Dataset]:
    """What the holdout says of the model (the digest of the :class:`Evaluation`)."""
    return [_output(f"evaluation/{project}", evaluated)]


def champion(project: str, model_version: int, bundle: str) -> list[Dataset]:
    """A registered version, known by its number and the digest of its bundle: what a watch scores with."""
    made_of = [SourceColumn(dataset=f"model/{project}", column=PREDICTION)]
    return [_model(f"registry/{project}/{model_version}", bundle, made_of)]


# ── the watch ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def reference(project: str, model_version: int, profile: str) -> list[Dataset]:
    """The profile (a digest) of what a registered version was trained on: what live rows are held against."""
    return [_output(f"reference/{project}/{model_version}", profile)]


def scores(project: str, model_version: int, scored: str, *, rows: int | None = None) -> list[Dataset]:
    """Predictions of a registered version for live rows (the digest of what was scored)."""
    made_of = [SourceColumn(dataset=f"registry/{project}/{model_version}", column=PREDICTION)]
    return [
        Dataset(
            name=f"scores/{project}",
            version=scored,
            fields=[(PREDICTION, "float64")],
            columns={PREDICTION: made_of},
            rows=rows,
        )
    ]


def drift_report(project: str, report: str) -> list[Dataset]:
    """The figures of the watched days, and the report that explains them (a digest)."""
    return [_output(f"drift/{project}", report)]


def verdict(project: str, judged: str) -> list[Dataset]:
    """What the policy decided (the digest of the verdict). A night that it asked for takes it as an input."""
    return [_output(f"verdict/{project}", judged)]


def _production(contract: Contract) -> tuple[str, str]:
    named = contract.stored_at and lineage_name(contract.stored_at)
    return named or lineage_name(contract.location) or (NAMESPACE, f"production/{contract.dataset}")


def _source_column(contract: Contract, column: str, treatment: Treatment) -> SourceColumn:
    namespace, name = _production(contract)
    return SourceColumn(namespace=namespace, dataset=name, column=column, masked=treatment is not Treatment.CLEAR)


def _model(name: str, version: str, made_of: Sequence[SourceColumn]) -> Dataset:
    return Dataset(
        name=name,
        version=version,
        type=DatasetType.MODEL,
        fields=[(PREDICTION, "float64")],
        columns={PREDICTION: made_of},
    )


def _output(name: str, version: str) -> Dataset:
    return Dataset(name=name, version=version, type=DatasetType.JOB_OUTPUT)


def _version(partitions: Sequence[Partition]) -> str:
    return record_digest([partition.content for partition in partitions])
