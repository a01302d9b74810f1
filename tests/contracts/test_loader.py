"""A contract either says what it means, or is refused with its file, the place in it, and the remedy."""

import json
import shutil
import subprocess
import sysconfig
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft201909Validator

from include.contracts import load, load_folder
from include.core.canonical import digest_of
from include.core.errors import ContractError
from include.core.project import Severity
from include.core.records import ColumnType, Contract, Treatment

SHIPPED = Path(__file__).parents[2] / "include" / "contracts"
FLIGHTS = (SHIPPED / "flights.odcs.yaml").read_text()


def written(folder: Path, text: str, dataset: str = "flights") -> Path:
    path = folder / f"{dataset}.odcs.yaml"
    path.write_text(text)
    return path


def refused(folder: Path, text: str, dataset: str = "flights") -> str:
    path = written(folder, text, dataset)
    with pytest.raises(ContractError) as caught:
        load(path)
    message = str(caught.value)
    assert str(path) in message
    assert caught.value.remedy
    return message


def test_the_shipped_contracts_load_by_dataset() -> None:
    contracts = load_folder(SHIPPED)
    assert list(contracts) == ["airports", "flights", "planes", "weather"]
    flights = contracts["flights"]
    assert flights.key == ("carrier", "flight", "origin", "scheduled_departure")
    assert flights.partition_column == "scheduled_departure"
    assert (flights.matures_after_days, flights.replay_days, flights.freshness_hours) == (2, 364, 24.0)
    assert flights.location == "${TRAINYARD_PRODUCTION}/flights"
    assert flights.retention_days == {"snapshot": 400, "features": 400, "model": 3650}
    assert contracts["planes"].partition_column is None


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.odcs.yaml")), ids=lambda path: path.name)
def test_the_shipped_contracts_follow_the_standards_own_schema(path: Path) -> None:
    schema = json.loads((files("open_data_contract_standard") / "schema.json").read_text())
    Draft201909Validator(schema).validate(yaml.safe_load(path.read_text()))


def test_odcslint_finds_no_fault_in_the_shipped_contracts() -> None:
    program = Path(sysconfig.get_path("scripts")) / "odcslint"
    done = subprocess.run([program, "check", *SHIPPED.glob("*.odcs.yaml")], capture_output=True, text=True, check=False)
    assert (done.returncode, "4 files" in done.stdout) == (0, True), done.stdout


def test_tail_numbers_are_tokens_and_known_two_hours_before_the_departure() -> None:
    tailnum = load(SHIPPED / "flights.odcs.yaml").column("tailnum")
    assert tailnum is not None
    assert tailnum.treatment is Treatment.TOKEN
    assert (tailnum.known_at.column, tailnum.known_at.offset) == ("scheduled_departure", -timedelta(hours=2))


def test_outcomes_are_known_when_they_were_recorded() -> None:
    flights = load(SHIPPED / "flights.odcs.yaml")
    for name in ("departure_delay", "arrival_delay", "air_time", "departed_at", "arrived_at", "outcome_recorded_at"):
        column = flights.column(name)
        assert column is not None
        assert (column.known_at.column, column.known_at.offset) == ("outcome_recorded_at", timedelta(0))


def test_columns_whose_names_differ_by_case_alone_are_refused_with_both(tmp_path: Path) -> None:
    message = refused(tmp_path, FLIGHTS.replace("name: minute", "name: Hour"))
    assert "Hour and hour" in message or "hour and Hour" in message


def test_the_digest_is_that_of_the_files_bytes(tmp_path: Path) -> None:
    path = written(tmp_path, FLIGHTS + "# a remark\n")
    assert load(path).digest == digest_of(path.read_bytes()) != load(SHIPPED / "flights.odcs.yaml").digest


def with_personal_time(kind: str, column: str) -> str:
    """The shipped contract with *column*, a timestamp, as a personal field of that *kind*."""
    document = yaml.safe_load(FLIGHTS)
    entry = next(each for each in document["schema"][0]["properties"] if each["name"] == column)
    kept = [each for each in entry["customProperties"] if each["property"] != "personal"]
    entry["customProperties"] = [*kept, {"property": "personal", "value": kind}]
    return yaml.safe_dump(document)


