"""A night whose features a Spark cluster computes."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.engines import cluster as spark
from tests.night.conftest import MakeYard
from tests.night.yard import FLIGHTS, INSTANT, LATER, NOW, Yard

pytestmark = pytest.mark.spark


def _features(yard: Yard, run_id: str, *, days: int = 0) -> str:
    from include import steps

    now = NOW + days * LATER
    run = steps.begin(yard.platform, FLIGHTS, run_id=run_id, instant=INSTANT + days * LATER, now=now)
    try:
        return yard.steps(FLIGHTS, run, until="features", now=now)["features"]
    finally:
        steps.finish(yard.platform, run)


def test_nights_give_the_same_features_whether_a_cluster_computes_them_or_what_is_found_is_from_one(
    make_yard: MakeYard, tmp_path: Path
) -> None:
    """The setting names the cluster of the first night; the second goes on without one."""
    spark.require_installed()
    there, here = make_yard(), make_yard()
    there.settings = replace(there.settings, engine=spark.ADDRESS)
    for yard in (there, here):
        yard.grant(FLIGHTS)
    (tmp_path / "spark").mkdir()
    with spark.configured(tmp_path / "spark"):
        first = _features(there, "first")
    assert first == _features(here, "first")
    assert spark.executors() == [], "the session ends with the step"
    there.platform = replace(there.platform, engine=here.platform.engine)
    assert _features(there, "second", days=1) == _features(here, "second", days=1)
