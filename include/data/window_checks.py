"""Checks of the whole window by aggregates of its days, and of rows by what the contract says of every column."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from statistics import median

from include.core.errors import DeclarationError
from include.core.project import Expectation, Severity
from include.core.records import DAY, CheckResult, Contract, Partition, day_start

#: A day is unusual when its rows are fewer than the median's third, or more than its triple.
UNUSUAL_FACTOR = 3
#: Great Expectations' checks of the number of rows: they are about a day, however many days a batch holds.
ROW_COUNTS = ("expect_table_row_count_to_be_between", "expect_table_row_count_to_equal")


def check_window(contract: Contract, partitions: Sequence[Partition], newest: datetime | None) -> Iterator[CheckResult]:
    """Whether every day of a divided dataset has rows, about as many as usual, and the last of them are fresh.

    *newest* (UTC) is the partition column's greatest value. Fresh is counted back from the end of the last day: the
    hours after it belong to the next night.
    """
    rows = {part.day: part.rows for part in partitions if part.day is not None}
    usual = median(rows.values())
    unusual = {
        day: count
        for day, count in rows.items()
        if count and not usual / UNUSUAL_FACTOR <= count <= usual * UNUSUAL_FACTOR
    }
    yield _of_days(contract, "days_have_rows", {day: count for day, count in rows.items() if not count})
    between = f"{usual / UNUSUAL_FACTOR:g} to {usual * UNUSUAL_FACTOR:g} rows"
    yield replace(_of_days(contract, "row_counts_are_usual", unusual), limits=between)
    if contract.freshness_hours is not None:
        last = max(rows)
        limit = day_start(last) + DAY - timedelta(hours=contract.freshness_hours)
        fresh = newest is not None and newest.replace(tzinfo=UTC) >= limit
        yield CheckResult(
            dataset=contract.dataset,
            expectation=f"newest_row_is_at_most_{contract.freshness_hours:g}_hours_old",
            column=contract.partition_column,
            severity=Severity.CRITICAL,
            success=fresh,
            rows=rows[last],
            unexpected=None,
            days=() if fresh else (last,),
        )


def check_row_counts(expectation: Expectation, partitions: Sequence[Partition]) -> CheckResult:
    """An expectation about the number of rows, held against each of *partitions* by itself.

    Raises:
        DeclarationError: it has other arguments than ``min_value``, ``max_value`` (both inclusive) or ``value``.
    """
    arguments = dict(expectation.arguments)
    low, high = arguments.pop("min_value", None), arguments.pop("max_value", None)
    if expectation.kind == ROW_COUNTS[1]:
        low = high = arguments.pop("value", None)
    bounds = [bound for bound in (low, high) if bound is not None]
    if arguments or not bounds or not all(isinstance(bound, int | float) for bound in bounds):
        raise DeclarationError(
            f"{expectation.dataset}: {expectation.kind} is given numbers of rows, and nothing else",
            value=sorted(expectation.arguments),
            remedy="Use `min_value` and `max_value`, or `value`.",
        )
    least, most = (bound if isinstance(bound, int | float) else None for bound in (low, high))
    wrong = [
        part
        for part in partitions
        if (least is not None and part.rows < least) or (most is not None and part.rows > most)
    ]
    return CheckResult(
        dataset=expectation.dataset,
        expectation=expectation.kind,
        column=None,
        severity=expectation.severity,
        success=not wrong,
        rows=sum(part.rows for part in wrong or partitions),
        unexpected=None,
        days=tuple(part.day for part in wrong if part.day is not None),
        limits=expectation.limits,
    )


def check_required(contract: Contract, nulls: Mapping[Partition, Mapping[str, int]]) -> Iterator[CheckResult]:
    """Whether columns that the contract calls required have a value in every row; *nulls* counts those of each day.

    Days that are not complete are left out: there a value may be unknown yet.
    """
    complete = {part: counts for part, counts in nulls.items() if part.complete}
    if not complete:
        return
    names = next(iter(complete.values())).keys()
    for column in contract.columns:
        if column.required and column.name in names:
            absent = {part: counts[column.name] for part, counts in complete.items()}
            yield CheckResult(
                dataset=contract.dataset,
                expectation="required_values_are_there",
                column=column.name,
                severity=Severity.CRITICAL,
                success=not any(absent.values()),
                rows=sum(part.rows for part in complete),
                unexpected=sum(absent.values()),
                days=tuple(part.day for part, count in absent.items() if count and part.day is not None),
            )


def _of_days(contract: Contract, name: str, failing: Mapping[date, int]) -> CheckResult:
    """The outcome of a check that the days *failing* did not pass, by their rows."""
    return CheckResult(
        dataset=contract.dataset,
        expectation=name,
        column=None,
        severity=Severity.WARNING,
        success=not failing,
        rows=sum(failing.values()) if failing else None,
        unexpected=None,
        days=tuple(failing),
    )
