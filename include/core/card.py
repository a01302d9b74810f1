"""What the owners of a model say of it that no figure says."""

from dataclasses import dataclass, fields
from datetime import date

from include.core.rules import require
from include.core.words import require_sentence


@dataclass(frozen=True, kw_only=True)
class Card:
    """What the owners of a model say of it, each in a line of text; recorded with each version, and signed with it.

    ``limits``: where the model holds, and where it does not. ``not_for``: uses that are ruled out.
    ``assumptions``: what must stay true, and what is known to be missing. ``special_categories``: which special
    categories of personal data (GDPR, article 9) it uses, "none" if none. ``lawful_basis``: by what right personal data
    is used (GDPR, article 6). ``tier`` is its risk rating, with ``tier_reason``. ``third_party``: bought or pretrained
    parts. ``findings``: what a validation found and nobody has mended yet.

    ``by`` is the person who says all this, and ``on`` the day: "none" is an answer only where somebody answers for it.
    """

    limits: str
    not_for: str
    assumptions: str
    special_categories: str
    lawful_basis: str
    tier: str = ""
    tier_reason: str = ""
    third_party: str = ""
    findings: str = ""
    by: str = ""
    on: date | None = None

    def __post_init__(self) -> None:
        asked = ("limits", "not_for", "assumptions", "special_categories", "lawful_basis")
        texts = [each.name for each in fields(self) if each.name != "on"]
        for name in texts:
            value = getattr(self, name)
            require(isinstance(value, str), f"`card.{name}` is a text", type(value).__name__, "Write it in quotes.")
            if value or name in asked:
                require_sentence(f"`card.{name}`", value)
        reasoned = bool(self.tier) == bool(self.tier_reason)
        require(reasoned, "a card says why its model has its tier", self.tier or "no tier", "Give both, or neither.")
        answered = bool(self.by) == (self.on is not None)
        require(answered, "a card says who wrote it, and when", self.by or "nobody", "Give `by` and `on`, or neither.")
        dated = self.on is None or type(self.on) is date
        require(dated, "`card.on` is a day", type(self.on).__name__, "Write date(2026, 3, 1).")
