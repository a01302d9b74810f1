"""Features are float32: what that cannot hold is null or told, and what cannot be computed is named."""

import math
from collections.abc import Callable
from pathlib import Path

import ibis
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from include.core.errors import DataError
from include.core.records import FeatureSet, FeatureSpec
from include.data.encoding import encode_features
from include.declared.lost_digits import RoundedColumn, rounded
from include.store import Store
from tests.data import orders
from tests.data.nights import Night, freeze
from tests.data.orders import INSTANT, project

OPERATIONS: dict[str, Callable[[ibis.Value, ibis.Value], ibis.Value]] = {
    "//": lambda number, _text: number // (number - 3),
    "%": lambda number, _text: number % (number - 3),
    "cast": lambda _number, text: text.cast("int64"),
}
SHIFTED = 3.0  # every fifth x is it


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("production")
    orders.land_orders(folder)
    return folder


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Night:
    folder = tmp_path_factory.mktemp("night")
    return Night(folder, {"orders": orders.CONTRACT}, Store(str(folder / "vault")))


def _build(night: Night, production: Path, *groups: Callable[..., ibis.Table], again: bool = False) -> FeatureSet:
    declared = project(*groups)
    snapshot = freeze(declared, night.contracts, production, night.store, INSTANT)
    ledger = night.new_ledger()
    built = night.build(declared, snapshot, ledger=ledger)
    return night.build(declared, snapshot, ledger=ledger) if again else built


@given(numerator=st.sampled_from([1.0, -1.0, 0.0, 1e39, -1e300, math.inf, math.nan]))
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(numerator=1e39)
def test_what_is_not_finite_or_beyond_float32_is_missing(numerator: float, night: Night, production: Path) -> None:
    def group(orders: ibis.Table) -> ibis.Table:
        ratio = ibis.literal(numerator, type="float64") / (orders.x - SHIFTED)
        return orders.select("id", ratio=ratio, logarithm=(orders.x * 0).ln(), x=orders.x)

    built = _build(night, production, group)
    table = pa.concat_tables([night.table(part) for part in built.of("group")])
    x = table["x"].to_numpy()
    with np.errstate(all="ignore"):
        expected = numerator / (x.astype(np.float64) - SHIFTED)
    missing = ~(np.abs(expected) <= np.finfo(np.float32).max)
    assert table["ratio"].is_null().to_pylist() == missing.tolist()
    assert table["logarithm"].null_count == len(table)
    assert table["x"].null_count == 0


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_feature_that_cannot_be_computed_is_named(operation: str, night: Night, production: Path) -> None:
    def group(orders: ibis.Table) -> ibis.Table:
        whole = orders.x.cast("int64")
        suspect = OPERATIONS[operation](whole, orders.shop)
        return orders.select("id", harmless=orders.x, shop=orders.shop, suspect=suspect)

    with pytest.raises(DataError, match=r"'group' of 'orders_late'.*found: suspect: DuckDB's \w+\.") as failed:
        _build(night, production, group)
    assert "north" not in str(failed.value)


def test_a_night_names_the_integers_that_float32_does_not_hold_whatever_is_reused(
    night: Night, production: Path
) -> None:
    def group(orders: ibis.Table) -> ibis.Table:
        return orders.select("id", big=orders.big, meant=orders.big.cast("float64"), small=orders.big - 2**24)

    assert _build(night, production, group).rounded == ("big",)
    assert _build(night, production, group, again=True).rounded == ("big",)


def test_a_label_of_integers_that_float32_does_not_hold_is_told(night: Night, production: Path) -> None:
    def group(orders: ibis.Table) -> ibis.Table:
        return orders.select("id", x=orders.x)

    def label(orders: ibis.Table) -> ibis.Table:
        return orders.select("id", label=orders.big)

    declared = project(group, label=label)
    snapshot, ledger = freeze(declared, night.contracts, production, night.store, INSTANT), night.new_ledger()
    first = night.build(declared, snapshot, ledger=ledger)
    assert first.rounded == ("label",)
    assert night.build(declared, snapshot, ledger=ledger) == first


def test_what_an_expression_says_to_be_rounded_is_found_before_data_is_read() -> None:
    def group(orders: ibis.Table) -> ibis.Table:
        epochs = orders.at.epoch_seconds()
        latest = orders.mutate(seconds=epochs).group_by("id").aggregate(latest=ibis._.seconds.max())
        made = orders.select(
            "id",
            number=orders.id,
            seconds=epochs,
            hashed=orders.shop.hash(),
            age=epochs - 1_700_000_000,
            hour=orders.at.hour(),
            meant=epochs.cast("float64"),
        )
        return made.left_join(latest, "id").drop("id_right")

    def label(orders: ibis.Table) -> ibis.Table:
        return orders.select("id", label=orders.done_at.epoch_seconds())

    found = rounded(project(group, label=label), {"orders": orders.CONTRACT})
    assert found == (
        RoundedColumn(group="group", feature="number", kind="a key"),
        RoundedColumn(group="group", feature="seconds", kind="a time counted from 1970"),
        RoundedColumn(group="group", feature="hashed", kind="a hash"),
        RoundedColumn(group="group", feature="latest", kind="a time counted from 1970"),
        RoundedColumn(group=None, feature="label", kind="a time counted from 1970"),
    )


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_any_integer_is_encoded(numbers: list[int]) -> None:
    spec = FeatureSpec(name="n", group="g", definition="sha256:d", categories=None)
    encoded = encode_features(pa.table({"n": pa.array(numbers, pa.int64())}), [spec])
    assert encoded[:, 0].tolist() == [float(np.float32(np.float64(number))) for number in numbers]
