"""Which of those who should score a day can: a version that cannot is told, and holds up no other."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from include.core.errors import RegistryError
from include.core.events import ModelRegistered
from include.core.records import DAY, LiveScores, Run, Verdict
from include.projects import flight_delay
from include.registry.champions import ChampionInForce, Version
from include.retraining.judges import Judges
from include.steps import Platform, judging
from include.steps.backlog import DueDays
from include.steps.judging import Bench, due_of

FIRST = date(2013, 6, 1)
NOW = datetime(2013, 7, 1, tzinfo=UTC)
RUN = Run(project="p", run_id="watch", instant=NOW, code_digest="c", declaration_digest="d", fence=0)
#: Versions 1 and 2 learnt a feature that is defined otherwise now, the model of 3 is removed.
CHANGED = (1, 2)
REMOVED = 3


def version(number: int) -> ChampionInForce:
    registered = ModelRegistered(
        project="p",
        run_id=f"night-{number}",
        model_version=number,
        evaluation="e",
        bundle=f"bundle-{number}",
        verdict=Verdict(promote=True, reasons=()),
    )
    return ChampionInForce(version=Version(registered=registered, decision=None, before=True))


def judges(offset: int, champion: int, **beside: object) -> Judges:
    said: Mapping[str, object] = {"predecessor": None, "best": (), "refused": None} | beside
    return Judges(day=FIRST + offset * DAY, champion=champion, **said)  # type: ignore[arg-type]


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The versions that are asked for, in their order."""
    asked: list[int] = []

    def load(
        platform: object, project: object, run: object, champion: ChampionInForce, *, step: str, now: object
    ) -> object:
        asked.append(champion.number)
        if champion.number in CHANGED:
            raise RegistryError("it scores", value="feature 'hour' is defined otherwise", remedy="Put it back.")
        return SimpleNamespace(features=[SimpleNamespace(name=f"of_{champion.number}")])

    monkeypatch.setattr(judging, "load", load)
    return asked


def bench(*days: Judges, champion: int = 6) -> Bench:
    vault = SimpleNamespace(has=lambda digest: digest != f"bundle-{REMOVED}")
    due = DueDays(champion=version(champion), days=days, versions={number: version(number) for number in range(1, 7)})
    return Bench(cast(Platform, SimpleNamespace(vault=vault)), flight_delay.PROJECT, RUN, due, now=NOW)


def test_days_whose_champion_cannot_be_used_say_why_and_the_others_are_judged(loaded: list[int]) -> None:
    asked = [judges(0, 5), judges(1, 1), judges(2, 3), judges(3, 4, refused="in quarantine"), judges(4, 5)]
    early, changed, removed, barred, fine = bench(*asked).days(first=FIRST + DAY)
    assert early.unjudged == "it lies before 2013-06-02, further back than the project's window"
    assert changed.unjudged == "feature 'hour' is defined otherwise"
    assert removed.unjudged == "the model of version 3 is not kept any more"
    assert barred.unjudged == "in quarantine"
    assert fine.unjudged is None
    assert loaded == [1, 5], "each is loaded once, and none in vain"


def test_who_cannot_score_any_more_stands_beside_nobody_and_the_next_best_does(loaded: list[int]) -> None:
    made = bench(judges(0, 6, predecessor=3, best=(2, 1, 3, 4, 5)))
    (day,) = made.days(first=FIRST)
    assert (day.predecessor, day.best) == (None, 4)
    assert 1 not in loaded, "what was defined otherwise for the second version was so for the first"
    assert made.features([day]) == ["of_4", "of_6"]


def test_a_champion_in_force_that_cannot_score_ends_the_watch_with_the_error(loaded: list[int]) -> None:
    with pytest.raises(RegistryError, match="defined otherwise"):
        bench(judges(0, 2), champion=2).days(first=FIRST)
    assert loaded == [2]


def test_scores_of_a_watch_of_before_are_those_of_the_champion_in_force() -> None:
    live = SimpleNamespace(due=(), model_version=4, since=[FIRST, FIRST + DAY])
    assert [(each.day, each.champion) for each in due_of(cast(LiveScores, live))] == [(FIRST, 4), (FIRST + DAY, 4)]
