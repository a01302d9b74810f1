"""The fields of an Iceberg table as a contract names them: by the field's id, which a rename does not change."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from include.core.errors import ContractError
from include.core.records import Column, Contract

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table.metadata import TableMetadata
    from pyiceberg.table.snapshots import Snapshot


def as_contract_says(metadata: "TableMetadata", snapshot: "Snapshot", contract: Contract) -> "TableMetadata":
    """*metadata* whose one schema is that of *snapshot*, with the contract's names for its fields.

    A column that the table was given after *snapshot* is null in it: nothing was known of it then. One that it had no
    more is missing. (Fields of other schemas come along under names of no column, since old files are divided by them.)

    Raises:
        ContractError: a column is missing, or its name has meant different fields.
    """
    from pyiceberg.schema import Schema
    from pyiceberg.types import NestedField

    then = _schema_of(metadata, snapshot)
    ids = field_ids(metadata, contract)
    names = {place: column for column, place in ids.items()}
    now = {field.field_id for field in metadata.schema().fields}
    held = {field.field_id for field in then.fields}
    fields = {}
    for schema in (then, metadata.schema(), *reversed(metadata.schemas)):
        for field in schema.fields:
            if field.field_id in fields:
                continue
            is_there = field.field_id in held or field.field_id in now
            name = names.get(field.field_id) if is_there else None
            fields[field.field_id] = NestedField(
                field_id=field.field_id,
                name=name or f"{field.name}#{field.field_id}",
                field_type=field.field_type,
                required=field.required and field.field_id in held,
            )
    named = {field.name for field in fields.values()}
    if missing := sorted(_theirs(contract, name) for name in ids.keys() - named):
        raise _missing(contract, missing)
    schema_id = metadata.current_schema_id
    if snapshot.schema_id is not None:
        schema_id = snapshot.schema_id
    schema = Schema(*fields.values(), schema_id=schema_id)
    return metadata.model_copy(update={"schemas": [schema], "current_schema_id": schema_id})


def layout(metadata: "TableMetadata", snapshot: "Snapshot", contract: Contract) -> tuple[str, ...]:
    """The names of all columns that the table has in *snapshot*, those of the contract as it calls them."""
    names = {place: column for column, place in field_ids(metadata, contract).items()}
    return tuple(names.get(field.field_id, field.name) for field in _schema_of(metadata, snapshot).fields)


def field_ids(metadata: "TableMetadata", contract: Contract) -> dict[str, int]:
    """The field of each column: that of the name that the table has or has had for it, whatever it is called now.

    Raises ContractError as :func:`as_contract_says`.
    """
    found, missing = {}, []
    for column in contract.columns:
        ids = _declared(column) or next(filter(None, (_called(metadata, name) for name in _names(column))), [])
        if len(ids) > 1:
            raise ContractError(
                f"{contract.dataset}: a name of the table has meant one field",
                value=f"{column.physical_name or column.name} has been field {' and field '.join(map(str, ids))}",
                remedy="The column was renamed or dropped, and its name given to another: say which is meant by the "
                f"custom property `fieldId` of the column, {ids[-1]} for the newer.",
            )
        if ids:
            found[column.name] = ids[0]
        else:
            missing.append(column.physical_name or column.name)
    if missing:
        raise _missing(contract, sorted(missing))
    return found


def _missing(contract: Contract, names: list[str]) -> ContractError:
    return ContractError(
        f"{contract.dataset}: the table has the contract's columns",
        value=f"missing {names} in {contract.location}",
        remedy="Have the columns restored by the table's owner, or its stewards change the contract.",
    )


def _declared(column: Column) -> list[int]:
    return [] if column.field_id is None else [column.field_id]


def _names(column: Column) -> Iterator[str]:
    if column.physical_name is not None:
        yield column.physical_name
    yield column.name


def _theirs(contract: Contract, name: str) -> str:
    column = contract.column(name)
    return name if column is None else column.physical_name or name


def _called(metadata: "TableMetadata", name: str) -> list[int]:
    """The fields that were called *name* in any schema that is kept, the newest last."""
    return sorted({field.field_id for schema in metadata.schemas for field in schema.fields if field.name == name})


def _schema_of(metadata: "TableMetadata", snapshot: "Snapshot") -> "Schema":
    """What the table's rows had in *snapshot*; in the current one also what was changed since without a commit."""
    is_current = snapshot.snapshot_id == metadata.current_snapshot_id or snapshot.schema_id is None
    schema = None if is_current else metadata.schema_by_id(snapshot.schema_id)
    return metadata.schema() if schema is None else schema
