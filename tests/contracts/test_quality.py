"""A contract's quality rules mean what the standard says, or are refused where they stand."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from include.contracts import load
from include.core.errors import ContractError
from include.core.project import Expectation, Severity
from include.core.records import Contract

SHIPPED = Path(__file__).parents[2] / "include" / "contracts" / "flights.odcs.yaml"
DOCUMENT = yaml.safe_load(SHIPPED.read_text())
for entry in DOCUMENT["schema"][0]["properties"]:
    entry.pop("quality", None)
GREAT: dict[str, Any] = {"type": "custom", "engine": "greatExpectations"}
BETWEEN: dict[str, Any] = {"type": "expect_column_values_to_be_between", "kwargs": {"min_value": 1}}


def _loaded(folder: Path, rule: dict[str, Any], column: str | None) -> Contract:
    """The flights' contract with *rule* alone, of *column* or of the dataset."""
    table = DOCUMENT["schema"][0]
    columns = [{**each, "quality": [rule]} if each["name"] == column else each for each in table["properties"]]
    table = {**table, "properties": columns, "quality": [] if column else [rule]}
    path = folder / SHIPPED.name
    path.write_text(yaml.safe_dump({**DOCUMENT, "schema": [table]}))
    return load(path)


def _expectations(folder: Path, rule: dict[str, Any], column: str | None) -> tuple[Expectation, ...]:
    return _loaded(folder, rule, column).expectations


@pytest.mark.parametrize(
    ("word", "severity"),
    [
        ("warning", Severity.WARNING),
        ("info", Severity.WARNING),
        ("Error", Severity.CRITICAL),
        (None, Severity.CRITICAL),
    ],
)
def test_a_rule_is_as_severe_as_the_standards_own_key_says(
    word: str | None, severity: Severity, tmp_path: Path
) -> None:
    rule = {**GREAT, "implementation": BETWEEN, **({"severity": word} if word else {})}
    (found,) = _expectations(tmp_path, rule, "distance")
    assert found.severity is severity
    (counted,) = _expectations(tmp_path, {"metric": "rowCount", "mustBeGreaterThan": 0, "severity": word}, None)
    assert counted.severity is severity


def test_a_word_of_severity_that_has_no_meaning_here_stops_nights_and_is_told(tmp_path: Path) -> None:
    contract = _loaded(tmp_path, {**GREAT, "implementation": BETWEEN, "severity": "high"}, "distance")
    assert contract.expectations[0].severity is Severity.CRITICAL
    (told,) = contract.not_understood
    assert "(distance).quality[0].severity (high)" in told


@pytest.mark.parametrize(
    ("rule", "column", "expected"),
    [
        ({"metric": "nullValues", "mustBe": 0}, "distance", [("not_be_null", {})]),
        ({"type": "library", "rule": "nullValues", "mustBeLessThan": 1}, "distance", [("not_be_null", {})]),
        (
            {"metric": "nullValues", "mustBeLessOrEqualTo": 5, "unit": "percent"},
            "distance",
            [("not_be_null", {"mostly": 0.95})],
        ),
        (
            {"metric": "nullValues", "mustBeLessThan": 5, "unit": "percent"},
            "distance",
            [("not_be_null", {"mostly": math.nextafter(0.95, 1)})],
        ),
        (
            {"metric": "missingValues", "mustBe": 0, "arguments": {"missingValues": [None, "", "N/A"]}},
            "dest",
            [("not_be_null", {}), ("not_be_in_set", {"value_set": ["", "N/A"]})],
        ),
        (
            {"metric": "invalidValues", "mustBeBetween": [0, 1], "unit": "percent", "arguments": {"pattern": "^[A-Z]"}},
            "dest",
            [("match_regex", {"regex": "^[A-Z]", "mostly": 0.99})],
        ),
        (
            {"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": ["JFK", "LGA"]}},
            "origin",
            [("be_in_set", {"value_set": ["JFK", "LGA"]})],
        ),
        ({"metric": "duplicateValues", "mustBe": 0}, "dest", [("be_unique", {})]),
    ],
)
def test_a_metric_of_a_column_is_the_expectation_that_says_the_same(
    rule: dict[str, Any], column: str, expected: list[tuple[str, dict[str, Any]]], tmp_path: Path
) -> None:
    found = _expectations(tmp_path, rule, column)
    assert [(each.kind, each.arguments) for each in found] == [
        (f"expect_column_values_to_{kind}", {"column": column, **arguments}) for kind, arguments in expected
    ]


