"""Going back, retiring and asking what served when, as somebody types it."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from include.cli.__main__ import app
from include.core.errors import DeclarationError, RegistryError, UnknownId
from include.governance.signing import Signer
from include.registry.versions import Versions
from include.runtime import deployment
from include.runtime.nights.aliases import follow_rollbacks, put_back
from include.runtime.nights.platform import open_platform
from include.runtime.server.service import open_authority
from include.settings import Settings
from tests.governance.conftest import STEWARD
from tests.registry.conftest import registries  # noqa: F401
from tests.registry.test_champions import P, Registry
from tests.registry.test_going_back import LATER, stewarded
from tests.registry.test_versions import _client, _register, _shown, vault  # noqa: F401
from tests.training.flights import Folder


def typed(*words: str) -> str:
    done = CliRunner().invoke(app, words)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_a_steward_goes_back_the_alias_follows_and_anybody_asks_what_served(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    registries: Callable[[], Versions],  # noqa: F811
    vault: Folder,  # noqa: F811
) -> None:
    shown = registries()
    for name in [name for name in os.environ if name.startswith("TRAINYARD_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TRAINYARD_MLFLOW", shown.uri)
    settings = Settings.from_environment()
    deployment.prepare(settings)
    opened = open_authority(settings)
    signer = Signer.load(settings.authority_keys / "authority.key")
    registry = stewarded(Registry(opened.ledger, Folder(tmp_path), key=signer))
    for loss, champion in ((0.5, None), (0.49, 1), (0.48, 2)):
        _register(shown, vault, registry.night(loss=loss, champion=champion).model_version, copied=False)
    assert (registry.in_force(), _shown(shown)[1]) == (3, 3)
    told = typed("rollback", P, "--reason", "It is late", "--as", STEWARD)
    assert "version 2 is champion from 2026-03-01 00:00Z on" in told, "the nights stand for that instant"
    assert "in MLflow the alias 'champion' of flight_delay follows from version 3 to version 2, the champion" in told
    assert (registry.in_force(), _shown(shown)[1]) == (2, 2)
    for words in (("rollback", P), ("rollback", P, "2")):
        again = typed(*words, "--reason", "It is late", "--as", STEWARD)
        assert "version 2 is champion from 2026-03-01 00:00Z on" in again
        assert "it went back from version 3 already" in again
    assert (registry.in_force(), registry.ledger.version(f"promotion/{P}")) == (2, 4), "asked thrice, decided once"
    note = f"flight_delay version 2: went back from version 3 on 2026-03-01, asked by {STEWARD}: It is late"
    assert note in typed("status")
    told = typed("served", P, "2026-03-02")
    assert "2026-03-02 00:00Z  version 2 of flight_delay" in told
    assert f"entry 4 of promotion/flight_delay, signed by the authority ({signer.verifier.key_id})" in told
    assert "nothing of flight_delay was in force" in typed("served", P, "2026-02-28")
    with pytest.raises(DeclarationError, match="days that have come"):
        typed("served", P, "2999-01-01")
    with pytest.raises(UnknownId, match="there is a project of that name; found: nobody"):
        typed("served", "nobody", "2026-03-02")
    with pytest.raises(RegistryError, match="a champion is left"):
        typed("retire", "nobody", "--reason", "It is late", "--as", STEWARD)
    until = datetime.now(UTC).date()
    placed = typed("override", P, "--gate", "skill", "--until", f"{until}", "--reason", "Holidays", "--as", STEWARD)
    assert f"models of {P} pass the gate skill until {until}, by {STEWARD}" in placed
    assert f"{P}: the gate skill is overridden until {until}, by {STEWARD}: Holidays" in typed("status")
    words = ("override", P, "--gate", "skill", "--reason", "They are over", "--as", STEWARD)
    assert f"ended: models of {P} pass the gate skill by themselves again" in typed(*words, "--end")
    assert "is overridden" not in typed("status")
    for wrong in ((), ("--end", "--until", f"{until}")):
        with pytest.raises(DeclarationError, match="an override has --until or --end"):
            typed(*words, *wrong)
    # Whoever asked was killed before the alias followed.
    platform = open_platform(settings)
    assert follow_rollbacks(platform) == []
    opened.promotions.rollbacks.roll_back(P, version=1, left=2, user=STEWARD, reason="Late", instant=LATER)
    late = put_back(platform, P)
    assert late is not None
    assert (late.late, _shown(shown)[1]) == (True, 1), "nobody moved it: the watch does not say so"
    assert "follows from version 2 to version 1" in late.text
    opened.promotions.rollbacks.roll_back(P, version=None, left=1, user=STEWARD, reason="Late", instant=LATER)
    assert follow_rollbacks(platform) == [
        "in MLflow the alias 'champion' of flight_delay pointed to version 1: removed, since nothing is in force"
    ]
    assert _shown(shown)[1] is None
    assert follow_rollbacks(platform) == []
    _client(shown).set_registered_model_alias(P, "champion", 1)
    moved = put_back(platform, P)
    assert moved is not None
    assert not moved.late, "it had followed: somebody moved it"
    assert "pointed to version 1: removed" in moved.text
    opened.ledger.close()