@pytest.mark.parametrize("kind", ["direct-identifier", "join-key"])
@pytest.mark.parametrize("column", ["outcome_recorded_at", "scheduled_departure"])
def test_a_time_that_places_rows_or_values_is_read_as_it_is(tmp_path: Path, kind: str, column: str) -> None:
    message = refused(tmp_path, with_personal_time(kind, column))
    assert "is read as it is" in message or "is no key" in message
    assert column in message


@pytest.mark.parametrize("text", ["status: 2024-13-45", "status: 2024-01-01 99:00:00"])
def test_a_date_that_can_be_none_is_refused_as_yaml(tmp_path: Path, text: str) -> None:
    assert "valid YAML" in refused(tmp_path, FLIGHTS.replace("status: active", text, 1))


#: Where other tools write what is none of our business: after a line of the contract, and what status says of it.
FOREIGN = {
    "status: active": ("\ncontractCreatedTs: 2024-01-01T09:00:00Z", None),
    "domain: air-traffic": ("\nteam: {members: [{username: ada, dateIn: 2024-01-01}]}", None),
    "kind: DataContract": ("\ninfo: {owner: hub}\nserver: production", "info"),
    "apiVersion: v3.1.0": ("\nnames: [flights]\nversion2: 7\nclassification: internal", "version2"),
    "        logicalType: number": ("\n        precision: 18\n        scale: 2", "schema[0].properties[8].precision"),
    "    firstLevelApprovers: steward": ("\n    since: 2020-01-01", "roles[0].since"),
    "            value: scheduled_departure - PT2H": (
        "\n          - {property: masking, value: full}\n          - {property: person, value: ada}",
        "schema[0].properties[5] (tailnum).customProperties[2].property (person)",
    ),
}


@given(places=st.sets(st.sampled_from(sorted(FOREIGN)), min_size=1))
@settings(max_examples=15)
def test_what_other_tools_wrote_changes_nothing_and_is_named_where_it_is_not_understood(
    tmp_path_factory: pytest.TempPathFactory, places: set[str]
) -> None:
    text = FLIGHTS
    for place in places:
        assert place in text
        text = text.replace(place, place + FOREIGN[place][0], 1)
    contract, plain = load(written(tmp_path_factory.mktemp("foreign"), text)), load(SHIPPED / "flights.odcs.yaml")
    assert replace(contract, digest=plain.digest, not_understood=()) == plain
    assert {FOREIGN[place][1] for place in places} - {None} <= set(contract.not_understood)


def test_a_column_that_no_one_classified_is_restricted(tmp_path: Path) -> None:
    path = written(tmp_path, FLIGHTS.replace("        classification: internal\n", "", 1))
    assert load(path).columns[0].classification == "restricted"


def test_a_direct_identifier_is_dropped(tmp_path: Path) -> None:
    path = written(tmp_path, FLIGHTS.replace("value: join-key", "value: direct-identifier"))
    tailnum = load(path).column("tailnum")
    assert tailnum is not None
    assert tailnum.treatment is Treatment.DROP


def test_an_expectation_of_a_column_names_it_and_is_critical_unless_it_says_otherwise(tmp_path: Path) -> None:
    path = written(tmp_path, FLIGHTS.replace("              severity: critical\n", "", 1))
    expectation = load(path).expectations[1]
    assert expectation.kind == "expect_column_value_lengths_to_be_between"
    assert expectation.arguments == {"column": "carrier", "min_value": 2, "max_value": 2}
    assert expectation.severity is Severity.CRITICAL


@given(
    sign=st.sampled_from("+-"),
    days=st.integers(0, 400),
    hours=st.integers(0, 30),
    minutes=st.integers(0, 90),
    seconds=st.integers(0, 90),
)
@settings(max_examples=25, deadline=None)
def test_every_offset_of_days_to_seconds_is_read_as_it_is_written(
    tmp_path_factory: pytest.TempPathFactory, sign: str, days: int, hours: int, minutes: int, seconds: int
) -> None:
    text = FLIGHTS.replace(
        "scheduled_departure - PT2H", f"scheduled_departure {sign} P{days}DT{hours}H{minutes}M{seconds}S"
    )
    tailnum = load(written(tmp_path_factory.mktemp("offset"), text)).column("tailnum")
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    assert tailnum is not None
    assert tailnum.known_at.offset == (length if sign == "+" else -length)


