"""What people write says what it shows."""

import unicodedata
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.core.errors import DecisionUnusable, DeclarationError, TrainyardError
from include.core.words import LONGEST_REASON, is_user, markdown, reason, require_sentence, visible


def sentence(text: str) -> None:
    require_sentence("a project's purpose", text)


HIDDEN = [
    *[("a\x07b", r"a control character \(U\+0007\) at character 2"), ("pay\u202e eve", "RIGHT-TO-LEFT OVERRIDE")],
    *[("x\u2066y", "LEFT-TO-RIGHT ISOLATE"), ("a\u200bb", r"ZERO WIDTH SPACE \(U\+200B\) at character 2")],
    *[("a\ufeffb", "ZERO WIDTH NO-BREAK SPACE"), ("a\u00adb", "SOFT HYPHEN"), ("a\u3164b", "HANGUL FILLER")],
    *[("a\u200d b", "ZERO WIDTH JOINER"), ("1\u200c2", "ZERO WIDTH NON-JOINER"), ("a\ufe0f", "VARIATION SELECTOR-16")],
    *[("a\U000e0041", "TAG LATIN CAPITAL LETTER A"), ("a\u2028b", "LINE SEPARATOR"), ("a\ud800", "U\\+D800")],
    *[("a\rb", r"U\+000D"), ("a\tb", r"U\+0009"), ("a\x1b[2Jb", r"U\+001B")],
]


@pytest.mark.parametrize(("text", "told"), HIDDEN)
@pytest.mark.parametrize("taken", [sentence, reason])
def test_what_is_hidden_in_a_purpose_or_a_reason_is_refused_by_name_and_place(
    taken: Callable[[str], object], text: str, told: str
) -> None:
    with pytest.raises(TrainyardError, match=told):
        taken(f"{text}.")


@pytest.mark.parametrize(
    "text", ["می\u200cخواهم", "क्\u200dष", "Œuvre d’art", "weight [kg]", "naïve €", "日本語", "e\u0301te"]
)
def test_a_joiner_between_two_letters_and_every_script_are_taken(text: str) -> None:
    sentence(text)
    assert reason(text) == visible(text) == text


@pytest.mark.parametrize("text", ["", " ", "\u00a0\u3000", "\n"])
def test_what_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(DeclarationError, match="a project's purpose says something"):
        sentence(text)
    with pytest.raises(DecisionUnusable, match="a decision has a reason"):
        reason(text)


def test_lines_break_in_reasons_alone() -> None:
    assert reason(" One.\r\nTwo.\n") == "One.\nTwo."
    with pytest.raises(DeclarationError, match=r"U\+000A\) at character 5"):
        sentence("One.\nTwo.")


def test_a_reason_has_so_many_characters_at_most_whatever_they_take_on_the_wire() -> None:
    assert len(reason("é\r\n" * (LONGEST_REASON // 2))) == LONGEST_REASON - 1
    assert reason("x" * LONGEST_REASON)
    with pytest.raises(DecisionUnusable, match=r"1 to 2,000 characters; found: 2,001"):
        reason("x" * (LONGEST_REASON + 1))


@given(st.text())
def test_what_is_shown_hides_nothing_and_is_shown_the_same_again(text: str) -> None:
    shown = visible(text)
    assert visible(shown) == shown
    assert not {"Cc", "Cs", "Zl", "Zp"} & {
        unicodedata.category(letter) for letter in shown.replace("\n", "").replace("\t", "")
    }
    assert not any(unicodedata.bidirectional(letter) in ("LRO", "RLO", "LRE", "RLE", "PDF") for letter in shown)


@pytest.mark.parametrize("name", ["jane.doe@example.com", "steward", "José", "a-b+c", "_x"])
def test_somebody_can_sign_in_by_letters_digits_and_few_signs(name: str) -> None:
    assert is_user(name)


@pytest.mark.parametrize("name", ["Jane Doe", "mallory:admin", "[/x]", ".x", "", "a/b", "a\u202eb", "a\n", "x" * 101])
def test_nobody_can_sign_in_by_what_could_be_taken_for_something_else(name: str) -> None:
    assert not is_user(name)


def test_markdown_shows_what_was_written() -> None:
    assert markdown("**x** <b> [kg](javascript:1)\n# y") == r"\*\*x\*\* \<b\> \[kg\]\(javascript\:1\) \# y"
