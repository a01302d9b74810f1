"""Who judges a day, and beside whom."""

from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.events import ModelRegistered
from include.core.records import DAY, DayOfSeries, Interval, Verdict
from include.registry.champions import Change, Tenure, Version
from include.retraining.judges import BEST_OF_DAYS, Judges, judges_of, skill_of

#: At its beginning version 1 becomes champion, by a night of four in the morning.
FIRST = datetime(2013, 6, 1, 4, tzinfo=UTC)


def tenure(number: int, offset: int, *, until: int | None = None) -> Tenure:
    registered = ModelRegistered(
        project="p",
        run_id=f"night-{number}",
        model_version=number,
        evaluation="e",
        bundle="b",
        verdict=Verdict(promote=True, reasons=()),
    )
    version = Version(registered=registered, decision=None, before=True)
    change = Change(version=version, rollback=None, position=0, decided_at=FIRST)
    ended = None if until is None else FIRST + timedelta(days=until)
    return Tenure(version=version, since=FIRST + timedelta(days=offset), change=change, until=ended)


def day(offset: int) -> date:
    return FIRST.date() + offset * DAY


def judges(
    tenures: list[Tenure], offset: int, *, skill: dict[int, float] | None = None, refused: dict[int, str] | None = None
) -> Judges:
    (found,) = judges_of(tenures, [day(offset)], skill=skill or {}, refused=refused or {})
    return found


def test_a_day_is_judged_by_the_champion_that_was_in_force_when_it_began() -> None:
    two = [tenure(1, 0), tenure(2, 10)]
    assert [judges(two, offset).champion for offset in (1, 10, 11, 40)] == [1, 1, 2, 2]
    assert [judges(two, offset).predecessor for offset in (10, 11)] == [None, 1]


def test_before_anybody_was_in_force_the_first_champion_judges() -> None:
    assert judges([tenure(1, 0), tenure(2, 10)], -2).champion == 1


def test_nobody_judges_a_day_of_which_no_version_was_in_force() -> None:
    retired = [tenure(1, 0, until=5), tenure(2, 10)]
    assert judges_of(retired, [day(6), day(10)], skill={}, refused={}) == ()
    assert [judges(retired, offset).champion for offset in (5, 11)] == [1, 2]


def test_the_predecessor_is_another_version_though_a_rollback_brought_the_champion_back() -> None:
    back = [tenure(1, 0), tenure(2, 10), tenure(1, 20)]
    assert (judges(back, 25).champion, judges(back, 25).predecessor) == (1, 2)
    assert judges([tenure(1, 0), tenure(1, 3)], 25).predecessor is None


def test_the_best_are_the_other_champions_of_half_a_year_by_their_skill() -> None:
    four = [tenure(1, 0), tenure(2, 10), tenure(3, 20), tenure(4, 30)]
    skill = {1: 0.3, 2: 0.1, 3: 0.2, 4: 0.9}
    assert judges(four, 40, skill=skill).best == (1, 3, 2)
    assert judges(four, 10 + BEST_OF_DAYS, skill=skill).best == (1, 3, 2), "the first was in force at its beginning"
    assert judges(four, 11 + BEST_OF_DAYS, skill=skill).best == (3, 2)
    assert judges(four, 40, skill={2: 0.1}).best == (2,), "one of unknown skill is none of the best"


def test_a_version_that_may_not_be_used_stands_beside_nobody_and_its_days_say_why() -> None:
    three = [tenure(1, 0), tenure(2, 10), tenure(3, 20)]
    skill = {1: 0.3, 2: 0.4, 3: 0.2}
    found = judges(three, 25, skill=skill, refused={2: "in quarantine"})
    assert (found.refused, found.predecessor, found.best) == (None, None, (1,))
    assert judges(three, 15, skill=skill, refused={2: "in quarantine"}).refused == "in quarantine"


def test_skill_of_few_days_counts_for_less_than_the_same_of_many() -> None:
    def scored(offset: int, champion: int) -> DayOfSeries:
        return DayOfSeries(
            day=day(offset), champion=champion, rows=99, loss=0.5, constant_loss=0.6, best=3, best_loss=0.55
        )

    found = skill_of([scored(0, 1), *(scored(offset, 2) for offset in range(1, 20))], {})
    assert found[2] > found[1] > 0
    assert found[3] < found[2], "one that stood beside counts by what it lost"
    evaluated = skill_of([], {1: Interval(estimate=0.2, lower=0.1, upper=0.3, days=14)})
    assert evaluated == {1: 0.1}


@settings(max_examples=15, deadline=None)
@given(offsets=st.lists(st.integers(0, 15), min_size=1, max_size=6), shift=st.integers(0, 12))
def test_a_later_promotion_never_changes_who_judged_the_days_before_it(offsets: list[int], shift: int) -> None:
    tenures = [tenure(number, offset) for number, offset in enumerate(offsets, start=1)]
    latest = max(offsets)
    later = [*tenures, tenure(99, latest + 1 + shift)]
    days = [day(offset) for offset in range(-3, latest + 2 + shift)]
    before, after = (judges_of(each, days, skill={}, refused={}) for each in (tenures, later))
    assert before == after
