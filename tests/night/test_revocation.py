"""What a revocation ends of a real night and its champion, by its kind."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from include import steps
from include.core.errors import AccessDenied, Quarantined, RegistryError
from include.core.events import DataRead
from include.core.records import DAY, RevocationKind, Run
from include.core.runs import RunKind
from include.governance.revocation_marks import RevocationMarks
from include.steps import backlog, serving
from tests.night.test_score import flights, read
from tests.night.yard import FLIGHTS, INSTANT, NOW, Night, Yard

STOP_NEW, STOP_RUNNING, QUARANTINE = RevocationKind


def revoke(yard: Yard, kind: RevocationKind, dataset: str = "flights") -> str:
    """The steward ends the grant for *dataset*; its id."""
    granted = yard.platform.access.grants(FLIGHTS.name, now=NOW)
    grant = next(each for each in granted if each.scope.dataset == dataset)
    yard.authority.revoke(grant.grant_id, user=grant.steward, reason="poisoned rows", effect=kind)
    return grant.grant_id


def beside(yard: Yard, run_id: str) -> Run:
    return steps.begin(yard.platform, FLIGHTS, run_id=run_id, instant=INSTANT, now=NOW, kind=RunKind.SCORE)


def load(yard: Yard, run_id: str) -> object:
    champion = yard.platform.champions.in_force(FLIGHTS.name)
    assert champion is not None
    return serving.load(yard.platform, FLIGHTS, beside(yard, run_id), champion, step="load", now=NOW)


@pytest.mark.parametrize("kind", [STOP_NEW, STOP_RUNNING])
def test_a_champion_serves_on_after_a_revocation_that_is_no_quarantine_and_says_so(
    past: tuple[Yard, Night], kind: RevocationKind, production: Path, tmp_path: Path
) -> None:

    yard, night = past
    grant = revoke(yard, kind)
    champion = yard.platform.champions.in_force(FLIGHTS.name)
    assert champion is not None
    assert champion.refused is None
    assert [note for note in champion.notes if grant in note and f"({kind}): poisoned rows" in note]
    load(yard, "loads")

    file = tmp_path / "rows.parquet"
    pq.write_table(flights(production, night.run.instant.date() - DAY, [0, 1]), file)
    rows = read(yard, file)
    with pytest.raises(AccessDenied):  # what it scores from is read, and no read begins
        steps.score(yard.platform, FLIGHTS, beside(yard, "denied"), rows, now=NOW)
    yard.grant(FLIGHTS)
    scored = steps.score(yard.platform, FLIGHTS, beside(yard, "scores"), rows, now=NOW)
    assert scored.notes == champion.notes


def test_a_quarantined_champion_serves_nobody_until_it_is_lifted(past: tuple[Yard, Night]) -> None:
    yard, night = past
    grant = revoke(yard, QUARANTINE)
    yard.grant(FLIGHTS)  # what was made under the old one does not come free by a new one
    with pytest.raises(RegistryError, match="in quarantine: grant"):
        load(yard, "refused")
    due = backlog.due(yard.platform, FLIGHTS, run_id="watch", instant=INSTANT + 60 * DAY)
    assert isinstance(due, str)
    assert "may not be used; in quarantine" in due
    run = steps.begin(yard.platform, FLIGHTS, run_id=night.run.run_id, instant=INSTANT, now=NOW)
    with pytest.raises(Quarantined, match=f"(?s){grant}.*access lift"):
        yard.step("promote", FLIGHTS, run, night.digests)
    yard.authority.lift(grant, user=yard.authority.contract("flights").stewards[0], reason="All is well")
    assert yard.step("promote", FLIGHTS, run, night.digests) == night.digests["promote"]
    load(yard, "lifted")
    assert not isinstance(backlog.due(yard.platform, FLIGHTS, run_id="watch", instant=INSTANT + 60 * DAY), str)


def test_what_was_read_under_a_quarantined_grant_is_read_anew_by_the_next_night(past: tuple[Yard, Night]) -> None:
    yard, night = past
    revoke(yard, QUARANTINE)
    yard.grant(FLIGHTS)
    run = steps.begin(yard.platform, FLIGHTS, run_id="anew", instant=INSTANT, now=NOW)
    assert yard.step("snapshot", FLIGHTS, run, {}) == night.digests["snapshot"], "the same rows"
    read_of = {e.scope.dataset: e for e in yard.events(DataRead, run_id="anew") if isinstance(e, DataRead)}
    assert read_of["flights"].reused == 0
    assert all(each.reused > 0 for dataset, each in read_of.items() if dataset != "flights")
    marks = RevocationMarks(yard.platform.ledger, yard.platform.access)
    assert marks.on_night(FLIGHTS.name, "anew") == ()
    assert [mark.dataset for mark in marks.on_night(FLIGHTS.name, night.run.run_id)] == ["flights"]


def test_a_night_under_way_goes_on_after_stop_new_but_begins_no_read(past: tuple[Yard, Night]) -> None:
    yard, _ = past
    run = steps.begin(yard.platform, FLIGHTS, run_id="under-way", instant=INSTANT, now=NOW)
    digests = {"snapshot": yard.step("snapshot", FLIGHTS, run, {})}
    grant = revoke(yard, STOP_NEW)
    for name in ("validate", "features", "plan"):
        digests[name] = yard.step(name, FLIGHTS, run, digests)
    with pytest.raises(AccessDenied):
        yard.step("snapshot", FLIGHTS, run, {})
    yard.authority.revoke(grant, user=yard.authority.contract("flights").stewards[0], reason="Now all")
    with pytest.raises(AccessDenied):
        yard.step("train-0", FLIGHTS, run, digests)
