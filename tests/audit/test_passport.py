"""A passport says what is recorded of a version, where, and what is not."""

import re
from datetime import date, timedelta

import pytest

from include.audit.evidence import Section
from include.audit.page import render
from include.audit.passport import Passport
from include.audit.verifier import verify
from include.core import streams
from include.core.errors import DeclarationError
from include.core.events import AccessRevoked, DataRead
from include.core.records import RevocationKind, Treatment
from include.governance.claims import signed
from tests.audit.recorded import CARD, P, Recorded


def section(passport: Passport, name: str) -> Section:
    return next(each for each in passport.sections if each.id == name)


def rows(passport: Passport, name: str, title: str) -> list[dict[str, object]]:
    table = next(each for each in section(passport, name).tables if each.title == title)
    values = [[None if cell is None else cell.value for cell in row.cells] for row in table.rows]
    return [
        {"": row.label, **dict(zip(table.columns, cells, strict=True))}
        for row, cells in zip(table.rows, values, strict=True)
    ]


def said(passport: Passport, name: str) -> dict[str, object]:
    return {claim.name: claim.value for claim in section(passport, name).claims}


def open_questions(passport: Passport) -> set[int]:
    return {each.number for each in passport.answers if not each.answered}


def test_it_says_whose_model_it_is_for_what_and_who_says_so(written: Recorded) -> None:
    found = said(written.passport(), "purpose")
    assert found["owner"] == "punctuality"
    assert (found["limits"], found["not for"], found["special categories"]) == (CARD.limits, CARD.not_for, "none")
    assert (found["said by"], found["said on"]) == ("dana", "2026-02-01")


def test_it_counts_the_rows_of_each_part_of_the_split_and_of_each_month(written: Recorded) -> None:
    passport = written.passport()
    split = {row[""]: row for row in rows(passport, "data", "Split")}
    assert [split[name]["rows"] for name in ("train", "validation", "holdout")] == [3200, 700, 2100]
    months = {row[""]: row["flights"] for row in rows(passport, "data", "Rows by month")}
    assert months == {"2013-03": 3000, "2013-04": 3000}


def test_each_trial_is_there_and_one_is_chosen(written: Recorded) -> None:
    trials = rows(written.passport(), "search", "Trials")
    assert [row["chosen"] for row in trials] == [True, False, False]
    assert [row["lowest loss"] for row in trials] == [0.51, 0.52, 0.7]
    assert trials[2]["state"] == "pruned"


def test_reads_are_held_against_their_grants(recorded: Recorded) -> None:
    recorded.night()
    wider = (*recorded.scope.columns, ("dest", Treatment.CLEAR))
    beyond = DataRead(
        project=P,
        run_id="night-2",
        grant_id="g-1",
        scope=recorded.scope.__class__(**{**vars(recorded.scope), "columns": wider}),
        first=None,
        last=None,
        rows=1,
        files=1,
        reused=0,
    )
    recorded.ledger.record(streams.receipt(P), beyond)
    recorded.night("night-2")
    reads = rows(recorded.passport(f"{P}@2"), "access", "Reads against grants")
    assert [row["columns within the grant"] for row in reads] == [False, True]
    assert {row["within its time"] for row in reads} == {True}


def test_a_decision_whose_signature_does_not_hold_is_counted_and_not_shown(recorded: Recorded) -> None:
    revoked = AccessRevoked(grant_id="g-1", steward="steward", reason="no", envelope="", effect=RevocationKind.STOP_NEW)
    stream = streams.access(P, "flights")
    recorded.ledger.record(stream, signed(revoked, recorded.training, position=3, project=P, dataset="flights"))
    recorded.night()
    passport = recorded.passport(tree=recorded.tree())
    assert [row["what"] for row in rows(passport, "access", "Requests and decisions")] == [
        "access_requested",
        "access_granted",
    ]
    assert any("signatures do not hold" in each.why for each in section(passport, "access").not_shown)
    assert verify(passport.data)[0].problems == []


