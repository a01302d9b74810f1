"""A version is champion by the authority's signature over the recorded figures, and by nothing else."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core import streams
from include.core.canonical import encode, record_digest
from include.core.errors import DecisionConflict, RegistryError
from include.core.events import (
    GatesDeclared,
    LooksDeclared,
    ModelEvaluated,
    ModelRegistered,
    PromotionDecided,
    RunStarted,
    StepFinished,
)
from include.core.project import Gates, Look
from include.core.records import Evaluation, Run, Verdict
from include.governance.signing import Signer
from include.ledger import Ledger
from include.registry import bundle
from include.registry.authority import PromotionAuthority, require_decidable
from include.registry.champions import NOT_SIGNED, Champions, Version
from include.registry.signed_decisions import PROMOTION_TYPE, Decision
from tests.registry.models import FEATURE_SET, PROJECT, evaluation, signer
from tests.training.flights import Folder

NOW = datetime(2026, 3, 1, tzinfo=UTC)
P = PROJECT.name
GATES = Gates(margin=0.01, floor_loss=0.6)


@dataclass
class Registry:
    """A ledger, what nights left in it, and the authority."""

    ledger: Ledger
    vault: Folder
    key: Signer = field(default_factory=signer)
    instant: datetime = NOW
    code: str = "c"
    recipe: str | None = None
    looks: tuple[Look, ...] = ()
    watched: bool | None = True

    def __post_init__(self) -> None:
        self.champions = Champions(self.ledger, self.key.verifier)
        self.authority = PromotionAuthority(self.ledger, self.key)
        self.nights = 0

    def evaluated(self, *, loss: float = 0.5, champion: int | None = None) -> tuple[str, str]:
        """A night up to its evaluation: its run, and the evaluation's digest."""
        self.nights += 1
        made = evaluation(self.vault, seed=1 + self.nights % 3, champion=champion)
        made = replace(made, metrics={**made.metrics, "log_loss": loss}, trial_id=f"sha256:{self.nights}")
        if champion is not None and made.difference is not None:
            made = replace(made, difference=replace(made.difference, upper=loss - 0.5))
        return self.recorded(f"night-{self.nights}", made), record_digest(made)

    def recorded(self, run_id: str, made: Evaluation) -> str:
        digest, stream = record_digest(made), f"run/{P}/{run_id}"
        run = Run(
            project=P, run_id=run_id, instant=self.instant, code_digest=self.code, declaration_digest="d", fence=1
        )
        self.ledger.record(stream, RunStarted(run=run, separation_of_duties="NOT SHOWN"), key=stream)
        gates = GatesDeclared(project=P, run_id=run_id, gates=GATES, watched=self.watched)
        self.ledger.record(stream, gates, key=streams.gates_key(P, run_id))
        if self.looks:
            declared = LooksDeclared(project=P, run_id=run_id, looks=self.looks)
            self.ledger.record(stream, declared, key=streams.looks_key(P, run_id))
        told = ModelEvaluated(project=P, run_id=run_id, evaluation=made)
        self.ledger.record(f"evaluations/{P}", told, key=f"evaluated/{P}/{digest}")
        ended = StepFinished(project=P, run_id=run_id, step="evaluate", attempt="a", inputs=digest, output=digest)
        self.ledger.record(stream, ended)
        return run_id

    def register(self, run_id: str, digest: str, *, promote: bool, bundle: str = "sha256:b") -> ModelRegistered:
        """What training says, or whoever can append to the ledger."""
        version = self.ledger.version(f"model/{P}")
        verdict = Verdict(promote=promote, reasons=("training's own",))
        event = ModelRegistered(
            project=P, run_id=run_id, model_version=version + 1, evaluation=digest, bundle=bundle, verdict=verdict
        )
        self.ledger.append(f"model/{P}", [event], expected_version=version)
        return event

    def night(self, *, loss: float = 0.5, champion: int | None = None) -> ModelRegistered:
        run_id, digest = self.evaluated(loss=loss, champion=champion)
        event = self.register(run_id, digest, promote=True)
        self.authority.decide()
        return event

    def undecidable(self, project: str) -> None:
        """A night of *project* whose recorded figures lack what is decided by."""
        made, stream = replace(evaluation(self.vault), metrics={}), f"run/{project}/night"
        digest = record_digest(made)
        told = ModelEvaluated(project=project, run_id="night", evaluation=made)
        self.ledger.record(f"evaluations/{project}", told, key=f"evaluated/{project}/{digest}")
        gates = GatesDeclared(project=project, run_id="night", gates=GATES)
        self.ledger.record(stream, gates, key=streams.gates_key(project, "night"))
        ended = StepFinished(project=project, run_id="night", step="evaluate", attempt="a", inputs="", output=digest)
        self.ledger.record(stream, ended)
        verdict = Verdict(promote=True, reasons=())
        event = ModelRegistered(
            project=project, run_id="night", model_version=1, evaluation=digest, bundle="sha256:b", verdict=verdict
        )
        self.ledger.append(f"model/{project}", [event], expected_version=0)

    def in_force(self) -> int | None:
        found = self.champions.in_force(P)
        return None if found is None else found.number

    def forged(self, event: ModelRegistered, *, key: Signer | None = None, place: int = 1) -> None:
        """A decision that says yes about *event*, signed by *key* for so many places further on."""
        known = self.champions.known(P)
        decision = Decision(
            project=P,
            version=event.model_version,
            evaluation=event.evaluation,
            model="sha256:m",
            bundle=event.bundle,
            gates=GATES,
            verdict=Verdict(promote=True, reasons=()),
            champion=known.champion().number if known.champion() else None,  # type: ignore[union-attr]
            position=known.length + place,
            asked_by=None,
        )
        envelope = (key or signer()).sign(PROMOTION_TYPE, encode(decision))
        self.ledger.append(
            f"promotion/{P}", [PromotionDecided(project=P, envelope=envelope)], expected_version=known.length
        )


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = Registry(Ledger.open(f"sqlite:///{tmp_path / 'ledger.db'}"), Folder(tmp_path))
    made.authority.begin()
    return made


