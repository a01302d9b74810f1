"""The verdicts on a project's champions, the policies that they are under, and the retrainings that they ask for."""

from include.core import streams
from include.core.canonical import decode, encode, record_digest
from include.core.errors import DeclarationError
from include.core.events import DriftJudged, PolicyDeclared, RetrainingAsked, RetrainingDeclined
from include.core.project import DriftPolicy, Project
from include.core.records import DriftState, Run
from include.ledger import Ledger
from include.ledger.journal import Journal
from include.retraining import asks


def judged(ledger: Ledger, project: str) -> list[DriftJudged]:
    """All verdicts on *project*'s champions, in the order of their recording."""
    return ledger.events(streams.drift(project), DriftJudged)


def policy_of(project: Project) -> DriftPolicy:
    """The declared policy.

    Raises:
        DeclarationError: there is none.
    """
    if project.quality.drift is None:
        raise DeclarationError(
            "a watched project declares a drift policy",
            value=project.name,
            remedy="Add `drift=DriftPolicy(…)` to its `quality`.",
        )
    return project.quality.drift


def declare_policy(ledger: Ledger, project: Project, run: Run) -> str | None:
    """Record the declared policy, once; its digest. ``None``: the project declares none."""
    if project.quality.drift is None:
        return None
    digest = record_digest(project.quality.drift)
    event = PolicyDeclared(project=project.name, digest=digest, policy=encode(project.quality.drift).decode())
    Journal(ledger, run).fact(streams.drift(project.name), event, key=streams.policy_key(project.name, digest))
    return digest


def record(ledger: Ledger, policy: DriftPolicy, run: Run, verdict: DriftJudged, *, champion: int | None) -> None:
    """Record the *verdict* of the watch *run*, unless it has one, and ask for the retraining that its verdict asks for.

    As :func:`ask`.
    """
    key = streams.judged_key(verdict.project, verdict.run_id)
    Journal(ledger, run).fact(streams.drift(verdict.project), verdict, key=key)
    recorded = ledger.fact(key, DriftJudged) or verdict
    if recorded.verdict.state is DriftState.RETRAIN:
        ask(ledger, policy, recorded, champion=champion)


def ask(
    ledger: Ledger, policy: DriftPolicy, verdict: DriftJudged, *, champion: int | None
) -> RetrainingAsked | RetrainingDeclined:
    """Ask for the training night that *verdict* asks for, at its instant; the same verdict gets the same answer.

    *champion* is the version in force.
    """
    wanted = RetrainingAsked(
        project=verdict.project,
        ask_id=_ask_id(verdict),
        run_id=verdict.run_id,
        model_version=verdict.model_version,
        instant=verdict.instant,
    )
    later = None
    if champion is not None and champion != verdict.model_version:
        later = f"version {champion} is champion by now"
    return asks.ask(ledger, policy, wanted, needless=later)


def ask_late(ledger: Ledger, project: str, *, champion: int | None) -> RetrainingAsked | RetrainingDeclined | None:
    """Ask in place of a watch that was killed between its verdict and the ask, under the policy that it judged by.

    Only for the newest verdict on *champion*, the version in force, that came to RETRAIN. ``None``: it is answered, or
    none did.
    """
    wanting = [
        each
        for each in judged(ledger, project)
        if each.verdict.state is DriftState.RETRAIN and each.model_version == champion
    ]
    if not wanting or asks.known(ledger, project).of(_ask_id(wanting[-1])) is not None:
        return None
    return ask(ledger, _declared(ledger, project, wanting[-1].policy), wanting[-1], champion=champion)


def _ask_id(verdict: DriftJudged) -> str:
    return record_digest((verdict.project, verdict.run_id)).removeprefix("sha256:")[:12]


def _declared(ledger: Ledger, project: str, digest: str) -> DriftPolicy:
    """The policy *digest*, as it was recorded before the first verdict under it."""
    declared = ledger.fact(streams.policy_key(project, digest), PolicyDeclared)
    if declared is None:
        raise DeclarationError(
            "a verdict is judged under a recorded policy", value=digest, remedy="Run the watch of the project again."
        )
    return decode(DriftPolicy, declared.policy.encode())
