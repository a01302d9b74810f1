"""From a contract's document to the :class:`~include.core.records.Contract` that the platform works with."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.contracts.columns import columns_of, partition_column_of, require_known_at
from include.contracts.document import custom, parse, refuse, text_of
from include.contracts.expectations import expectations
from include.contracts.patterns import has_pattern
from include.contracts.servers import location_of, stored_at
from include.core.canonical import digest_of
from include.core.errors import ContractError
from include.core.records import CLASSES, ArtifactKind, AsOf, Contract
from include.core.words import is_user

if TYPE_CHECKING:
    from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject

SUFFIX = ".odcs.yaml"
STEWARD = "data-steward"
#: No duration of a contract, in the unit it is written in, is longer than that.
LONGEST = 1_000_000

#: The words of classification that a deployment adds, each with the one of :data:`CLASSES` that it counts as.
Classes = tuple[tuple[str, str], ...]

#: The custom properties of a table, each a number of days.
_DAYS = ("maturesAfterDays", "correctedWithinDays", "replayDays", "remindAfterDays", "lapseAfterDays")
#: So many days after a day has matured its rows are corrected no more, where the contract does not say.
_CORRECTED = 7
_HOURS = {"h": 1.0, "d": 24.0}


def load(path: Path, classes: Classes = ()) -> Contract:
    """The contract in the file ``<dataset>.odcs.yaml``; its digest is that of the file's bytes.

    A column that is classified with a word that is neither one of ours nor of *classes* counts as ``restricted``, and
    one that says nothing of persons is read as it is: :func:`include.contracts.require_adoptable` refuses both.

    Raises:
        ContractError: the file is missing or says something that cannot be used; the message names the file, the place
            within its YAML, and the remedy.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = type(error).__name__
        raise ContractError(
            f"{path}: a contract can be read", value=reason, remedy="Check the path, or run `contract new`."
        ) from None
    contract = _contract(path, data, classes)
    for name in contract.stewards:
        if not is_user(name):
            remedy = "Write the name that they sign in by: letters, digits and _ @ . + -, no dot first."
            refuse(path, "roles, firstLevelApprovers", "a steward is called as they sign in", repr(name), remedy)
    return contract


def read(dataset: str, text: str, classes: Classes = (), *, folder: Path = Path()) -> Contract:
    """The contract of *dataset* in *text*, as :func:`load` reads a file in *folder*, whatever its stewards' names."""
    return _contract(folder / f"{dataset}{SUFFIX}", text.encode(), classes)


@lru_cache(maxsize=256)
def _contract(path: Path, data: bytes, classes: Classes) -> Contract:
    document, unknown = parse(path, data)
    table = _table(path, document)
    counts_as = {**{word: word for word in CLASSES}, **dict(classes)}
    columns = tuple(columns_of(path, table, counts_as, unknown))
    settings = custom(path, "schema[0].", table.customProperties, (*_DAYS, "asOf"), unknown)
    partition = partition_column_of(path, table, columns)
    require_known_at(path, columns)
    if not any(column.key for column in columns):
        remedy = "Add `primaryKey: true` to the columns that identify a row."
        refuse(path, "schema[0].properties", "a dataset has a primary key", "none", remedy)
    matures = _whole_days(path, settings, "maturesAfterDays", default=None if partition else 0)
    location = location_of(path, document, table)
    if has_pattern(location) and partition is None:
        remedy = "Mark the timestamp that places a row in its day with `partitioned: true`, or name the folder alone."
        refuse(path, "servers[0]", "only data that is divided by day lies in folders of days", "a pattern", remedy)
    return Contract(
        dataset=str(table.name),
        version=text_of(path, "version", document.version),
        digest=digest_of(data),
        columns=columns,
        stewards=_stewards(path, document),
        location=location,
        partition_column=partition,
        matures_after_days=matures,
        corrected_within_days=_whole_days(
            path, settings, "correctedWithinDays", default=min(matures + _CORRECTED, LONGEST)
        ),
        freshness_hours=_freshness_hours(path, document),
        replay_days=_whole_days(path, settings, "replayDays"),
        remind_after_days=_whole_days(path, settings, "remindAfterDays", default=3, least=1),
        lapse_after_days=_whole_days(path, settings, "lapseAfterDays", default=14, least=1),
        stored_at=stored_at(path, document),
        as_of=_as_of(path, settings.get("asOf", AsOf.COMMIT)),
        retention_days=_retention_days(path, document, unknown),
        expectations=tuple(expectations(path, table, unknown)),
        not_understood=tuple(unknown),
        unknown_classes=tuple(column.name for column in columns if column.classification not in counts_as),
        text=_utf_8(path, data),
    )


