"""What runs a project's expressions over the rows of a snapshot: the port, and the engines that stand behind it.

:mod:`~include.engines.port` says what is asked of an engine, :mod:`~include.engines.dialect` in which words, and
:mod:`~include.engines.division` which days may be computed apart. What is DuckDB's own:
:mod:`~include.engines.duckdb_engine` and its :mod:`~include.engines.session`, the SQL of what is known at an instant
(:mod:`~include.engines.late_values`), what a query can reach (:mod:`~include.engines.confinement`). On a cluster
:mod:`~include.engines.spark` has executors compute some days each, by DuckDB too.
"""

from functools import partial

from include.engines.duckdb_engine import opened, version
from include.engines.port import Engine, OpenEngine, Room

__all__ = ["PRELOADED", "Engine", "OpenEngine", "Room", "engine_at", "opened", "version"]

#: The modules that every run of a query imports.
PRELOADED = ("duckdb", "ibis.backends.duckdb")


def engine_at(address: str | None) -> OpenEngine:
    """How an engine is opened: in this process, or on the Spark cluster whose master has *address*.

    The same rows and queries give the same bytes on both, and so the same :func:`version` stands for both.
    """
    if address is None:
        return opened
    from include.engines import spark

    return partial(spark.opened, address=address, engine=opened, version=version)
