"""A contract's columns: what each is, when it becomes known, and which of them places a row in its day."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from include.contracts.document import custom, refuse, text_of
from include.core.names import alike
from include.core.records import RESTRICTED, Column, ColumnType, KnownAt, PersonalKind, Treatment

if TYPE_CHECKING:
    from open_data_contract_standard.model import SchemaObject, SchemaProperty

#: The tag of a column that has (nearly) a value of its own in each row.
IDENTIFIER = "identifier"
#: The ``knownAt`` of what never changes.
ALWAYS = "always"

_TREATMENTS = {
    None: Treatment.CLEAR,
    PersonalKind.NONE: Treatment.CLEAR,
    PersonalKind.JOIN_KEY: Treatment.TOKEN,
    PersonalKind.DIRECT_IDENTIFIER: Treatment.DROP,
}
_KNOWN_AT = re.compile(r"(?P<column>.+?)(?:\s*(?P<sign>[+-])\s*(?P<duration>P\w+))?")
_DURATION = re.compile(
    r"P(?:(?P<days>\d{1,6})D)?(?:T(?:(?P<hours>\d{1,6})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,6})S)?)?"
)


def columns_of(
    file: Path, table: "SchemaObject", counts_as: Mapping[str, str], not_understood: list[str]
) -> Iterator[Column]:
    names: list[str] = []
    in_files: set[str] = set()
    for index, entry in enumerate(table.properties or ()):
        at = f"schema[0].properties[{index}]"
        column = _column(file, at, entry, counts_as, not_understood)
        if pair := alike([*names, column.name]):
            rule = "columns have different names, and differ by more than upper and lower case"
            refuse(file, f"{at}.name", rule, " and ".join(pair), "Rename or remove one of them.")
        theirs = column.physical_name or column.name
        if theirs in in_files:
            rule = "columns have different names in the files"
            refuse(file, f"{at}.{'physicalName' if column.physical_name else 'name'}", rule, theirs, "Correct one.")
        in_files.add(theirs)
        if column.key and column.treatment is Treatment.DROP:
            remedy = "Identify rows by another column, or declare `personal: join-key`."
            refuse(file, f"{at}.primaryKey", "a direct identifier is no key: it is never read", column.name, remedy)
        names.append(column.name)
        yield column
    if not names:
        refuse(file, "schema[0].properties", "a dataset has columns", "none", "List them.")


def _column(
    file: Path, at: str, entry: "SchemaProperty", counts_as: Mapping[str, str], not_understood: list[str]
) -> Column:
    name = text_of(file, f"{at}.name", entry.name)
    here = f"{at} ({name})"
    try:
        kind = ColumnType(entry.logicalType or "")
    except ValueError:
        remedy = f"Use one of: {', '.join(ColumnType)}."
        refuse(file, f"{here}.logicalType", "a supported logical type", entry.logicalType, remedy)
    settings = custom(file, f"{here}.", entry.customProperties, ("knownAt", "personal", "fieldId"), not_understood)
    personal = None
    if "personal" in settings:
        personal = _personal(file, f"{here}.customProperties.personal", settings["personal"])
    classification = (entry.classification or "").strip().casefold() or RESTRICTED
    return Column(
        name=name,
        type=kind,
        classification=classification,
        restricted=counts_as.get(classification, RESTRICTED) == RESTRICTED,
        personal=personal,
        treatment=_TREATMENTS[personal],
        known_at=_known_at(file, f"{here}.customProperties.knownAt", settings.get("knownAt")),
        required=bool(entry.required or entry.primaryKey),
        key=bool(entry.primaryKey),
        description=(entry.description or "").strip(),
        identifier=IDENTIFIER in (entry.tags or ()),
        physical_name=(entry.physicalName or "").strip() or None,
        field_id=_field_id(file, f"{here}.customProperties.fieldId", settings.get("fieldId")),
    )


def _field_id(file: Path, at: str, number: object) -> int | None:
    if number is not None and (isinstance(number, bool) or not isinstance(number, int) or number < 1):
        refuse(file, at, "the field of a table of Iceberg is a number from 1", number, "Write it without quotes.")
    return number


def _personal(file: Path, at: str, word: object) -> PersonalKind:
    try:
        return PersonalKind(word.strip().casefold() if isinstance(word, str) else "")
    except ValueError:
        remedy = f"Use one of: {', '.join(PersonalKind)}; `none` for a column that leads to nobody."
        refuse(file, at, "a known kind of personal field", word, remedy)


def _known_at(file: Path, at: str, text: object) -> KnownAt:
    remedy = f"Write `{ALWAYS}`, `<column>`, `<column> + PT1H` or `<column> - P30D`."
    if text == ALWAYS:
        return KnownAt(column=None)
    match = _KNOWN_AT.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        refuse(file, at, "each column says when its value becomes known", text, remedy)
    if match["duration"] is None:
        return KnownAt(column=match["column"])
    duration = _DURATION.fullmatch(match["duration"])
    parts = {unit: int(count) for unit, count in duration.groupdict().items() if count} if duration else {}
    if not parts:
        refuse(file, at, "an offset is an ISO 8601 duration of days, hours, minutes, seconds", text, remedy)
    offset = timedelta(**parts)
    return KnownAt(column=match["column"], offset=offset if match["sign"] == "+" else -offset)


def require_known_at(file: Path, columns: tuple[Column, ...]) -> None:
    times = {column.name for column in columns if column.type is ColumnType.TIMESTAMP}
    if ALWAYS in times:
        place = [column.name for column in columns].index(ALWAYS)
        remedy = f"Give it another `name`, and write `physicalName: {ALWAYS}`."
        refuse(
            file,
            f"schema[0].properties[{place}].name",
            "no timestamp is called as a `knownAt` that names none",
            ALWAYS,
            remedy,
        )
    for index, column in enumerate(columns):
        if column.known_at.column is not None and column.known_at.column not in times:
            at = f"schema[0].properties[{index}] ({column.name}).customProperties.knownAt"
            remedy = f"Use one of the timestamp columns: {', '.join(sorted(times)) or 'none there'}; or `{ALWAYS}`."
            refuse(file, at, "knownAt names a timestamp column of this dataset", column.known_at.column, remedy)
    named = {column.known_at.column for column in columns}
    for index, column in enumerate(columns):
        if column.name in named:
            _require_clear(file, index, column, "a time that knownAt names is read as it is")


def _require_clear(file: Path, index: int, column: Column, rule: str) -> None:
    if column.treatment is not Treatment.CLEAR:
        at = f"schema[0].properties[{index}] ({column.name}).customProperties.personal"
        remedy = "Write `none`, or name another timestamp column."
        refuse(file, at, rule, f"{column.name}, which is personal: {column.treatment}", remedy)


def partition_column_of(file: Path, table: "SchemaObject", columns: tuple[Column, ...]) -> str | None:
    partitioned = [index for index, entry in enumerate(table.properties or ()) if entry.partitioned]
    if not partitioned:
        return None
    at = f"schema[0].properties[{partitioned[-1]}].partitioned"
    if len(partitioned) > 1:
        refuse(file, at, "one column places a row in its day", f"{len(partitioned)} of them", "Keep one.")
    column = columns[partitioned[0]]
    if column.type is not ColumnType.TIMESTAMP or not column.required:
        found = f"{column.name}: {column.type}, {'required' if column.required else 'not required'}"
        remedy = "Choose a timestamp column with `required: true`."
        refuse(file, at, "the partition column is a timestamp that is never null", found, remedy)
    _require_clear(file, partitioned[0], column, "the time that places a row in its day is read as it is")
    return column.name
