"""A deployment in a folder, small versions of the real projects, and whole nights of them in this process."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from include import steps
from include.contracts import load_folder
from include.core.events import Event, StepFailed, StepFinished, StepReused, StepStarted
from include.core.project import Project, Window
from include.core.records import Evaluation, Promotion, Run
from include.declared import scope_of
from include.governance.authority import Authority
from include.governance.signing import Signer, create_key
from include.projects import flight_delay, temperature_tomorrow
from include.registry.authority import PromotionAuthority
from include.runtime import deployment
from include.runtime.nights import local
from include.settings import Settings
from include.steps import Platform
from include.steps.chain import NIGHT, step_named

#: With a full window before it in the demo's data.
INSTANT = datetime(2013, 6, 1, 4, tzinfo=UTC)
#: The wall clock of these tests; grants hold from here on.
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
#: In the order in which a night takes them; the search of :func:`small` has two shards.
STEPS = tuple(name for step in NIGHT for name in ([f"{step.name}-0", f"{step.name}-1"] if step.mapped else [step.name]))


def small(project: Project) -> Project:
    """*project* with a window, a search and gates of which a night takes seconds; without month-long lookbacks."""
    return project.varied(
        features=tuple(group for group in project.learning.features if group.lookback_days <= 3),
        window=Window(days=16, validation_days=3, holdout_days=4),
        search=replace(project.learning.search, trials=4, shards=2, rungs=(5, 10, 20)),
        gates=replace(
            project.quality.gates, margin=100.0, floor_loss=100.0, floor_auc=0.0, auc_guard=1.0, minimum_days=2
        ),
    )


FLIGHTS = small(flight_delay.PROJECT)
TEMPERATURE = small(temperature_tomorrow.PROJECT)


@dataclass(frozen=True, kw_only=True)
class Night:
    """A finished night: its run, and the digest that each step returned, by its name in :data:`STEPS`."""

    run: Run
    digests: Mapping[str, str]
    evaluation: Evaluation
    promotion: Promotion


@dataclass(kw_only=True)
class Yard:
    """``code`` stands for the digest of the code: constant, whatever is edited while the tests run."""

    home: Path
    production: Path
    contracts: Path | None = None
    code: str = "sha256:" + "c" * 64
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        environment = {
            "TRAINYARD_HOME": str(self.home),
            "TRAINYARD_PRODUCTION": str(self.production),
            "TRAINYARD_USER": "dana",
        }
        if self.contracts is not None:
            environment["TRAINYARD_CONTRACTS"] = str(self.contracts)
        self.settings = Settings.from_environment(environment)

    @classmethod
    def built(cls, home: Path, production: Path, template: Path, contracts: Path | None = None) -> "Yard":
        """A new deployment in *home*, with the keys and the empty MLflow database of *template*.

        What a night makes depends on the pseudonym key: deployments that are to be compared share it.
        """
        shutil.copytree(template, home)
        return cls(home=home, production=production, contracts=contracts)

    @cached_property
    def platform(self) -> Platform:
        opened = local.open_platform(self.settings)
        return replace(
            opened,
            code=lambda _: self.code,
            keep_code=lambda project, code: None,
            await_authority=lambda _: self.decide(),
        )

    def decide(self) -> int:
        """What the authority does about registered models, in this process: a process of its own takes a second."""
        signer = Signer.load(self.settings.authority_keys / "authority.key")
        return PromotionAuthority(self.platform.ledger, signer).decide()

    @cached_property
    def authority(self) -> Authority:
        signer = Signer.load(self.settings.authority_keys / "authority.key")
        ledger = self.platform.ledger
        return Authority(ledger, signer, signer.verifier, lambda: load_folder(self.settings.contracts))

    def adopt(self) -> None:
        """All contracts as their files are, each by its first steward."""
        for dataset in self.authority.contracts():
            self.authority.adopt(dataset, user=self.authority.contract(dataset).stewards[0])

    def grant(self, project: Project, *, now: datetime = NOW) -> list[str]:
        """Adopt the contracts and grant what a night of *project* reads; the ids of the new grants."""
        self.adopt()
        scope = scope_of(project, self.platform.contracts)
        asked = self.platform.access.request(scope, requester="dana", now=now)
        return [self._grant(request_id, now) for request_id in asked]

    def _grant(self, request_id: str, now: datetime) -> str:
        request = next(each for each in self.platform.access.requests() if each.request_id == request_id)
        steward = self.authority.contract(request.scope.dataset).stewards[0]
        return self.authority.grant(request_id, user=steward, reason="a test", days=300, now=now).grant_id

    def revoke(self, grant_id: str) -> None:
        """The steward who granted ends it."""
        grant = next(each for each in self.platform.access.grants(now=NOW) if each.grant_id == grant_id)
        self.authority.revoke(grant_id, user=grant.steward, reason="a test")

    def night(
        self,
        project: Project = FLIGHTS,
        *,
        run_id: str = "night",
        instant: datetime = INSTANT,
        now: datetime = NOW,
        before: Callable[[str], object] = lambda step: None,
    ) -> Night:
        """A whole night. *before* is called with each step's name before the step begins."""
        platform = self.platform
        run = steps.begin(platform, project, run_id=run_id, instant=instant, now=now)
        try:
            digests = self.steps(project, run, until=NIGHT.last.name, now=now, before=before)
        finally:
            steps.finish(platform, run)
        return Night(
            run=run,
            digests=digests,
            evaluation=platform.load(Evaluation, digests["evaluate"]),
            promotion=platform.load(Promotion, digests["promote"]),
        )

    def steps(
        self,
        project: Project,
        run: Run,
        *,
        until: str,
        now: datetime = NOW,
        before: Callable[[str], object] = lambda step: None,
    ) -> dict[str, str]:
        """The steps of a night as far as *until*, which is done too; the digest of each."""
        digests: dict[str, str] = {}
        for name in STEPS[: STEPS.index(until) + 1]:
            before(name)
            digests[name] = self.step(name, project, run, digests, now=now)
        return digests

    def step(self, name: str, project: Project, run: Run, digests: Mapping[str, str], *, now: datetime = NOW) -> str:
        """One step of a night or a watch, as the ledger calls it, given the digests of those before it."""
        step, shard = step_named(name), name.partition("-")[2]
        inputs: dict[str, str | int] = {given: digests[maker] for given, maker in step.makers.items()}
        if step.mapped:
            inputs["shard"] = int(shard)
        return step.perform(self.platform, project, run, inputs, clock=lambda: now)

    def events(self, *kinds: type[Event], run_id: str | None = None) -> list[Event]:
        """All events (of *kinds*, if any is named) in their order, of one run if it is named."""
        events = [entry.event for entry in self.platform.ledger.read_all(kinds=kinds or None)]
        return [event for event in events if run_id is None or getattr(event, "run_id", None) == run_id]

    def attempts(self, run_id: str) -> dict[str, list[str]]:
        """For each step of a run, how its attempts ended, in the order of their ends."""
        found: dict[str, list[str]] = {}
        for event in self.events(StepFinished, StepReused, StepFailed, run_id=run_id):
            assert isinstance(event, StepFinished | StepReused | StepFailed)
            ended = event.error if isinstance(event, StepFailed) else event.kind
            found.setdefault(event.step, []).append(ended)
        return found

    def unended(self) -> list[str]:
        """The steps of attempts that began and of whose end there is no word."""
        started, ended = self.events(StepStarted), self.events(StepFinished, StepReused, StepFailed)
        known = {getattr(event, "attempt", None) for event in ended}
        return [event.step for event in started if isinstance(event, StepStarted) and event.attempt not in known]


def template(folder: Path) -> Path:
    """What a new deployment starts with: its keys, the authority's, and an empty MLflow database."""
    from mlflow import MlflowClient

    settings = Settings.from_environment({"TRAINYARD_HOME": str(folder)})
    deployment.prepare(settings)
    create_key(settings.authority_keys / "authority.key")
    Signer.load(settings.authority_keys / "authority.key").publish(settings.keys / "authority.pub")
    MlflowClient(tracking_uri=settings.mlflow).search_experiments()
    return folder


def replaced(production: Path, copy: Path, dataset: str, change: Callable[[Path], None], *days: str) -> Path:
    """A *copy* of *production* (by links) in which *change* was called with files of *dataset* that are its own.

    Without *days* all files of the dataset.
    """
    if not copy.exists():
        shutil.copytree(production, copy, copy_function=lambda source, target: Path(target).hardlink_to(source))
    files = [copy / dataset / f"day={day}" / "part.parquet" for day in days]
    for file in files or sorted((copy / dataset).rglob("*.parquet")):
        alone = file.with_name("alone")
        shutil.copyfile(file, alone)
        change(alone)
        alone.replace(file)
    return copy


LATER = timedelta(days=1)
