"""What the steps report to OpenLineage: the events of a run, the graph that they make, and its drawing.

:mod:`~include.lineage.datasets` names what steps take and make, :mod:`~include.lineage.walk` says which of it each
step took and made, :mod:`~include.lineage.emission` makes the events, :mod:`~include.lineage.graph` reads those of a
night from the ledger, and :mod:`~include.lineage.drawing` draws them.
"""

from include.declared import column_lineage, expressions_of, scope_of

__all__ = ["column_lineage", "expressions_of", "scope_of"]  # from here, tests of projects that 0.1 scaffolded take them
