"""A process elsewhere that is given an order and nothing else, and the night that orders."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from include import steps
from include.core.project import Project
from include.core.records import Order, Run
from include.elsewhere import document as orders
from tests.night.yard import FLIGHTS, INSTANT, Yard

ROOT = Path(__file__).resolve().parent.parent.parent
LIFETIME = timedelta(hours=1)
#: All trials in one shard.
ONE = FLIGHTS.varied(search=replace(FLIGHTS.learning.search, shards=1))
TRIALS = ONE.learning.search.trials


def utc_now() -> datetime:
    return datetime.now(UTC)


def in_bucket(made: Yard, s3_url: str) -> Yard:
    """The deployment with a bucket as its vault, granted today."""
    made.settings = replace(made.settings, vault=f"{s3_url}/vault")
    made.grant(FLIGHTS, now=utc_now())
    return made


def planned(yard: Yard, project: Project = ONE, *, run_id: str = "night") -> tuple[Run, str]:
    """A night up to its plan."""
    now = utc_now()
    run = steps.begin(yard.platform, project, run_id=run_id, instant=INSTANT, now=now)
    return run, yard.steps(project, run, until="plan", now=now)["plan"]


def changed(order: Order, **fields: Any) -> Order:
    """Another order, as if it had been recorded."""
    document = replace(orders.read(order.document, digest=order.digest), **fields)
    digest, data = orders.write(document)
    return replace(order, digest=digest, document=data)


class Elsewhere:
    """A process of its own, given the order and nothing else: no credentials, and only what a trainer's image holds."""

    def __init__(self, folder: Path, *, dies_after: int | None = None) -> None:
        """It kills its group by SIGKILL once it has kept what is under way so often; ``None``: it does not."""
        self._folder, self.dies_after = folder, dies_after
        (folder / "tmp").mkdir(parents=True)

    def _dying(self) -> str:
        return "" if self.dies_after is None else f"tests.night.dying.after({self.dies_after}); "

    def start(self, order: Order, *, digest: str | None = None) -> "subprocess.Popen[str]":
        path = self._folder / f"{order.order_id}.json"
        path.write_bytes(order.document)
        program = (
            f"import runpy, sys, tests.night.dying, tests.night.trainer_image; {self._dying()}sys.argv[0] = 'include'; "
            "runpy.run_module('include', run_name='__main__', alter_sys=True)"
        )
        return subprocess.Popen(
            [sys.executable, "-c", program, "train", order.order_id, digest or order.digest],
            cwd=ROOT,
            env={"TRAINYARD_ORDER": str(path), "TMPDIR": str(self._folder / "tmp"), "PATH": os.environ["PATH"]},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, order: Order, *, digest: str | None = None) -> tuple[int, str]:
        """The exit status and what the process printed."""
        process = self.start(order, digest=digest)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output
