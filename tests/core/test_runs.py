"""Kinds and ids of runs: made and read by one another, and those of earlier releases still read."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.canonical import decode, encode
from include.core.records import Run
from include.core.runs import RunKind, by_hand, is_by_hand, is_retraining, kind_of, name_of, retraining, run_id_of

INSTANT = datetime(2013, 6, 1, 4, tzinfo=UTC)
DIGEST = "sha256:" + "0123456789abcdef" * 4
NAMES = st.text(max_size=30).filter(lambda name: kind_of(name) is RunKind.NIGHT)


@given(st.sampled_from(RunKind), NAMES)
def test_an_id_says_the_kind_and_the_name_that_it_was_made_of(kind: RunKind, name: str) -> None:
    run_id = run_id_of(kind, name)
    assert (kind_of(run_id), name_of(run_id)) == (kind, name)


@pytest.mark.parametrize(
    ("run_id", "kind", "name", "hand"),
    [
        ("scheduled__2026-03-02T04:00:00+00:00", RunKind.NIGHT, "scheduled__2026-03-02T04:00:00+00:00", False),
        ("manual__2013-06-01T04:00__01234567", RunKind.NIGHT, "manual__2013-06-01T04:00__01234567", True),
        ("watch__scheduled__2026-03-02", RunKind.WATCH, "scheduled__2026-03-02", False),
        ("watch__manual__2013-06-01T04:00__01234567", RunKind.WATCH, "manual__2013-06-01T04:00__01234567", True),
        ("score__2026-03-01T04:00:00.000001", RunKind.SCORE, "2026-03-01T04:00:00.000001", False),
        ("load__2026-03-01T04:00:00.000001", RunKind.LOAD, "2026-03-01T04:00:00.000001", False),
        ("backtest__2013-06-01T04:00__01234567", RunKind.BACKTEST, "2013-06-01T04:00__01234567", False),
        ("watch", RunKind.NIGHT, "watch", False),
        ("here__ask", RunKind.NIGHT, "here__ask", False),
    ],
)
def test_an_id_of_an_earlier_release_is_read_as_it_was(run_id: str, kind: RunKind, name: str, hand: bool) -> None:
    assert (kind_of(run_id), name_of(run_id), is_by_hand(run_id)) == (kind, name, hand)


def test_what_is_made_is_called_as_before() -> None:
    assert by_hand(INSTANT, DIGEST) == "manual__2013-06-01T04:00__01234567"
    assert [retraining("a"), retraining("a", 2)] == ["retraining__a", "retraining__a__2"]
    assert is_retraining("retraining__a")
    assert not is_retraining("manual__retraining__a")


@pytest.mark.parametrize(
    ("run_id", "fence", "kind"),
    [("watch__1", 0, RunKind.WATCH), ("watch__1", 3, RunKind.NIGHT), ("1", 3, RunKind.NIGHT)],
)
def test_a_run_that_recorded_no_kind_has_that_of_its_id_unless_it_held_the_lease(
    run_id: str, fence: int, kind: RunKind
) -> None:
    said = (
        b'{"code_digest":"c","declaration_digest":"d","fence":%d,"instant":"2013-06-01T04:00:00+00:00","project":"p",'
    )
    before = decode(Run, said % fence + b'"run_id":"%s"}' % run_id.encode())
    assert before.kind is kind
    assert decode(Run, encode(before)) == before


@given(st.sampled_from(RunKind), st.sampled_from(["1", "watch__1", "backtest__1"]))
def test_a_run_keeps_the_kind_that_it_recorded_whatever_it_is_called(kind: RunKind, run_id: str) -> None:
    fence = 3 if kind is RunKind.NIGHT else 0
    run = Run(
        project="p", run_id=run_id, instant=INSTANT, code_digest="c", declaration_digest="d", fence=fence, kind=kind
    )
    assert decode(Run, encode(run)).kind is kind
