"""The data sets of a night, step by step, as :mod:`include.lineage.emission` reports them."""

from collections.abc import Iterable, Sequence

from include.core.canonical import record_digest
from include.core.records import Evaluation, FeatureSet, Partition, Plan, Promotion, Snapshot, Treatment
from include.lineage.compiled import LABEL
from include.lineage.declaration import Declaration
from include.lineage.emission import Dataset, Source

#: What a model's one output column is called.
PREDICTION = "prediction"


def sources(taken: Snapshot) -> list[Dataset]:
    """The production tables that the snapshot was read from, only the columns that were read."""
    return [
        Dataset(
            name=f"production/{scope.dataset}",
            version=record_digest([partition.inputs for partition in taken.of(scope.dataset)]),
            fields=[(name, "granted") for name in scope.names],
        )
        for scope in taken.scope.datasets
    ]


def snapshots(taken: Snapshot) -> list[Dataset]:
    """The frozen tables: each column from its own, tokens marked as masked."""
    return [
        Dataset(
            name=f"snapshot/{taken.project}/{scope.dataset}",
            version=_version(taken.of(scope.dataset)),
            fields=[(name, treatment.value) for name, treatment in scope.columns],
            columns={
                name: [
                    Source(dataset=f"production/{scope.dataset}", column=name, masked=treatment is not Treatment.CLEAR)
                ]
                for name, treatment in scope.columns
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
                    Source(dataset=f"snapshot/{project}/{dataset}", column=column) for dataset, column in origin.sources
                ]
                for origin in declared.of(table)
                if origin.sources
            },
            rows_from=[
                Source(dataset=f"snapshot/{project}/{dataset}", column=column)
                for dataset, column in declared.read_by(table)
            ],
            rows=sum(partition.rows for partition in built.of(table)),
        )
        for table in names
    ]


def training(project: str, built: FeatureSet, drawn: Plan) -> list[Dataset]:
    """The binned data set that all trials share."""
    columns = {
        feature.name: [Source(dataset=f"features/{project}/{feature.group}", column=feature.name)]
        for feature in built.features
    }
    columns[LABEL] = [Source(dataset=f"features/{project}/{LABEL}", column=LABEL)]
    fields = [(feature.name, "category" if feature.categories else "float32") for feature in built.features]
    return [
        Dataset(name=f"training/{project}", version=drawn.binned, fields=[*fields, (LABEL, "float64")], columns=columns)
    ]


def trials(project: str, shard: int, outcomes: str) -> list[Dataset]:
    """The recorded outcomes of one shard."""
    return [Dataset(name=f"trials/{project}/{shard}", version=outcomes)]


def model(project: str, built: FeatureSet, evaluated: Evaluation) -> list[Dataset]:
    """The refitted model: its prediction comes from every training column."""
    columns: Iterable[str] = [*(feature.name for feature in built.features), LABEL]
    made_of = [Source(dataset=f"training/{project}", column=column) for column in columns]
    return [
        Dataset(
            name=f"model/{project}",
            version=evaluated.model,
            fields=[(PREDICTION, "float64")],
            columns={PREDICTION: made_of},
        )
    ]


def registered(project: str, promoted: Promotion) -> list[Dataset]:
    """The registered version of the model."""
    return [
        Dataset(
            name=f"registry/{project}/{promoted.version}",
            version=promoted.bundle,
            fields=[(PREDICTION, "float64")],
            columns={PREDICTION: [Source(dataset=f"model/{project}", column=PREDICTION)]},
        )
    ]


def _version(partitions: Sequence[Partition]) -> str:
    return record_digest([partition.content for partition in partitions])