def unsigned(registry: Registry) -> Registry:
    """*registry* as homes were before promotions were signed: version 1 is champion by training's word."""
    run_id, digest = registry.evaluated()
    registry.register(run_id, digest, promote=True)
    inputs = record_digest(("c", digest, GATES))
    ended = StepFinished(project=P, run_id=run_id, step="promote", attempt="p", inputs=inputs, output="sha256:p")
    registry.ledger.record(f"run/{P}/{run_id}", ended, key=f"step/{P}/promote/{inputs}")
    return registry


@pytest.fixture
def before(tmp_path: Path) -> Registry:
    return unsigned(Registry(Ledger.open(f"sqlite:///{tmp_path / 'before.db'}"), Folder(tmp_path)))


def test_the_authority_decides_by_the_recorded_figures_whatever_training_says(registry: Registry) -> None:
    assert registry.night(loss=0.7).verdict.promote, "training says so"
    assert registry.in_force() is None, "its loss is above the floor"
    registry.night(loss=0.5)
    assert registry.in_force() == 2
    decision = registry.champions.known(P).versions[1].decision
    assert decision is not None
    assert (decision.gates, decision.champion, decision.position) == (GATES, None, 2)
    registry.night(loss=0.49, champion=2)
    assert registry.in_force() == 3


def test_an_appended_promotion_of_a_refused_candidate_makes_no_champion(registry: Registry) -> None:
    registry.night(loss=0.5)
    refused = registry.night(loss=0.9, champion=1)
    assert registry.in_force() == 1
    registry.register(refused.run_id, refused.evaluation, promote=True, bundle=refused.bundle)
    registry.register(refused.run_id, refused.evaluation, promote=True, bundle="sha256:other")
    registry.authority.decide()
    assert registry.in_force() == 1


def test_a_version_that_takes_the_number_of_another_is_not_decided_about(registry: Registry) -> None:
    for champion in (None, 1, 2):
        registry.night(loss=0.49, champion=champion)
    run_id, digest = registry.evaluated(loss=0.49, champion=1)
    late = replace(registry.champions.known(P).versions[1].registered, run_id=run_id, evaluation=digest)
    registry.ledger.append(f"model/{P}", [late], expected_version=3)
    assert registry.authority.decide() == 0, "it was compared with the champion before version 2 alone"
    assert registry.in_force() == 3


def test_a_project_that_cannot_be_decided_about_holds_up_no_other_and_is_tried_again(registry: Registry) -> None:
    registry.undecidable(P.replace("f", "a", 1))
    registry.register(*registry.evaluated(), promote=True)
    for _ in range(2):
        with pytest.raises(KeyError, match="log_loss"):
            registry.authority.decide()
        assert registry.in_force() == 1


def test_what_another_key_signed_or_what_is_signed_for_another_place_makes_no_champion(registry: Registry) -> None:
    from securesystemslib.signer import CryptoSigner

    registry.night(loss=0.5)
    refused = registry.register(*registry.evaluated(loss=0.9, champion=1), promote=True)
    registry.forged(refused, key=Signer(CryptoSigner.generate_ed25519()))
    assert registry.in_force() == 1
    registry.forged(refused, place=7)
    assert registry.in_force() == 1
    registry.authority.decide()
    assert registry.in_force() == 1
    registry.forged(refused)
    assert registry.in_force() == 1, "the first decision about a version counts"


@pytest.mark.parametrize("missing", ["evaluation", "gates", "step"])
def test_a_version_whose_figures_are_not_recorded_is_never_decided_about(registry: Registry, missing: str) -> None:
    made = evaluation(registry.vault)
    run_id, digest = registry.recorded("night", made), record_digest(made)
    other = {
        "evaluation": (run_id, "sha256:unknown"),
        "gates": ("another-night", digest),
        "step": ("watch", digest),
    }[missing]
    if missing == "step":
        registry.ledger.record(
            "x", GatesDeclared(project=P, run_id="watch", gates=GATES), key=streams.gates_key(P, "watch")
        )
    event = registry.register(*other, promote=True)
    assert registry.authority.decide() == 0
    assert registry.in_force() is None
    with pytest.raises(RegistryError, match="decides about versions of 'flight_delay' on what the ledger holds"):
        require_decidable(registry.ledger, event)


