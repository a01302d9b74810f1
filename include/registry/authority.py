"""The authority's part in promotions: it decides about what is registered, on the recorded figures, and signs."""

import threading
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import replace
from datetime import UTC, date, datetime

from include.core import streams
from include.core.canonical import record_digest
from include.core.errors import DecisionConflict, RegistryError
from include.core.events import (
    GatesDeclared,
    LookTaken,
    ModelEvaluated,
    ModelRegistered,
    QuarantineLifted,
    StepFinished,
    StepReused,
)
from include.core.project import Gates
from include.core.records import Evaluation, Gate, Override
from include.governance.access import ATTEMPTS, Access, crowded
from include.governance.revocation_marks import RevocationMarks
from include.governance.signing import Signer
from include.ledger import Entry, Ledger
from include.ledger.journal import begun
from include.registry import promotion, signed_decisions
from include.registry.champions import Champions, ProjectVersions, Version, sign_from_here
from include.registry.decision_grounds import ProjectStanding
from include.registry.going_back import RollbackAuthority
from include.registry.overrides import Overrides, end_override, override
from include.registry.remembered_rollbacks import remembering
from include.registry.signed_decisions import Decision
from include.registry.standing import standing

#: After how long a look that nobody could follow is tried again.
RETRY_SECONDS = 900.0


