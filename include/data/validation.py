"""Hold a snapshot against its contracts' and its project's expectations, and write down what came out."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.canonical import record_digest
from include.core.errors import DeclarationError
from include.core.project import Expectation, Project
from include.core.records import CheckResult, Contract, Partition, Snapshot, Validation
from include.data.expectations import Batch, check
from include.data.labelled import read
from include.data.memory import DataMemory
from include.data.report import render
from include.data.row_batches import CELL_BYTES, SHARE, RowBatches, batch_of, checked_columns
from include.data.sources import Source, source_of
from include.data.window_checks import ROW_COUNTS, check_required, check_row_counts, check_window
from include.declared.scope import COLUMN_NAMES, columns_of
from include.store import Store

if TYPE_CHECKING:
    import pyarrow as pa

    from include.governance.vault import OpenedArtifacts

#: Part of the digest of what is checked. Raise it when a check of this room changes.
FORMAT = 3
#: This many failing days are named in a message, and the rest counted.
NAMED_DAYS = 5


def expectations_digest(project: Project, contracts: Mapping[str, Contract]) -> str:
    """The digest of all that a validation of *project* checks: what was checked under it need not be checked again."""
    promised = [
        (contract.dataset, contract.expectations, contract.freshness_hours, _required(contract))
        for _, contract in sorted(contracts.items())
    ]
    return record_digest((FORMAT, project.quality.expectations, promised))


def validate(
    *,
    snapshot: Snapshot,
    snapshot_digest: str,
    project: Project,
    contracts: Mapping[str, Contract],
    opened: "OpenedArtifacts",
    production: Path,
    credentials: Path | None = None,
    store: Store,
    checked: Collection[str],
) -> Validation:
    """The outcomes of all checks; a failure is an outcome, not an error.

    Partitions whose content is in *checked* are left out of the checks of rows: all others are one batch a dataset.
    One that is not complete is not covered by them: what it lacks may be unknown yet or missing for ever, and its bytes
    are the same once it is complete. The window is checked every time. Columns that this project does not read cannot
    be checked; the report lists those checks. Of the files in *production* only the names of their columns are read,
    where an expectation is about these. *store* keeps the report, which holds counts and no value of the data.

    Raises:
        DeclarationError: an expectation does not exist, cannot be evaluated, or the project expects something of a
            column that it does not read.
    """
    unchecked = {part.content for part in snapshot.partitions} - set(checked)
    memory = DataMemory(mib=project.operations.compute.data_memory_mib)
    checks: list[CheckResult] = []
    unread: list[Expectation] = []
    for scope in snapshot.scope.datasets:
        contract, names = contracts[scope.dataset], scope.names
        expectations, missed = _readable(project, contract, names)
        unread += missed
        partitions = snapshot.of(scope.dataset)
        new = [part for part in partitions if part.content in unchecked]
        if new:
            checks += _of_rows(contract, new, expectations, names, opened, memory)
            source = source_of(contract, production, credentials, instant=snapshot.instant, columns=names)
            checks += _of_names(source, new, expectations)
        if contract.partition_column is not None:
            checks += check_window(contract, partitions, _newest(contract, partitions, opened))
    page = render(project=project, snapshot=snapshot, snapshot_digest=snapshot_digest, checks=checks, unread=unread)
    return Validation(
        snapshot=snapshot_digest,
        expectations=expectations_digest(project, contracts),
        covered=tuple(sorted({part.content for part in snapshot.partitions if part.complete} & unchecked)),
        checks=tuple(checks),
        report=store.put(page.encode()),
    )


def summary(failed: Sequence[CheckResult]) -> str:
    """*failed* in a line that says what, where, and how much."""
    return "; ".join(_line(outcome) for outcome in failed)


def _line(outcome: CheckResult) -> str:
    days = ", ".join(day.isoformat() for day in outcome.days[:NAMED_DAYS])
    more = len(outcome.days) - NAMED_DAYS
    return (
        f"{outcome.dataset}: {outcome.expectation}"
        + (f" of {outcome.column}" if outcome.column else "")
        + (f" ({outcome.limits})" if outcome.limits else "")
        + (f" on {days}" if days else "")
        + (f" and {more} more days" if more > 0 else "")
        + _counted(outcome)
    )


def _counted(outcome: CheckResult) -> str:
    if outcome.rows is None:
        return ""
    if outcome.unexpected is not None:
        return f", {outcome.unexpected} of {outcome.rows} rows"
    return f", {outcome.rows} rows" + (" in all" if len(outcome.days) > 1 else "")


def _required(contract: Contract) -> list[str]:
    return sorted(column.name for column in contract.columns if column.required)


def _readable(
    project: Project, contract: Contract, names: Sequence[str]
) -> tuple[list[Expectation], list[Expectation]]:
    """The expectations on a dataset whose columns were read, and the contract's others."""
    own = [expectation for expectation in project.quality.expectations if expectation.dataset == contract.dataset]
    for expectation in own:
        if not columns_of(expectation) <= set(names):
            raise DeclarationError(
                f"{project.name}: an expectation names columns that the project reads",
                value=f"{expectation.kind} of {sorted(columns_of(expectation) - set(names))}",
                remedy=f"Use columns of {contract.dataset}: {', '.join(names)}.",
            )
    promised = [expectation for expectation in contract.expectations if columns_of(expectation) <= set(names)]
    unread = [expectation for expectation in contract.expectations if expectation not in promised]
    return promised + [expectation for expectation in own if expectation not in promised], unread


