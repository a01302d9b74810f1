"""Training without Airflow has the authority decide in a process of its own, and waits for one that is elsewhere."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from include.core.canonical import record_digest
from include.core.errors import RegistryError
from include.governance.signing import Signer, create_key
from include.ledger import Ledger
from include.registry.authority import PromotionAuthority
from include.registry.champions import Champions
from include.runtime.nights import promoting
from include.settings import Settings
from tests.registry.models import evaluation
from tests.registry.test_champions import P, Registry
from tests.training.flights import Folder


def test_the_key_decides_in_a_process_of_its_own_or_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)})
    create_key(settings.authority_keys / "authority.key")
    signer = Signer.load(settings.authority_keys / "authority.key")
    ledger = Ledger.open(settings.ledger)
    registry, champions = Registry(ledger, Folder(tmp_path)), Champions(ledger, signer.verifier)
    PromotionAuthority(ledger, signer).begin()
    digest = record_digest(evaluation(registry.vault))
    registry.register(registry.recorded("night", evaluation(registry.vault)), digest, promote=True)

    def decided() -> bool:
        return champions.in_force(P) is not None

    monkeypatch.setattr(promoting, "PATIENCE_SECONDS", 0.2)
    elsewhere = replace(settings, authority_keys=tmp_path / "not-told")
    promoting.beside(elsewhere)(decided)
    assert not decided(), "nobody answers"
    monkeypatch.setattr(promoting, "PATIENCE_SECONDS", 60)
    promoting.beside(settings)(decided)
    assert decided()
    registry.undecidable("another")
    woken = promoting.Decider(PromotionAuthority(ledger, signer))
    woken.start()
    run_id, better = registry.evaluated(loss=0.49, champion=1)
    registry.register(run_id, better, promote=True)
    promoting.until(lambda: champions.known(P).of(better).decision is not None, wake=woken.wake)  # type: ignore[union-attr]
    found = champions.in_force(P)
    assert found is not None
    assert found.number == 2


def test_what_cannot_be_decided_about_is_logged_once_until_that_changes(caplog: pytest.LogCaptureFixture) -> None:
    class Authority:
        """Decides as often as it is told to fail."""

        failures: list[Exception | None]

        def decide(self) -> int:
            error = self.failures.pop(0)
            if error is not None:
                raise error
            return 0

    authority = Authority()
    first, other = (RegistryError("a rule", value=value, remedy="r") for value in ("one", "two"))
    authority.failures = [first, first, other, other, None, None, other, ValueError("x"), ValueError("x")]
    decider = promoting.Decider(authority)  # type: ignore[arg-type]
    with caplog.at_level(logging.INFO, logger=promoting.__name__):
        for _ in range(9):
            decider.look()
    told = [record.levelname for record in caplog.records]
    assert told == ["WARNING", "WARNING", "INFO", "WARNING", "ERROR"]
