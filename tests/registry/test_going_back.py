"""A rollback is a decision as a promotion is: signed for its place, and the last decision says who is champion."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from securesystemslib.signer import CryptoSigner

from include.contracts import load_folder
from include.core.canonical import encode
from include.core.errors import AuthorityError, DecisionConflict, Quarantined, UnknownId
from include.core.events import ArtifactOpened, ArtifactsRemoved, ChampionRolledBack, PromotionDecided
from include.core.records import ArtifactKind, DatasetScope, RevocationKind, Scope, Treatment
from include.governance.access import Access
from include.governance.authority import Authority
from include.governance.signing import Signer
from include.ledger import Ledger
from include.registry.champions import in_force_before
from include.registry.rollback import ROLLBACK_TYPE, Rollback
from include.registry.signed_decisions import PROMOTION_TYPE
from tests.governance.conftest import SHIPPED, STEWARD
from tests.registry.models import signer
from tests.registry.test_champions import NOW, P, Registry
from tests.training.flights import Folder

LATER = NOW + timedelta(days=20)
OTHER_BUNDLE = "sha256:other"


contracts = cache(lambda: load_folder(SHIPPED))


def authority(registry: Registry) -> Authority:
    return Authority(registry.ledger, registry.key, registry.key.verifier, contracts)


def scope(registry: Registry) -> Scope:
    contract = contracts()["flights"]
    columns = (("hour", Treatment.CLEAR),)
    read = DatasetScope(dataset="flights", contract_digest=contract.digest, columns=columns, window_days=30)
    return Scope(project=P, purpose="to tell passengers", datasets=(read,))


def stewarded(registry: Registry) -> Registry:
    """*registry*, whose project reads a dataset with a steward."""
    authority(registry).adopt("flights", user=STEWARD)
    Access(registry.ledger, registry.key.verifier).request(scope(registry), requester="ada", now=NOW)
    return registry


def quarantined(registry: Registry, run_id: str) -> Callable[[], None]:
    """Put what the night *run_id* made into quarantine; how to lift that."""
    deciding = authority(registry)
    (request,) = Access(registry.ledger, signer().verifier).requests()
    grant = deciding.grant(request.request_id, user=STEWARD, reason="Agreed", days=30, now=NOW).grant_id
    opened = ArtifactOpened(project=P, run_id=run_id, step="plan", grants=(grant,), artifacts="sha256:list", count=1)
    registry.ledger.record(f"receipt/{P}", opened)
    deciding.revoke(grant, user=STEWARD, reason="A leak", effect=RevocationKind.QUARANTINE)
    return lambda: deciding.lift(grant, user=STEWARD, reason="It was none")


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Versions 1, 2 and 4 were champions in their order, 3 was refused."""
    made = stewarded(Registry(Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"), Folder(tmp_path)))
    made.authority.begin()
    run_id, digest = made.evaluated()
    made.register(run_id, digest, promote=True, bundle=OTHER_BUNDLE)
    made.authority.decide()
    for loss, champion in ((0.49, 1), (0.9, 2), (0.48, 2)):
        made.night(loss=loss, champion=champion)
    assert made.in_force() == 4
    return made


def back(
    registry: Registry, version: int | None, left: int, *, user: str = STEWARD, instant: datetime = LATER
) -> Rollback:
    return registry.authority.rollbacks.roll_back(
        P, version=version, left=left, user=user, reason="It is late", instant=instant
    )


def forged(registry: Registry, *, key: Signer | None = None, place: int = 1, project: str = P, version: int = 1) -> str:
    length = registry.ledger.version(f"promotion/{P}")
    rollback = Rollback(
        project=project,
        version=version,
        left=4,
        reason="Mine",
        asked_by="mallory",
        look=None,
        instant=LATER,
        position=length + place,
    )
    return (key or signer()).sign(ROLLBACK_TYPE, encode(rollback))


def append(registry: Registry, envelope: str, *, project: str = P) -> None:
    stream = f"promotion/{project}"
    event = ChampionRolledBack(project=project, envelope=envelope)
    registry.ledger.append(stream, [event], expected_version=registry.ledger.version(stream))


def test_a_rollback_puts_an_earlier_champion_into_force_and_the_next_promotion_takes_over(registry: Registry) -> None:
    signed = back(registry, 2, 4)
    assert (signed.asked_by, signed.look, signed.instant) == (STEWARD, None, LATER)
    found = registry.champions.in_force(P)
    assert found is not None
    assert (found.number, found.notes) == (2, (signed.in_words(),))
    known = registry.champions.known(P)
    assert [known.champion(before=each).number if known.champion(before=each) else None for each in (1, 2, 3, 4)] == [  # type: ignore[union-attr]
        None,
        1,
        2,
        2,
    ]
    registry.authority.decide()
    assert registry.in_force() == 2, "its old promotion makes no champion of version 4 again"
    registry.instant, registry.code = LATER, "another recipe"
    registry.night(loss=0.47, champion=2)
    assert registry.in_force() == 5
    assert registry.champions.known(P).champion(before=5).number == 2  # type: ignore[union-attr]


def test_the_same_rollback_asked_for_again_is_signed_once(registry: Registry) -> None:
    first = back(registry, 2, 4)
    length = registry.ledger.version(f"promotion/{P}")
    assert back(registry, 2, 4) == first
    with pytest.raises(DecisionConflict, match="version 4 is not"):
        back(registry, 1, 4)
    assert registry.ledger.version(f"promotion/{P}") == length


def test_a_retired_champion_leaves_nothing_in_force_and_nobody_goes_back_to_it(registry: Registry) -> None:
    back(registry, None, 4)
    assert registry.in_force() is None
    assert back(registry, None, 4).left == 4
    with pytest.raises(DecisionConflict, match="no version that was retired"):
        back(registry, 4, 4)
    back(registry, None, 1)
    assert registry.in_force() is None
    with pytest.raises(DecisionConflict, match="no version that was retired"):
        back(registry, 1, 4)
    back(registry, 2, 4)
    assert registry.in_force() == 2


def test_only_what_was_champion_is_kept_and_is_in_no_quarantine_comes_back(registry: Registry) -> None:
    with pytest.raises(DecisionConflict, match="version 3 of flight_delay was champion"):
        back(registry, 3, 4)
    with pytest.raises(UnknownId, match="has the version"):
        back(registry, 9, 4)
    with pytest.raises(DecisionConflict, match="version 4 is in force"):
        back(registry, 4, 4)
    with pytest.raises(DecisionConflict, match="since which version 4 was champion"):
        back(registry, 2, 4, instant=NOW - timedelta(days=1))
    tombstone = ArtifactsRemoved(
        artifact_kind=ArtifactKind.MODEL,
        datasets=("flights",),
        artifacts=(OTHER_BUNDLE,),
        due_since=NOW,
        rule="its time is over",
        versions=(),
    )
    registry.ledger.record("retention", tombstone)
    with pytest.raises(DecisionConflict, match="version 1 was removed"):
        back(registry, 1, 4)
    lift = quarantined(registry, "night-2")
    with pytest.raises(Quarantined, match="goes back to version 2 under no grant in quarantine"):
        back(registry, 2, 4)
    lift()
    back(registry, 2, 4)
    assert registry.in_force() == 2


def test_only_a_steward_of_what_the_project_reads_goes_back_or_retires(registry: Registry) -> None:
    for version in (2, None):
        with pytest.raises(AuthorityError, match="only a steward of a dataset that it reads"):
            back(registry, version, 4, user="mallory")
    assert registry.in_force() == 4


def test_what_the_authority_did_not_sign_for_its_place_and_project_goes_nowhere(registry: Registry) -> None:
    append(registry, forged(registry, key=Signer(CryptoSigner.generate_ed25519())))
    assert registry.in_force() == 4
    append(registry, forged(registry, place=7))
    assert registry.in_force() == 4
    append(registry, forged(registry, project="another"))
    assert registry.in_force() == 4
    promotions = [entry.event for entry in registry.ledger.read(f"promotion/{P}")]
    decided = next(each for each in promotions if isinstance(each, PromotionDecided))
    append(registry, decided.envelope)
    assert registry.in_force() == 4
    signed = back(registry, 2, 4)
    registry.instant, registry.code = LATER, "another recipe"
    registry.night(loss=0.47, champion=2)
    (envelope,) = (
        entry.event.envelope
        for entry in registry.ledger.read(f"promotion/{P}")
        if isinstance(entry.event, ChampionRolledBack) and entry.stream_version == signed.position
    )
    append(registry, envelope)
    assert registry.in_force() == 5, "an old envelope at another place"
    append(registry, envelope, project="another")
    assert registry.champions.in_force("another") is None
    as_promotion = signer().sign(PROMOTION_TYPE, encode(signed))
    append(registry, as_promotion)
    assert registry.in_force() == 5


def test_each_day_was_lived_with_the_version_in_force_before_it(registry: Registry) -> None:
    back(registry, 2, 4)
    back(registry, None, 2, instant=LATER + timedelta(days=5))
    tenures = registry.champions.tenures(P)

    def served(day: date) -> int | None:
        found = in_force_before(tenures, day)
        return None if found is None else found.version.number

    assert [each.version.number for each in tenures] == [1, 2, 4, 2]
    days = [NOW.date() + timedelta(days=each) for each in (-1, 0, 19, 20, 24, 25, 60)]
    assert [served(day) for day in days] == [None, 4, 4, 2, 2, None, None]


MOVES = st.lists(st.sampled_from(["night", "worse", "back", "twice", "retire", "forged", "replayed"]), max_size=10)


@settings(max_examples=5)
@given(moves=MOVES)
def test_whatever_is_appended_the_last_signed_decision_says_who_is_champion(
    tmp_path_factory: pytest.TempPathFactory, moves: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("back")
    registry = stewarded(Registry(Ledger.open(f"sqlite:///{folder / 'ledger.db'}"), Folder(folder)))
    registry.authority.begin()
    first = registry.night().model_version
    now: int | None = first
    ways: list[int] = []
    for move in moves:
        if move in ("night", "worse"):
            registry.instant, registry.code = LATER, f"recipe {registry.nights}"
            event = registry.night(loss=0.49 if move == "night" else 0.9, champion=now)
            if move == "night":
                ways, now = [*ways, now] if now else ways, event.model_version
        elif move in ("back", "twice") and ways and now is not None:
            left, now = now, ways.pop()
            for _ in range(1 + (move == "twice")):
                back(registry, now, left)
        elif move == "retire" and now is not None:
            back(registry, None, now)
            now = None
            ways.clear()
        elif move == "forged":
            append(registry, forged(registry, key=Signer(CryptoSigner.generate_ed25519()), version=first))
        elif move == "replayed":
            entries = registry.ledger.read(f"promotion/{P}")
            registry.ledger.append(f"promotion/{P}", [entries[-1].event], expected_version=len(entries))
        registry.authority.decide()
        assert registry.in_force() == now
    registry.ledger.close()
