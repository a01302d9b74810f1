"""Propose a contract for rows that have none: everything restricted until a steward says otherwise."""

from collections.abc import Collection, Iterator, Sequence

from include.contracts.rows import FileRows
from include.contracts.survey import ColumnFacts, Survey, survey
from include.core.errors import ContractError
from include.core.records import ColumnType


def draft(
    dataset: str,
    rows: FileRows,
    *,
    time: str | None = None,
    stewards: Sequence[str] = (),
    location: str | None = None,
    outcomes: Collection[str] = (),
    known_after_days: int = 0,
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
    lines = [
        *_head(dataset, location or str(rows.folder), stewards, partition),
        *_table_lines(dataset, partition, known_after_days, seen),
        *(line for facts in seen.columns for line in _column_lines(facts, seen, partition, known[facts.name])),
    ]
    return "\n".join(lines) + "\n"


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


def _head(dataset: str, location: str, stewards: Sequence[str], partition: str | None) -> Iterator[str]:
    yield f"# The data contract of {dataset}, in the Open Data Contract Standard 3: a draft, made from its files."
    yield "# EDIT what is marked so, and look at each column; then a steward named below adopts the file. Grants bind"
    yield "# the digest of the adopted version. Of a column:"
    yield "#   classification  restricted until you say public, internal or confidential"
    yield "#   primaryKey      proposed: no two rows of the files agree in these columns, and none can be spared"
    yield "#   tags            [identifier]: (nearly) each row has a value of its own; `new` makes no feature of it"
    yield "#   knownAt         when its value becomes known: always, a timestamp column, or one and an offset:"
    yield "#                   `ordered_at + PT1H`"
    yield "#   personal        if it leads to a person, direct-identifier (never read) or join-key (read as a token);"
    yield "#                   proposed where name or values speak for it. Each other column of text or of the key"
    yield "#                   needs a word of yours, beside knownAt:"
    yield "#                     - property: personal"
    yield "#                       value: none"
    yield "# Behind each type stands what the files hold: nulls, distinct values, a range (rounded, without 20 rows at"
    yield "# each end)."
    if partition is None:
        yield "# It is one undivided table. To have it read by day, draft it again with `--time COLUMN`."
    yield "apiVersion: v3.1.0"
    yield "kind: DataContract"
    yield f"id: urn:trainyard:contract:{dataset}"
    yield "version: 1.0.0"
    yield "status: draft"
    yield "servers:"
    yield "  - server: production"
    yield "    type: local"
    yield "    format: parquet"
    yield f"    path: {_quoted(location)}"
    yield "roles:"
    yield "  - role: data-steward"
    yield "    access: read"
    yield f"    firstLevelApprovers: {_quoted(', '.join(stewards))}  # EDIT: names of the stewards, separated by commas"
    yield "slaProperties:"
    yield "  - property: retention  # EDIT: how long rows of it are kept, and all that is made of them"
    yield "    element: snapshot"
    yield "    value: 400"
    yield "    unit: d"


def _table_lines(dataset: str, partition: str | None, known_after_days: int, seen: Survey) -> Iterator[str]:
    yield "schema:"
    yield f"  - name: {_quoted(dataset)}"
    yield "    physicalType: parquet"
    yield '    description: ""  # EDIT: what one row is'
    if partition is not None:
        yield "    customProperties:"
        yield "      - property: maturesAfterDays  # EDIT: after how many days all values of a day are known"
        yield f"        value: {known_after_days}"
    wrong = "  # EDIT primaryKey: no columns identify a row, not even all that are proposed together"
    yield f"    properties:{'' if seen.unique else wrong}"


def _column_lines(facts: ColumnFacts, seen: Survey, partition: str | None, known_at: str) -> Iterator[str]:
    """One column, as what is known of it proposes."""
    yield f"      - name: {_quoted(facts.name)}"
    yield f"        logicalType: {facts.type}  # {_counted(facts)}"
    yield "        classification: restricted"
    if facts.name in seen.key:
        yield "        primaryKey: true"
    if facts.name == partition:
        yield "        partitioned: true"
    if facts.name in seen.key or facts.name == partition:
        yield "        required: true"
    if facts.identifies:
        yield "        tags: [identifier]"
    yield "        customProperties:"
    yield "          - property: knownAt"
    yield f"            value: {_quoted(known_at)}"
    if facts.personal:
        yield "          - property: personal"
        yield f"            value: {facts.personal}"


def _counted(facts: ColumnFacts) -> str:
    nulls = f"{facts.nulls:,} of {facts.rows:,} null" if facts.nulls else "no nulls"
    distinct = f"{facts.distinct:,} distinct"
    return ", ".join([nulls, distinct, *([facts.span] if facts.span and not facts.personal else [])])


def _quoted(text: str) -> str:
    """*text* as a double-quoted YAML scalar: a JSON string, but for the pairs of escapes that YAML does not know."""
    import json

    return f'"{"".join(each if ord(each) > 0xFFFF else json.dumps(each)[1:-1] for each in text)}"'