def _of_rows(
    contract: Contract,
    new: Sequence[Partition],
    expectations: Sequence[Expectation],
    names: Sequence[str],
    opened: "OpenedArtifacts",
    memory: DataMemory,
) -> Iterator[CheckResult]:
    """The checks of the rows in *new*: of all at once, or where they are too many for *memory*, day by day."""
    on_values = [expectation for expectation in expectations if expectation.kind not in (*ROW_COUNTS, *COLUMN_NAMES)]
    columns = checked_columns(on_values, names)
    wanted = [name for name in names if name in columns or name in _required(contract)]
    rows, most_rows = sum(part.rows for part in new), int(memory.for_rows * SHARE) // (CELL_BYTES * len(wanted) or 1)
    if rows > most_rows:
        nulls = {part: _nulls(read([part], opened, wanted)) for part in new}
        batches = RowBatches(contract, new, opened, memory, most_rows=most_rows, nullable=_nullable(nulls.values()))
        yield from batches.check(on_values, names)
    else:
        tables = {part: read([part], opened, wanted) for part in new}
        nulls = {part: _nulls(table) for part, table in tables.items()}
        if on_values and rows:
            yield from check(
                batch_of(contract, tables, sorted(columns), on_values, _nullable(nulls.values())), on_values
            )
    for expectation in expectations:
        if expectation.kind in ROW_COUNTS:
            yield check_row_counts(expectation, new)
    yield from check_required(contract, nulls)


def _nulls(table: "pa.Table") -> dict[str, int]:
    return {name: table[name].null_count for name in table.column_names}


def _nullable(nulls: Iterable[Mapping[str, int]]) -> frozenset[str]:
    return frozenset(name for counts in nulls for name, count in counts.items() if count)


def _of_names(source: Source, new: Sequence[Partition], expectations: Sequence[Expectation]) -> Iterator[CheckResult]:
    """The checks of the names of columns, each layout of the files in *new* checked once."""
    on_names = [expectation for expectation in expectations if expectation.kind in COLUMN_NAMES]
    if not on_names:
        return
    import pandas as pd

    layouts: dict[tuple[str, ...], list[Partition]] = {}
    for part in new:
        for layout in source.layouts(part.day):
            layouts.setdefault(layout, []).append(part)
    found = [
        (parts, check(Batch(dataset=source.contract.dataset, frame=pd.DataFrame(columns=layout), days={}), on_names))
        for layout, parts in layouts.items()
    ]
    for place, expectation in enumerate(on_names):
        failing = [part for parts, outcomes in found if not outcomes[place].success for part in parts]
        yield CheckResult(
            dataset=source.contract.dataset,
            expectation=expectation.kind,
            column=column if isinstance(column := expectation.arguments.get("column"), str) else None,
            severity=expectation.severity,
            success=not failing,
            rows=sum(part.rows for part in new),
            unexpected=None,
            days=tuple(sorted({part.day for part in failing if part.day is not None})),
        )


def _newest(contract: Contract, partitions: Sequence[Partition], opened: "OpenedArtifacts") -> datetime | None:
    """The greatest value of the partition column: it stands in the last day that has rows."""
    import pyarrow.compute as pc

    column = str(contract.partition_column)
    last = next(part for part in reversed(partitions) if part.rows)
    newest: datetime | None = pc.max(read([last], opened, [column])[column]).as_py()
    return newest
