"""A contract's text as a checked document of the Open Data Contract Standard, before anyone asks what it means."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from include.core.errors import ContractError

if TYPE_CHECKING:
    from open_data_contract_standard.model import CustomProperty, OpenDataContractStandard


def refuse(file: Path, at: str, rule: str, value: object, remedy: str) -> NoReturn:
    """Raise a :class:`ContractError` that names the *file* and the place *at* within its YAML."""
    raise ContractError(f"{file}, {at}: {rule}", value=value, remedy=remedy)


def parse(file: Path, data: bytes) -> "OpenDataContractStandard":
    """The document in *data*; *file* only names it in errors.

    Stricter than the standard's own reader: a key that the standard does not know, or one that is written twice, is an
    error, since a misspelt ``classification`` would otherwise be read as none.

    Raises:
        ContractError: no YAML, no contract of major version 3, or a key or value that the standard does not allow.
    """
    import pydantic
    from open_data_contract_standard.model import OpenDataContractStandard

    raw = _yaml(file, data)
    if not isinstance(raw, dict):
        refuse(file, "(root)", "a contract is a YAML mapping", type(raw).__name__, "Start from `contract new`.")
    try:
        document = OpenDataContractStandard.model_validate(raw)
    except pydantic.ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        refuse(file, _place(first["loc"]), "follow the Open Data Contract Standard 3", first["msg"], "Correct the key.")
    _refuse_unknown_keys(file, "", raw, document.model_dump(by_alias=True, exclude_unset=True))
    if document.kind != "DataContract" or not (document.apiVersion or "").startswith("v3."):
        found = f"kind {document.kind}, apiVersion {document.apiVersion}"
        refuse(file, "apiVersion", "a contract has kind DataContract and apiVersion v3.x", found, "Set both.")
    return document


def custom(
    file: Path, at: str, properties: "Sequence[CustomProperty] | None", allowed: Sequence[str]
) -> Mapping[str, Any]:
    """The custom properties by name.

    Raises:
        ContractError: one is not among *allowed* or stands twice: a misspelt ``personal`` must not read as none.
    """
    found: dict[str, Any] = {}
    for index, entry in enumerate(properties or ()):
        here = f"{at}customProperties[{index}].property"
        if entry.property not in allowed:
            refuse(file, here, "a known custom property", entry.property, f"Use one of: {', '.join(allowed)}.")
        if entry.property in found:
            refuse(file, here, "a custom property stands once", entry.property, "Remove one of the two.")
        found[entry.property] = entry.value
    return found


def _yaml(file: Path, data: bytes) -> Any:
    import yaml

    class Strict(yaml.CSafeLoader):  # libyaml: every task reads all contracts, and this is six times faster
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen: set[object] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    at = f"line {key.start_mark.line + 1}"
                    refuse(file, at, "a key stands once in a mapping", key.value, "Remove one of the two.")
                seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
            return super().construct_mapping(node, deep=deep)

    try:
        return yaml.load(data, Loader=Strict)  # noqa: S506  # a SafeLoader that is stricter still
    except (yaml.YAMLError, ValueError) as error:  # of bytes that are no UTF-8, or a date that is none
        mark = getattr(error, "problem_mark", None)
        at = f"line {mark.line + 1}" if mark else "(root)"
        problem = getattr(error, "problem", None) or type(error).__name__
        refuse(file, at, "a contract is valid YAML in UTF-8", problem, "Correct the syntax there.")


def _refuse_unknown_keys(file: Path, at: str, raw: object, known: object) -> None:
    if isinstance(raw, dict) and isinstance(known, dict):
        for key, value in raw.items():
            here = f"{at}.{key}" if at else str(key)
            if key not in known:
                refuse(file, here, "a key of the Open Data Contract Standard 3", key, "Correct or remove the key.")
            _refuse_unknown_keys(file, here, value, known[key])
    elif isinstance(raw, list) and isinstance(known, list):
        for index, (value, counterpart) in enumerate(zip(raw, known, strict=True)):
            _refuse_unknown_keys(file, f"{at}[{index}]", value, counterpart)


def _place(location: Sequence[int | str]) -> str:
    place = ""
    for part in location:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    return place or "(root)"
