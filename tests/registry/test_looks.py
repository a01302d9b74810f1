"""A look declared beforehand goes back once, by the recorded days, and by the authority alone."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core import streams
from include.core.errors import DeclarationError
from include.core.events import ChampionRolledBack, DayJudged, LookTaken
from include.core.project import DriftPolicy, Look
from include.core.records import DAY, DayOfSeries, LookOutcome, Run
from include.ledger import Ledger
from include.registry import authority
from include.registry.authority import PromotionAuthority
from include.registry.looks import lower_bound
from include.retraining import looks
from tests.registry.models import signer
from tests.registry.test_champions import NOW, P, Registry
from tests.registry.test_going_back import back, quarantined, stewarded
from tests.training.flights import Folder

LOOKS = (Look(days=14, error=0.01), Look(days=28, error=0.04))
#: What a day adds to the mean of the days' differences.
SWAY = (0.004, -0.003, 0.001, -0.002, 0.005, -0.004, -0.001)


class Watched(Registry):
    """A registry whose nights declare looks, and a watch that judges their later days."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.days, self.looks = 0, LOOKS

    def champion(self, number: int | None) -> int:
        """The version of a night, of another recipe each time, that is promoted over *number*."""
        self.instant, self.code = self.now, f"recipe {self.nights}"
        event = self.night(loss=0.49 if number else 0.5, champion=number)
        return event.model_version

    def judge(self, version: int, predecessor: int, days: int, worse: float) -> None:
        for _ in range(days):
            self.days += 1
            day = NOW.date() + self.days * DAY
            loss = 0.5 + worse + SWAY[self.days % 7]
            judged = DayOfSeries(
                day=day, champion=version, rows=90, loss=loss, predecessor=predecessor, predecessor_loss=0.5
            )
            event = DayJudged(project=P, run_id=f"watch-{self.days}", instant=self.now, judged=judged)
            self.ledger.record(f"drift/{P}", event, key=f"day/{P}/{day}")

    @property
    def now(self) -> datetime:
        return NOW + timedelta(days=self.days + 2)

    def watch(self) -> None:
        run = Run(
            project=P,
            run_id=f"watch-{self.days}",
            instant=self.now,
            code_digest="c",
            declaration_digest="d",
            fence=0,
        )
        looks.take(self.ledger, self.champions, run)

    def taken(self) -> Sequence[LookTaken]:
        return [entry.event for entry in self.ledger.read(f"drift/{P}") if isinstance(entry.event, LookTaken)]

    def rollbacks(self) -> int:
        entries = self.ledger.read(f"promotion/{P}")
        return sum(isinstance(entry.event, ChampionRolledBack) for entry in entries)


