"""A contract's quality rules as expectations."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from include.contracts.document import refuse
from include.contracts.library import OPERATORS, checks, is_library
from include.core.canonical import encode
from include.core.moments import compared, moment, with_zones
from include.core.project import Expectation, Severity
from include.core.records import ColumnType

if TYPE_CHECKING:
    from open_data_contract_standard.model import DataQuality, SchemaObject

#: The words that the standard's own `severity` may be; any other stops a night, as a rule without one does.
_SEVERITIES = {
    "critical": Severity.CRITICAL,
    "error": Severity.CRITICAL,
    "warning": Severity.WARNING,
    "info": Severity.WARNING,
}
_TIMES = (ColumnType.DATE, ColumnType.TIMESTAMP)


def expectations(file: Path, table: "SchemaObject", not_understood: list[str]) -> Iterator[Expectation]:
    """Those of the dataset, then those of each column, in the order of the file; *file* only names it in errors.

    The places of severities that have no meaning here are added to *not_understood*.

    Raises:
        ContractError: a rule is not for Great Expectations, or has no counterpart there, or its arguments cannot be
            used.
    """
    kinds = {str(column.name): str(column.logicalType) for column in table.properties or ()}
    rules: list[tuple[str, str | None, DataQuality]] = [
        (f"schema[0].quality[{index}]", None, entry) for index, entry in enumerate(table.quality or ())
    ]
    for place, column in enumerate(table.properties or ()):
        at = f"schema[0].properties[{place}] ({column.name}).quality"
        rules += [(f"{at}[{index}]", str(column.name), entry) for index, entry in enumerate(column.quality or ())]
    for at, name, entry in rules:
        if entry.type == "text":  # a remark for people
            continue
        severity = _severity(file, at, entry, not_understood)
        for where, kind, arguments in _checks(file, at, entry, name):
            given = _usable(file, where, kind, arguments, kinds)
            yield Expectation(dataset=str(table.name), kind=kind, arguments=given, severity=severity)


def _checks(
    file: Path, at: str, entry: "DataQuality", column: str | None
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Where the arguments of each expectation stand that a rule makes, its kind, and its arguments."""
    if is_library(entry):

        def refused(key: str, rule: str, value: object, remedy: str) -> NoReturn:
            refuse(file, f"{at}.{key}", rule, value, remedy)

        yield from ((f"{at}.arguments", kind, arguments) for kind, arguments in checks(entry, column, refused))
        return
    content = entry.implementation
    if entry.type != "custom" or entry.engine != "greatExpectations" or not isinstance(content, dict):
        remedy = (
            "Write `type: custom`, `engine: greatExpectations`, `implementation: {type, kwargs, severity}`, or a "
            "`metric` of the standard's library."
        )
        refuse(file, at, "quality rules run in Great Expectations", f"{entry.type}/{entry.engine}", remedy)
    if compares := [name for name in OPERATORS if getattr(entry, name) is not None]:
        remedy = "Write the bounds into `implementation.kwargs`, or use a `metric` of the standard's library."
        refuse(file, f"{at}.{compares[0]}", "an expectation has its bounds in its arguments", compares[0], remedy)
    unknown = sorted(set(content) - {"type", "kwargs", "severity"})
    kind, arguments = content.get("type"), content.get("kwargs") or {}
    if unknown or not isinstance(kind, str) or not kind.startswith("expect_") or not isinstance(arguments, dict):
        remedy = "Give `type` (expect_…), `kwargs` and `severity`, nothing else."
        refuse(file, f"{at}.implementation", "an expectation by its snake-case name", unknown or kind, remedy)
    implied = {} if column is None else {"column": column}
    yield f"{at}.implementation.kwargs", kind, {**implied, **arguments}


def _severity(file: Path, at: str, entry: "DataQuality", not_understood: list[str]) -> Severity:
    """What the rule says, at the standard's place or in its `implementation`; critical, if it says nothing."""
    standard = None
    if entry.severity is not None:
        standard = _SEVERITIES.get(entry.severity.strip().casefold())
        if standard is None:
            not_understood.append(f"{at}.severity ({entry.severity})")
    own = entry.implementation.get("severity") if isinstance(entry.implementation, dict) else None
    if own is None:
        return standard or Severity.CRITICAL
    try:
        found = Severity(own)
    except ValueError:
        remedy = f"Use one of: {', '.join(Severity)}."
        refuse(file, f"{at}.implementation.severity", "a known severity", own, remedy)
    if standard not in (None, found):
        refuse(file, f"{at}.severity", "a rule has one severity", f"{entry.severity} beside {own}", "Keep one.")
    return found


def _usable(
    file: Path, at: str, kind: str, arguments: Mapping[str, Any], kinds: Mapping[str, str]
) -> Mapping[str, object]:
    """*arguments* of an expectation of *kind*: they can be digested, name a known column, and compare times with times.

    *kinds* are the types of the columns.
    """
    column = arguments.get("column")
    if "column" in arguments and column not in tuple(kinds):
        refuse(file, f"{at}.column", "a known column", column, "Name a column of this dataset.")
    if column is not None and kinds[column] in _TIMES:
        _require_moments(file, at, kind, arguments)
    given = {name: with_zones(value) for name, value in arguments.items()}
    try:
        encode(given)
    except TypeError as error:
        remedy = "Use texts, finite numbers, dates, lists and mappings."
        refuse(file, at, "arguments that can be digested", error, remedy)
    return given


def _require_moments(file: Path, at: str, kind: str, arguments: Mapping[str, Any]) -> None:
    for name, value in compared(kind, arguments):
        try:
            moment(value)
        except ValueError:
            remedy = "Write 2026-03-01 or 2026-03-01T05:00Z."
            refuse(file, f"{at}.{name}", "a bound on dates or times is an ISO 8601 date or time, in UTC", value, remedy)