class PromotionAuthority:
    """Decides about registered versions by the same pure function as training, with the key that training lacks.

    It takes nothing from whoever asks: figures, gates and the champion in force are those that the ledger holds.
    """

    def __init__(self, ledger: Ledger, signer: Signer, *, checkpoint: Callable[[], object] = lambda: None) -> None:
        """*checkpoint* signs what the ledger holds; what it raises, nothing is promoted on."""
        self._ledger, self._signer, self._checkpoint = ledger, signer, checkpoint
        self._champions = Champions(ledger, signer.verifier)
        self._access = Access(ledger, signer.verifier)
        self._marks, self._overrides = RevocationMarks(ledger, self._access), Overrides(ledger, signer.verifier)
        #: Its part in going back.
        self.rollbacks = RollbackAuthority(ledger, signer)
        self._lock = threading.Lock()
        self._seen, self._tried = 0, time.monotonic()
        self._failed: set[str] = set()

    def begin(self) -> None:
        """Record that promotions are signed from here on; harmless when they are."""
        sign_from_here(self._ledger)

    def decide(self) -> int:
        """Decide about all versions that were registered, and all looks that were taken, since the last call; how many.

        One that was made under a grant in quarantine is decided about once that is lifted. A project that cannot be
        decided about holds up no other, and the next call tries it again; what failed first is raised at the end.
        """
        projects, looked = self._since()
        errors, decided = list[Exception](), 0
        for project in projects:
            try:
                decided += self._decide(project)
                decided += self.rollbacks.decide_looks(project) if project in looked else 0
            except Exception as error:  # whatever it is, raised below: the others are decided about first
                with self._lock:
                    self._failed.add(project)
                errors.append(error)
        if errors:
            raise errors[0]
        return decided

    def _since(self) -> tuple[Sequence[str], Set[str]]:
        """The projects that something was recorded of since the last call, and those of them that have looks to decide.

        A look that could not be followed is decided again where a quarantine of its project is lifted, and after a
        while whatever happens.
        """
        with self._lock:
            entries = self._ledger.read_all(after=self._seen, kinds=(ModelRegistered, QuarantineLifted, LookTaken))
            self._seen = max([self._seen, *(entry.position for entry in entries)])
            looked = {_project(each) for each in entries if not isinstance(each.event, ModelRegistered)} | self._failed
            if time.monotonic() - self._tried >= RETRY_SECONDS:
                looked |= self.rollbacks.waiting
                self._tried = time.monotonic()
            self._failed = set()
            return sorted(looked | {_project(entry) for entry in entries}), looked

    def sign(self, project: str, *, user: str, gates: Gates) -> Decision:
        """Decide again, for *user*, about the champion that was promoted before promotions were signed.

        *gates* are those that the project declares: the one figure of then that the ledger kept only a digest of.

        Raises:
            DecisionConflict: the champion is signed, there is none, or its night was decided by other gates.
            Quarantined: it was made under a grant in quarantine.
            RegistryError: the ledger does not hold what it was decided on.
        """
        for _ in range(ATTEMPTS):
            known = self._champions.known(project)
            version = known.champion()
            if version is None or version.decision is not None:
                found = "it has no champion" if version is None else f"version {version.number} is signed"
                raise DecisionConflict(
                    f"{project!r} has a champion whose promotion is not signed", value=found, remedy="Nothing is to do."
                )
            self._marks.require_promotable(project, version.registered.run_id)
            self._checkpoint()
            then = _gates_of_then(self._ledger, version.registered, gates)
            decision = replace(self._decision(known, version, then, again=True), asked_by=user)
            if signed_decisions.append(self._ledger, self._signer, decision):
                return decision
        raise crowded(streams.promotion(project))

    def override(self, project: str, gate: Gate, *, until: date, user: str, reason: str) -> Override:
        """Let models of *project* through *gate* to the end of the day *until* (UTC).

        Raises:
            AuthorityError: *user* is no steward of its data, *until* lies too far or has passed, or *reason* is empty.
        """
        now = datetime.now(UTC)
        return override(self._access, self._signer, project, gate, until=until, user=user, reason=reason, now=now)

    def end_override(self, project: str, gate: Gate, *, user: str, reason: str) -> None:
        """End the override of *gate* that is in force: models of *project* must pass it again from now on.

        Raises:
            AuthorityError: *user* is no steward of its data, no override of the gate is in force, or *reason* is empty.
        """
        now = datetime.now(UTC)
        end_override(self._access, self._signer, project, gate, user=user, reason=reason, now=now)

    def _decide(self, project: str) -> int:
        """Decide about all that waits of *project*, in its order; how many were."""
        decided = conflicts = 0
        while conflicts < ATTEMPTS:
            known = self._champions.known(project)
            pending = next((each for each in known.versions if self._decidable(known, each)), None)
            if pending is None:
                return decided
            gates = declared_gates(self._ledger, pending.registered)
            self._checkpoint()
            if signed_decisions.append(self._ledger, self._signer, self._decision(known, pending, gates)):
                decided += 1
            else:
                conflicts += 1
        raise crowded(streams.promotion(project))

    def _decidable(self, known: ProjectVersions, version: Version) -> bool:
        registered = version.registered
        return decidable(self._ledger, known, version) and not any(
            mark.quarantined for mark in self._marks.on_night(registered.project, registered.run_id)
        )

    def _decision(self, known: ProjectVersions, version: Version, gates: Gates, *, again: bool = False) -> Decision:
        registered = version.registered
        evaluation = recorded_evaluation(self._ledger, registered.project, registered.evaluation)
        earlier = version.number if again else None
        champion = known.champion(before=earlier)
        rival = before = None
        if champion is not None:
            before = recorded_evaluation(self._ledger, registered.project, champion.registered.evaluation)
            rival = promotion.ChampionGrounds(version=champion.number, holdout=before.holdout, recipe=before.recipe)
        # Of one that is decided again nobody knows how its project stood then.
        stands = None if again else self._standing(known, registered, evaluation, champion, before)
        return Decision(
            project=registered.project,
            version=version.number,
            evaluation=registered.evaluation,
            model=evaluation.model,
            bundle=registered.bundle,
            gates=gates,
            verdict=remembering(
                promotion.decide(evaluation, gates, rival, stands),
                self._ledger,
                known,
                begun(self._ledger, registered.project, registered.run_id),
                evaluation,
                before=earlier,
            ),
            champion=champion.number if champion else None,
            position=known.length + 1,
            asked_by=None,
            standing=stands,
        )

    def _standing(
        self,
        known: ProjectVersions,
        registered: ModelRegistered,
        evaluation: Evaluation,
        champion: Version | None,
        before: Evaluation | None,
    ) -> ProjectStanding:
        """How the project stands now, beside the *champion*, whose evaluation is the one *before*."""
        return standing(
            self._ledger,
            self._overrides,
            registered.project,
            evaluation,
            champion=champion,
            champion_evaluation=before,
            retired=known.retired,
            run_id=registered.run_id,
            now=datetime.now(UTC),
        )


