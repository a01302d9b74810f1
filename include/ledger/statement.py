"""Statements of SQL that are built once: to build one, and to render it, takes longer than to run it."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa


class Statement:
    """A statement with parameters by name, rendered once for each kind of database; forked children inherit that."""

    def __init__(self, expression: sa.ClauseElement, *, columns: Sequence[str] | None = None) -> None:
        """*columns* are those that an insert gives values for."""
        self._expression, self._columns = expression, columns
        self._rendered: dict[str, tuple[str, dict[str, Any], list[str] | None]] = {}

    def run(self, connection: sa.Connection, **values: Any) -> "sa.CursorResult[Any]":
        """Run it with *values*, as the driver takes and gives them: texts, integers, bytes."""
        dialect = connection.dialect
        if dialect.name not in self._rendered:
            self.render(dialect)
        text, constants, order = self._rendered[dialect.name]
        given = {**constants, **values}
        return connection.exec_driver_sql(text, given if order is None else tuple(given[name] for name in order))

    def render(self, dialect: sa.Dialect) -> None:
        """Make its text for *dialect* now, which is otherwise made when it is first run."""
        compiled: Any = self._expression.compile(dialect=dialect, column_keys=self._columns)
        order = list(compiled.positiontup or ()) if compiled.positional else None
        self._rendered[dialect.name] = (str(compiled), dict(compiled.params), order)
