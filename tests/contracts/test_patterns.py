"""Folders of days are called as a location declares it, so that no folder is that of two days."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.contracts.patterns import BY_DAY, DayPattern, pattern_of, require_pattern, root_of
from include.core.errors import ContractError

PIECES = st.sampled_from(
    ["{yyyy}", "{mm}", "{dd}", "{yyyy}-{mm}-{dd}", "{yyyy}{mm}", "{dd}.{mm}", "dt={dd}", "a", "x+y"]
)
PATTERNS = st.lists(PIECES, min_size=1, max_size=4).map("/".join)
DAYS = st.dates()


@given(pattern=PATTERNS, one=DAYS, other=DAYS)
def test_a_pattern_that_is_taken_leads_from_each_day_to_a_folder_and_from_there_to_that_day_alone(
    pattern: str, one: date, other: date
) -> None:
    location = f"s3://lake/sales/{pattern}"
    complete = all(name in pattern for name in ("{yyyy}", "{mm}", "{dd}"))
    if not complete:
        if "{" in pattern:
            with pytest.raises(ContractError, match=r"has no \{"):
                require_pattern(location)
        return
    require_pattern(location)
    days = pattern_of(location)
    assert days.day(days.folder(one)) == one
    assert (days.folder(one) == days.folder(other)) is (one == other)
    assert f"{root_of(location)}/{days}" == location
    levels = days.folder(one).split("/")
    assert all(days.may_hold(level, "/".join(levels[: level + 1])) for level in range(len(levels)))
    assert all(each.startswith(days.begins(level)) for level, each in enumerate(levels))


@pytest.mark.parametrize(
    ("location", "root", "pattern"),
    [
        ("s3://lake/sales/{yyyy}/{mm}/{dd}", "s3://lake/sales", ("{yyyy}", "{mm}", "{dd}")),
        ("s3://lake/dt={yyyy}{mm}{dd}/", "s3://lake", ("dt={yyyy}{mm}{dd}",)),
        ("${TRAINYARD_PRODUCTION}/sales/{yyyy}-{mm}-{dd}", "${TRAINYARD_PRODUCTION}/sales", ("{yyyy}-{mm}-{dd}",)),
        ("/data/y={yyyy}/d={yyyy}-{mm}-{dd}/rows", "/data", ("y={yyyy}", "d={yyyy}-{mm}-{dd}", "rows")),
    ],
)
def test_what_comes_before_the_first_placeholder_is_the_folder_of_the_dataset(
    location: str, root: str, pattern: tuple[str, ...]
) -> None:
    require_pattern(location)
    assert (root_of(location), pattern_of(location)) == (root, DayPattern(pattern))


def test_a_location_without_a_pattern_has_the_folders_of_days_that_there_always_were() -> None:
    assert pattern_of("${TRAINYARD_PRODUCTION}/sales") == BY_DAY
    assert BY_DAY.folder(date(2013, 7, 4)) == "day=2013-07-04"
    assert BY_DAY.shown == "day=YYYY-MM-DD"
    assert [BY_DAY.day(name) for name in ("day=2013-02-30", "day=13-07-04", "day=2013-07-04/x")] == [None] * 3


def test_a_folder_that_says_two_years_is_no_days() -> None:
    days = pattern_of("/data/y={yyyy}/d={yyyy}-{mm}-{dd}")
    assert days.day("y=2013/d=2013-07-04") == date(2013, 7, 4)
    assert days.day("y=2012/d=2013-07-04") is None


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("s3://lake/sales/{yyyy}/{mm}", "has no {dd}"),
        ("s3://lake/sales/{yyyy}/{dd}", "has no {mm}"),
        ("s3://lake/{model}/{yyyy}-{mm}-{dd}", "other placeholders"),
        ("s3://lake/{yyyy}-{mm}-{dd}/*", "other placeholders"),
        ("s3://lake/{yyyy}-{mm}-{dd}T{hh}", "other placeholders"),
        ("s3://lake/{yyyy}-{mm}-{dd}.parquet", "names a file"),
        ("s3://lake/_{yyyy}-{mm}-{dd}", "no reader takes for data"),
        ("s3://lake/{yyyy}//{mm}{dd}", "no reader takes for data"),
        ("/data/{yyyy}/../{mm}{dd}", "no reader takes for data"),
        ("/{yyyy}/{mm}{dd}", "no folder above"),
    ],
)
def test_a_pattern_that_would_not_say_each_day_is_refused(location: str, told: str) -> None:
    with pytest.raises(ContractError) as raised:
        require_pattern(location)
    assert told in str(raised.value)
