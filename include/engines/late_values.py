# ruff: noqa: S608 -- the queries are put together from names that contracts and projects declare, never from data
"""What is known of a dataset's rows at an instant, and what is done to the rest, in DuckDB's SQL."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta

from include.core.records import DAY, Column, ColumnType, Contract, Days, Scope
from include.engines.port import LateValues
from include.engines.session import quoted

#: How far before a row the one lies whose values it is given: further than those of its own hour or kind, mostly; and
#: where no such value can be given to it.
_ROWS_BEFORE, _FEW_ROWS_BEFORE = 97, 7
_TIMES = (ColumnType.TIMESTAMP, ColumnType.DATE)


def cut_rows(
    contract: Contract,
    columns: Collection[Column],
    source: str,
    days: Days,
    instant: datetime,
    later: LateValues,
    removed: Collection[str],
) -> str:
    """The query for the rows of *source* in *days* with that which became known after *instant* (UTC) *later*.

    Of the *columns* those that are *removed* are not changed: what became known later is null.
    """
    # Of what is disturbed half of the rows stay: by chance, and the same ones in every engine and release.
    half = f"md5(concat_ws(chr(10), {', '.join(quoted(name) for name in contract.key)})) < '8'"
    stays = "FALSE" if later is LateValues.REMOVED else half
    places = present(contract, columns)
    # Where a row is, it is the same row of the same day.
    known = " AND ".join(_known(column, instant) for column in places) or "TRUE"
    where = " AND ".join([*within(contract, days), f"(({known}) OR {stays})"])
    late = [column for column in columns if column not in places and column.known_at.column is not None]
    changed = [] if later is LateValues.REMOVED else [each for each in late if each.name not in removed]
    others = {column: f"WHEN {stays} THEN {_other_value(column, contract, instant)}" for column in changed}
    chosen = ", ".join(
        f"CASE WHEN {_known(column, instant)} THEN {quoted(column.name)} {others.get(column, '')} END "
        f"AS {quoted(column.name)}"
        if column in late
        else quoted(column.name)
        for column in columns
    )
    if valued := [column for column in changed if column.type not in _TIMES]:
        source += f", ({_extremes(valued, source, within(contract, days))})"
    return f"SELECT {chosen} FROM {source} WHERE {where}"


def _timestamp(instant: datetime) -> str:
    """*instant* as an SQL literal without a zone, in UTC."""
    return f"TIMESTAMP '{instant.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}'"


def between(column: str, days: Days) -> str:
    """The SQL condition that the quoted *column* lies in *days*."""
    return f"{column} >= DATE '{days.first}' AND {column} < DATE '{days.last + DAY}'"


def within(contract: Contract, days: Days) -> list[str]:
    if contract.partition_column is None:
        return []
    return [between(quoted(contract.partition_column), days)]


def _known(column: Column, instant: datetime) -> str:
    """Whether the value of *column* was known at *instant*; never, if its own time is null."""
    rule = column.known_at
    if rule.column is None:
        return "TRUE"
    microseconds = rule.offset // timedelta(microseconds=1)
    return f"coalesce({quoted(rule.column)} + to_microseconds({microseconds}) <= {_timestamp(instant)}, FALSE)"


def present(contract: Contract, columns: Iterable[Column]) -> list[Column]:
    """The columns that place a row: it is absent as long as one of them is unknown."""
    return [column for column in columns if _places(contract, column)]


def _places(contract: Contract, column: Column) -> bool:
    return column.key or column.name == contract.partition_column


def late_columns(
    datasets: Iterable[str], contracts: Mapping[str, Contract], scope: Scope
) -> tuple[tuple[str, str], ...]:
    """The columns of *datasets* in *scope*, each as its dataset and its name, that may become known after a row is."""
    held = {dataset.dataset: frozenset(dataset.names) for dataset in scope.datasets}
    return tuple(
        (name, column.name)
        for name in datasets
        for column in contracts[name].columns
        if column.name in held[name] and column.known_at.column is not None and not _places(contracts[name], column)
    )


def _extremes(columns: Iterable[Column], source: str, within: Iterable[str]) -> str:
    """The query for one row: the greatest and the least value of each of *columns*."""
    chosen = ", ".join(
        f"max({quoted(column.name)}) AS {_extreme(column, 'greatest')}, "
        f"min({quoted(column.name)}) AS {_extreme(column, 'least')}"
        for column in columns
    )
    return f"SELECT {chosen} FROM {source} WHERE {' AND '.join(within) or 'TRUE'}"


def _extreme(column: Column, which: str) -> str:
    return quoted(f"{which}\n{column.name}")  # a line break: no column is called so


def _other_value(column: Column, contract: Contract, instant: datetime) -> str:
    """Another value of the column: that of a row that lies some rows before; null where there is none to give.

    So whatever an expression makes of the column's values (a number of a text, say), it can make of this one. Neither
    the greatest nor the least is given: what is the greatest of a day would hardly change. A time stays after
    *instant*, and after all moments at which what it dates is known by then, so that what it dates stays unknown.
    """
    name = quoted(column.name)
    # Without an order, so that nothing is sorted.
    far, near = (f"nullif(lag({name}, {rows}) OVER (), {name})" for rows in (_ROWS_BEFORE, _FEW_ROWS_BEFORE))
    if column.type in _TIMES:
        dated = [each.known_at.offset for each in contract.columns if each.known_at.column == column.name]
        bound, step = _timestamp(instant - min([timedelta(0), *dated])), "INTERVAL 5 HOUR"
        if column.type is ColumnType.DATE:
            bound, step = f"CAST({bound} AS DATE)", "1"
        after = f"greatest(coalesce({name}, {bound}), {bound}) + {step}"
        return f"CASE WHEN {far} > {bound} THEN {far} ELSE {after} END"
    extremes = ", ".join(_extreme(column, which) for which in ("greatest", "least"))
    given = (f"CASE WHEN {other} NOT IN ({extremes}) THEN {other} END" for other in (far, near))
    return f"coalesce({', '.join(given)})"
