"""What runs a project's expressions over the rows of a snapshot: the port, and the engine that stands behind it.

:mod:`~include.engines.port` says what is asked of an engine, :mod:`~include.engines.dialect` in which words. What is
DuckDB's own: :mod:`~include.engines.duckdb_engine` and its :mod:`~include.engines.session`, the SQL of what is known at
an instant (:mod:`~include.engines.late_values`), what a query can reach (:mod:`~include.engines.confinement`).
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from include.core.records import Contract, Partition, Snapshot
from include.engines.port import Engine

__all__ = ["PRELOADED", "Engine", "opened", "version"]

#: The modules that every run of a query imports.
PRELOADED = ("duckdb", "ibis.backends.duckdb")


def opened(
    snapshot: Snapshot,
    contracts: Mapping[str, Contract],
    path_of: Callable[[str], Path],
    *,
    partitions: Iterable[Partition] | None = None,
) -> AbstractContextManager[Engine]:
    """The engine over the snapshot's rows, or only those of some *partitions* of it, read once from their files.

    Raises:
        DataError: a partition cannot be read, or a dataset has none.
    """
    from include.engines import duckdb_engine

    return duckdb_engine.opened(snapshot, contracts, path_of, partitions=partitions)


def version() -> str:
    """What makes the bytes of a result others: part of the inputs of all that is made."""
    from include.engines import duckdb_engine

    return duckdb_engine.version()
