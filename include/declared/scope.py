"""What a project reads, derived from its compiled expressions."""

from collections.abc import Mapping

from include.core.errors import DeclarationError
from include.core.project import Expectation, Project
from include.core.records import Contract, DatasetScope, Scope, Treatment
from include.declared.expressions import Expressions, expressions_of
from include.declared.reads import Source, columns_read


def scope_of(project: Project, contracts: Mapping[str, Contract]) -> Scope:
    """Every column that population, label, feature groups and expectations read, join keys and filters included.

    The functions can be called with tables that have these columns and no others. Added are the columns that tell when
    a read value becomes known, the key and the partition column: without them nobody could cut the rows at an instant.
    ``window_days`` counts window, lookback, the days that the target needs to mature, and one to spare. It depends on
    no instant and reads no data.

    Raises:
        DeclarationError: a function or an expectation names a dataset or a column that cannot be read, or the target's
            dataset has no partition column.
    """
    if (
        project.learning.target.dataset not in contracts
        or contracts[project.learning.target.dataset].partition_column is None
    ):
        raise DeclarationError(
            f"project {project.name!r}: the target's dataset has a contract that divides it by day",
            value=f"dataset {project.learning.target.dataset!r}",
            remedy=f"Name one of {sorted(n for n, c in contracts.items() if c.partition_column)}, or mark its "
            "timestamp with `partitioned: true` in the contract.",
        )
    expressions = expressions_of(project, contracts)
    read = {place for expression in expressions.all for place in columns_read(expression, contracts)}
    read |= {(name, key) for name in expressions.datasets for key in contracts[name].key}  # if only to count its rows
    for expectation in project.quality.expectations:
        read |= {(expectation.dataset, column) for column in _expected_columns(expectation, contracts)}
    if not _runs(project, contracts, _scope(project, contracts, read)):
        read |= _named_only(project, contracts, expressions, read)
    return _scope(project, contracts, read)


def _named_only(
    project: Project, contracts: Mapping[str, Contract], expressions: Expressions, read: set[Source]
) -> set[Source]:
    """The columns that the functions name without using their values: they cannot be called without them."""
    named = {place for table in expressions.all for place in columns_read(table, contracts, unused=True)} - read
    for place in sorted(named):
        if _runs(project, contracts, _scope(project, contracts, read | (named - {place}))):
            named.remove(place)
    return named


def _runs(project: Project, contracts: Mapping[str, Contract], scope: Scope) -> bool:
    try:
        expressions_of(project, contracts, scope=scope)
    except DeclarationError:
        return False
    return True


def _scope(project: Project, contracts: Mapping[str, Contract], read: set[Source]) -> Scope:
    window_days = (
        project.learning.window.days
        + project.learning.lookback_days
        + contracts[project.learning.target.dataset].matures_after_days
        + 1
    )
    datasets = {dataset for dataset, _ in read} | {project.learning.target.dataset}
    return Scope(
        project=project.name,
        purpose=project.ownership.purpose,
        datasets=tuple(
            _dataset_scope(
                contracts[name],
                {column for dataset, column in read if dataset == name},
                window_days,
                copy_model=project.operations.copy_model,
            )
            for name in sorted(datasets)
        ),
    )


#: Expectations of the names of columns: they are held against all that a file has, whatever is read of it.
COLUMN_NAMES = (
    "expect_column_to_exist",
    "expect_table_column_count_to_be_between",
    "expect_table_column_count_to_equal",
    "expect_table_columns_to_match_ordered_list",
    "expect_table_columns_to_match_set",
)


def columns_of(expectation: Expectation) -> frozenset[str]:
    """The columns that *expectation* is about: its arguments `column`, `column_A`, `column_list`, `column_set`.

    A list of the names that a file has is about none of them.
    """
    named: set[str] = set()
    if expectation.kind in COLUMN_NAMES:
        return frozenset([str(expectation.arguments["column"])] if "column" in expectation.arguments else [])
    for argument, value in expectation.arguments.items():
        if argument.startswith("column") and argument != "column_index":
            named.update([value] if isinstance(value, str) else value if isinstance(value, list | tuple) else ())
    return frozenset(named)


def _expected_columns(expectation: Expectation, contracts: Mapping[str, Contract]) -> frozenset[str]:
    contract = contracts.get(expectation.dataset)
    named = columns_of(expectation)
    readable = (
        {column.name for column in contract.columns if column.treatment is not Treatment.DROP} if contract else set()
    )
    if contract is None or not named <= readable:
        raise DeclarationError(
            f"expectation {expectation.kind!r} names a dataset with a contract, and columns that may be read",
            value=f"dataset {expectation.dataset!r}, columns {sorted(named - readable)}",
            remedy=f"Columns to choose from: {sorted(readable)}." if contract else f"Datasets: {sorted(contracts)}.",
        )
    return named


def _dataset_scope(contract: Contract, read: set[str], window_days: int, *, copy_model: bool) -> DatasetScope:
    needed = read | set(contract.key)
    if contract.partition_column is not None:
        needed.add(contract.partition_column)
    pending = list(needed)
    while pending:  # the column that says when a value is known has such a column itself
        column = contract.column(pending.pop())
        known_by = column.known_at.column if column else None
        if known_by is not None and known_by not in needed:
            needed.add(known_by)
            pending.append(known_by)
    return DatasetScope(
        dataset=contract.dataset,
        contract_digest=contract.digest,
        columns=tuple(sorted((column.name, column.treatment) for column in contract.columns if column.name in needed)),
        window_days=None if contract.partition_column is None else window_days,
        copy_model=copy_model,
    )
