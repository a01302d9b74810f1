"""A project's code, compiled: the columns that its expressions read, and those that each output comes from.

:func:`tables` are the tables that a project's functions are called with by :func:`call`, :func:`expressions_of` calls
them all, and :func:`sql_of` is what an engine runs. :func:`scope_of` is what a steward is asked for;
:func:`column_lineage` is what a feature is made of, and :func:`~include.declared.declaration.declare` all of it.
"""

from include.declared.expressions import Expressions, expressions_of
from include.declared.reads import column_lineage
from include.declared.scope import scope_of
from include.declared.tables import call, tables
from include.engines.dialect import sql_of
from include.engines.port import POPULATION

__all__ = ["POPULATION", "Expressions", "call", "column_lineage", "expressions_of", "scope_of", "sql_of", "tables"]