@pytest.fixture
def registry(tmp_path: Path) -> Watched:
    """Version 2 has replaced version 1."""
    made = Watched(Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"), Folder(tmp_path))
    made.authority.begin()
    assert made.champion(made.champion(None)) == 2
    return made


def test_a_new_champion_that_loses_more_than_the_one_before_goes_back_at_its_first_look(registry: Watched) -> None:
    registry.judge(2, 1, 13, worse=0.02)
    registry.watch()
    assert registry.taken() == []
    registry.judge(2, 1, 1, worse=0.02)
    for _ in range(2):
        registry.watch()
    (taken,) = registry.taken()
    assert (taken.outcome, taken.days, taken.look) == (LookOutcome.BACK, 14, LOOKS[0])
    assert registry.in_force() == 2, "the watch has no key"
    for deciding in (registry.authority, registry.authority, PromotionAuthority(registry.ledger, signer())):
        deciding.decide()
    assert (registry.in_force(), registry.rollbacks()) == (1, 1)
    (rollback,) = registry.champions.known(P).rollbacks
    assert (rollback.look, rollback.asked_by, rollback.instant) == (
        streams.look_key(P, 2, LOOKS[0].days),
        None,
        registry.now,
    )
    assert "over 14 days version 2 loses +0.02" in rollback.reason
    registry.watch()
    assert [each.outcome for each in registry.taken()] == [LookOutcome.BACK, LookOutcome.SUPERSEDED]


def test_no_look_goes_back_from_an_instant_that_has_not_come(registry: Watched) -> None:
    registry.judge(2, 1, 13, worse=0.02)
    day = NOW.date() + 14 * DAY
    judged = DayOfSeries(day=day, champion=2, rows=90, loss=0.52, predecessor=1, predecessor_loss=0.5)
    to_come = datetime.now(UTC) + timedelta(days=400)
    event = DayJudged(project=P, run_id="watch-14", instant=to_come, judged=judged)
    registry.ledger.record(f"drift/{P}", event, key=f"day/{P}/{day}")
    registry.days = 14
    registry.watch()
    registry.authority.decide()
    assert [each.outcome for each in registry.taken()] == [LookOutcome.BACK]
    assert (registry.in_force(), registry.rollbacks()) == (2, 0)


def test_a_new_champion_that_is_not_shown_to_be_worse_stays_at_both_looks(registry: Watched) -> None:
    registry.judge(2, 1, 28, worse=0.0005)
    registry.watch()
    registry.authority.decide()
    assert [each.outcome for each in registry.taken()] == [LookOutcome.STAYS, LookOutcome.STAYS]
    assert registry.in_force() == 2
    registry.judge(2, 1, 40, worse=0.1)
    registry.watch()
    registry.authority.decide()
    assert (len(registry.taken()), registry.in_force()) == (2, 2), "nobody looks again"


def test_the_second_look_sees_what_the_first_could_not_show(registry: Watched) -> None:
    registry.judge(2, 1, 14, worse=-0.001)
    registry.judge(2, 1, 14, worse=0.008)
    registry.watch()
    registry.authority.decide()
    assert [each.outcome for each in registry.taken()] == [LookOutcome.STAYS, LookOutcome.BACK]
    assert registry.in_force() == 1


def test_a_champion_that_is_replaced_before_its_look_is_not_looked_at(registry: Watched) -> None:
    registry.judge(2, 1, 10, worse=0.02)
    registry.champion(2)
    registry.watch()
    assert [(each.model_version, each.outcome) for each in registry.taken()] == [(2, LookOutcome.SUPERSEDED)] * 2
    registry.authority.decide()
    assert registry.in_force() == 3


def test_the_authority_goes_back_by_the_recorded_days_and_declared_looks_whatever_an_event_says(
    registry: Watched,
) -> None:
    registry.judge(2, 1, 14, worse=0.0)
    forged = LookTaken(
        project=P,
        run_id="mine",
        instant=registry.now,
        model_version=2,
        predecessor=1,
        look=LOOKS[0],
        days=14,
        estimate=1.0,
        lower=0.5,
        outcome=LookOutcome.BACK,
    )
    for event in (forged, replace(forged, look=LOOKS[1]), replace(forged, look=Look(days=7, error=0.9))):
        registry.ledger.record(f"drift/{P}", event)
        registry.authority.decide()
        assert registry.in_force() == 2


def test_a_look_brings_back_no_version_in_quarantine_nor_what_somebody_went_back_to(registry: Watched) -> None:
    stewarded(registry)
    lift = quarantined(registry, "night-1")
    registry.judge(2, 1, 14, worse=0.02)
    registry.watch()
    registry.authority.decide()
    assert registry.in_force() == 2
    lift()
    back(registry, 1, 2)
    back(registry, 2, 1)
    PromotionAuthority(registry.ledger, signer()).decide()
    assert registry.in_force() == 2, "a steward went back to it knowingly"


def test_a_look_that_had_to_wait_goes_back_once_the_quarantine_is_lifted_or_a_while_has_passed(
    registry: Watched, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stewarded(registry)
    lift = quarantined(registry, "night-1")
    registry.judge(2, 1, 14, worse=0.02)
    registry.watch()
    for seconds, tries in ((900.0, 1), (0.0, 2)):
        monkeypatch.setattr(authority, "RETRY_SECONDS", seconds)
        registry.authority.decide()
        assert caplog.text.count("has to wait") == tries
        assert (registry.in_force(), registry.authority.rollbacks.waiting) == (2, {P})
    monkeypatch.setattr(authority, "RETRY_SECONDS", 900.0)
    registry.authority.decide()
    lift()
    registry.authority.decide()
    assert (registry.in_force(), registry.rollbacks(), registry.authority.rollbacks.waiting) == (1, 1, set())


def test_the_bound_holds_as_often_as_its_error_says() -> None:
    import numpy as np

    draws = np.random.default_rng(7).normal(0.0, 1.0, (100, 14))
    wrong = sum(lower_bound(list(days), 0.04, seed=index) > 0 for index, days in enumerate(draws))
    assert wrong <= 9, f"{wrong} of 100 at 4 %"
    assert sum(lower_bound(list(days + 2.0), 0.01, seed=1) > 0 for days in draws[:20]) == 20


@pytest.mark.parametrize(
    "declared", [(Look(days=14, error=0.03), Look(days=28, error=0.03)), (Look(days=28, error=0.01), LOOKS[0])]
)
def test_looks_come_at_rising_days_and_spend_no_more_than_they_have(declared: tuple[Look, ...]) -> None:
    with pytest.raises(DeclarationError, match="add up to"):
        DriftPolicy(excess_loss=0.1, calibration_gap=None, looks=declared)


MOVES = st.lists(st.sampled_from(["week", "bad week", "watch", "decide", "twice", "crash", "night"]), max_size=14)


@settings(max_examples=5)
@given(moves=MOVES)
def test_whatever_is_lost_or_doubled_a_look_is_taken_once_and_goes_back_once(
    tmp_path_factory: pytest.TempPathFactory, moves: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("looks")
    registry = Watched(Ledger.open(f"sqlite:///{folder / 'ledger.db'}"), Folder(folder))
    registry.authority.begin()
    registry.champion(registry.champion(None))
    for move in (*moves, "bad week", "bad week", "watch", "decide", "watch", "twice"):
        known = registry.champions.known(P)
        version = known.champion()
        assert version is not None
        before = known.champion(before=version.number)
        if move in ("week", "bad week") and before is not None:
            registry.judge(version.number, before.number, 7, worse=0.02 if move == "bad week" else -0.02)
        elif move == "watch":
            registry.watch()
        elif move == "decide":
            registry.authority.decide()
        elif move == "twice":  # another API server, which has seen nothing yet, beside the first
            registry.watch()
            for deciding in (PromotionAuthority(registry.ledger, signer()), registry.authority):
                deciding.decide()
        elif move == "crash":  # the watch died after its look; nobody told the authority
            registry.watch()
            registry.authority = PromotionAuthority(registry.ledger, signer())
        elif move == "night":
            registry.champion(version.number)
    taken = registry.taken()
    keys = [(each.model_version, each.look.days) for each in taken]
    assert len(keys) == len(set(keys))
    signed = [each.look for each in registry.champions.known(P).rollbacks]
    went = [
        streams.look_key(P, each.model_version, each.look.days) for each in taken if each.outcome is LookOutcome.BACK
    ]
    assert len(signed) == len(set(signed))
    assert set(signed) <= set(went)
    in_force = registry.champions.known(P).change()
    assert in_force is not None
    if went and in_force.rollback is None and in_force.version is not None:
        assert streams.look_key(P, in_force.version.number, LOOKS[0].days) not in went
    registry.ledger.close()