def test_what_is_not_recorded_is_not_shown_and_says_why(recorded: Recorded) -> None:
    recorded.card = None
    recorded.night()
    passport = recorded.passport()
    missing = {each.what: each.why for each in section(passport, "purpose").not_shown}
    assert missing["limits"] == "its project declares no card"
    assert said(passport, "purpose")["owner"] == "punctuality"
    assert {2, 3, 11, 15, 31, 32} <= open_questions(passport)


def test_most_questions_are_answered_where_a_card_and_a_watch_are(recorded: Recorded) -> None:
    recorded.night()
    before = recorded.passport(tree=recorded.tree())
    assert 25 in open_questions(before)
    assert len(before.answers) == 32
    assert open_questions(before) == {9, 13, 18, 19, 25, 26, 27, 29}
    assert 30 in open_questions(recorded.passport())
    assert 30 in open_questions(recorded.passport(tree=recorded.tree(5)))


def test_none_is_an_answer_only_where_a_person_said_so(recorded: Recorded) -> None:
    from dataclasses import replace

    recorded.card = replace(CARD, by="", on=None)
    recorded.night()
    assert {11, 31, 32} <= open_questions(recorded.passport())


def test_it_says_what_changed_since_the_version_before(recorded: Recorded) -> None:
    recorded.night()
    assert said(recorded.passport(), "difference") == {"first version of the project": 1}
    recorded.night("night-2", loss=0.4)
    changed = {row[""]: row for row in rows(recorded.passport(f"{P}@2"), "difference", "What changed")}
    assert changed["code"]["same"] is True
    assert changed["metrics"]["same"] is False
    assert changed["metrics"]["before"] != changed["metrics"]["now"]


def test_days_that_it_was_judged_on_are_its_own(recorded: Recorded) -> None:
    recorded.night()
    days = [date(2013, 5, 1) + timedelta(days=number) for number in range(3)]
    recorded.judged(1, days[:2])
    recorded.judged(2, days[2:])
    assert [row["day"] for row in rows(recorded.passport(), "since", "Judged days")] == ["2013-05-01", "2013-05-02"]


def test_a_version_is_named_by_its_number_by_champion_or_by_a_day(recorded: Recorded) -> None:
    recorded.night()
    for subject in (P, f"{P}@champion", f"{P}@1", f"{P}@v1", f"{P}@2013-06-01"):
        assert recorded.passport(subject).version == 1
    for subject in (f"{P}@7", f"{P}@2012-01-01", "nobody", f"{P}@soon"):
        with pytest.raises(DeclarationError):
            recorded.passport(subject)


def test_the_same_ledger_gives_the_same_bytes(written: Recorded) -> None:
    assert written.passport(tree=written.tree()).data == written.passport(tree=written.tree()).data


def test_the_page_needs_no_script_and_no_other_host_and_shows_every_gap(written: Recorded) -> None:
    passport = written.passport(tree=written.tree())
    page = render(passport)
    assert not re.search(r"<script|https?://|@import|url\(|\bon[a-z]+=", page)
    assert page.count("<section>") == len(passport.sections) + 2
    for each in passport.sections:
        for gap in each.not_shown:
            assert gap.what.replace("'", "&#39;") in page
    assert "Where" not in [each.title for each in passport.sections]


def test_what_owners_write_is_text_on_the_page(recorded: Recorded) -> None:
    from dataclasses import replace

    recorded.card = replace(CARD, limits="<b>&bold</b>")
    recorded.night()
    assert "&lt;b&gt;&amp;bold&lt;/b&gt;" in render(recorded.passport())


def test_every_package_is_in_the_bill_of_materials_with_the_digest_of_its_record(written: Recorded) -> None:
    import json

    from include.audit.bill_of_materials import bill_of_materials

    made = bill_of_materials(written.passport().document)
    assert made is not None
    (component,) = json.loads(made)["components"]
    assert component["purl"] == "pkg:pypi/lightgbm@4.7.0"
    assert component["properties"] == [{"name": "trainyard:record", "value": "sha256:" + "a" * 64}]
