"""Where the training of a night of this process runs: in processes of its own, or in pods."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from multiprocessing.connection import wait

from include import steps
from include.core.errors import LeaseHeld
from include.core.project import Project
from include.core.records import Run
from include.runtime.code.projects import load_project
from include.runtime.nights.platform import open_platform, utc_now
from include.settings import Settings
from include.steps.chain import step_named

#: Called with what training pods wait for and print, from threads.
Note = Callable[[str], None]


def in_processes(settings: Settings, project: Project, run: Run, plan: str, shards: Sequence[int | None]) -> list[str]:
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
    return [future.result() for future in futures]


def in_pods(
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
    from include.runtime.pods.attendance import Attention

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
    attention = Attention(
        log=say,
        note=say,
        check=check,
        stored=shards.stored(platform, run, found),
        ended=partial(shards.record, platform.ledger, found),
    )
    return placed.finish(found, asyncio.run(shards.attend(found, attention)))


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


def _train_shard(settings: Settings, project_name: str, run_id: str, plan: str, shard: int | None) -> str:
    platform = open_platform(settings)
    project = load_project(project_name, settings.projects)
    run = steps.resume(platform, project, run_id=run_id, now=utc_now())
    step = step_named(steps.step_of(shard))
    return step.perform(platform, project, run, {"plan": plan, "shard": shard}, clock=utc_now)
