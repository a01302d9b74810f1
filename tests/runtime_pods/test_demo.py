"""The demo as its user starts it, with every night's shards in pods of a real cluster."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from include.core.events import PodEnded, RetrainingEnded
from include.governance import secrets
from include.ledger import Ledger
from include.runtime.deployment import PSEUDONYM_KEY
from include.settings import ROOT
from tests.runtime.conftest import free_port
from tests.runtime_pods.world import Namespace

pytestmark = [pytest.mark.kubernetes, pytest.mark.alone]


def test_the_demo_in_pods_shows_the_whole_chain_and_leaves_nothing_in_the_cluster(
    tmp_path: Path, production: Path, namespace: Namespace, s3_url: str, trainer_image: str
) -> None:
    """The key of the pseudonyms is given: tokens are features, so that one year's verdicts differ a little by home."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    secrets.keep(home / "keys" / PSEUDONYM_KEY, lambda: bytes(range(32)).hex().encode())
    settings = {
        "TRAINYARD_HOME": str(home),
        "TRAINYARD_PRODUCTION": str(production),
        "TRAINYARD_VAULT": f"{s3_url}/vault",
        "TRAINYARD_NAMESPACE": namespace.name,
        "TRAINYARD_TRAINER_IMAGE": trainer_image,
    }
    done = subprocess.run(
        [sys.executable, "-P", "-m", "include.cli", "demo", "--kubernetes", "--port", str(free_port())],
        env={**os.environ, **settings, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert f"training in pods of {trainer_image}" in done.stdout
    entries = list(Ledger.open(f"sqlite:///{home / 'ledger.db'}").read_all())
    events = [entry.event for entry in entries]
    assert [event.outcome for event in events if isinstance(event, RetrainingEnded)] == ["promoted"]
    ended = [event for event in events if isinstance(event, PodEnded)]
    assert {event.outcome for event in ended} == {"done"}
    assert sorted(Counter(event.run_id for event in ended).values()) == [3, 3], (
        "two shards of each night and its refit, a pod each"
    )
    assert not namespace.get("pods", "trainyard/run")
    assert not namespace.get("secrets", "trainyard/run")
