"""How a project stands decides too: what was given away, what fails, what a person overrides, who looked before."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core.canonical import encode, record_digest
from include.core.errors import AuthorityError, DecisionUnusable, UnknownId
from include.core.events import (
    DriftJudged,
    GateOverridden,
    GateOverrideEnded,
    HoldoutBacktested,
    PolicyDeclared,
)
from include.core.project import DriftPolicy, Gates, Objective
from include.core.records import (
    DAY,
    Days,
    DriftState,
    DriftVerdict,
    Evaluation,
    Gate,
    Interval,
    Override,
    Verdict,
)
from include.governance.access import Access
from include.ledger import Ledger
from include.registry.champions import Version
from include.registry.overrides import Overrides, end_override, override
from include.registry.promotion import ChampionGrounds, ProjectStanding, decide
from include.registry.signed_decisions import Decision
from include.registry.standing import Looks, failing, frozen, in_words, showable
from tests.governance.conftest import STEWARD
from tests.registry.models import PROJECT, SPLIT, evaluation, signer
from tests.registry.test_champions import Registry
from tests.registry.test_going_back import stewarded
from tests.training.flights import Folder

P = PROJECT.name
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SKILL = Interval(estimate=0.1, lower=0.05, upper=0.2, days=21)
GATES = Gates(margin=0.01, floor_loss=1.0, auc_guard=1.0)

NOBODY: frozenset[int] = frozenset()


def _difference(estimate: float, noise: float = 0.0) -> Interval:
    return Interval(estimate=estimate, lower=estimate - noise, upper=estimate + noise, days=21)


def _model(loss: float, **changes: object) -> Evaluation:
    made = Evaluation(
        plan="", features="", objective=Objective.REGRESSION, trial_id="", params={}, model="",
        metrics={"mae": loss}, champion=None, compared=None, compared_metrics={}, champion_metrics={}, difference=None,
        holdout=SPLIT.holdout, rows=10, constant_loss=1.0, skill=SKILL,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def _against(loss: float, champion: int, differs: float, **changes: object) -> Evaluation:
    made = {"difference": _difference(differs), **changes}
    return _model(loss, champion=champion, compared=SPLIT.holdout, **made)


class Chain:
    """Candidates of known losses, decided one after the other: what the authority does, without a ledger.

    *scored*: each is scored beside the reference too, with *noise*; *recipe* names whose refit each is.
    """

    def __init__(self, *, scored: bool, noise: float = 0.0) -> None:
        self.scored, self.noise = scored, noise
        self.losses: dict[int, float] = {}
        self.champion: tuple[Version, Evaluation] | None = None

    def candidate(self, number: int, loss: float, recipe: str = "r") -> Verdict:
        made, rival, stands = _model(loss, recipe=recipe), None, ProjectStanding(given_away_noise=0.0)
        if self.champion is not None:
            version, evaluated = self.champion
            stands = frozen(version, evaluated, retired=NOBODY)
            reference = stands.reference
            assert reference is not None
            rival = ChampionGrounds(version=version.number, holdout=SPLIT.holdout, recipe=evaluated.recipe)
            differs = _difference(loss - self.losses[version.number], self.noise)
            made = _against(loss, version.number, 0.0, recipe=recipe, difference=differs)
            if self.scored and reference != version.number:
                against = _difference(loss - self.losses[reference], self.noise)
                made = replace(made, reference=reference, reference_difference=against)
        verdict = decide(made, GATES, rival, stands)
        if verdict.promote:
            self.losses[number] = loss
            self.champion = (_decided(number, verdict, stands), made)
        return verdict


def _decided(number: int, verdict: Verdict, stands: ProjectStanding | None) -> Version:
    from include.core.events import ModelRegistered

    registered = ModelRegistered(project=P, run_id="r", model_version=number, evaluation="", bundle="", verdict=verdict)
    decision = Decision(
        project=P, version=number, evaluation="", model="", bundle="", gates=GATES, verdict=verdict,
        champion=None, position=number, asked_by=None, standing=stands,
    )  # fmt: skip
    return Version(registered=registered, decision=decision, before=False)


@settings(max_examples=100)
@given(st.lists(st.floats(-0.01, 0.01), max_size=30), st.booleans())
def test_no_chain_of_promotions_gives_away_more_than_the_limit_since_the_best_of_them(
    steps: list[float], scored: bool
) -> None:
    chain, loss = Chain(scored=scored), 0.5
    chain.candidate(1, loss)
    for number, step in enumerate(steps, start=2):
        loss += step
        chain.candidate(number, loss)
        assert chain.champion is not None
        assert chain.losses[chain.champion[0].number] <= min(chain.losses.values()) + GATES.given_away_limit + 1e-9


def test_a_chain_of_models_that_are_each_a_little_worse_ends_at_the_limit() -> None:
    chain = Chain(scored=True)
    for number in range(1, 9):
        chain.candidate(number, 0.5 + 0.009 * number)
    assert list(chain.losses) == [1, 2, 3]


@settings(max_examples=100)
@given(st.lists(st.tuples(st.floats(-0.01, 0.01), st.booleans()), max_size=30), st.floats(0.0, 0.01), st.booleans())
def test_what_promotions_gave_away_together_is_held_against_its_limit_at_its_own_error(
    steps: list[tuple[float, bool]], noise: float, scored: bool
) -> None:
    """Another recipe shows that it is within the limit; a refit is refused where it is shown to be beyond."""
    chain, loss, recipe = Chain(scored=scored, noise=noise), 0.5, "r"
    chain.candidate(1, loss)
    for number, (step, refit) in enumerate(steps, start=2):
        loss += step
        recipe = recipe if refit else f"r{number}"
        assert chain.champion is not None
        stands = frozen(*chain.champion, retired=NOBODY)
        assert stands.reference is not None
        assert stands.given_away_noise is not None
        of_champion = chain.champion[1].recipe
        verdict = chain.candidate(number, loss, recipe)
        if not verdict.promote:
            continue
        recorded = noise if scored else noise + stands.given_away_noise
        total = loss - chain.losses[stands.reference]
        bound = total - recorded if recipe == of_champion else total + recorded
        assert bound <= GATES.given_away_limit + 1e-9


def test_a_chain_of_refits_within_the_noise_ends_where_what_it_gave_away_is_shown() -> None:
    chain = Chain(scored=True, noise=0.005)
    for number in range(1, 12):
        chain.candidate(number, 0.5 + 0.004 * number)
    assert list(chain.losses) == [1, 2, 3, 4, 5, 6, 7], "0.5 + 0.005 + 0.02 at most"


def test_a_champion_that_was_lucky_by_less_than_the_noise_is_no_new_reference() -> None:
    stands = ProjectStanding(reference=1, given_away=0.01, given_away_noise=0.005)
    verdict = Verdict(promote=True, reasons=())
    lucky = _against(0.5, 2, 0.0, reference=1, reference_difference=_difference(-0.001, 0.005))
    assert frozen(_decided(3, verdict, stands), lucky, retired=NOBODY) == ProjectStanding(
        reference=1, given_away=-0.001, given_away_noise=pytest.approx(0.005)
    )
    better = replace(lucky, reference_difference=_difference(-0.006, 0.005))
    assert frozen(_decided(3, verdict, stands), better, retired=NOBODY) == ProjectStanding(
        reference=3, given_away_noise=0.0
    )


def test_a_limit_that_the_noise_of_the_holdout_hides_is_refused_with_the_one_that_it_can_show() -> None:
    stands = ProjectStanding(reference=1, given_away_noise=0.0)
    champion = ChampionGrounds(version=3, holdout=SPLIT.holdout, recipe="r")
    noisy = _difference(0.0, 0.03141)
    other = _against(0.5, 3, -0.1, recipe="other", reference=1, reference_difference=noisy)
    refused = decide(other, GATES, champion, stands)
    assert not refused.promote
    told = "the noise of this holdout is 0.0315, which is the smallest limit that it can show"
    assert told in "; ".join(refused.reasons)
    assert decide(other, replace(GATES, given_away=0.0315), champion, stands).promote, "the number can be declared"
    assert decide(replace(other, recipe="r"), GATES, champion, stands).promote, "a refit is not shown to be worse"


def test_the_declared_error_decides_how_sure_it_must_be() -> None:
    stands = ProjectStanding(reference=1, given_away_noise=0.0)
    champion = ChampionGrounds(version=3, holdout=SPLIT.holdout, recipe="r")
    other = _against(0.5, 3, -0.1, recipe="other", reference=1, reference_difference=_difference(0.01, 0.009))
    assert decide(other, GATES, champion, stands).promote
    strict = decide(other, replace(GATES, given_away_error=0.01), champion, stands)
    assert not strict.promote
    assert "with 0.99 confidence at most +0.0232" in "; ".join(strict.reasons)
    assert strict.refusals == ("the gate given_away",)


def test_a_model_that_was_decided_about_before_is_decided_by_the_estimate_as_then() -> None:
    stands = ProjectStanding(reference=1, given_away=0.02)
    champion = ChampionGrounds(version=3, holdout=SPLIT.holdout)
    summed = _against(0.5, 3, 0.001)
    assert not decide(summed, GATES, champion, stands).promote
    assert "by the sum of all promotions since" in "; ".join(decide(summed, GATES, champion, stands).reasons)
    measured = replace(summed, reference=1, reference_difference=_difference(0.015, 0.03))
    assert decide(measured, GATES, champion, stands).promote
    assert "+0.0150 beside the frozen version 1" in "; ".join(decide(measured, GATES, champion, stands).reasons)
    other = replace(measured, reference=2)
    assert not decide(other, GATES, champion, stands).promote


def test_the_reference_begins_anew_only_with_a_champion_that_a_person_let_give_away_more() -> None:
    let = Override(project=P, gate=Gate.GIVEN_AWAY, until=date(2026, 3, 2), by="a", reason="r")
    stands, verdict = (
        ProjectStanding(reference=1, given_away=0.015, overrides=(let,)),
        Verdict(promote=True, reasons=()),
    )
    within, above = (_against(0.5, 2, difference) for difference in (0.001, 0.01))
    assert frozen(_decided(3, verdict, stands), within, retired=NOBODY).reference == 1
    assert frozen(_decided(3, verdict, stands), within, retired=NOBODY).given_away == pytest.approx(0.016)
    assert frozen(_decided(3, verdict, stands), above, retired=NOBODY) == ProjectStanding(
        reference=3, given_away_noise=0.0
    )


def test_what_was_given_away_is_not_measured_against_a_version_that_people_retired() -> None:
    verdict, evaluated = Verdict(promote=True, reasons=()), _against(0.5, 2, 0.001)
    champion = _decided(3, verdict, ProjectStanding(reference=1, given_away=0.015))
    assert frozen(champion, evaluated, retired=frozenset({2})).reference == 1
    anew = ProjectStanding(reference=3, given_away_noise=0.0)
    assert frozen(champion, evaluated, retired=frozenset({1, 2})) == anew


@pytest.mark.parametrize(("margin", "told"), [(0.01, ": below that, as 0.01 is, another recipe"), (0.04, "smallest")])
def test_the_smallest_limits_that_the_last_holdout_could_show_are_told(
    registry: Registry, margin: float, told: str
) -> None:
    gates = replace(GATES, margin=margin)
    assert list(showable(registry.ledger, P, gates)) == []
    made = replace(evaluation(registry.vault), constant_loss=0.7, skill=SKILL, recipe="r")
    _register(registry, made)
    assert list(showable(registry.ledger, P, gates)) == [], "it was compared with nothing"
    compared = replace(made, champion=1, compared=made.holdout, difference=_difference(0.001, 0.03141))
    _register(registry, compared)
    lines = list(showable(registry.ledger, P, gates))
    assert len(lines) == 2
    assert f"{made.holdout.first} to {made.holdout.last}, could show a margin of 0.0315 at the smallest" in lines[0]
    assert "could show a given_away of 0.0315" in lines[1]
    assert lines[0].endswith("is refused") == (margin < 0.0315)
    assert told in lines[0]


def test_a_margin_that_the_noise_of_the_holdout_hides_is_refused_with_the_one_that_it_can_show() -> None:
    alike = replace(_against(0.5, 3, 0.0), difference=_difference(0.0, 0.0324))
    verdict = decide(alike, GATES)
    assert not verdict.promote
    assert "the noise of this holdout is 0.0324, which is the smallest margin that it can show" in verdict.reasons[1]
    assert decide(alike, replace(GATES, margin=0.0324)).promote
    told = decide(replace(alike, difference=_difference(0.0, 0.000031415)), replace(GATES, margin=1e-6))
    assert "is 3.15e-05, which is the smallest margin" in told.reasons[1], "rounded up, however small"


def test_a_refit_of_the_champion_s_recipe_is_refused_only_where_it_is_worse_for_sure() -> None:
    champion = ChampionGrounds(version=3, holdout=SPLIT.holdout, recipe="r")
    unclear = replace(_against(0.5, 3, 0.01, recipe="r"), difference=_difference(0.01, 0.03))
    assert decide(unclear, GATES, champion).promote
    assert not decide(replace(unclear, recipe="other"), GATES, champion).promote
    worse = replace(unclear, difference=_difference(0.05, 0.03))
    assert not decide(worse, GATES, champion).promote
    assert not decide(unclear, replace(GATES, minimum_days=22), champion).promote
    assert not decide(unclear, replace(GATES, floor_loss=0.4), champion).promote


def test_another_recipe_is_compared_on_days_after_those_on_which_the_last_was_first_looked_at() -> None:
    champion = ChampionGrounds(version=3, holdout=SPLIT.holdout, recipe="r")
    seen = ProjectStanding(recipe_day=SPLIT.holdout.first)
    other = _against(0.5, 3, 0.0, recipe="other")
    assert not decide(other, GATES, champion, seen).promote
    cut = replace(other, compared=replace(SPLIT.holdout, first=SPLIT.holdout.first + DAY))
    assert decide(cut, GATES, champion, seen).promote
    assert decide(replace(other, recipe="r"), GATES, champion, seen).promote
    assert decide(other, GATES, replace(champion, recipe=None), seen).promote, "nobody knows its recipe"


@settings(max_examples=50)
@given(st.sampled_from(Gate), st.booleans())
def test_nothing_is_promoted_while_the_recipe_fails_unless_a_person_overrides_that(gate: Gate, first: bool) -> None:
    made = _model(0.5) if first else _against(0.5, 3, -0.1)
    let = Override(project=P, gate=gate, until=date(2026, 3, 2), by="anna", reason="a known fault of June")
    verdict = decide(made, GATES, None, ProjectStanding(failing=date(2026, 3, 1), overrides=(let,)))
    assert verdict.promote == (gate is Gate.FAILING)
    assert "FAILING by the verdict of 2026-03-01" in "; ".join(verdict.reasons)
    told = "let through all the same by anna until 2026-03-02: a known fault of June"
    assert (told in "; ".join(verdict.reasons)) == (gate is Gate.FAILING)


def test_an_override_lets_through_its_gate_alone_and_never_what_was_not_compared() -> None:
    def by(*gates: Gate) -> ProjectStanding:
        day = date(2026, 3, 2)
        return ProjectStanding(
            overrides=tuple(Override(project=P, gate=g, until=day, by="a", reason="r") for g in gates)
        )

    low = _model(2.0, skill=None)
    assert not decide(low, GATES, None, by(Gate.FLOORS)).promote
    assert not decide(low, GATES, None, by(Gate.SKILL)).promote
    assert decide(low, GATES, None, by(Gate.FLOORS, Gate.SKILL)).promote
    uncompared = _model(0.5, champion=3)
    assert not decide(uncompared, GATES, None, by(*Gate)).promote
    backfill = ChampionGrounds(version=3, holdout=Days(first=SPLIT.holdout.first, last=SPLIT.holdout.last + DAY))
    assert not decide(_against(0.5, 3, -0.1), GATES, backfill, by(*Gate)).promote


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    made = Registry(Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"), Folder(tmp_path))
    made.authority.begin()
    yield made
    made.ledger.close()


def _judged(registry: Registry, state: DriftState, run_id: str) -> None:
    verdict = DriftVerdict(state=state, reasons=("r",), figures={}, days=(), inputs=())
    event = DriftJudged(
        project=P, run_id=run_id, instant=NOW, model_version=1, policy="p", live="l", days=SPLIT.holdout, figures=(),
        verdict=verdict,
    )  # fmt: skip
    registry.ledger.record(f"drift/{P}", event, key=f"judged/{P}/{run_id}")


def _register(registry: Registry, made: Evaluation) -> int:
    """*made* as the model of the next night, decided about by the authority: its version."""
    registry.nights += 1
    made = replace(made, trial_id=f"sha256:{registry.nights}", plan=f"sha256:plan{registry.nights}")
    run_id = registry.recorded(f"night-{registry.nights}", made)
    event = registry.register(run_id, record_digest(made), promote=True)
    registry.authority.decide()
    return event.model_version


@pytest.mark.parametrize("stops", [True, False])
def test_a_failing_recipe_stops_promotion_only_where_the_policy_of_that_verdict_says_so(
    tmp_path: Path, stops: bool
) -> None:
    ledger, policy = Ledger.open(f"sqlite:///{tmp_path}/ledger.db"), DriftPolicy(stops_promotion=stops)
    other = DriftPolicy(stops_promotion=not stops)
    for each in (other, policy):
        event = PolicyDeclared(project=P, digest=record_digest(each), policy=encode(each).decode())
        ledger.record(f"drift/{P}", event, key=f"policy/{P}/{event.digest}")
    judged = DriftJudged(
        project=P, run_id="w", instant=NOW, model_version=1, policy=record_digest(policy), live="l",
        days=SPLIT.holdout, figures=(),
        verdict=DriftVerdict(state=DriftState.FAILING, reasons=(), figures={}, days=(), inputs=()),
    )  # fmt: skip
    ledger.record(f"drift/{P}", judged, key="judged")
    assert failing(ledger, P) == (NOW.date() if stops else None)
    many = [replace(event, digest=f"sha256:{number}") for number in range(60)]
    ledger.record_all(f"drift/{P}", [(each, f"policy/{P}/{each.digest}") for each in many])
    assert failing(ledger, P) == (NOW.date() if stops else None), "whatever follows the verdict"


def test_the_authority_promotes_nothing_while_the_last_verdict_is_failing_and_a_steward_s_override_lasts_its_days(
    registry: Registry,
) -> None:
    made = replace(evaluation(registry.vault), constant_loss=0.7, skill=SKILL, recipe="r")
    _judged(registry, DriftState.FAILING, "w1")
    _register(registry, made)
    assert registry.in_force() is None
    _judged(registry, DriftState.STABLE, "w2")
    _register(registry, made)
    assert registry.in_force() == 2
    _judged(registry, DriftState.FAILING, "w3")
    better = replace(made, champion=2, compared=made.holdout, difference=_difference(-0.1))
    _register(registry, better)
    assert registry.in_force() == 2

    stewarded(registry)
    today = datetime.now(UTC).date()
    registry.authority.override(P, Gate.FAILING, until=today, user=STEWARD, reason="The fault is known")
    _register(registry, better)
    assert registry.in_force() == 4
    decision = registry.champions.known(P).versions[3].decision
    assert decision is not None
    assert decision.standing is not None
    assert decision.standing.failing == NOW.date()
    assert decision.verdict == decide(
        replace(better, trial_id="sha256:4", plan="sha256:plan4"),
        decision.gates,
        ChampionGrounds(version=2, holdout=made.holdout, recipe="r"),
        decision.standing,
    ), "whoever has the decision can decide again"
    registry.authority.end_override(P, Gate.FAILING, user=STEWARD, reason="The fault is back")
    _register(registry, replace(better, champion=4))
    assert registry.in_force() == 4, "what was ended lets nothing through"


def test_the_authority_measures_nothing_against_a_version_that_a_steward_retired(registry: Registry) -> None:
    stewarded(registry)
    made = replace(evaluation(registry.vault), constant_loss=0.7, skill=SKILL, recipe="r")
    _register(registry, made)
    for champion in (1, 2):
        _register(registry, replace(made, champion=champion, compared=made.holdout, difference=_difference(0.004)))
    rollbacks = registry.authority.rollbacks
    rollbacks.roll_back(P, version=None, left=1, user=STEWARD, reason="Wrong labels", instant=NOW)
    _register(registry, replace(made, champion=3, compared=made.holdout, difference=_difference(0.004), rows=1001))
    references = [each.decision.standing.reference for each in registry.champions.known(P).versions]  # type: ignore[union-attr]
    assert references == [None, 1, 1, 3]


def test_another_recipe_that_is_shown_to_lose_less_is_promoted_though_the_one_of_before_fails() -> None:
    champion, day = ChampionGrounds(version=3, holdout=SPLIT.holdout, recipe="r"), date(2026, 3, 1)
    stands = ProjectStanding(failing=day, unwatched=False)
    better = replace(_against(0.5, 3, -0.05, recipe="other"), difference=_difference(-0.05, 0.04))
    assert decide(better, GATES, champion, stands).promote
    assert "another recipe, which loses less than the champion: at most -0.0100" in "; ".join(
        decide(better, GATES, champion, stands).reasons
    )
    assert not decide(replace(better, recipe="r"), GATES, champion, stands).promote, "a refit is none"
    assert not decide(replace(better, difference=_difference(-0.05, 0.05)), GATES, champion, stands).promote
    seen = replace(stands, recipe_day=SPLIT.holdout.first)
    assert not decide(better, GATES, champion, seen).promote, "on days that were looked at"
    assert not decide(better, GATES, champion, replace(stands, unwatched=None)).promote, "decided as then"


def test_a_recipe_that_failed_stops_nothing_once_its_project_declares_no_policy_and_that_is_told(
    registry: Registry,
) -> None:
    made = replace(evaluation(registry.vault), constant_loss=0.7, skill=SKILL, recipe="r")
    overrides = Overrides(registry.ledger, signer().verifier)
    _judged(registry, DriftState.FAILING, "w1")
    _register(registry, made)
    assert registry.in_force() is None
    assert "no refit is promoted" in "; ".join(in_words(registry.ledger, overrides, P, now=NOW))
    registry.watched = None
    _register(registry, made)
    assert registry.in_force() is None, "a night of before that was recorded counts as watched"
    registry.watched = False
    _register(registry, made)
    assert registry.in_force() == 3
    decision = registry.champions.known(P).versions[2].decision
    assert decision is not None
    assert "declares no drift policy any more, and nobody watches it" in "; ".join(decision.verdict.reasons)
    assert "it stops nothing" in "; ".join(in_words(registry.ledger, overrides, P, now=NOW))


def test_an_override_is_a_steward_s_for_at_most_90_days_and_the_last_about_a_gate_counts(registry: Registry) -> None:
    access, overrides = Access(registry.ledger, signer().verifier), Overrides(registry.ledger, signer().verifier)

    def place(until: date, user: str = STEWARD, reason: str = "Holidays") -> Override:
        return override(access, signer(), P, Gate.SKILL, until=until, user=user, reason=reason, now=NOW)

    with pytest.raises(AuthorityError, match="only a steward of its data"):
        place(NOW.date())
    stewarded(registry)
    with pytest.raises(AuthorityError, match="only a steward of its data"):
        place(NOW.date(), user="dana")
    for far in (NOW.date() - DAY, NOW.date() + timedelta(days=91)):
        with pytest.raises(DecisionUnusable, match="within 90 days"):
            place(far)
    placed = place(NOW.date() + DAY)
    assert overrides.in_force(P, now=NOW) == (placed,)
    assert overrides.in_force(P, now=NOW + DAY) == (placed,)
    assert overrides.in_force(P, now=NOW + 2 * DAY) == ()
    shorter = place(NOW.date(), reason="Back at work")
    assert overrides.in_force(P, now=NOW) == (shorter,)
    assert overrides.in_force(P, now=NOW + DAY) == ()


def test_a_steward_ends_an_override_at_once_and_nobody_else_does(registry: Registry) -> None:
    stewarded(registry)
    access, overrides = Access(registry.ledger, signer().verifier), Overrides(registry.ledger, signer().verifier)

    def end(user: str = STEWARD) -> None:
        end_override(access, signer(), P, Gate.SKILL, user=user, reason="Too early", now=NOW)

    with pytest.raises(UnknownId, match="an override of flight_delay that is ended is in force; found: skill"):
        end()
    for gate in (Gate.SKILL, Gate.FLOORS):
        override(access, signer(), P, gate, until=NOW.date(), user=STEWARD, reason="r", now=NOW)
    with pytest.raises(AuthorityError, match="only a steward"):
        end("mallory")
    forged = GateOverrideEnded(project=P, gate=Gate.FLOORS, by=STEWARD, reason="r", envelope="{}")
    registry.ledger.append(f"override/{P}", [forged], expected_version=2)
    end()
    assert [each.gate for each in overrides.in_force(P, now=NOW)] == [Gate.FLOORS]
    ended = registry.ledger.read(f"override/{P}")[3].event
    override(access, signer(), P, Gate.SKILL, until=NOW.date(), user=STEWARD, reason="r", now=NOW)
    registry.ledger.append(f"override/{P}", [ended], expected_version=5)
    assert [each.gate for each in overrides.in_force(P, now=NOW)] == [Gate.FLOORS, Gate.SKILL], "signed for its place"


def test_an_override_that_the_authority_did_not_sign_for_its_place_lets_nothing_through(registry: Registry) -> None:
    from include.core.events import Event

    stewarded(registry)
    access, overrides = Access(registry.ledger, signer().verifier), Overrides(registry.ledger, signer().verifier)
    override(access, signer(), P, Gate.SKILL, until=NOW.date(), user=STEWARD, reason="r", now=NOW)
    signed = registry.ledger.read(f"override/{P}")[0].event
    assert isinstance(signed, GateOverridden)
    forged: list[Event] = [
        signed,
        replace(signed, override=replace(signed.override, gate=Gate.FLOORS)),
        replace(signed, override=replace(signed.override, until=NOW.date() + DAY)),
    ]
    registry.ledger.append(f"override/{P}", forged, expected_version=1)
    assert overrides.in_force(P, now=NOW) == (signed.override,)
    assert overrides.in_force(P, now=NOW + DAY) == ()


def test_another_recipe_waits_for_days_on_which_no_other_was_first_evaluated(registry: Registry) -> None:
    made = replace(evaluation(registry.vault), constant_loss=0.7, skill=SKILL, recipe="r")
    later = Days(first=made.holdout.last + DAY, last=made.holdout.last + 21 * DAY)
    _register(registry, made)
    _register(registry, replace(made, holdout=later, recipe="other"))
    seen = Looks(registry.ledger, P)
    assert seen.recipe_day("third", plan="sha256:plan9") == later.last
    assert seen.recipe_day("other", plan="sha256:plan9") == made.holdout.last
    assert seen.recipe_day("other", plan="sha256:plan1") is None


def test_looks_at_the_same_holdout_are_counted_and_told(registry: Registry) -> None:
    made = replace(evaluation(registry.vault), constant_loss=0.7, skill=SKILL, recipe="r")
    _register(registry, made)
    later = Days(first=made.holdout.last + DAY, last=made.holdout.last + 21 * DAY)
    backtested = HoldoutBacktested(project=P, run_id="b", instant=NOW, days=later, backtested="sha256:b")
    registry.ledger.record(f"looks/{P}", backtested, key=f"backtested/{P}/b")
    _register(registry, replace(made, rows=1001))
    _register(registry, replace(made, holdout=later, recipe="other"))
    decisions = [version.decision for version in registry.champions.known(P).versions]
    assert [each.standing.looks for each in decisions if each and each.standing] == [0, 1, 1]
    assert "1 earlier evaluations and backtests of the project saw days of this holdout" in "; ".join(
        decisions[1].verdict.reasons if decisions[1] else ()
    )
    seen, told = Looks(registry.ledger, P), Overrides(registry.ledger, signer().verifier)
    for recipe in ("third", "other", "r"):
        assert seen.recipe_day(recipe, plan="sha256:plan9") == later.last, "a backtest looked, whatever for"
    assert seen.recipe_day("other", plan="sha256:plan2") == later.last
    assert seen.recipe_day("other", plan="sha256:plan1") is None, "the backtest came after it"
    assert [line for line in in_words(registry.ledger, told, P, now=NOW) if "saw days of the last holdout" in line]