def test_a_promotion_of_before_stays_in_force_until_the_next_and_says_that_it_is_not_signed(before: Registry) -> None:
    before.authority.begin()
    found = before.champions.in_force(P)
    assert found is not None
    assert (found.number, found.notes) == (1, (NOT_SIGNED,))
    before.night(loss=0.49, champion=1)
    found = before.champions.in_force(P)
    assert found is not None
    assert (found.number, found.notes) == (2, ())


def test_an_unsigned_promotion_that_is_appended_now_is_not_taken_for_one_of_before(before: Registry) -> None:
    before.authority.begin()
    run_id, digest = before.evaluated(loss=0.9, champion=1)
    before.register(run_id, digest, promote=True)
    assert before.in_force() == 1
    before.authority.decide()
    assert before.in_force() == 1


def test_a_promotion_of_before_is_decided_again_and_signed_where_somebody_asks(before: Registry) -> None:
    before.authority.begin()
    assert before.authority.decide() == 0, "nobody asked"
    with pytest.raises(DecisionConflict, match="by the gates of its night"):
        before.authority.sign(P, user="steward", gates=replace(GATES, floor_loss=9.0))
    decision = before.authority.sign(P, user="steward", gates=replace(GATES, supersedes=7))
    assert (decision.verdict.promote, decision.asked_by, decision.gates) == (True, "steward", GATES)
    found = before.champions.in_force(P)
    assert found is not None
    assert (found.number, found.notes) == (1, ())
    with pytest.raises(DecisionConflict, match="version 1 is signed"):
        before.authority.sign(P, user="steward", gates=GATES)


def test_a_forged_promotion_of_before_is_found_when_it_is_decided_again(before: Registry) -> None:
    run_id, digest = before.evaluated(loss=0.9, champion=1)
    before.register(run_id, digest, promote=True)
    inputs = record_digest(("c", digest, GATES))
    ended = StepFinished(project=P, run_id=run_id, step="promote", attempt="p", inputs=inputs, output="sha256:p")
    before.ledger.record(f"run/{P}/{run_id}", ended, key=f"step/{P}/promote/{inputs}")
    before.authority.begin()
    assert before.in_force() == 2
    assert not before.authority.sign(P, user="steward", gates=GATES).verdict.promote
    assert before.in_force() == 1


def test_a_bundle_of_another_evaluation_or_model_is_refused_for_a_version(registry: Registry) -> None:
    made = evaluation(registry.vault)
    packed = bundle.pack(
        evaluation=made,
        evaluation_digest=record_digest(made),
        features=FEATURE_SET,
        project=PROJECT,
        opened=registry.vault,
        vault=registry.vault,
        signer=signer(),
    )
    data = registry.vault.bytes(packed)
    registry.register(registry.recorded("night", made), record_digest(made), promote=True, bundle=packed)
    registry.authority.decide()
    found = registry.champions.in_force(P)
    assert found is not None
    assert bundle.load_version(data, signer().verifier, found.version).manifest.model == made.model
    elsewhere = replace(found.registered, evaluation="sha256:other")
    with pytest.raises(RegistryError, match="the model of another evaluation"):
        bundle.load_version(data, signer().verifier, Version(registered=elsewhere, decision=None, before=True))
    assert found.version.decision is not None
    exchanged = replace(found.version, decision=replace(found.version.decision, model="sha256:other"))
    with pytest.raises(RegistryError, match="another model than its version"):
        bundle.load_version(data, signer().verifier, exchanged)


MOVES = st.lists(st.sampled_from(["good", "bad", "again", "unsigned", "replayed", "begin"]), max_size=9)


@settings(max_examples=5)
@given(moves=MOVES)
def test_whatever_is_appended_the_champion_is_the_last_that_the_authority_promoted(
    tmp_path_factory: pytest.TempPathFactory, moves: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("raced")
    registry = Registry(Ledger.open(f"sqlite:///{folder / 'ledger.db'}"), Folder(folder))
    registry.authority.begin()
    expected: int | None = None
    for move in moves:
        if move in ("good", "bad"):
            event = registry.night(loss=0.49 if move == "good" else 0.9, champion=expected)
            expected = event.model_version if move == "good" else expected
        elif move == "unsigned":
            registry.register("nobody", "sha256:nothing", promote=True)
        elif move == "again" and (models := registry.champions.known(P).versions):
            first = models[0].registered
            registry.register(first.run_id, first.evaluation, promote=True, bundle=first.bundle)
        elif move == "replayed" and (entries := registry.ledger.read(f"promotion/{P}")):
            registry.ledger.append(f"promotion/{P}", [entries[0].event], expected_version=len(entries))
        elif move == "begin":
            registry.authority.begin()
        registry.authority.decide()
        assert registry.in_force() == expected
    registry.ledger.close()