@pytest.mark.parametrize(
    ("comparison", "bounds"),
    [
        ({"mustBe": 7}, {"min_value": 7, "max_value": 7}),
        ({"mustBeGreaterThan": 7}, {"min_value": 8}),
        ({"mustBeGreaterOrEqualTo": 7}, {"min_value": 7}),
        ({"mustBeLessThan": 7}, {"max_value": 6}),
        ({"mustBeLessOrEqualTo": 7}, {"max_value": 7}),
        ({"mustBeBetween": [7, 9]}, {"min_value": 7, "max_value": 9}),
        ({"mustBeGreaterThan": 0}, {"min_value": 1}),
    ],
)
def test_a_number_of_rows_has_the_bounds_of_its_comparison(
    comparison: dict[str, Any], bounds: dict[str, int], tmp_path: Path
) -> None:
    (found,) = _expectations(tmp_path, {"metric": "rowCount", **comparison}, None)
    assert (found.kind, found.arguments) == ("expect_table_row_count_to_be_between", bounds)


def test_duplicates_of_several_columns_are_looked_for_together(tmp_path: Path) -> None:
    rule = {"metric": "duplicateValues", "mustBe": 0, "arguments": {"properties": ["origin", "dest"]}}
    (found,) = _expectations(tmp_path, rule, None)
    assert (found.kind, found.arguments) == (
        "expect_compound_columns_to_be_unique",
        {"column_list": ["origin", "dest"]},
    )


@pytest.mark.parametrize(
    ("rule", "column", "place"),
    [
        ({**GREAT, "implementation": BETWEEN, "mustBeLessThan": 5}, "distance", "(distance).quality[0].mustBeLessThan"),
        ({"metric": "nullValues", "mustBeGreaterThan": 5}, "distance", ".mustBeGreaterThan"),
        ({"metric": "nullValues", "mustBeLessThan": 5}, "distance", ".mustBeLessThan"),
        ({"metric": "nullValues", "mustBe": 3}, "distance", ".mustBe"),
        ({"metric": "nullValues", "mustNotBe": 3}, "distance", ".mustNotBe"),
        ({"metric": "nullValues", "mustBe": "none"}, "distance", ".mustBe"),
        ({"metric": "nullValues"}, "distance", ".metric"),
        ({"metric": "nullValues", "mustBe": 0, "mustBeLessThan": 3}, "distance", ".metric"),
        ({"metric": "nullValues", "mustBe": 0, "unit": "kilometres"}, "distance", ".unit"),
        ({"metric": "nullValues", "mustBe": 0}, None, "schema[0].quality[0].metric"),
        ({"metric": "rowCount", "mustBe": 0}, "distance", ".metric"),
        ({"metric": "rowCount", "mustNotBeBetween": [1, 2]}, None, ".mustNotBeBetween"),
        ({"metric": "freshness", "mustBe": 0}, "distance", ".metric"),
        ({"metric": "invalidValues", "mustBe": 0}, "distance", ".arguments"),
        ({"metric": "invalidValues", "mustBe": 0, "arguments": {"minLength": 3}}, "dest", ".arguments"),
        ({"metric": "duplicateValues", "mustBeLessThan": 5, "unit": "percent"}, "dest", ".mustBeLessThan"),
        ({"type": "sql", "query": "select 1", "mustBe": 0}, None, "schema[0].quality[0]"),
        (
            {**GREAT, "severity": "warning", "implementation": {**BETWEEN, "severity": "critical"}},
            "distance",
            ".severity",
        ),
        (
            {**GREAT, "implementation": {**BETWEEN, "kwargs": {"min_value": "3 July"}}},
            "scheduled_departure",
            ".implementation.kwargs.min_value",
        ),
        (
            {"metric": "invalidValues", "mustBe": 0, "arguments": {"validValues": ["2013-01-01T00:00+01:00"]}},
            "scheduled_departure",
            ".arguments.value_set",
        ),
    ],
)
def test_a_rule_that_has_no_counterpart_is_refused_where_it_stands(
    rule: dict[str, Any], column: str | None, place: str, tmp_path: Path
) -> None:
    with pytest.raises(ContractError) as refused:
        _loaded(tmp_path, rule, column)
    assert f"{place}: " in str(refused.value)


def test_a_time_may_be_written_without_quotes_and_without_a_zone(tmp_path: Path) -> None:
    noon = datetime(2013, 1, 1, 12, tzinfo=UTC)
    for written in (noon, noon.replace(tzinfo=None)):
        rule = {**GREAT, "implementation": {**BETWEEN, "kwargs": {"min_value": written}}}
        (found,) = _expectations(tmp_path, rule, "scheduled_departure")
        assert found.arguments["min_value"] == noon
