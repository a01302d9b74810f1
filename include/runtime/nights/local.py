"""The night in this process, and the platform that every runtime opens from the settings."""

import fcntl
import multiprocessing
import os
import pwd
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from multiprocessing.connection import wait

from include import steps
from include.core.canonical import record_digest
from include.core.errors import LeaseHeld
from include.core.project import Project
from include.core.records import Evaluation, FeatureSet, Promotion, Run, Start, Trigger
from include.ledger import Ledger
from include.runtime import pinned
from include.runtime.code import kept as kept_code
from include.runtime.code.commits import commit_of
from include.runtime.code.digest import CodeStamp, code_digest, code_stamp, rooms_of_this_process
from include.runtime.code.projects import load_project
from include.settings import ROOT, Placement, Settings
from include.steps import Platform
from include.steps.showing import NightFigures, learnt_of

#: Called when a step begins (``None``) and when it ends (its digest).
Progress = Callable[[str, str | None], None]
#: Called with what training pods wait for and print, from threads.
Note = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class NightResult:
    """What a night left: its run, the features that it built, what it learnt of them, and what it decided."""

    run: Run
    features: FeatureSet
    learnt: NightFigures
    evaluation: Evaluation
    promotion: Promotion


def utc_now() -> datetime:
    """The wall clock, the one that decides whether a grant holds."""
    return datetime.now(UTC)


def open_platform(settings: Settings) -> Platform:
    """The platform of *settings*: cheap, since every task does it.

    Raises:
        DeclarationError: a key is missing (``./trainyard setup`` makes what a new home lacks).
        LedgerUnavailable: the ledger's database cannot be reached.
    """
    from include.contracts import load_folder
    from include.governance.access import Access
    from include.governance.pseudonyms import Pseudonyms
    from include.governance.signing import Signer, Verifier
    from include.governance.vault import Vault
    from include.registry.champions import Champions
    from include.runtime import deployment
    from include.runtime.nights import promoting
    from include.runtime.pods import images
    from include.store import Store

    deployment.require(settings)
    ledger = Ledger.open(settings.ledger)
    authority, store = Verifier.load(settings.keys / deployment.AUTHORITY_PUBLIC_KEY), Store(settings.store)
    access = Access(ledger, authority)
    return Platform(
        ledger=ledger,
        store=store,
        vault=Vault(deployment.vault_of(settings), access, ledger, lists=store),
        access=access,
        contracts=load_folder(settings.contracts, settings.classes),
        pseudonyms=Pseudonyms.load(settings.keys / deployment.PSEUDONYM_KEY),
        production=settings.production,
        signer=Signer.load(settings.keys / deployment.MODEL_KEY),
        verifier=Verifier.load(settings.keys / deployment.MODEL_PUBLIC_KEY),
        champions=Champions(ledger, authority),
        await_authority=promoting.beside(settings),
        versions=deployment.versions_of(settings),
        code=lambda project: code_digest(ROOT / "include", settings.projects, project, rooms_of_this_process()),
        keep_code=lambda project, code: kept_code.keep(settings, ledger, project, code),
        trainer_image=lambda project: images.named(settings, project),
        commit=lambda project: commit_of(settings.projects / project),
        separation_of_duties=deployment.separation_of_duties(settings),
    )


