"""What people write: sentences in which nothing is hidden, the names by which they sign in, and how both are shown."""

import re
import unicodedata

from include.core.errors import DecisionUnusable, DeclarationError

#: A reason has that many characters at most, wherever it is written.
LONGEST_REASON = 2_000

#: A name that can name a file, and stands between commas and colons.
_USER = re.compile(r"[\w@+-][\w@.+-]*")
_LONGEST_USER = 100
_JOINERS = "\u200c\u200d"
#: Of what is invisible, and counts neither as a control nor as a format character: by their first and last.
_INVISIBLE = (
    *(("\u034f", "\u034f"), ("\u115f", "\u1160"), ("\u17b4", "\u17b5"), ("\u180b", "\u180f"), ("\u2065", "\u2065")),
    *(
        ("\u2800", "\u2800"),
        ("\u3164", "\u3164"),
        ("\ufe00", "\ufe0f"),
        ("\uffa0", "\uffa0"),
        ("\ufff0", "\ufff8"),
        ("\U000e0000", "\U000e0fff"),
    ),
)
_HIDDEN_KINDS = ("Cc", "Cf", "Cs", "Zl", "Zp")
_MARKDOWN = re.compile(r"([!-/:-@\[-`{-~])")


def is_user(name: str) -> bool:
    """Whether somebody can sign in by *name*: letters, digits and ``_ @ . + -``, no dot first, 100 bytes at most."""
    return _USER.fullmatch(name) is not None and len(name.encode()) <= _LONGEST_USER


def require_sentence(what: str, text: str) -> None:
    """Check that *text* says something, on one line, and hides nothing.

    Raises:
        DeclarationError: it is blank, or holds a control character, one that turns the direction of what follows, or an
            invisible one other than a joiner between two letters.
    """
    if not text.strip():
        raise DeclarationError(f"{what} says something", value="nothing", remedy="Write it.")
    if (found := _hidden(text)) is not None:
        raise DeclarationError(f"{what} is one line of visible characters", value=found, remedy="Remove it.")


def reason(text: str) -> str:
    """*text* as the reason of a decision: without blanks at its ends; lines may break.

    Raises:
        DecisionUnusable: it is blank, longer than :data:`LONGEST_REASON` characters, or hides something, as of
            :func:`require_sentence`.
    """
    said = text.replace("\r\n", "\n").strip()
    if not said:
        raise DecisionUnusable("a decision has a reason", value="none", remedy="Say why, in a sentence for the record.")
    if len(said) > LONGEST_REASON:
        rule = f"a reason has 1 to {LONGEST_REASON:,} characters"
        raise DecisionUnusable(rule, value=f"{len(said):,}", remedy="Say it in fewer words.")
    if (found := _hidden(said, breaks=True)) is not None:
        raise DecisionUnusable("a reason is made of visible characters", value=found, remedy="Remove it.")
    return said


def visible(text: str) -> str:
    r"""*text*, with what it hides spelled out (``\u202e``); line breaks and tabs stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        letter if letter in "\n\t" or not _is_hidden(text, place) else letter.encode("unicode_escape").decode()
        for place, letter in enumerate(text)
    )


def markdown(text: str) -> str:
    """*text* as Markdown that shows it as it stands, on one line."""
    return _MARKDOWN.sub(r"\\\1", visible(" ".join(text.split())))


def _hidden(text: str, *, breaks: bool = False) -> str | None:
    """The first character that is not to be seen, by name and place; ``None``: all are."""
    for place, letter in enumerate(text):
        if _is_hidden(text, place) and not (breaks and letter == "\n"):
            name = unicodedata.name(letter, "a control character")
            return f"{name} (U+{ord(letter):04X}) at character {place + 1}"
    return None


def _is_hidden(text: str, place: int) -> bool:
    letter = text[place]
    if letter in _JOINERS:
        return not (_is_letter(text, place - 1) and _is_letter(text, place + 1))
    return unicodedata.category(letter) in _HIDDEN_KINDS or _is_invisible(letter)


def _is_invisible(letter: str) -> bool:
    return any(first <= letter <= last for first, last in _INVISIBLE)


def _is_letter(text: str, place: int) -> bool:
    """Whether a letter stands there, or a sign that belongs to one (a virama, say) and is to be seen."""
    if not 0 <= place < len(text):
        return False
    kind = unicodedata.category(text[place])
    return kind[0] == "L" or (kind[0] == "M" and not _is_invisible(text[place]) and _is_letter(text, place - 1))
