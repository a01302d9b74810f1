"""What runs a project's expressions over the rows of a snapshot: the port, and the engine that stands behind it.

:mod:`~include.engines.port` says what is asked of an engine, :mod:`~include.engines.dialect` in which words. What is
DuckDB's own: :mod:`~include.engines.duckdb_engine` and its :mod:`~include.engines.session`, the SQL of what is known at
an instant (:mod:`~include.engines.late_values`), what a query can reach (:mod:`~include.engines.confinement`).
"""

from include.engines.duckdb_engine import opened, version
from include.engines.port import Engine

__all__ = ["PRELOADED", "Engine", "opened", "version"]

#: The modules that every run of a query imports.
PRELOADED = ("duckdb", "ibis.backends.duckdb")
