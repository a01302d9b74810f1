"""New rows as Great Expectations takes them, all at once or a batch of days after the other."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING

from include.core.moments import compared
from include.core.project import Expectation
from include.core.records import CheckResult, Contract, Partition
from include.data.expectations import Batch, check, check_in_turn
from include.data.labelled import read
from include.data.memory import DataMemory
from include.declared.scope import columns_of

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    from include.governance.vault import OpenedArtifacts

#: What a value takes while it is checked, and the share of the memory that is checked at once.
CELL_BYTES, SHARE = 100, 0.5
#: Expectations that Great Expectations cannot compute over exact integers beside nulls.
_BINNED = ("expect_column_kl_divergence_to_be_less_than",)
#: Expectations of each row by itself: their counts in several batches add up.
_OF_ROWS = frozenset(
    f"expect_{each}"
    for each in (
        "column_pair_values_a_to_be_greater_than_b",
        "column_pair_values_to_be_equal",
        "column_pair_values_to_be_in_set",
        "column_value_lengths_to_be_between",
        "column_value_lengths_to_equal",
        "column_values_to_be_between",
        "column_values_to_be_dateutil_parseable",
        "column_values_to_be_in_set",
        "column_values_to_be_json_parseable",
        "column_values_to_be_null",
        "column_values_to_match_json_schema",
        "column_values_to_match_regex",
        "column_values_to_match_regex_list",
        "column_values_to_match_strftime_format",
        "column_values_to_not_be_in_set",
        "column_values_to_not_be_null",
        "column_values_to_not_match_regex",
        "column_values_to_not_match_regex_list",
        "multicolumn_sum_to_equal",
        "multicolumn_values_to_be_equal",
        "select_column_values_to_be_unique_within_record",
    )
)
#: Those of rows beside each other: of no two days, where the time that divides them is among the columns.
_OF_A_DAY = ("expect_compound_columns_to_be_unique", "expect_column_values_to_be_unique")


def divides(expectation: Expectation, contract: Contract) -> bool:
    """Whether the counts of *expectation* in batches of whole days add up to those of all rows."""
    if "row_condition" in expectation.arguments:  # it may compare with a figure of all rows
        return False
    within_days = contract.partition_column in columns_of(expectation) and expectation.kind in _OF_A_DAY
    return expectation.kind in _OF_ROWS or within_days


def checked_columns(expectations: Sequence[Expectation], names: Sequence[str]) -> set[str]:
    """The columns, of all *names*, that *expectations* look at."""
    if any("row_condition" in expectation.arguments for expectation in expectations):
        return set(names)  # a condition is text: it may name any column
    return {name for expectation in expectations for name in columns_of(expectation)}


class RowBatches:
    """The rows of the partitions *parts*, at most about *most_rows* at once; *nullable* are the columns with nulls."""

    def __init__(
        self,
        contract: Contract,
        parts: Sequence[Partition],
        opened: "OpenedArtifacts",
        memory: DataMemory,
        *,
        most_rows: int,
        nullable: Collection[str],
    ) -> None:
        self._contract, self._parts, self._opened, self._memory = contract, parts, opened, memory
        self._most_rows, self._nullable = most_rows, nullable

    def check(self, expectations: Sequence[Expectation], names: Sequence[str]) -> list[CheckResult]:
        """The outcome of each of *expectations*, as of all rows at once.

        Raises:
            OutOfRoom: one of them needs whole columns, which do not fit; nothing was checked then.
        """
        whole = [each for each in expectations if not divides(each, self._contract)]
        divided = [each for each in expectations if divides(each, self._contract)]
        found: dict[int, CheckResult] = {}
        if whole:
            columns = sorted(checked_columns(whole, names))
            rows = sum(part.rows for part in self._parts)
            kinds = ", ".join(sorted({each.kind for each in whole}))
            what = f"what {kinds} of {self._contract.dataset!r} need ({len(columns)} columns of {rows:,} rows)"
            self._memory.require(what, rows * len(columns) * CELL_BYTES, share=SHARE)
            found |= zip(map(id, whole), check(self._batch(self._parts, columns, whole), whole), strict=True)
        if divided:
            columns = sorted(checked_columns(divided, names))
            largest = max(part.rows for part in self._parts)
            what = f"a day of {self._contract.dataset!r} to check ({largest:,} rows)"
            self._memory.require(what, largest * len(columns) * CELL_BYTES)
            outcomes = check_in_turn(lambda: self._batches(columns, divided), divided)
            found |= zip(map(id, divided), outcomes, strict=True)
        return [found[id(each)] for each in expectations]

    def _batches(self, columns: Sequence[str], expectations: Sequence[Expectation]) -> Iterator[Batch]:
        held: list[Partition] = []
        for part in (*(part for part in self._parts if part.rows), None):
            if held and (part is None or sum(each.rows for each in held) + part.rows > self._most_rows):
                yield self._batch(held, columns, expectations)
                held = []
            if part is not None:
                held.append(part)

    def _batch(self, parts: Sequence[Partition], columns: Sequence[str], expectations: Sequence[Expectation]) -> Batch:
        tables = {part: read([part], self._opened, columns) for part in parts}
        return batch_of(self._contract, tables, columns, expectations, self._nullable)


def batch_of(
    contract: Contract,
    tables: Mapping[Partition, "pa.Table"],
    columns: Sequence[str],
    expectations: Sequence[Expectation],
    nullable: Collection[str],
) -> Batch:
    """The rows of *tables*, with *columns*; *nullable* are those that have a null, here or in another batch."""
    import pyarrow as pa

    days: dict[date | None, tuple[int, int]] = {}
    start = 0
    for part in tables:
        days[part.day] = (start, start + part.rows)
        start += part.rows
    table = pa.concat_tables(tables.values()).select(columns)
    compares = [expectation for expectation in expectations if any(compared(expectation.kind, expectation.arguments))]
    bounded = {name for expectation in compares for name in columns_of(expectation)}
    binned = {name for each in expectations if each.kind in _BINNED for name in columns_of(each)}
    frame = frame_of(table, bounded=bounded, exact=set(nullable) - binned)
    return Batch(dataset=contract.dataset, frame=frame, days=days)


def frame_of(table: "pa.Table", *, bounded: Collection[str], exact: Collection[str]) -> "pd.DataFrame":
    """*table* in pandas: the integers that are *exact* are so beside nulls, and dates that are compared are times."""
    import pandas as pd
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_date(field.type) and field.name in bounded:  # as times, one spelling of a bound fits both
            table = table.set_column(place, field.name, table[field.name].cast(pa.timestamp("us")))
    frame: pd.DataFrame = table.to_pandas(use_threads=False)
    for field in table.schema:
        if field.name in exact and pa.types.is_integer(field.type):
            column = table.select([field.name]).to_pandas(types_mapper={field.type: pd.Int64Dtype()}.get)
            frame[field.name] = column[field.name]
        elif field.name in exact and pa.types.is_boolean(field.type):
            frame[field.name] = frame[field.name].astype(object)  # as where it has a null
    return frame
