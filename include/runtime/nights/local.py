"""The night in this process: the chain of its steps, done one after the other."""

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import datetime
from functools import partial

from include import steps
from include.core.errors import AccessDenied, CodeChanged, LeaseHeld, TrainyardError
from include.core.project import Project
from include.core.records import Evaluation, FeatureSet, Promotion, Run, Scope, Start
from include.core.runs import RunKind
from include.runtime.code import earlier
from include.runtime.code import kept as kept_code
from include.runtime.code.digest import CodeStamp, code_digest, code_stamp
from include.runtime.nights.alone import alone
from include.runtime.nights.platform import open_platform, opened, signed_in_here, utc_now
from include.runtime.trainers import Note, OnTraining, trainer_of
from include.settings import ROOT, Settings
from include.steps import Platform
from include.steps.chain import NIGHT, Chain, Step
from include.steps.showing import NightFigures, learnt_of
from include.training.progress import Report, TrainingProgress


@dataclass(frozen=True, kw_only=True)
class Display:
    """Where to show how a run goes."""

    #: Called when a step begins (``None``) and when it ends (its digest).
    step: Callable[[str, str | None], None] = lambda step, digest: None
    #: Called with what training pods wait for and say.
    note: Note = lambda what: None
    #: Called now and then with how far training is.
    training: Report = lambda progress: None


#: For a run that nobody looks at.
UNSEEN = Display()


@dataclass(frozen=True, kw_only=True)
class NightResult:
    """What a night left: its run, the features that it built, what it learnt of them, and what it decided."""

    run: Run
    features: FeatureSet
    learnt: NightFigures
    evaluation: Evaluation
    promotion: Promotion


def run_night(
    settings: Settings,
    project: Project,
    *,
    run_id: str,
    instant: datetime,
    display: Display = UNSEEN,
    clock: Callable[[], datetime] = utc_now,
    start: Start | None = None,
) -> NightResult:
    """The whole night of *project* in this process; its training shards in processes or, where so placed, in pods.

    What set it off is *start*; ``None``: whoever is signed in here.

    Raises:
        AccessDenied: no grant covers what the project reads; the requests are filed.
        LeaseHeld: another night of the project is running, or this very one in another process.
        TrainyardError: whatever rule the night broke. Run it again with the same *run_id* to go on.
    """
    platform = open_platform(settings)
    with alone(settings, project.name, run_id):
        run, made = None, dict[str, str]()
        try:  # around its beginning too: a signal may come between the lease and the next line
            began = start or signed_in_here()
            run = steps.begin(platform, project, run_id=run_id, instant=instant, now=clock(), start=began)
            doing = Steps(settings, platform, project, run, display=display, clock=clock)
            doing.gate()
            made = doing.perform(NIGHT)
        except Exception as error:
            if not _only_waits(error):
                steps.fail(platform.ledger, project.name, run_id)
            raise
        finally:
            if run is not None:
                steps.finish(platform, run, made.get(NIGHT.last.name))
        return night_of(platform, run, evaluation=made["evaluate"], promotion=made["promote"])


def _only_waits(error: Exception) -> bool:
    """Whether the night goes on as it is once somebody grants, the other night ends, or a connection is back."""
    return isinstance(error, TrainyardError) and (error.retry_heals or isinstance(error, LeaseHeld | AccessDenied))


def night_of(platform: Platform, run: Run, *, evaluation: str, promotion: str) -> NightResult:
    """What *run* left, by the digests of what its last steps made."""
    evaluated = platform.load(Evaluation, evaluation)
    return NightResult(
        run=run,
        features=platform.load(FeatureSet, evaluated.features),
        learnt=learnt_of(platform, run, evaluated),
        evaluation=evaluated,
        promotion=platform.load(Promotion, promotion),
    )


@dataclass(frozen=True)
class Steps:
    """Does the steps of one run in this process, each by the code that the run began with, whatever lies here by then.

    Raises as :func:`run_night`.
    """

    settings: Settings
    platform: Platform
    project: Project
    run: Run
    _: KW_ONLY
    display: Display = UNSEEN
    clock: Callable[[], datetime] = utc_now
    #: The stamps of code that is known to be what the run began with.
    known: set[CodeStamp] = field(default_factory=set)

    def gate(self, asked: Scope | None = None) -> None:
        """Ask for what the run reads and may not yet, or for all that is to be *asked* then; it does not wait."""
        self.display.step("gate", None)
        steps.require_access(self.platform, self.run, requester=self.settings.user, now=self.clock(), asked=asked)
        self.display.step("gate", "")

    def perform(self, chain: Chain) -> dict[str, str]:
        """Do all steps of *chain* after its gate; the digest that each made, by its name."""
        made: dict[str, str] = {}
        for step in chain:
            self.display.step(step.name, None)
            made[step.name] = self._do(step, {name: made[maker] for name, maker in step.makers.items()})
            self.display.step(step.name, made[step.name])
        return made

    def _do(self, step: Step, inputs: Mapping[str, str]) -> str:
        shards = steps.shards(self.platform, inputs["plan"]) if step.mapped else [None]
        trainer = trainer_of(self.settings)
        each = [inputs if shard is None else {**inputs, "shard": shard} for shard in shards]
        apart = step.mapped and self.run.kind is not RunKind.SAMPLE  # which is over before a process of its own begins
        if self.moved():
            done = [earlier.perform(self.settings, self.platform, self.run, step.name, given) for given in each]
        elif step.placed and (apart or trainer.elsewhere):
            again = partial(opened, self.settings, self.project.name)
            done = trainer.train(
                self.run, inputs["plan"], shards, again, self.display.note, self._together(inputs["plan"])
            )
        else:
            platform = replace(self.platform, on_training=lambda _, progress: self.display.training(progress))
            done = [step.perform(platform, self.project, self.run, given, clock=self.clock) for given in each]
        return "" if step.mapped else done[0]

    def _together(self, plan: str) -> OnTraining:
        """Shows how far all shards of *plan* are together."""
        known = steps.progress_of(self.platform, plan)

        def show(step: str, progress: TrainingProgress) -> None:
            known[step] = progress
            first, *others = known.values()
            self.display.training(sum(others, start=first))

        return show

    def moved(self) -> bool:
        """Whether other code lies here than the run began with, and a copy of that was kept."""
        include, projects = ROOT / "include", self.settings.projects
        stamp = code_stamp(include, projects, self.project.name)
        if stamp in self.known:
            return False
        if code_digest(include, projects, self.project.name) == self.run.code_digest:
            self.known.add(stamp)
            return False
        known = kept_code.is_known(self.platform.ledger, self.run)
        if known and self.run.kind is RunKind.SAMPLE:  # its project is not as it is declared
            raise CodeChanged(
                "a sample is computed by the code that it began with",
                value=f"the code of {self.project.name!r} changed meanwhile",
                remedy="Start it again: what did not change is not computed again.",
            )
        return known
