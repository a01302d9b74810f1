"""Metrics of the standard's library as expectations of Great Expectations, where these say the same."""

import math
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from open_data_contract_standard.model import DataQuality

#: The comparisons of the standard, of which a rule has one.
OPERATORS = (
    *("mustBe", "mustNotBe", "mustBeGreaterThan", "mustBeGreaterOrEqualTo", "mustBeLessThan", "mustBeLessOrEqualTo"),
    *("mustBeBetween", "mustNotBeBetween"),
)
_METRICS = ("rowCount", "nullValues", "missingValues", "invalidValues", "duplicateValues")

#: Refuses what stands under a key of the rule: the key, the rule that it breaks, what stands there, the remedy.
Refuse = Callable[[str, str, object, str], NoReturn]
#: An expectation's kind and its arguments.
Check = tuple[str, dict[str, object]]


def is_library(entry: "DataQuality") -> bool:
    """Whether *entry* is a rule of the library: it says so, or names a metric and says nothing."""
    return entry.type == "library" or (entry.type is None and bool(entry.metric or entry.rule))


def checks(entry: "DataQuality", column: str | None, refuse: Refuse) -> Iterator[Check]:
    """What a rule of the library checks, of *column* or of the whole dataset; *refuse* says what has no counterpart."""
    metric = entry.metric or entry.rule
    if metric not in _METRICS:
        refuse("metric", "a metric of the standard's library", metric, f"Use one of: {', '.join(_METRICS)}.")
    operator, limit = _comparison(entry, refuse)
    if metric == "rowCount":
        if column is not None:
            refuse("metric", "rows are counted of the dataset", metric, "Move the rule to the dataset's `quality`.")
        yield _row_count(entry, operator, limit, refuse)
        return
    mostly = _mostly(entry, operator, limit, refuse)
    found = list(_of_values(metric, dict(entry.arguments or {}), column, refuse))
    if mostly and (len(found) > 1 or metric == "duplicateValues"):
        refuse(operator, "a share of rows is counted of one kind of value, and not of duplicates", limit, _ZERO)
    yield from ((kind, {**arguments, **mostly}) for kind, arguments in found)


_ZERO = "Write `mustBe: 0`, or an expectation of Great Expectations (`type: custom`)."


def _comparison(entry: "DataQuality", refuse: Refuse) -> tuple[str, object]:
    given = [name for name in OPERATORS if getattr(entry, name) is not None]
    if len(given) != 1:
        refuse("metric", "a metric is compared once", given or "not at all", f"Give one of: {', '.join(OPERATORS)}.")
    return given[0], getattr(entry, given[0])


def _ends(operator: str, limit: Any, refuse: Refuse) -> tuple[float | None, float | None, bool]:
    """The least and the greatest number that passes (``None``: any), and whether it is the first that does not."""
    pair = limit if isinstance(limit, list) and len(limit) == 2 else [limit, limit]
    if not all(isinstance(end, int | float) and not isinstance(end, bool) for end in pair) or pair[0] > pair[1]:
        remedy = "Write a number, or two in a list for `mustBeBetween`."
        refuse(operator, "a metric is compared with a number, or with two that rise", limit, remedy)
    low, high = pair
    ends = {
        "mustBe": (low, high, False),
        "mustBeBetween": (low, high, False),
        "mustBeGreaterThan": (low, None, True),
        "mustBeGreaterOrEqualTo": (low, None, False),
        "mustBeLessThan": (None, high, True),
        "mustBeLessOrEqualTo": (None, high, False),
    }
    if operator not in ends or (operator == "mustBeBetween") != isinstance(limit, list):
        refuse(operator, "a comparison that Great Expectations has", limit, f"Use one of: {', '.join(ends)}.")
    return ends[operator]


def _row_count(entry: "DataQuality", operator: str, limit: object, refuse: Refuse) -> Check:
    low, high, strict = _ends(operator, limit, refuse)
    if entry.unit not in (None, "rows"):
        refuse("unit", "rows are counted in rows", entry.unit, "Write `rows`, or leave it out.")
    bounds: dict[str, object] = {}
    if low is not None:
        bounds["min_value"] = math.floor(low) + 1 if strict else math.ceil(low)
    if high is not None:
        bounds["max_value"] = math.ceil(high) - 1 if strict else math.floor(high)
    return "expect_table_row_count_to_be_between", bounds


def _mostly(entry: "DataQuality", operator: str, limit: object, refuse: Refuse) -> dict[str, object]:
    """The argument for the share of rows that must be sound; none where all must."""
    low, high, strict = _ends(operator, limit, refuse)
    if entry.unit not in (None, "rows", "percent"):
        refuse("unit", "a metric is counted in rows or in percent of them", entry.unit, "Write `rows` or `percent`.")
    if low or high is None or high < 0 or (strict and not high):
        refuse(operator, "as many rows as that, or fewer, are unsound", limit, _ZERO)
    if not high or (strict and high <= 1 and entry.unit != "percent"):
        return {}
    if entry.unit != "percent" or high > 100:
        refuse(operator, "Great Expectations allows unsound rows by their share only", limit, _ZERO)
    share = float(1 - Decimal(str(high)) / 100)
    return {"mostly": math.nextafter(share, 1) if strict else share}


def _of_values(metric: str, given: Mapping[str, Any], column: str | None, refuse: Refuse) -> Iterator[Check]:
    taken: Mapping[str, tuple[str, ...]] = {
        "nullValues": (),
        "missingValues": ("missingValues",),
        "invalidValues": ("validValues", "pattern"),
        "duplicateValues": ("properties",) if column is None else (),
    }
    if unknown := sorted(set(given) - set(taken[metric])):
        remedy = f"It takes {', '.join(taken[metric]) or 'none'} here."
        refuse("arguments", f"arguments of {metric} that Great Expectations can check", unknown, remedy)
    if metric == "duplicateValues":
        yield _duplicates(given, column, refuse)
        return
    if column is None:
        refuse("metric", "values are those of a column", metric, "Move the rule to the column's `quality`.")
    yield from ((kind, {"column": column, **arguments}) for kind, arguments in _of_column(metric, given, refuse))


def _of_column(metric: str, given: Mapping[str, Any], refuse: Refuse) -> Iterator[Check]:
    missing = given.get("missingValues", [] if metric == "invalidValues" else [None])
    valid, pattern = given.get("validValues"), given.get("pattern")
    said = isinstance(missing, list) and isinstance(valid, list | None) and isinstance(pattern, str | None)
    if not said or not (missing or valid or pattern):
        refuse("arguments", f"{metric} says which values those are", dict(given), "Give a list, or a `pattern`.")
    if None in missing:
        yield "expect_column_values_to_not_be_null", {}
    if named := [value for value in missing if value is not None]:
        yield "expect_column_values_to_not_be_in_set", {"value_set": named}
    if valid:
        yield "expect_column_values_to_be_in_set", {"value_set": valid}
    if pattern:
        yield "expect_column_values_to_match_regex", {"regex": pattern}


def _duplicates(given: Mapping[str, Any], column: str | None, refuse: Refuse) -> Check:
    columns = [column] if column is not None else given.get("properties")
    if not isinstance(columns, list) or not columns:
        refuse(
            "arguments", "duplicates are those of columns", dict(given), "List them: `arguments: {properties: […]}`."
        )
    if len(columns) == 1:
        return "expect_column_values_to_be_unique", {"column": columns[0]}
    return "expect_compound_columns_to_be_unique", {"column_list": columns}
