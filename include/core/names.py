"""Names as people write them: of columns, as engines compare them, without regard to case; and of people."""

import unicodedata
from collections.abc import Iterable


def alike(names: Iterable[str]) -> tuple[str, str] | None:
    """The first two of *names* that differ by case alone, or not at all; ``None`` where each has a name of its own."""
    known: dict[str, str] = {}
    for name in names:
        folded = name.casefold()
        if folded in known:
            return known[folded], name
        known[folded] = name
    return None


def among(name: str, people: Iterable[str]) -> bool:
    """Whether *name* is one of *people*: letter case, blanks and what nobody sees make nobody another person."""
    return _person(name) in map(_person, people)


def _person(name: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return "".join(letter for letter in folded if unicodedata.category(letter)[0] not in "CZ")