@pytest.mark.parametrize(
    ("old", "new", "place", "found"),
    [
        ("logicalType: string", "logicalType: text", "schema[0].properties[0] (carrier).logicalType", "text"),
        ("scheduled_departure - PT2H", "soon", "schema[0].properties[5] (tailnum).customProperties.knownAt", "soon"),
        ("scheduled_departure - PT2H", "scheduled_departure - P", "(tailnum).customProperties.knownAt", "- P"),
        ("scheduled_departure - PT2H", "hour - PT2H", "(tailnum).customProperties.knownAt", "hour"),
        ("value: join-key", "value:", "(tailnum).customProperties.personal", "None"),
        ("value: join-key", "value: [join-key]", "(tailnum).customProperties.personal", "join-key"),
        ("kwargs: {min_value: 2", "kwargs: {column: [gate], min_value: 2", "implementation.kwargs.column", "gate"),
        ("kwargs: {min_value: 2", "kwargs: {min_value: .inf", "implementation.kwargs", "inf"),
        ("value: join-key", "value: joinkey", "(tailnum).customProperties.personal", "joinkey"),
        ("property: personal", "property: personnal", "(carrier).customProperties[1].property", "personnal"),
        ("firstLevelApprovers: steward", 'firstLevelApprovers: ""', "roles[0].firstLevelApprovers", "none"),
        ("role: data-steward", "role: reader", "roles", "none"),
        (
            "classification: internal",
            "clasification: internal",
            "schema[0].properties[0].clasification",
            "clasification",
        ),
        ("name: carrier", "name: flight", "schema[0].properties[1].name", "flight"),
        ("name: origin\n", "name: origin\n        physicalName: flight\n", "properties[2].physicalName", "flight"),
        ("name: flight\n", "name: flight\n        physicalName: origin\n", "properties[2].name", "origin"),
        ("format: parquet", "format: csv", "servers", "local/csv"),
        ("value: 24", 'value: "24"', "slaProperties[0].value", "24"),
        ("unit: h", "unit: weeks", "slaProperties[0].unit", "weeks"),
        ("property: maturesAfterDays", "property: matures", "schema[0].customProperties[0].property", "matures"),
        ("value: 364", "value: -1", "schema[0].customProperties.replayDays", "-1"),
        ("severity: critical", "severity: fatal", "schema[0].quality[0].implementation.severity", "fatal"),
        ("engine: greatExpectations", "engine: other", "schema[0].quality[0]", "custom/other"),
        ("kwargs: {min_value: 2", "kwargs: {column: gate, min_value: 2", "implementation.kwargs.column", "gate"),
        ("  - name: flights", "  - name: departures", "schema[0].name", "departures"),
        ("version: 1.1.0", "version: 1.1", "version", "string"),
        ("apiVersion: v3.1.0", "apiVersion: v2.2.2", "apiVersion", "v2.2.2"),
        ("status: active", "status: active\nstatus: draft", "line 9", "status"),
        ("logicalType: string", "logicaltype: string", "properties[0] (carrier).logicalType", "None"),
        ("partitioned: true", "partition: true", "schema[0].properties[3].partition", "`partitioned`"),
        ("partitioned: true", "personal: none", "schema[0].properties[3].personal", "where it belongs"),
        ("        primaryKey: true", "        primarykey: true", "schema[0].properties[0].primarykey", "'primaryKey'"),
        ("slaProperties:", "slaProperty:", "slaProperty", "'slaProperties'"),
        ("property: personal", "property: person", "(carrier).customProperties[1].property", "person"),
        ("severity: critical\n    properties", "serious: no\n    properties", "implementation", "serious"),
        (
            "engine: greatExpectations",
            "engine: greatExpectations\n        must: 1",
            "schema[0].quality[0].must",
            "must",
        ),
        ("status: active", "status: [active", "line", "expected"),
        ("status: active", "status: active\nnotes: &notes [*notes]", "(root)", "RecursionError"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_file_its_place_and_a_remedy(
    tmp_path: Path, old: str, new: str, place: str, found: str
) -> None:
    assert old in FLIGHTS
    message = refused(tmp_path, FLIGHTS.replace(old, new, 1))
    assert place in message
    assert found in message


def test_a_direct_identifier_is_no_key(tmp_path: Path) -> None:
    planes = (SHIPPED / "planes.odcs.yaml").read_text().replace("value: join-key", "value: direct-identifier")
    assert "primaryKey" in refused(tmp_path, planes, "planes")


def test_a_dataset_without_a_key_is_refused(tmp_path: Path) -> None:
    assert "primary key" in refused(tmp_path, FLIGHTS.replace("        primaryKey: true\n", ""))


def test_a_partition_column_that_may_be_null_is_refused(tmp_path: Path) -> None:
    text = FLIGHTS.replace(
        "        primaryKey: true\n        partitioned: true\n        required: true\n", "        partitioned: true\n"
    )
    assert "partitioned" in refused(tmp_path, text)


def test_a_timestamp_that_a_known_at_could_not_name_is_refused(tmp_path: Path) -> None:
    message = refused(tmp_path, FLIGHTS.replace("outcome_recorded_at", "always"))
    assert "properties[14].name" in message
    assert "physicalName: always" in message


def test_a_missing_file_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ContractError, match=r"nothing\.odcs\.yaml"):
        load(tmp_path / "nothing.odcs.yaml")
    with pytest.raises(ContractError, match="contract new"):
        load_folder(tmp_path)


def test_a_contract_that_cannot_be_used_is_an_error_for_those_alone_who_ask_for_it(tmp_path: Path) -> None:
    shutil.copytree(SHIPPED, tmp_path, dirs_exist_ok=True)
    written(tmp_path, "name: [\n", "airports")
    contracts = load_folder(tmp_path)
    assert list(contracts) == ["flights", "planes", "weather"]
    assert contracts["flights"] == load(SHIPPED / "flights.odcs.yaml")
    for ask in (lambda: contracts["airports"], lambda: contracts.get("airports"), lambda: "airports" in contracts):
        with pytest.raises(ContractError, match=r"airports\.odcs\.yaml, line 2: a contract is valid YAML"):
            ask()
    assert list(contracts.broken) == ["airports"]
    assert contracts.get("nothing") is None


@pytest.mark.parametrize("text", ["", "[]", "apiVersion: v3.1.0\n", "\xff"])
def test_what_is_no_contract_at_all_is_refused(tmp_path: Path, text: str) -> None:
    refused(tmp_path, text)


def test_a_column_says_what_files_call_it(tmp_path: Path) -> None:
    text = FLIGHTS.replace("- name: carrier\n", "- name: carrier\n        physicalName: OP_CARRIER\n")
    named, other = (load(written(tmp_path, text)).column(name) for name in ("carrier", "flight"))
    assert named is not None
    assert other is not None
    assert (named.physical_name, other.physical_name) == ("OP_CARRIER", None)


def test_every_type_of_column_has_one_name(tmp_path: Path) -> None:
    for kind in ColumnType:
        text = FLIGHTS.replace(
            "name: air_time\n        logicalType: number", f"name: air_time\n        logicalType: {kind}"
        ).replace("kwargs: {min_value: 10, max_value: 800, mostly: 0.999}", "kwargs: {}")
        column = load(written(tmp_path, text)).column("air_time")
        assert column is not None
        assert column.type is kind


DOCUMENT = yaml.safe_load(FLIGHTS)
DOCUMENT["schema"][0]["properties"] = DOCUMENT["schema"][0]["properties"][:7]


def nodes(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The path of every value inside *value*."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [deeper for key, item in items for deeper in ((*path, key), *nodes(item, (*path, key)))]


ANYTHING = st.sampled_from(
    [None, True, 0, -1, 1.5, float("inf"), 10**400, "", " ", "x", "P1D", "hour + P9999999D", [], [None], {}, {"x": 1}]
)


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_stands_anywhere_in_a_contract_it_loads_or_is_refused_with_its_file(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    document = deepcopy(DOCUMENT)
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(nodes(document)))
        place: Any = document
        for key in path[:-1]:
            place = place[key]
        if data.draw(st.booleans()):
            place[path[-1]] = deepcopy(data.draw(ANYTHING))
        else:
            del place[path[-1]]
    file = written(tmp_path_factory.mktemp("fuzz"), yaml.dump(document, Dumper=yaml.CSafeDumper))
    outcome = contract_or_error(file)
    if isinstance(outcome, ContractError):
        assert str(file) in str(outcome)
        assert outcome.remedy
    else:
        assert outcome.key
        assert outcome.stewards


def contract_or_error(file: Path) -> Contract | ContractError:
    try:
        return load(file)
    except ContractError as error:
        return error
