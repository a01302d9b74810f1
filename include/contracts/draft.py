"""Propose a contract for rows that have none: everything restricted until a steward says otherwise."""

from collections.abc import Collection, Sequence
from pathlib import Path

from include.contracts.origin import TableOrigin
from include.contracts.rows import FileRows
from include.contracts.servers import scheme_of
from include.contracts.survey import ColumnFacts, survey
from include.contracts.tables import ICEBERG, POSTGRES, CatalogTable, DatabaseTable
from include.core.errors import ContractError
from include.core.records import DAY, AsOf, ColumnType

#: Of a table that was loaded within that time after its newest rows, commits may tell when rows were known.
_LOADED_WITHIN = 7 * DAY


def draft(
    dataset: str,
    rows: FileRows,
    *,
    time: str | None = None,
    stewards: Sequence[str] = (),
    location: str | None = None,
    outcomes: Collection[str] = (),
    known_after_days: int = 0,
    origin: TableOrigin | None = None,
) -> str:
    """A contract's YAML for *rows*.

    It loads with :func:`include.contracts.load`, as ``<dataset>.odcs.yaml``, once it names *stewards*. Types
    come from the files; the primary key is a minimal set of columns without duplicates or nulls; the partition column
    is *time*, or the one timestamp that agrees with the folders ``day=YYYY-MM-DD``, where there are such. Every column
    is ``restricted``, and known at the time of its row; the *outcomes* that many days later. *location* is written in
    the place of the files' own folder. No value of the data enters the text, but for ranges as profiles show them.

    Raises:
        ContractError: the dataset's name is no identifier, *outcomes* names what is no column of a dataset that is
            divided by day, or not exactly one timestamp agrees with the folders of days.
        DataError: *time* is no timestamp with a value in every row, or a file cannot be read.
    """
    if not dataset.isidentifier():
        raise ContractError("a dataset's name is an identifier", value=dataset, remedy="Use letters, digits and _.")
    partition = _partition_column(rows, time)
    _check_outcomes(outcomes, rows.types, partition)
    seen = survey(rows, partition=partition, no_key=outcomes)
    late = f"{partition} + P{known_after_days}D" if known_after_days else partition
    known = {name: (late if name in outcomes else partition) or "always" for name in rows.types}
    return _rendered(
        dataset=dataset,
        location=location or str(rows.folder),
        table=DatabaseTable.of(location) if location and scheme_of(location) == POSTGRES else None,
        lake=CatalogTable.of(location) if location and scheme_of(location) == ICEBERG else None,
        stored_at=origin and origin.stored_at,
        as_of=_as_of(rows, partition, origin),
        stewards=", ".join(stewards),
        partition=partition,
        known_after_days=known_after_days,
        seen=seen,
        known=known,
    )


def _rendered(**values: object) -> str:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        autoescape=False,  # noqa: S701 -- YAML is written here, not HTML
    )
    environment.filters |= {"quoted": _quoted, "counted": _counted}
    return environment.get_template("draft.odcs.yaml.j2").render(values)


def _check_outcomes(outcomes: Collection[str], columns: Collection[str], partition: str | None) -> None:
    unknown = sorted(set(outcomes) - (set(columns) - {partition}))
    if unknown:
        remedy = f"Use some of {sorted(set(columns) - {partition})}."
        raise ContractError(
            "an outcome is a column that becomes known after its row's time", value=unknown, remedy=remedy
        )
    if outcomes and partition is None:
        remedy = "Name the timestamp that divides the rows by day: `--time COLUMN`."
        raise ContractError(
            "outcomes are known some days after their row's time", value="no time column", remedy=remedy
        )


def _partition_column(rows: FileRows, time: str | None) -> str | None:
    """The *time* that the user names; else the only timestamp whose UTC day is its folder's in every row."""
    if time is not None:
        rows.times(time)
        return time
    if not rows.by_day:
        return None
    stamps = [name for name, kind in rows.types.items() if kind is ColumnType.TIMESTAMP]
    agreeing = [name for name in stamps if not rows.misfiled(name)]
    if len(agreeing) != 1:
        raise ContractError(
            "one timestamp places each row in the UTC day of its folder `day=YYYY-MM-DD`",
            value=f"{agreeing} do so" if agreeing else f"none of {stamps} does so in every row",
            remedy="Name the one that is meant: `--time COLUMN` (rows that lie elsewhere are filed by it).",
        )
    return agreeing[0]


def _as_of(rows: FileRows, partition: str | None, origin: TableOrigin | None) -> AsOf:
    """As of commits, unless all rows are far older than the first: no instant of theirs ever saw a snapshot."""
    import pyarrow.compute as pc

    if partition is None or origin is None or origin.first_commit is None:
        return AsOf.COMMIT
    newest = pc.max(rows.times(partition)).as_py()
    return AsOf.CURRENT if newest < origin.first_commit.replace(tzinfo=None) - _LOADED_WITHIN else AsOf.COMMIT


def _counted(facts: ColumnFacts) -> str:
    nulls = f"{facts.nulls:,} of {facts.rows:,} null" if facts.nulls else "no nulls"
    distinct = f"{facts.distinct:,} distinct"
    return ", ".join([nulls, distinct, *([facts.span] if facts.span and not facts.personal else [])])


def _quoted(text: str) -> str:
    """*text* as a double-quoted YAML scalar: a JSON string, but for the pairs of escapes that YAML does not know."""
    import json

    return f'"{"".join(each if ord(each) > 0xFFFF else json.dumps(each)[1:-1] for each in text)}"'
