"""``verify`` and ``witness``, as an auditor types them."""

import os
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from include.cli import status
from include.cli.__main__ import app
from include.core.errors import AuthorityError, LedgerError
from include.core.events import LineageEmitted
from include.runtime import deployment
from include.runtime.server.service import AuthorityParts, open_authority
from include.settings import Settings
from include.store import Store
from tests.ledger.test_soundness import behind_the_triggers


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AuthorityParts:
    for name in [name for name in os.environ if name.startswith("TRAINYARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    settings = Settings.from_environment()
    deployment.prepare(settings)
    parts = open_authority(settings)
    Store(settings.store).put(b"a manifest")
    record(parts, 3)
    parts.checkpoints.sign()
    return parts


def record(opened: AuthorityParts, count: int) -> None:
    for number in range(count):
        opened.ledger.record("run/a", LineageEmitted(event=str(number)))


def typed(*words: str, status: int = 0) -> str:
    done = CliRunner().invoke(app, words)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == status, done.output
    return done.output


def test_an_auditor_keeps_a_checkpoint_and_holds_the_ledger_against_it_later(
    opened: AuthorityParts, tmp_path: Path
) -> None:
    kept = str(tmp_path / "kept")
    told = typed("verify", "--keep", kept)
    assert "ledger:      4 events, each in its place and as it was sealed" in told
    assert "checkpoints: 1 agree; the newest, of 4 events, was signed at " in told
    assert "store:       artifacts read through: 1" in told
    assert "ROLLBACK NOT EXCLUDED" in told
    record(opened, 2)
    told = typed("verify", "--against", kept, "--since", kept, "--no-artifacts")
    assert "ledger:      2 of 6 events read" in told
    assert "not signed:  positions 5 to 6, until the authority runs" in told
    assert f"unaltered since the checkpoints kept elsewhere: {kept}" in told
    assert "ROLLBACK" not in told
    opened.ledger.close()
    with behind_the_triggers(Settings.from_environment().ledger) as connection:
        connection.exec_driver_sql("DELETE FROM ledger_log WHERE position > 2")
        connection.exec_driver_sql("DELETE FROM ledger_inbox WHERE id > 2")
    told = typed("verify", "--against", kept, "--no-artifacts", status=1)
    assert told.startswith("ALTERED: positions 3 to 4 are missing: the ledger ends at 2")
    with pytest.raises(LedgerError):
        opened.checkpoints.sign()


def test_the_status_says_how_far_the_ledger_is_signed(opened: AuthorityParts, tmp_path: Path) -> None:
    record(opened, 2)
    settings = Settings.from_environment()
    with pytest.MonkeyPatch.context() as patch:
        said: list[object] = []
        patch.setattr(status.console, "say", said.append)
        status._show_checkpoint(settings, opened.ledger)
        (tmp_path / "home" / "checkpoints" / "checkpoint").write_text("another")
        status._show_checkpoint(settings, opened.ledger)
        shutil.rmtree(tmp_path / "home" / "checkpoints")
        status._show_checkpoint(settings, opened.ledger)
    first, second, third = map(str, said)
    assert first.startswith("signed:   4 of 6 events, at 20")
    assert second.startswith("checkpoints: expected: the ledger continues what was signed of it")
    assert third == "signed:   none of 6 events; the authority signs them when it runs"


def test_an_altered_artifact_is_named(opened: AuthorityParts, tmp_path: Path) -> None:
    (path,) = (tmp_path / "home" / "store" / "sha256").glob("*/*")
    path.chmod(0o600)
    path.write_bytes(b"another")
    told = typed("verify", status=1)
    assert f"ALTERED: store: sha256:{path.parent.name}{path.name}" in told


def test_a_file_that_is_no_checkpoint_of_this_authority_is_refused(opened: AuthorityParts, tmp_path: Path) -> None:
    (tmp_path / "none").write_text("nothing")
    for words in (("--against", str(tmp_path / "none")), ("--since", str(tmp_path / "absent"))):
        with pytest.raises(AuthorityError, match="a checkpoint that this ledger's authority signed"):
            typed("verify", *words)


def test_a_witness_cosigns_and_the_auditor_asks_for_its_signature(opened: AuthorityParts, tmp_path: Path) -> None:
    place, folder, kept = str(tmp_path / "home" / "checkpoints"), str(tmp_path / "witness"), str(tmp_path / "kept")
    told = typed("verify", "--keep", kept, "--no-artifacts")
    (key,) = re.findall(r"key: +(\S+)", told)
    told = typed("witness", place, "--folder", folder, "--key", key, "--name", "w1", "--once")
    (cosigner,) = re.findall(r"key: +(w1\S+)", told)
    assert "cosigned:    4 events" in told
    typed("verify", "--against", f"{folder}/checkpoint", "--witness", cosigner, "--no-artifacts")
    with pytest.raises(AuthorityError, match="the witness did not cosign it"):
        typed("verify", "--against", kept, "--witness", cosigner, "--no-artifacts")
