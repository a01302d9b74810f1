"""The probe gives to rows only what their columns hold, so it stops no night for what the data does not hold."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import ibis
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from include.core.canonical import decode, encode
from include.core.errors import DeclarationError, FeatureLeak
from include.core.records import FeatureSet
from include.store import Store
from tests.data import orders
from tests.data.nights import Night, freeze
from tests.data.orders import INSTANT, of_the_day_before, project

PARSING: dict[str, Callable[[ibis.Table], ibis.Value]] = {
    "number_of_a_code": lambda orders: orders.code.cast("int64"),
    "number_in_a_document": lambda orders: orders.document.cast("json")["n"].cast("int64"),
    "days_since_a_text": lambda orders: orders.at.date().delta(orders.day_text.cast("date"), unit="day"),
    "small_number": lambda orders: orders.small.cast("int8"),
    "number_of_a_hash": lambda orders: orders.hash_text.cast("int64").cast("float64"),
    "whether_closed": lambda orders: orders.closed.cast("int8"),
}


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("production")
    orders.land_orders(folder)
    return folder


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    folder = tmp_path_factory.mktemp("night")
    return Night(folder, {"orders": orders.CONTRACT}, Store(str(folder / "vault")))


@pytest.fixture(scope="module")
def parsed(night: Night, production: Path) -> FeatureSet:
    return _build(night, production, of_the_day_before("parsing", **PARSING))


def _build(night: Night, production: Path, *groups: Callable[..., ibis.Table]) -> FeatureSet:
    declared = project(*groups)
    return night.build(declared, freeze(declared, night.contracts, production, night.store, INSTANT))


def _mixed(orders: ibis.Table) -> ibis.Value:
    return ibis.ifelse(orders.shop == "north", orders.mixed, None).cast("int64")


def test_an_expression_that_parses_what_the_columns_hold_is_probed_with_changed_values(parsed: FeatureSet) -> None:
    assert len(parsed.probed) == 2
    assert parsed.removal_only == ()


def test_where_values_of_other_rows_cannot_be_computed_with_they_are_removed_and_the_features_named(
    night: Night, production: Path
) -> None:
    def group(orders: ibis.Table) -> ibis.Table:
        """No leak: they are 0 whether the outcome is known or not."""
        numbers, codes = _mixed(orders), PARSING["number_of_a_code"](orders)
        return orders.select(
            "id", **{"numbers": ibis.least(numbers, 0).fill_null(0), "codes": ibis.least(codes, 0).fill_null(0)}
        )

    assert _build(night, production, group).removal_only == ("numbers",)


def test_a_leak_is_found_where_later_values_can_only_be_removed(night: Night, production: Path) -> None:
    def leaking(orders: ibis.Table) -> ibis.Table:
        return orders.select("id", suspect=_mixed(orders))

    with pytest.raises(FeatureLeak, match="'suspect' of group 'leaking'"):
        _build(night, production, leaking)


@given(column=st.sampled_from(["code", "document", "day_text", "hash_text", "small", "closed", "delay", "done_at"]))
@settings(max_examples=5, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_feature_of_its_own_rows_outcome_is_a_leak_whatever_the_column(
    column: str, night: Night, production: Path
) -> None:
    def leaking(orders: ibis.Table) -> ibis.Table:
        value = orders[column]
        number = (
            value.epoch_seconds()
            if value.type().is_timestamp()
            else value.hash()
            if value.type().is_string()
            else value
        )
        return orders.select("id", suspect=number.cast("float64"))

    with pytest.raises(FeatureLeak, match="'suspect' of group 'leaking'"):
        _build(night, production, leaking)


@pytest.mark.parametrize("figure", ["max", "min", "mean", "nunique"])
@pytest.mark.parametrize("size", [1, 10])
def test_a_figure_of_the_whole_day_is_a_leak_however_few_values_it_can_have(
    figure: str, size: int, night: Night, production: Path
) -> None:
    def leaking(orders: ibis.Table) -> ibis.Table:
        day = ibis.window(group_by=orders.at.date())
        return orders.select("id", suspect=getattr(orders.delay // size, figure)().over(day))

    with pytest.raises(FeatureLeak, match="'suspect' of group 'leaking'"):
        _build(night, production, leaking)


def test_a_group_that_fails_where_later_values_are_missing_is_refused_by_its_features(
    night: Night, production: Path
) -> None:
    def strict(orders: ibis.Table) -> ibis.Table:
        return orders.select("id", suspect=orders.code.fill_null("none").cast("int64"))

    with pytest.raises(DeclarationError, match=r"group 'strict'.*suspect cannot"):
        _build(night, production, strict)


def test_a_population_that_fails_where_later_values_are_missing_is_refused(night: Night, production: Path) -> None:
    def strict(orders: ibis.Table) -> ibis.Table:
        known = orders.filter(orders.code.fill_null("none").cast("int64") >= 0)
        return known.select("id", "at", predicted_at=known.at)

    declared = project(of_the_day_before("parsing", **PARSING))
    declared = declared.varied(target=replace(declared.learning.target, population=strict))
    with pytest.raises(DeclarationError, match="the population can be computed at every moment"):
        night.build(declared, freeze(declared, night.contracts, production, night.store, INSTANT))


def test_features_of_an_earlier_version_are_read_as_probed_with_changed_values(parsed: FeatureSet) -> None:
    old = encode(parsed).replace(b'"removal_only":[],', b"")
    assert b"removal_only" not in old
    assert decode(FeatureSet, old) == parsed
