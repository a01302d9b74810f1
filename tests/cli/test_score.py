"""What `score` says of the rows beside those that the version learnt from."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.cli.night import familiarity, score
from include.core.records import UnfamiliarValues
from include.runtime.nights.scoring import ScoringResult


def scored(*unfamiliar: UnfamiliarValues) -> ScoringResult:
    return ScoringResult(
        version=3, rows=2_000, ahead=0, instant=datetime(2024, 5, 1, tzinfo=UTC), unfamiliar=unfamiliar, notes=()
    )


def unlike(feature: str, **counts: int) -> UnfamiliarValues:
    return UnfamiliarValues(
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


def test_what_must_be_said_beside_a_version_is_said_with_its_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = replace(scored(), notes=("grant g-1 for flights was revoked by steward (stop-new): [rows]",))
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    monkeypatch.setattr("include.cli.night.score_file", lambda *given, **named: said)
    score("flight_delay", tmp_path / "rows.csv")
    assert f"\n{said.notes[0]}\n" in capsys.readouterr().out
