"""What a contract must say before a steward can put it into effect."""

import json
from collections.abc import Iterator, Sequence

from include.contracts.proposals import by_name, in_key
from include.core.errors import ContractError
from include.core.records import CLASSES, RESTRICTED, Column, Contract, PersonalKind


def require_adoptable(contract: Contract, classes: Sequence[tuple[str, str]] = ()) -> None:
    """Check that the contract leaves open neither who is named by its columns nor how they are classified.

    *classes* are the words that the deployment adds to ours. One refusal names all that is open.

    Raises:
        ContractError: a column of text or of the key does not say whether it leads to a person, or a column's
            classification is no known word.
    """
    silent = [column for column in contract.columns if column.silent]
    found, remedies = [], []
    if silent:
        found.append(f"nothing is said about persons of {', '.join(column.name for column in silent)}")
        remedies.append(_block(silent))
    if contract.unknown_classes:
        words = {column.name: column.classification for column in contract.columns}
        found.append("; ".join(f"{name} is classified as {words[name]!r}" for name in contract.unknown_classes))
        known = ", ".join((*CLASSES, *(word for word, _ in classes)))
        remedies.append(f"Classify with one of: {known} (TRAINYARD_CLASSES adds words).")
    if found:
        raise ContractError(
            f"{contract.dataset}: before its adoption a contract classifies with known words, and says of each column "
            "of text and of the key whether it leads to a person",
            value="; ".join(found),
            remedy="\n".join(reversed(remedies)),
        )


def not_understood(contract: Contract) -> Iterator[str]:
    """What in the contract's file decides nothing here, and what is read as stricter than it is written, in words."""
    words = {column.name: column.classification for column in contract.columns}
    if contract.not_understood:
        yield f"not understood, and of no effect: {', '.join(contract.not_understood)}"
    for name in contract.unknown_classes:
        yield f"{name} is classified as {words[name]!r}, which is no known word and counts as {RESTRICTED}"


def _block(columns: Sequence[Column]) -> str:
    return "\n".join(
        (
            "Add to the `customProperties` of each of these columns the entry with the word that is right: "
            f"{PersonalKind.DIRECT_IDENTIFIER} (names a person, never read), {PersonalKind.JOIN_KEY} (leads to one, "
            f"read as a token) or {PersonalKind.NONE} (read as it is):",
            *(line for column in columns for line in _lines(column)),
        )
    )


def _lines(column: Column) -> Iterator[str]:
    proposed = by_name(column.name, column.type)
    yield f"      - name: {json.dumps(column.name, ensure_ascii=False)}"
    yield "        customProperties:"
    yield "          - property: personal"
    yield f"            value: {(in_key(proposed) if column.key else proposed) or PersonalKind.NONE}"