def run_night(
    settings: Settings,
    project: Project,
    *,
    run_id: str,
    instant: datetime,
    on_step: Progress = lambda step, digest: None,
    on_note: Note = lambda what: None,
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
    with _alone(settings, project.name, run_id):
        return _night(
            settings,
            platform,
            project,
            run_id=run_id,
            instant=instant,
            on_step=on_step,
            on_note=on_note,
            clock=clock,
            start=start or signed_in_here(),
        )


def signed_in_here(trigger: Trigger = Trigger.LOGIN) -> Start:
    """What sets off a run of this process: the account, as the operating system knows it, whatever a variable says."""
    try:
        account = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user without an entry
        account = f"user {os.getuid()}"
    return Start(trigger=trigger, who=account)


def declared_digest(settings: Settings, project: Project) -> str:
    """What names the nights and watches that somebody starts by hand, beside their instants.

    Another code and another version of a contract make it another one, since none goes on under the one before.

    Raises:
        ContractError: a contract of the project cannot be used.
    """
    from include.contracts import load_folder
    from include.declared.declaration import digest_of

    code = code_digest(ROOT / "include", settings.projects, project.name, rooms_of_this_process())
    return record_digest((code, digest_of(project, load_folder(settings.contracts, settings.classes))))


def require_idle(settings: Settings) -> None:
    """Check that no process runs a night in this home.

    Raises:
        LeaseHeld: one does.
    """
    for file in sorted((settings.home / "running").glob("*")):
        require_not_running(settings, file.name)


def require_not_running(settings: Settings, project: str) -> None:
    """Check that no process runs a night of *project* in this home.

    Raises:
        LeaseHeld: one does.
    """
    if (settings.home / "running" / project).is_file():
        with _alone(settings, project, "none"):
            pass


@contextmanager
def _alone(settings: Settings, project: str, run_id: str) -> Iterator[None]:
    """Keep other processes of this home from running *project* meanwhile; the kernel lets go when this one dies.

    The lease does not do it alone: the same run may take its lease twice, since that is how its steps go on.
    """
    folder = settings.home / "running"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / project).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise LeaseHeld(
                "one night of a project runs at a time",
                value=f"{file.read() or 'another process'} runs {project!r}",
                remedy="Wait until it ends, or end that process: what it recorded is not computed again.",
            ) from None
        file.truncate(0)
        file.write(f"process {os.getpid()} (run {run_id!r})")
        file.flush()
        yield


def _night(
    settings: Settings,
    platform: Platform,
    project: Project,
    *,
    run_id: str,
    instant: datetime,
    on_step: Progress,
    on_note: Note,
    clock: Callable[[], datetime],
    start: Start,
) -> NightResult:
    run: Run | None = None
    try:  # around its beginning too: a signal may come between the lease and the next line
        run = steps.begin(platform, project, run_id=run_id, instant=instant, now=clock(), start=start)
        with _step("gate", on_step):
            steps.request_access(platform, run, requester=settings.user, now=clock())
            platform.access.require(steps.scope_of(platform, run), now=clock())
        _, drawn, model = learn(settings, platform, project, run, on_step=on_step, on_note=on_note, clock=clock)
        do = _Steps(settings=settings, platform=platform, project=project, run=run, on_step=on_step, clock=clock)
        chosen = do.report("evaluate", {"plan": drawn, "model": model}, steps.evaluate)
        decided = do.report("promote", {"evaluation": chosen}, steps.promote)
    finally:
        if run is not None:
            steps.end(platform, run)
    return night_of(platform, run, evaluation=chosen, promotion=decided)


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


def learn(
    settings: Settings,
    platform: Platform,
    project: Project,
    run: Run,
    *,
    on_step: Progress = lambda step, digest: None,
    on_note: Note = lambda what: None,
    clock: Callable[[], datetime] = utc_now,
) -> tuple[str, str, str]:
    """From production data to a trained model: the digests of the features, the plan and the model of *run*.

    Raises as :func:`run_night`.
    """
    do = _Steps(settings=settings, platform=platform, project=project, run=run, on_step=on_step, clock=clock)
    snapshot = do.report("snapshot", {}, steps.snapshot)
    do.report("validate", {"snapshot": snapshot}, steps.validate)
    built = do.report("features", {"snapshot": snapshot}, steps.features)
    drawn = do.report("plan", {"features": built}, steps.plan)
    with _step("train", on_step):
        shards = steps.shards(platform, drawn)
        if do.moved():
            for shard in shards:
                do.by_then("train", {"plan": drawn, "shard": shard})
        elif settings.placement is Placement.LOCAL:
            _train(settings, project, run, drawn, shards)
        else:
            _in_pods(settings, project, run, drawn, shards, on_note)

    def refit(*_: object, now: datetime) -> str:
        if settings.placement is Placement.LOCAL:
            return steps.refit(platform, project, run, drawn, now=now)
        return _in_pods(settings, project, run, drawn, [None], on_note)[0]

    return built, drawn, do.report("refit", {"plan": drawn}, refit)


