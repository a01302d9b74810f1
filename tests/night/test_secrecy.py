"""A personal value leaves production only as a token: it stands in no file, log or message of a night."""

import logging
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.night.conftest import MakeYard
from tests.night.scan import files_with
from tests.night.yard import FLIGHTS, Night, Yard, replaced

SENTINEL = "XSENTINELX"


def plant(file: Path) -> None:
    """Every registration begins with the sentinel; those that joined still do."""
    table = pq.read_table(file)
    marked = pc.binary_join_element_wise(pa.scalar(SENTINEL), table["tailnum"].cast(pa.string()), "")
    place = table.column_names.index("tailnum")
    pq.write_table(table.set_column(place, "tailnum", marked), file)


def test_a_registration_stands_in_no_file_log_or_output_of_a_night(
    make_yard: MakeYard,
    production: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from include.ledger import delivery

    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    marked = replaced(production, tmp_path / "production", "flights", plant)
    replaced(production, marked, "planes", plant)
    yard = make_yard(production=marked)
    yard.grant(FLIGHTS)
    with caplog.at_level(logging.DEBUG):
        night = yard.night()
    delivery.deliver_to_file(yard.platform.ledger, Path(yard.settings.lineage))
    assert night.promotion.verdict.promote
    assert files_with(SENTINEL, yard.home) == []
    assert [path for path in scratch.rglob("*") if path.is_file()] == []  # not even what is removed later
    printed = capfd.readouterr()
    assert SENTINEL.lower() not in (caplog.text + printed.out + printed.err).lower()


def test_the_scan_sees_into_every_kind_of_file(done: tuple[Yard, Night]) -> None:
    """So that finding nothing means something."""
    yard, night = done
    assert any(path.startswith("vault") for path in files_with("\nv1.", yard.home))  # tokens, in Parquet
    assert "ledger.db" in files_with(night.digests["snapshot"], yard.home)
    assert "mlflow.db" in files_with(night.promotion.bundle, yard.home)
    assert any(path.startswith("mlflow/") for path in files_with(night.promotion.bundle, yard.home))
    assert files_with(SENTINEL, yard.home) == []


def test_tokens_stay_in_snapshots_and_reach_no_feature_model_or_record(done: tuple[Yard, Night]) -> None:
    from include.core.records import FeatureSet, Snapshot

    yard, night = done
    taken = yard.platform.load(Snapshot, night.digests["snapshot"])
    contents = {part.content.removeprefix("sha256:")[2:] for part in taken.partitions if part.table != "weather"}
    found = files_with("\nv1.", yard.home)
    assert found
    assert {Path(path).name for path in found} <= contents
    built = yard.platform.load(FeatureSet, night.digests["features"])
    assert "tailnum" not in {feature.name for feature in built.features}
