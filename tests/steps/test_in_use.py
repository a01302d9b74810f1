"""What a champion is, is kept as long as it serves, may come back, or is what later ones are held against."""

from pathlib import Path

from include.ledger import Ledger
from include.steps.references import FOR_GOOD, in_use
from tests.registry.test_champions import P, Registry
from tests.registry.test_going_back import LATER, back, stewarded
from tests.training.flights import Folder


def test_the_champion_and_the_one_to_go_back_to_are_in_use_for_good_and_others_until_they_were_replaced(
    tmp_path: Path,
) -> None:
    registry = stewarded(Registry(Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"), Folder(tmp_path)))
    registry.authority.begin()
    for loss, champion in ((0.5, None), (0.49, 1), (0.48, 2)):
        registry.night(loss=loss, champion=champion)

    def uses() -> dict[int, bool]:
        return {number: end == FOR_GOOD for number, end in in_use(registry.champions.known(P)).items()}

    assert uses() == {1: False, 2: True, 3: True}
    back(registry, 2, 3)
    assert uses() == {1: True, 2: True, 3: False}, "version 1 is what version 2 replaced"
    back(registry, None, 2)
    assert uses() == {1: True, 2: False, 3: False}
    back(registry, 3, 2, instant=LATER)
    changes = registry.champions.known(P).changes
    assert uses() == {1: False, 2: True, 3: True}, "what is retired may be looked at beside it"
    assert in_use(registry.champions.known(P))[1] == changes[1].decided_at
