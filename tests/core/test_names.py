"""A person is the same person however their name is written."""

from hypothesis import given
from hypothesis import strategies as st

from include.core.names import among

BLANKS = st.text(" \t\n\u00a0\u200b\u2060\ufeff", max_size=3)


@given(
    name=st.text("abcßéøж", min_size=1, max_size=6),
    blanks=st.tuples(BLANKS, BLANKS, BLANKS),
    upper=st.booleans(),
    cut=st.integers(0, 6),
)
def test_letter_case_blanks_and_what_nobody_sees_make_nobody_another_person(
    name: str, blanks: tuple[str, str, str], upper: bool, cut: int
) -> None:
    written = f"{blanks[0]}{name[:cut]}{blanks[1]}{name[cut:]}{blanks[2]}"
    assert among(written.upper() if upper else written, ["somebody", name])


@given(name=st.text("abc", min_size=1, max_size=6), other=st.text("abc", min_size=1, max_size=6))
def test_another_name_is_another_person(name: str, other: str) -> None:
    assert among(name, [other]) == (name == other)
