"""A passport, the questions and the inventory, as somebody types it."""

import csv
import io
import json
import os
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from include.cli.__main__ import app
from include.core.errors import DeclarationError
from include.governance.signing import Signer, create_key
from include.runtime import deployment
from include.settings import ROOT, Settings
from tests.audit.recorded import P, Recorded
from tests.cli.test_rollback import typed


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployment with one version."""
    for name in [name for name in os.environ if name.startswith("TRAINYARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    settings = Settings.from_environment()
    deployment.prepare(settings)
    create_key(settings.authority_keys / "authority.key")
    authority = Signer.load(settings.authority_keys / "authority.key")
    authority.publish(settings.keys / "authority.pub")
    (settings.home / "vault").mkdir(exist_ok=True)
    Recorded(settings.home, authority, Signer.load(settings.keys / deployment.MODEL_KEY)).night()
    return settings.home


def test_a_passport_is_written_and_verified_and_its_questions_are_counted(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "passports"
    told = typed("passport", f"{P}@1", "--output", str(folder))
    assert f"passport of {P}, version 1" in told
    assert {each.name for each in folder.iterdir()} == {f"{P}-1.json", f"{P}-1.html", f"{P}-1.cdx.json"}
    done = subprocess.run(
        [ROOT / "trainyard-verify", folder / f"{P}-1.json"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "VERIFIED"), done.stdout + done.stderr
    altered = folder / f"{P}-1.json"
    altered.write_text(altered.read_text().replace("punctuality", "punctualitx"))
    done = subprocess.run([ROOT / "trainyard-verify", altered], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, "NOT VERIFIED")
    asked = typed("audit", P)
    assert "of 32 answered" in asked
    assert "purpose: owner (ledger/" in asked


def test_the_inventory_is_printed_as_csv_or_json(home: Path) -> None:
    (row,) = csv.DictReader(io.StringIO(typed("inventory", "--format", "csv")))
    (same,) = json.loads(typed("inventory", "--format", "json"))
    assert row == {name: str(value) for name, value in same.items()}
    assert row["id"] == f"{P}@1"


def test_a_passport_that_cannot_be_is_refused(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for words, rule in (
        (("passport", f"{P}@9"), "that of a registered version"),
        (("passport", P, "--output", str(tmp_path / "file")), "a folder that may be written"),
    ):
        done = CliRunner().invoke(app, words)
        assert isinstance(done.exception, DeclarationError)
        assert rule in str(done.exception)
