"""A contract's quality rules as expectations."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from include.contracts.document import refuse
from include.core.canonical import encode
from include.core.project import Expectation, Severity

if TYPE_CHECKING:
    from open_data_contract_standard.model import DataQuality, SchemaObject


def expectations(file: Path, table: "SchemaObject") -> Iterator[Expectation]:
    """Those of the dataset, then those of each column, in the order of the file; *file* only names it in errors.

    Raises:
        ContractError: a rule is not for Great Expectations, or its arguments cannot be used.
    """
    dataset, names = str(table.name), tuple(str(column.name) for column in table.properties or ())
    for index, entry in enumerate(table.quality or ()):
        at = f"schema[0].quality[{index}]"
        yield from _expectation(file, at, dataset, entry, {}, names)
    for place, column in enumerate(table.properties or ()):
        for index, entry in enumerate(column.quality or ()):
            at = f"schema[0].properties[{place}] ({column.name}).quality[{index}]"
            yield from _expectation(file, at, dataset, entry, {"column": column.name}, names)


def _expectation(
    file: Path, at: str, dataset: str, entry: "DataQuality", implied: Mapping[str, object], names: tuple[str, ...]
) -> Iterator[Expectation]:
    if entry.type == "text":  # a remark for people
        return
    content = entry.implementation
    if entry.type != "custom" or entry.engine != "greatExpectations" or not isinstance(content, dict):
        remedy = "Write `type: custom`, `engine: greatExpectations`, `implementation: {type, kwargs, severity}`."
        refuse(file, at, "quality rules run in Great Expectations", f"{entry.type}/{entry.engine}", remedy)
    unknown = sorted(set(content) - {"type", "kwargs", "severity"})
    kind, arguments = content.get("type"), content.get("kwargs") or {}
    if unknown or not isinstance(kind, str) or not kind.startswith("expect_") or not isinstance(arguments, dict):
        remedy = "Give `type` (expect_…), `kwargs` and `severity`, nothing else."
        refuse(file, f"{at}.implementation", "an expectation by its snake-case name", unknown or kind, remedy)
    try:
        severity = Severity(content.get("severity", Severity.CRITICAL))
    except ValueError:
        remedy = f"Use one of: {', '.join(Severity)}."
        refuse(file, f"{at}.implementation.severity", "a known severity", content["severity"], remedy)
    arguments = {**implied, **arguments}
    if "column" in arguments and arguments["column"] not in names:
        remedy = "Name a column of this dataset."
        refuse(file, f"{at}.implementation.kwargs.column", "a known column", arguments["column"], remedy)
    try:
        encode(arguments)
    except TypeError as error:
        remedy = "Use texts, finite numbers, dates, lists and mappings."
        refuse(file, f"{at}.implementation.kwargs", "arguments that can be digested", error, remedy)
    yield Expectation(dataset=dataset, kind=kind, arguments=arguments, severity=severity)
