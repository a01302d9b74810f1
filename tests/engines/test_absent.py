"""A cluster that cannot be used is told by what is missing."""

import sys
from pathlib import Path

import pytest

from include import engines
from include.core.errors import DeclarationError
from tests.engines.test_engines import SHOP_ROWS, stored


def test_without_pyspark_it_is_said_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    kept = stored(folder, [], SHOP_ROWS)
    opening = engines.engine_at("spark://master:7077")(kept.snapshot, kept.contracts, kept.path)
    with pytest.raises(DeclarationError, match=r"TRAINYARD_ENGINE.*not installed.*requirements-spark\.txt"):
        opening.__enter__()


def test_without_an_address_features_are_computed_in_this_process() -> None:
    assert engines.engine_at(None) is engines.opened