def _project(entry: Entry) -> str:
    """Of which project *entry* is, as its stream says."""
    return streams.subject(entry.stream).partition("/")[0]


def decidable(ledger: Ledger, known: ProjectVersions, version: Version) -> bool:
    """Whether the authority decides about *version*: nothing is decided of its evaluation or its number, and all that
    is needed is recorded. A version of before promotions were signed is decided again only where somebody asks.
    """
    found = known.of(version.registered.evaluation), known.numbered(version.number)
    if version.before or version.decision is not None or any(each is not version for each in found):
        return False
    try:
        require_decidable(ledger, version.registered)
    except RegistryError:
        return False
    return True


def require_decidable(ledger: Ledger, registered: ModelRegistered) -> None:
    """Check that the ledger holds what the authority decides about a registered version on.

    Raises:
        RegistryError: it does not; says what is missing.
    """
    recorded_evaluation(ledger, registered.project, registered.evaluation)
    declared_gates(ledger, registered)
    made = {
        entry.event.output
        for entry in ledger.read(streams.run(registered.project, registered.run_id))
        if isinstance(entry.event, StepFinished | StepReused) and entry.event.step == "evaluate"
    }
    if registered.evaluation not in made:
        raise _missing(registered.project, f"the run {registered.run_id!r} made no evaluation {registered.evaluation}")


def declared_gates(ledger: Ledger, registered: ModelRegistered) -> Gates:
    """The gates that the version's run declared when it began.

    Raises:
        RegistryError: it recorded none.
    """
    declared = ledger.fact(streams.gates_key(registered.project, registered.run_id), GatesDeclared)
    if declared is None:
        raise _missing(registered.project, f"the run {registered.run_id!r} declared no gates")
    return declared.gates


def recorded_evaluation(ledger: Ledger, project: str, digest: str) -> Evaluation:
    """The evaluation *digest* of *project*, as the ledger holds it.

    Raises:
        RegistryError: it does not.
    """
    evaluated = ledger.fact(streams.evaluated_key(project, digest), ModelEvaluated)
    if evaluated is None or record_digest(evaluated.evaluation) != digest:
        raise _missing(project, f"no evaluation {digest} is recorded")
    return evaluated.evaluation


def _gates_of_then(ledger: Ledger, registered: ModelRegistered, gates: Gates) -> Gates:
    """The gates of a night of before, which recorded of them the digest that names its decision.

    Those are *gates* but for ``supersedes``, which a project declares for one night.
    """
    run = begun(ledger, registered.project, registered.run_id)
    rival = recorded_evaluation(ledger, registered.project, registered.evaluation).champion
    for then in (gates, replace(gates, supersedes=None), replace(gates, supersedes=rival)):
        inputs = record_digest((run.code_digest if run else None, registered.evaluation, then))
        if ledger.find(streams.step_key(registered.project, "promote", inputs)) is not None:
            return then
    raise DecisionConflict(
        f"version {registered.model_version} of {registered.project!r} is decided again by the gates of its night",
        value="the project declares others now",
        remedy="Restore the gates of that time until it is signed, or let the next night's model replace it.",
    )


def _missing(project: str, found: str) -> RegistryError:
    return RegistryError(
        f"the authority decides about versions of {project!r} on what the ledger holds",
        value=found,
        remedy="Run a night of another instant: it records all that its model is decided on.",
    )
