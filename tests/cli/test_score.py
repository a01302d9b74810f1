"""What `score` says of the rows beside those that the version learnt from."""

from datetime import UTC, datetime

import pytest

from include.cli.night import familiarity
from include.core.records import Unfamiliar
from include.runtime.scoring import Scored


def scored(*unfamiliar: Unfamiliar) -> Scored:
    return Scored(
        version=3, rows=2_000, ahead=0, instant=datetime(2024, 5, 1, tzinfo=UTC), unfamiliar=unfamiliar, notes=()
    )


def unlike(feature: str, **counts: int) -> Unfamiliar:
    return Unfamiliar(
        **{"feature": feature, "nulls": 0, "categories": 0, "outside": 0, "missing_learnt": False, **counts}
    )


def test_rows_like_those_of_the_training_are_said_to_be_so() -> None:
    assert list(familiarity(scored())) == ["all rows are like those that version 3 learnt from, feature by feature"]


@pytest.mark.parametrize(
    ("kind", "told"), [("nulls", "null in 1,500 of 2,000"), ("categories", "category in 1,500"), ("outside", "outside")]
)
def test_each_kind_of_row_that_is_unlike_is_told_by_its_feature_and_its_number(kind: str, told: str) -> None:
    (line,) = familiarity(scored(unlike("dest", **{kind: 1_500})))
    assert line.startswith("dest: ")
    assert told in line
    assert "1,500 of 2,000 rows" in line
