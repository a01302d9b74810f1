"""A shard that a process elsewhere trains leaves what one that is trained here leaves: one contract over both."""

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include import steps
from include.core.events import Event, TrialRecorded
from include.core.records import Order, Run, Trial
from tests.night.conftest import MakeYard
from tests.night.yard import FLIGHTS, INSTANT, Night, Yard

ROOT = Path(__file__).resolve().parent.parent.parent
LIFETIME = timedelta(hours=1)


def utc_now() -> datetime:
    return datetime.now(UTC)


class Elsewhere:
    """Where ordered shards are trained: a process of its own, given the order and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, order: Order, *, digest: str | None = None) -> "subprocess.Popen[str]":
        path = self._folder / f"{order.order_id}.json"
        path.write_bytes(order.document)
        scratch = self._folder / "tmp"
        scratch.mkdir(exist_ok=True)
        environment = {"TRAINYARD_ORDER": str(path), "TMPDIR": str(scratch), "PATH": os.environ["PATH"]}
        return subprocess.Popen(
            [sys.executable, "-m", "include", "train", order.order_id, digest or order.digest],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def train(self, order: Order, *, digest: str | None = None) -> tuple[int, str]:
        """The exit status and what the process printed."""
        process = self.start(order, digest=digest)
        output, _ = process.communicate(timeout=120)
        return process.returncode, output


@pytest.fixture
def elsewhere(tmp_path: Path) -> Elsewhere:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return Elsewhere(folder)


@pytest.fixture
def bucket_yard(make_yard: MakeYard, s3_url: str) -> Yard:
    """A deployment whose vault is a bucket, granted today."""
    made = make_yard()
    made.settings = replace(made.settings, vault=f"{s3_url}/vault")
    made.grant(FLIGHTS, now=utc_now())
    return made


def planned(yard: Yard, run_id: str = "night") -> tuple[Run, str]:
    """A night up to its plan."""
    now = utc_now()
    run = steps.begin(yard.platform, FLIGHTS, run_id=run_id, instant=INSTANT, now=now)
    digests: dict[str, str] = {}
    for name in ("snapshot", "validate", "features", "plan"):
        digests[name] = yard.step(name, FLIGHTS, run, digests, now=now)
    return run, digests["plan"]


def test_a_shard_trained_elsewhere_has_the_digest_of_one_trained_here(
    bucket_yard: Yard, elsewhere: Elsewhere, done: tuple[Yard, Night]
) -> None:
    yard = bucket_yard
    local, night = done
    run, plan = planned(yard)
    assert plan == night.digests["plan"]
    for shard in (0, 1):
        order = steps.order(yard.platform, FLIGHTS, run, plan, shard, now=utc_now(), lifetime=LIFETIME)
        assert order is not None
        status, output = elsewhere.train(order)
        assert status == 0, output
        assert output.splitlines()[0] == f"trainyard: shard {shard}, 2 trials, 0 already stored"
        assert "http" not in output
        digest = steps.collect(yard.platform, FLIGHTS, run, plan, shard, now=utc_now())
        assert digest == night.digests[f"train-{shard}"]
    assert trials(yard.events(TrialRecorded)) == trials(local.events(TrialRecorded))


def trials(events: list[Event]) -> list[Trial]:
    return [event.trial for event in events if isinstance(event, TrialRecorded)]
