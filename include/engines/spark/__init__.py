"""The engine on a Spark cluster: whose executors compute some days each, by the very engine that computes here.

Spark places the work, moves it, and does again what is lost with an executor; no expression is translated, so none
means anything else there. :mod:`~include.engines.spark.engine` divides the work, :mod:`~include.engines.spark.executor`
is what a Python worker does with a part, :mod:`~include.engines.spark.cluster` is the session between them.
"""

from include.engines.spark.engine import opened

__all__ = ["opened"]
