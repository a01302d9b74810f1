"""Rows of features with their labels, whatever is done with them: learnt, held out or watched."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from include.core.errors import DataError
from include.data.encoding import encode_features
from include.declared.compiled import LABEL

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from include.core.records import Days, FeatureSet, FeatureSpec, Partition
    from include.governance.vault import OpenedArtifacts


@dataclass(frozen=True, kw_only=True)
class LabelledRows:
    """Rows sorted by day and key.

    ``table`` holds the feature columns, ``label`` float64 (NaN where there is none), ``day`` the ordinal of each row's
    UTC day.
    """

    table: "pa.Table"
    label: "NDArray[np.float64]"
    day: "NDArray[np.int32]"

    def of_days(self, days: Collection[date]) -> "NDArray[np.bool_]":
        import numpy as np

        return np.isin(self.day, [day.toordinal() for day in days])

    def matrix(self, features: "Sequence[FeatureSpec]") -> "NDArray[np.float32]":
        """Shape (rows, features); see :func:`include.data.encoding.encode_features`."""
        return encode_features(self.table, features)

    def __add__(self, later: "LabelledRows") -> "LabelledRows":
        import numpy as np
        import pyarrow as pa

        return LabelledRows(
            table=pa.concat_tables([self.table, later.table], promote_options="permissive"),
            label=np.concatenate([self.label, later.label]),
            day=np.concatenate([self.day, later.day]),
        )


def read(
    partitions: "Sequence[Partition]", opened: "OpenedArtifacts", columns: Sequence[str] | None = None
) -> "pa.Table":
    """All rows of *partitions*, in their order; only *columns*, if given. Of none, an empty table."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not partitions:
        return pa.table({})

    def one(partition: "Partition") -> "pa.Table":
        # A `ParquetFile` a partition costs a fifth of `read_table`, which sets up a dataset scan for each.
        return pq.ParquetFile(opened.path(partition.content)).read(columns, use_threads=False)

    if len(partitions) == 1:
        return one(partitions[0])
    with ThreadPoolExecutor(max_workers=2) as pool:
        return pa.concat_tables(pool.map(one, partitions), promote_options="permissive")


def read_features(
    features: "FeatureSet", days: "Days", opened: "OpenedArtifacts", *, beside: Sequence[str]
) -> "pa.Table":
    """All rows of *days*, by day and key: the key, the columns *beside* it of the label's table, and every feature.

    Raises:
        DataError: partitions that do not hold the same rows.
    """
    table = read([part for part in features.of(LABEL) if part.day in days], opened, [*features.key, *beside])
    wanted = {feature.name for feature in features.features}
    for group in sorted({partition.table for partition in features.partitions} - {LABEL}):
        part = read([partition for partition in features.of(group) if partition.day in days], opened)
        if part.num_rows != table.num_rows or not part.select(features.key).equals(table.select(features.key)):
            raise DataError(
                "every feature group has the rows of the label, in the same order",
                value=f"group {group}, {days.first} to {days.last}: {part.num_rows} rows beside {table.num_rows}",
                remedy="Build the features of this snapshot again.",
            )
        for name in part.column_names:
            if name in wanted:
                table = table.append_column(name, part.column(name))
    return table


def columns_of(partition: "Partition", opened: "OpenedArtifacts") -> list[str]:
    """The names of the columns that *partition* holds."""
    import pyarrow.parquet as pq

    names: list[str] = pq.ParquetFile(opened.path(partition.content)).schema_arrow.names
    return names


def days_of(partitions: "Sequence[Partition]") -> "NDArray[np.int32]":
    """The ordinal of the UTC day of each row of *partitions*, which have one each."""
    import numpy as np

    ordinals = np.array([part.day.toordinal() for part in partitions if part.day is not None], dtype=np.int32)
    return np.repeat(ordinals, [part.rows for part in partitions])
