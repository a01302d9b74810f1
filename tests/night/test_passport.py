"""The passport of a real night's champion, verified where there is no Trainyard."""

import json
import shutil
import subprocess
import sys
import sysconfig
import time
from datetime import UTC, datetime
from pathlib import Path

from include.audit.page import render
from include.audit.passport import Passport, passport_of
from include.audit.version_records import asked_for
from include.core.events import CardDeclared, EnvironmentRecorded
from include.settings import ROOT
from tests.audit.tree import SignedTree
from tests.night.yard import FLIGHTS, Night, Yard


def passport(yard: Yard, *, proven: bool = True) -> Passport:
    platform = yard.platform
    from include.governance.signing import Signer

    authority = Signer.load(yard.settings.authority_keys / "authority.key")
    tree = SignedTree([each.raw for each in platform.ledger.read_all()], authority) if proven else None
    return passport_of(
        asked_for(platform.ledger, platform.champions, FLIGHTS.name),
        platform.store,
        authority=[platform.access.verifier.public],
        signer=platform.signer,
        proofs=tree,
        now=datetime(2026, 3, 2, tzinfo=UTC),
    )


def bare_python(folder: Path) -> Path:
    """The interpreter of an environment with `cryptography` and what that needs, and nothing else."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    for pattern in ("cryptography", "cffi", "_cffi_backend*", "pycparser"):
        for found in Path(sysconfig.get_paths()["platlib"]).glob(pattern):
            (site / found.name).symlink_to(found)
    return folder / "bin" / "python"


def test_the_passport_of_a_champion_is_verified_by_the_verifier_alone(done: tuple[Yard, Night], tmp_path: Path) -> None:
    yard, night = done
    started = time.monotonic()
    made = passport(yard, proven=False)
    render(made)
    assert time.monotonic() - started < 5

    made = passport(yard)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copyfile(ROOT / "include" / "audit" / "verifier.py", elsewhere / "verify.py")
    (elsewhere / "passport.json").write_bytes(made.data)
    (elsewhere / "checkpoint").write_text(made.document["checkpoint"])
    model = yard.platform.vault._store.get(night.evaluation.model)  # what somebody was handed
    (elsewhere / "model.txt").write_bytes(model)
    python = bare_python(tmp_path / "venv")

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        command = [python, "verify.py", "passport.json", *words]
        return subprocess.run(command, cwd=elsewhere, env={}, capture_output=True, text=True, check=False)

    verified = run("--against", "checkpoint", "--model", "model.txt")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "unaltered since checkpoint" in verified.stdout
    assert "the model file is the approved model of version 1" in verified.stdout

    (elsewhere / "model.txt").write_bytes(model.replace(b"tree", b"tres", 1))
    assert run("--model", "model.txt").returncode == 1
    (elsewhere / "passport.json").write_bytes(made.data.replace(b'"log_loss"', b'"log_lost"', 1))
    assert run().returncode == 1


def test_a_night_records_its_card_and_its_environment(done: tuple[Yard, Night]) -> None:
    yard, night = done
    (card,) = yard.events(CardDeclared, run_id=night.run.run_id)
    assert isinstance(card, CardDeclared)
    assert (card.owner, card.card) == (FLIGHTS.ownership.owner, FLIGHTS.ownership.card)
    (recorded,) = yard.events(EnvironmentRecorded, run_id=night.run.run_id)
    assert isinstance(recorded, EnvironmentRecorded)
    packages = {each["name"]: each for each in json.loads(yard.platform.store.get(recorded.environment))["packages"]}
    assert packages["lightgbm"]["record"].startswith("sha256:")


def test_no_section_of_a_real_passport_is_empty_and_most_questions_are_answered(done: tuple[Yard, Night]) -> None:
    made = passport(done[0])
    assert [each.id for each in made.sections if not each.claims and not each.tables] == []
    still_open = {each.number for each in made.answers if not each.answered}
    assert still_open <= {9, 13, 18, 19, 25, 26, 27, 29}
