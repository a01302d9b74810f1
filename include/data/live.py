"""Rows that came after a model, as one table: all of them, those without a label too."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from include.core.errors import DataError
from include.core.records import Partition
from include.lineage.compiled import LABEL

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class Artifacts(Protocol):
    """Artifacts that were opened under a grant (:class:`include.governance.vault.Opened`)."""

    def path(self, digest: str) -> "Path": ...


@dataclass(frozen=True, kw_only=True)
class LiveRows:
    """Rows sorted by day and key.

    ``table`` holds the features, ``label`` float64 (NaN where there is none), ``day`` the ordinal of each row's UTC
    day.
    """

    table: "pa.Table"
    label: "NDArray[np.float64]"
    day: "NDArray[np.int32]"


def live_rows(partitions: Sequence[Partition], features: Sequence[str], opened: Artifacts) -> LiveRows:
    """The rows of *partitions* (:func:`include.data.features.live`), with the columns *features*.

    Raises:
        DataError: there are no rows, a feature is in no partition, or partitions do not hold the same rows.
    """
    import numpy as np
    import pyarrow as pa

    labels = [part for part in partitions if part.table == LABEL and part.day is not None]
    label = _read(labels, opened, [LABEL]).column(LABEL)
    columns: dict[str, pa.ChunkedArray] = {}
    for group in sorted({part.table for part in partitions} - {LABEL}):
        part = _read([part for part in partitions if part.table == group], opened, None)
        if part.num_rows != len(label):
            raise DataError(
                "every feature group has the rows of the label",
                value=f"group {group}: {part.num_rows} rows beside {len(label)}",
                remedy="Build the features of this snapshot again.",
            )
        columns |= {name: part.column(name) for name in part.column_names if name in features}
    missing = sorted(set(features) - columns.keys())
    if missing or not len(label):
        raise DataError(
            "live rows have the features of the model",
            value=f"no {', '.join(missing)}" if missing else "no rows",
            remedy="Choose an instant whose days the source holds, with the definitions that the model learnt.",
        )
    ordinals = np.array([part.day.toordinal() for part in labels if part.day is not None], dtype=np.int32)
    return LiveRows(
        table=pa.table({name: columns[name] for name in features}),
        label=label.cast(pa.float64()).to_numpy(),
        day=np.repeat(ordinals, [part.rows for part in labels]),
    )


def _read(partitions: Sequence[Partition], opened: Artifacts, columns: list[str] | None) -> "pa.Table":
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [pq.ParquetFile(opened.path(part.content)).read(columns, use_threads=False) for part in partitions]
    return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({LABEL: pa.nulls(0)})