@dataclass(frozen=True, kw_only=True)
class _Steps:
    """Does the steps of one run, each by the code that the run began with, whatever lies here by then."""

    settings: Settings
    platform: Platform
    project: Project
    run: Run
    on_step: Progress
    clock: Callable[[], datetime]
    #: The stamps of code that is known to be what the run began with.
    known: set[CodeStamp] = field(default_factory=set)

    def report(self, step: str, inputs: Mapping[str, str], here: Callable[..., str]) -> str:
        """Do *step*: by *here*, which takes what all steps take and the values of *inputs*."""

        def digest() -> str:
            if self.moved():
                return self.by_then(step, inputs)
            return here(self.platform, self.project, self.run, *inputs.values(), now=self.clock())

        return _report(step, self.on_step, digest)

    def by_then(self, step: str, inputs: Mapping[str, str | int]) -> str:
        return pinned.perform(self.settings, self.platform, self.run, step, inputs)

    def moved(self) -> bool:
        """Whether other code lies here than the run began with, and a copy of that was kept."""
        include, projects = ROOT / "include", self.settings.projects
        stamp = code_stamp(include, projects, self.project.name)
        if stamp in self.known:
            return False
        if code_digest(include, projects, self.project.name) == self.run.code_digest:
            self.known.add(stamp)
            return False
        return kept_code.is_known(self.platform.ledger, self.run)


@contextmanager
def _step(name: str, on_step: Progress) -> Iterator[None]:
    on_step(name, None)
    yield
    on_step(name, "")


def _report(name: str, on_step: Progress, step: Callable[[], str]) -> str:
    on_step(name, None)
    digest = step()
    on_step(name, digest)
    return digest


def _train(settings: Settings, project: Project, run: Run, plan: str, shards: list[int]) -> None:
    """The shards, as many at a time as there are cores; spawned, since a forked child may not use OpenMP again."""
    others = set(multiprocessing.active_children())
    with _workers(min(len(shards), multiprocessing.cpu_count())) as pool:
        futures = [pool.submit(_train_shard, settings, project.name, run.run_id, plan, shard) for shard in shards]
        try:
            for future in as_completed(futures):
                future.result()
        except (KeyboardInterrupt, SystemExit):
            for worker in set(multiprocessing.active_children()) - others:
                worker.terminate()  # the pool would wait for all shards; what they recorded is found again
            raise


def _in_pods(
    settings: Settings, project: Project, run: Run, plan: str, shards: Sequence[int | None], on_note: Note
) -> list[str]:
    """The shards (``None``: the refit), all asked for at once: how many run at a time is the cluster's to say."""
    ending = threading.Event()
    with ThreadPoolExecutor(len(shards), thread_name_prefix="shard") as pool:
        futures = [pool.submit(in_pod, settings, project.name, run, plan, shard, on_note, ending) for shard in shards]
        try:
            for future in as_completed(futures):
                future.result()
        except (KeyboardInterrupt, SystemExit):
            ending.set()  # each removes its pod, and the pool waits for that
            raise
    return [future.result() for future in futures]


def in_pod(
    settings: Settings,
    project_name: str,
    run: Run,
    plan: str,
    shard: int | None,
    on_note: Note = lambda what: None,
    ending: threading.Event | None = None,
) -> str:
    """Do one shard of a run of this process's code (``None``: the refit) in a pod, until *ending* is set."""
    import asyncio

    from include.runtime.pods import shards

    platform = replace(open_platform(settings), code=lambda _: run.code_digest)
    project = load_project(project_name, settings.projects)
    run = steps.resume(platform, project, run_id=run.run_id, now=utc_now())
    placed = shards.StepInPods(settings=settings, platform=platform, project=project, run=run, plan=plan, shard=shard)
    allowed = shards.still_allowed(platform, run)

    def check() -> None:
        if ending is not None and ending.is_set():
            raise LeaseHeld("a night runs until it is interrupted", value=run.run_id, remedy="Run it again to go on.")
        allowed()

    def say(what: str) -> None:
        on_note(f"{steps.step_of(shard)}: {what}")

    found = placed.begin(note=say, check=check)
    if isinstance(found, str):
        return found
    ended = partial(shards.record, platform.ledger, found)
    stored = shards.stored(platform, run, found)
    endings = asyncio.run(shards.attend(found, log=say, note=say, check=check, stored=stored, ended=ended))
    return placed.finish(found, endings)


def _workers(number: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        number, mp_context=multiprocessing.get_context("spawn"), initializer=_end_with_the_parent
    )


def _end_with_the_parent() -> None:
    """End this worker when the process that started it is gone: killed, it cannot tell its workers to end."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # noqa: S101  # a worker has one

    def watch(sentinel: int) -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, args=(parent.sentinel,), name="parent", daemon=True).start()


def _train_shard(settings: Settings, project_name: str, run_id: str, plan: str, shard: int) -> str:
    platform = open_platform(settings)
    project = load_project(project_name, settings.projects)
    run = steps.resume(platform, project, run_id=run_id, now=utc_now())
    return steps.train(platform, project, run, plan, shard, now=utc_now())
