"""A card is text that somebody answers for."""

from dataclasses import replace
from datetime import date, datetime

import pytest

from include.core.card import Card
from include.core.errors import DeclarationError
from include.core.project import Ownership
from include.declared.declaration import digest_of
from tests.audit.recorded import CARD
from tests.registry.models import PROJECT


@pytest.mark.parametrize("name", ["limits", "not_for", "assumptions", "special_categories", "lawful_basis"])
def test_what_every_card_says_is_not_blank(name: str) -> None:
    with pytest.raises(DeclarationError, match=f"card.{name}"):
        replace(CARD, **{name: " "})


@pytest.mark.parametrize(
    ("given", "rule"),
    [
        ({"tier": ""}, "why its model has its tier"),
        ({"tier_reason": ""}, "why its model has its tier"),
        ({"by": ""}, "who wrote it, and when"),
        ({"on": None}, "who wrote it, and when"),
        ({"on": datetime(2026, 1, 1)}, "is a day"),  # noqa: DTZ001  # what is refused
        ({"findings": "a\u202eb"}, "visible characters"),
        ({"limits": 3}, "is a text"),
    ],
)
def test_a_card_that_cannot_be_is_refused(given: dict[str, object], rule: str) -> None:
    with pytest.raises(DeclarationError, match=rule):
        replace(CARD, **given)  # type: ignore[arg-type]


def test_a_project_takes_a_card_and_nothing_else_for_one() -> None:
    with pytest.raises(DeclarationError, match="is one Card"):
        Ownership(owner="a", purpose="b", card="text")  # type: ignore[arg-type]


def test_a_card_changes_no_declarations_digest() -> None:
    with_card = PROJECT.varied(card=Card(**{**vars(CARD), "on": date(2026, 1, 1)}))
    assert digest_of(with_card, {}) == digest_of(PROJECT, {})
