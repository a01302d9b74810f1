"""The inventory: every version once, and what is not recorded says so."""

import csv
import io
from dataclasses import replace

from include.audit.inventory import NOT_SHOWN, as_csv, inventory
from tests.audit.recorded import CARD, P, Recorded


def test_every_version_is_a_line_with_what_its_own_night_recorded(recorded: Recorded) -> None:
    recorded.night()
    recorded.card = None
    recorded.night("night-2", loss=0.4)
    first, second = inventory(recorded.ledger, recorded.champions)
    assert (first.id, second.id) == (f"{P}@1", f"{P}@2")
    assert (first.owner, first.risk_rating, first.developer) == ("punctuality", "low", "dana")
    assert (first.data_sources, first.limits) == ("flights", CARD.limits)
    assert second.limits == second.risk_rating == NOT_SHOWN
    assert second.owner == "punctuality"
    assert {first.next_review, first.depends_on_models} == {NOT_SHOWN}


def test_a_version_is_champion_candidate_or_replaced(recorded: Recorded) -> None:
    recorded.night()
    (line,) = inventory(recorded.ledger, recorded.champions)
    assert line.state == "champion"
    assert line.in_production_since == "2013-05-01 04:00Z"
    assert line.review_trigger == "the verdict of the watch"


def test_no_cell_of_the_table_is_a_formula(recorded: Recorded) -> None:
    recorded.card = replace(CARD, limits='=HYPERLINK("x")', not_for="+1", tier="@x", tier_reason="-1")
    recorded.night()
    (row,) = csv.DictReader(io.StringIO(as_csv(inventory(recorded.ledger, recorded.champions))))
    assert row["limits"] == '\'=HYPERLINK("x")'
    assert not any(value.startswith(("=", "+", "-", "@")) for value in row.values())
