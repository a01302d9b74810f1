"""``doctor`` tries what a night will need, names what would stop it with its remedy, and gives away nothing."""

import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from include.core.events import ModelRegistered, RunStarted, StepFinished
from include.core.records import Run, Verdict
from include.governance.signing import Signer, create_key
from include.ledger import Ledger
from include.runtime import deployment
from include.runtime.doctor import checks as doctor
from include.runtime.doctor.examination import Finding, Health, examine
from include.settings import ROOT, Placement, Settings
from tests.cli.conftest import Shop

SECRET = "hunter2-s3cr3t"  # noqa: S105  # what must not be shown


@pytest.fixture
def settings(adopted: Shop) -> Settings:
    named = {name: value for name, value in adopted.environment().items() if name.startswith("TRAINYARD_")}
    return Settings.from_environment(named)


def found(settings: Settings, *names: str) -> list[Finding]:
    return [*examine(settings, {name: doctor.CHECKS[name] for name in names}, patience_seconds=30)]


def bad(settings: Settings, name: str) -> str:
    """What is told of the one thing that is bad in that check."""
    (told,) = [each.text for each in found(settings, name) if each.sign is Health.BAD]
    assert SECRET not in told
    return told


def test_of_a_whole_home_all_is_well_and_nothing_is_left_behind(settings: Settings) -> None:
    before = (Ledger.open(settings.ledger).read_all(), files(settings))
    signs = {each.what: each.sign for each in doctor.doctor(settings)}
    here = dict.fromkeys(("home", *doctor.CHECKS.keys() - {"cluster", "sources"}), Health.GOOD)
    assert signs == here | dict.fromkeys(("alerts", "stewards", "Airflow"), Health.ADVICE)
    assert (Ledger.open(settings.ledger).read_all(), files(settings)) == before


def files(settings: Settings) -> set[Path]:
    """All files of the home, but the databases that a check opens."""
    return {path for path in settings.home.rglob("*") if path.is_file() and ".db" not in path.name}


def test_of_a_home_that_is_not_there_the_remedy_is_told_and_none_is_made(tmp_path: Path) -> None:
    settings = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path / "home")})
    home, *_, rest = doctor.doctor(settings)
    assert (home.sign, rest.what) == (Health.BAD, "the rest")
    assert "./trainyard start" in home.text
    assert not settings.home.exists()


def opened(settings: Settings) -> None:
    settings.home.chmod(0o755)


def keyless(settings: Settings) -> None:
    (settings.keys / "model.key").unlink()


def read_by_others(settings: Settings) -> None:
    (settings.keys / "pseudonym.key").chmod(0o644)


@pytest.mark.parametrize(
    ("damage", "told"), [(opened, "chmod 700"), (keyless, "no model.key"), (read_by_others, "mode 0644")]
)
def test_a_home_that_is_open_or_lacks_a_key_is_told(
    settings: Settings, damage: Callable[[Settings], None], told: str
) -> None:
    damage(settings)
    home, *_ = doctor.doctor(settings)
    assert home.sign is Health.BAD
    assert told in home.text