class Contracts(Mapping[str, Contract]):
    """The contracts of a folder by dataset, in the order of their names.

    Iterating gives those that can be used. ``[]``, ``get`` and ``in`` raise the :class:`ContractError` of one that
    cannot, which ``broken`` holds by dataset: what is wrong with one file stops nobody who reads another dataset.
    """

    def __init__(
        self, usable: Mapping[str, Contract], broken: Mapping[str, ContractError], *, folder: Path, classes: Classes
    ) -> None:
        self._usable, self.broken = dict(usable), dict(broken)
        self._folder, self._classes = folder, classes

    def read(self, dataset: str, text: str) -> Contract:
        """What *text* says of *dataset*, by the words of classification of this folder."""
        return read(dataset, text, self._classes, folder=self._folder)

    def __getitem__(self, dataset: str) -> Contract:
        if dataset in self.broken:
            error = self.broken[dataset]
            raise ContractError(error.rule, value=error.value, remedy=error.remedy)
        return self._usable[dataset]

    def __iter__(self) -> Iterator[str]:
        return iter(self._usable)

    def __len__(self) -> int:
        return len(self._usable)


def load_folder(folder: Path, classes: Classes = ()) -> Contracts:
    """All contracts of *folder*, each as of :func:`load`, those that cannot be used with their errors.

    Raises:
        ContractError: the folder is missing or holds no contract.
    """
    files = sorted(folder.glob(f"*{SUFFIX}"))
    if not files:
        raise ContractError(
            f"{folder}: a folder of contracts holds files *{SUFFIX}",
            value="none",
            remedy="Add one: `./trainyard contract new NAME PATH`.",
        )
    usable, broken = {}, {}
    for file in files:
        dataset = file.name.removesuffix(SUFFIX)
        try:
            usable[dataset] = load(file, classes)
        except ContractError as error:
            broken[dataset] = error
    return Contracts(usable, broken, folder=folder, classes=classes)


def _utf_8(file: Path, data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:  # UTF-16, which YAML would be as well
        refuse(file, "(root)", "a contract is valid YAML in UTF-8", "another encoding", "Save it as UTF-8.")


def _table(file: Path, document: "OpenDataContractStandard") -> "SchemaObject":
    tables = document.schema_ or []
    if len(tables) != 1:
        refuse(file, "schema", "a contract describes one dataset", f"{len(tables)} of them", "One file a dataset.")
    name = text_of(file, "schema[0].name", tables[0].name)
    if not name.isidentifier() or file.name != f"{name}{SUFFIX}":
        remedy = f"Rename the file to {name}{SUFFIX}, or the dataset."
        refuse(file, "schema[0].name", "a dataset's name is an identifier and names its file", name, remedy)
    return tables[0]


def _whole_days(file: Path, settings: Mapping[str, Any], name: str, *, default: int | None = 0, least: int = 0) -> int:
    """The number of days that the custom property says; a *default* of ``None``: it has to say one."""
    value = settings.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= LONGEST:
        remedy = f"Add the custom property `{name}` with a number of days."
        refuse(file, f"schema[0].customProperties.{name}", f"whole days, {least} to {LONGEST:,}", value, remedy)
    return value


def _as_of(file: Path, word: object) -> AsOf:
    try:
        return AsOf(word if isinstance(word, str) else "")
    except ValueError:
        remedy = (
            "Write `commit` (as at the run's instant), or `current` where commits do not tell when rows were known."
        )
        refuse(file, "schema[0].customProperties.asOf", "which snapshot of the table is read", word, remedy)


def _stewards(file: Path, document: "OpenDataContractStandard") -> tuple[str, ...]:
    names: set[str] = set()
    at = "roles"
    for index, role in enumerate(document.roles or ()):
        if role.role == STEWARD:
            at = f"roles[{index}].firstLevelApprovers"
            names |= {name.strip() for name in (role.firstLevelApprovers or "").split(",") if name.strip()}
    if not names:
        remedy = f"Give the role `{STEWARD}` its `firstLevelApprovers`: user names, separated by commas."
        refuse(file, at, "a contract names at least one data steward", "none", remedy)
    return tuple(sorted(names))


def _freshness_hours(file: Path, document: "OpenDataContractStandard") -> float | None:
    hours: float | None = None
    for index, entry in enumerate(document.slaProperties or ()):
        if entry.property == "latency":
            hours = _number(file, f"slaProperties[{index}].value", entry.value) * _unit(file, index, entry.unit)
    return hours


def _retention_days(file: Path, document: "OpenDataContractStandard", not_understood: list[str]) -> Mapping[str, float]:
    days: dict[str, float] = {}
    for index, entry in enumerate(document.slaProperties or ()):
        if entry.property == "retention":
            kind = text_of(file, f"slaProperties[{index}].element", entry.element)
            hours = _number(file, f"slaProperties[{index}].value", entry.value) * _unit(file, index, entry.unit)
            if kind in tuple(ArtifactKind):
                days[kind] = hours / 24
            else:
                not_understood.append(f"slaProperties[{index}].element ({kind})")
    return days


def _unit(file: Path, index: int, unit: str | None) -> float:
    if unit not in _HOURS:
        refuse(file, f"slaProperties[{index}].unit", "a unit of time", unit, "Use `h` or `d`.")
    return _HOURS[unit]


def _number(file: Path, at: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= LONGEST:
        refuse(file, at, f"a number, 0 to {LONGEST:,}", value, "Write it without quotes.")
    return float(value)
