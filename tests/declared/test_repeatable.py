"""What a project declares gives the same result for the same rows, whenever it is computed."""

from collections.abc import Callable
from dataclasses import replace

import ibis
import pytest

from include.core.errors import DeclarationError
from include.core.project import FeatureGroup
from include.core.records import Contract
from include.declared import scope_of
from include.projects import flight_delay

PROJECT = flight_delay.PROJECT
KEY = PROJECT.learning.target.key


@ibis.udf.scalar.builtin
def txid_current() -> int:
    """A function of DuckDB whose result differs from one query to the next."""


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (lambda table: table.mutate(value=ibis.now().epoch_seconds()), "TimestampNow"),
        (lambda table: table.filter(table.scheduled_departure.date() < ibis.today()), "DateNow"),
        (lambda table: table.mutate(value=ibis.random()), "RandomScalar"),
        (lambda table: table.order_by(ibis.uuid().cast("string")).limit(9), "RandomUUID"),
        (lambda table: table.sample(0.5), "Sample"),
        (lambda table: table.mutate(value=txid_current()), "txid_current"),
    ],
    ids=["now", "today", "random", "uuid", "sample", "function"],
)
@pytest.mark.parametrize("place", ["population", "label", "group"])
def test_neither_the_clock_nor_chance_decides_a_row_a_label_or_a_feature(
    changes: Callable[[ibis.Table], ibis.Table], named: str, place: str, contracts: dict[str, Contract]
) -> None:
    def changing(flights: ibis.Table) -> ibis.Table:
        return changes(flights)

    if place == "group":
        declared = PROJECT.varied(features=(FeatureGroup(name="group", build=changing),))
    else:
        declared = PROJECT.varied(target=replace(PROJECT.learning.target, **{place: changing}))
    with pytest.raises(
        DeclarationError, match=rf"changing: the same rows always give the same result; found: .*{named}"
    ):
        scope_of(declared, contracts)