@pytest.mark.parametrize("place", ["store", "vault"])
def test_a_place_that_cannot_be_written_is_told(settings: Settings, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    assert str(tmp_path / "file") in bad(replace(settings, **{place: str(tmp_path / "file")}), place)
    assert "gone" in bad(replace(settings, **{place: str(tmp_path / "gone" / "folder")}), place)


def test_a_ledger_that_was_altered_and_a_clock_that_lags_behind_it_are_told(settings: Settings) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    run = Run(project="p", run_id="r", instant=later, code_digest="", declaration_digest="", fence=1)
    Ledger.open(settings.ledger, clock=lambda: later).record(
        "run/p/r", RunStarted(run=run, separation_of_duties=""), key="run/p/r"
    )
    assert "Synchronise the clocks" in bad(settings, "clock")
    with sqlite3.connect(settings.home / "ledger.db") as connection:
        connection.execute("DROP TRIGGER ledger_log_no_delete")
    assert "ledger_log_no_delete" in bad(settings, "ledger")


def test_a_disk_without_room_is_told(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "ROOM_BYTES", 1 << 60)
    assert "Make room" in bad(settings, "room")


@pytest.fixture
def endpoint() -> Iterator[tuple[str, list[str | None]]]:
    """A server that refuses whoever does not show the key; what it was shown."""
    shown: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the base class looks for this name
            shown.append(self.headers["Authorization"])
            self.send_response(405 if shown[-1] == f"Bearer {SECRET}" else 401)
            self.end_headers()

        def do_POST(self) -> None:  # likewise
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", shown
    server.shutdown()
    server.server_close()


def test_a_lineage_endpoint_that_refuses_us_or_is_away_is_told_and_gets_no_event(
    settings: Settings, tmp_path: Path, endpoint: tuple[str, list[str | None]]
) -> None:
    address, shown = endpoint
    named = replace(settings, lineage=f"http://me:{SECRET}@{address}/api/v1/lineage")
    assert f"http://{address}/api/v1/lineage: status 401" in bad(named, "lineage")
    key = tmp_path / "key"
    key.write_text(SECRET)
    key.chmod(0o600)
    (answers,) = found(replace(settings, lineage=f"http://{address}/x", lineage_key_file=key), "lineage")
    assert answers.sign is Health.GOOD
    assert len(shown) == 2
    assert "ConnectError" in bad(replace(settings, lineage="http://127.0.0.1:1/x"), "lineage")
    told = bad(replace(settings, lineage=str(tmp_path / "nowhere" / "lineage.jsonl")), "lineage")
    assert told.startswith(f"FileNotFoundError ({tmp_path / 'nowhere'}")


def test_addresses_that_take_no_alert_are_told_by_their_lines(
    settings: Settings, tmp_path: Path, endpoint: tuple[str, list[str | None]]
) -> None:
    file = tmp_path / "alerts.txt"
    named = replace(settings, alerts_file=file)
    file.write_text(f"# ops\njson://me:{SECRET}@{endpoint[0]}\nnothing://{SECRET}\n")
    refused, unknown = found(named, "alerts")
    assert f"{file}, line 2: the message was not taken" in refused.text
    assert f"{file}, line 3: no address that Apprise understands" in unknown.text
    assert SECRET not in refused.text + unknown.text
    file.write_text("# nobody\n")
    assert "names no address" in bad(named, "alerts")


def test_a_steward_without_an_address_and_a_file_that_others_read_are_told(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "addresses"
    named = replace(settings, addresses_file=file)
    file.write_text(f"dana json://me:{SECRET}@127.0.0.1\n")
    file.chmod(0o644)
    assert "mode 0644" in bad(named, "stewards")
    file.chmod(0o600)
    assert "maria has no address" in bad(named, "stewards")
    file.write_text(f"maria nothing://{SECRET}\n")
    assert "an address of maria (nothing) is not one that Apprise understands" in bad(named, "stewards")


def test_what_is_declared_and_cannot_be_used_is_told(settings: Settings) -> None:
    (settings.projects / "typo").mkdir()
    (settings.projects / "typo" / "__init__.py").write_text("PROJECT = undefined_name")
    (settings.contracts / "broken.odcs.yaml").write_text("schema: nothing")
    assert "typo: " in bad(settings, "projects")
    assert "broken: " in bad(settings, "contracts")
    assert "no folder of projects" in bad(replace(settings, projects=settings.home / "none"), "rights")


@pytest.fixture
def lost(shop: Shop, adopted_once: Path) -> Settings:
    """A home of before promotions were signed, with a champion of which nothing is there any more."""
    shutil.copy(adopted_once / "contracts" / "orders.odcs.yaml", shop.contracts)
    named = {name: value for name, value in shop.environment().items() if name.startswith("TRAINYARD_")}
    settings = Settings.from_environment(named)
    deployment.prepare(settings)
    create_key(settings.authority_keys / "authority.key")
    Signer.load(settings.authority_keys / "authority.key").publish(settings.keys / deployment.AUTHORITY_PUBLIC_KEY)
    (settings.projects / "returns").mkdir()
    (settings.projects / "returns" / "__init__.py").touch()
    model = ModelRegistered(
        project="returns",
        run_id="night",
        model_version=1,
        evaluation=f"sha256:{'1' * 64}",
        bundle=f"sha256:{'2' * 64}",
        verdict=Verdict(promote=True, reasons=()),
    )
    ledger = Ledger.open(settings.ledger)
    ledger.append("model/returns", [model], expected_version=0)
    at = {"project": "returns", "run_id": "night", "step": "snapshot", "attempt": "1"}
    ledger.record("run/returns/night", StepFinished(**at, inputs="sha256:i", output=f"sha256:{'3' * 64}"))
    return settings


def test_a_vault_and_a_store_that_were_lost_are_found_before_a_night_needs_them(lost: Settings, shop: Shop) -> None:
    told = [each.text for each in found(lost, "champions")]
    assert [each.partition(". See")[0] for each in told] == [
        "the model of version 1 of returns (sha256:222222222222) is missing in the vault",
        "the evaluation of version 1 of returns (sha256:111111111111) is missing in the store",
        "the last snapshot's manifest of returns (sha256:333333333333) is missing in the store",
    ]
    shown = shop.call("status").stdout
    assert "lost the model of version 1 of returns (sha256:222222222222) is missing in the vault" in shown
    done = shop.call("doctor")
    assert done.returncode == 1
    assert "✗ champions: the model of version 1 of returns" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_what_the_cluster_could_not_take_is_told_of_each_project(settings: Settings) -> None:
    shipped = replace(settings, projects=ROOT / "include" / "projects", placement=Placement.KUBERNETES)
    told = {each.text.partition(":")[0]: each for each in found(shipped, "cluster")}
    assert told.keys() == {"flight_delay", "temperature_tomorrow"}
    assert all(each.sign is Health.BAD and "TRAINYARD_TRAINER_IMAGE" in each.text for each in told.values())
    assert found(settings, "cluster") == []


@pytest.mark.parametrize(
    ("protocol", "told"), [("http", "ConnectError"), ("postgresql+psycopg", "ConnectionRefusedError")]
)
def test_an_mlflow_that_is_away_is_told_at_once(settings: Settings, protocol: str, told: str) -> None:
    """Its own client would try again for minutes, and print each try."""
    away = replace(settings, mlflow=f"{protocol}://me:{SECRET}@127.0.0.1:1/x?password={SECRET}")
    assert f"{protocol}://127.0.0.1:1/x?password=…: {told}" in bad(away, "MLflow")


def test_a_check_that_does_not_answer_is_told_and_holds_up_no_other(settings: Settings) -> None:
    def hangs(settings: Settings) -> Iterator[Finding]:
        yield Finding(what="slow", sign=Health.GOOD, text="first")
        time.sleep(20)

    def breaks(settings: Settings) -> Iterator[Finding]:
        yield from ()
        raise ValueError(SECRET)

    began = time.monotonic()
    first, slow, broken, good = examine(
        settings, {"slow": hangs, "broken": breaks, "room": doctor.CHECKS["room"]}, patience_seconds=0.3
    )
    assert time.monotonic() - began < 5
    assert (first.text, slow.sign, slow.what) == ("first", Health.BAD, "slow")
    assert "no answer within 0.3 s" in slow.text
    assert (broken.sign, broken.text.split(".")[0]) == (Health.BAD, "ValueError")
    assert good.sign is Health.GOOD
