"""A contract's text as a checked document of the Open Data Contract Standard, before anyone asks what it means."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from include.core.errors import ContractError
from include.core.records import PersonalKind

if TYPE_CHECKING:
    from open_data_contract_standard.model import CustomProperty, OpenDataContractStandard


def refuse(file: Path, at: str, rule: str, value: object, remedy: str) -> NoReturn:
    """Raise a :class:`ContractError` that names the *file* and the place *at* within its YAML."""
    raise ContractError(f"{file}, {at}: {rule}", value=value, remedy=remedy)


#: What a table would be read more freely without: a key in it that looks like one of these is misspelt, or misplaced.
_IN_TABLE = (
    *("classification", "primaryKey", "partitioned", "required", "quality"),
    *("knownAt", "personal", "fieldId", "maturesAfterDays", "replayDays", "asOf"),
)
#: The same of the rest of a document, where without the other keys that decide something it is refused anyway.
_ELSEWHERE = ("slaProperties",)
#: A custom property of other tools, which is `personal` misspelt only with a value of ours.
_FOREIGN = "person"
#: How much alike two words are, of 1, of which one is taken for the other misspelt.
_ALIKE = 0.8
#: With how many letters at least a word is taken for the beginning of another.
_BEGINS = 5


def parse(file: Path, data: bytes) -> tuple["OpenDataContractStandard", list[str]]:
    """The document in *data*, and the places of the keys that the standard does not know; *file* only names it.

    Stricter than the standard's own reader: a key that is written twice, or is nearly one whose lack would loosen
    something, is an error, since a misspelt ``primaryKey`` would otherwise be read as none. A date or time is the text
    that other tools put in quotes.

    Raises:
        ContractError: no YAML, no contract of major version 3, or a key or value that cannot be used.
    """
    import pydantic
    from open_data_contract_standard.model import OpenDataContractStandard

    raw = _yaml(file, data)
    if not isinstance(raw, dict):
        refuse(file, "(root)", "a contract is a YAML mapping", type(raw).__name__, "Start from `contract new`.")
    keys = {field.alias or name for name, field in OpenDataContractStandard.model_fields.items()}
    known = {name: value for name, value in raw.items() if name in keys}
    try:
        document = OpenDataContractStandard.model_validate(known)
    except pydantic.ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        refuse(file, _place(first["loc"]), "follow the Open Data Contract Standard 3", first["msg"], "Correct the key.")
    unknown = list(_unknown_keys("", raw, document.model_dump(by_alias=True, exclude_unset=True)))
    for place, key in unknown:
        _refuse_nearly_known(file, place, key)
    if document.kind != "DataContract" or not (document.apiVersion or "").startswith("v3."):
        found = f"kind {document.kind}, apiVersion {document.apiVersion}"
        refuse(file, "apiVersion", "a contract has kind DataContract and apiVersion v3.x", found, "Set both.")
    return document, [place for place, _ in unknown]


def custom(
    file: Path,
    at: str,
    properties: "Sequence[CustomProperty] | None",
    allowed: Sequence[str],
    not_understood: list[str],
) -> Mapping[str, Any]:
    """The custom properties among *allowed*, by name; the places of the others are added to *not_understood*.

    Raises:
        ContractError: one stands twice, or is nearly one that we know: a misspelt ``personal`` must not read as none.
    """
    found: dict[str, Any] = {}
    for index, entry in enumerate(properties or ()):
        here = f"{at}customProperties[{index}].property"
        if entry.property not in allowed:
            if entry.property != _FOREIGN or entry.value in tuple(PersonalKind):
                _refuse_nearly_known(file, here, str(entry.property))
            not_understood.append(f"{here} ({entry.property})")
            continue
        if entry.property in found:
            refuse(file, here, "a custom property stands once", entry.property, "Remove one of the two.")
        found[entry.property] = entry.value
    return found


def _yaml(file: Path, data: bytes) -> Any:
    import yaml

    class StrictLoader(yaml.CSafeLoader):  # libyaml: every task reads all contracts, and this is six times faster
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            seen: set[object] = set()
            for key, _ in node.value:
                if isinstance(key, yaml.ScalarNode) and key.value in seen:
                    at = f"line {key.start_mark.line + 1}"
                    refuse(file, at, "a key stands once in a mapping", key.value, "Remove one of the two.")
                seen.add(key.value if isinstance(key, yaml.ScalarNode) else key)
            return super().construct_mapping(node, deep=deep)

    try:
        return _with_dates_as_text(yaml.load(data, Loader=StrictLoader))  # noqa: S506  # a SafeLoader that is stricter still
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # no UTF-8, a date that is none, a list in itself
        mark = getattr(error, "problem_mark", None)
        at = f"line {mark.line + 1}" if mark else "(root)"
        problem = getattr(error, "problem", None) or type(error).__name__
        refuse(file, at, "a contract is valid YAML in UTF-8", problem, "Correct the syntax there.")


def _with_dates_as_text(value: object) -> Any:
    """*value*, each date or time in it as text, but for those of checks, which mean what they say."""
    if isinstance(value, dict):
        return {key: part if key == "quality" else _with_dates_as_text(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_with_dates_as_text(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value


def _unknown_keys(at: str, raw: object, known: object) -> Iterator[tuple[str, str]]:
    """The place and the name of each key of *raw* that was not read into *known*."""
    if isinstance(raw, dict) and isinstance(known, dict):
        for key, value in raw.items():
            here = f"{at}.{key}" if at else str(key)
            if key in known:
                yield from _unknown_keys(here, value, known[key])
            else:
                yield here, str(key)
    elif isinstance(raw, list) and isinstance(known, list):
        for index, (value, counterpart) in enumerate(zip(raw, known, strict=True)):
            yield from _unknown_keys(f"{at}[{index}]", value, counterpart)


def _refuse_nearly_known(file: Path, place: str, key: str) -> None:
    """Raise if *key*, at *place*, may be meant as one that decides something; a check's keys all do."""
    from difflib import get_close_matches

    deciding = _IN_TABLE if place.startswith("schema[") else _ELSEWHERE
    plain = {known.casefold(): known for known in deciding}
    word = "".join(letter for letter in key.casefold() if letter.isalnum())
    near = get_close_matches(word, plain, 1, _ALIKE)
    near += [known for known in plain if len(word) >= _BEGINS and known.startswith(word)]
    if near and key == plain[near[0]]:
        refuse(
            file, place, f"`{key}` stands where the standard has it", key, "Write it where it belongs, or remove it."
        )
    if near:
        remedy = f"Correct it, or write `{plain[near[0]]}` where it belongs."
        refuse(file, place, f"a key of the Open Data Contract Standard 3 is not almost {plain[near[0]]!r}", key, remedy)
    if ".quality[" in place:
        refuse(file, place, "a key of the Open Data Contract Standard 3", key, "Correct or remove the key.")


def _place(location: Sequence[int | str]) -> str:
    place = ""
    for part in location:
        place += f"[{part}]" if isinstance(part, int) else f".{part}" if place else str(part)
    return place or "(root)"


def text_of(file: Path, at: str, value: str | None) -> str:
    """What the document says there, without blanks at its ends; it has to say something."""
    if not value or not value.strip():
        refuse(file, at, "a text stands here", value, "Write it.")
    return value.strip()
