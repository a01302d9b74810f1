"""What each process of an embedded Airflow is told. Its title overwrites what ``/proc`` shows of it later."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from include.runtime.embedded.environment import API_SERVER, PROCESSES, environment_of
from include.runtime.pods.request import pod_manifest
from include.settings import KNOWN, Process, Settings
from tests.runtime_pods.world import request_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)})


def test_only_the_api_server_is_told_where_the_authority_keeps_its_key(settings: Settings) -> None:
    keys = str(settings.authority_keys)
    base = {"TRAINYARD_AUTHORITY_KEYS": keys, "PATH": "/usr/bin"}
    told = {name: environment_of(name, settings, port=8080, base=base) for name in (*PROCESSES, "guard", "db")}
    assert [name for name, environment in told.items() if keys in environment.values()] == [API_SERVER]


def test_neither_pages_nor_authority_are_told_what_signs_in_to_production_data(
    settings: Settings, tmp_path: Path
) -> None:
    file = str(tmp_path / "sources.ini")
    base = {"TRAINYARD_SOURCE_CREDENTIALS_FILE": file, "PATH": "/usr/bin"}
    reader = Settings.from_environment({**settings.environment(), **base})
    told = {name: environment_of(name, reader, port=8080, base=base) for name in PROCESSES}
    assert [name for name, environment in told.items() if file not in environment.values()] == [API_SERVER]
    assert file not in reader.environment(Process.AUTHORITY).values()
    assert file not in json.dumps(pod_manifest(request_in("trainyard", "true"), 0, now=datetime.now(UTC)))


def test_what_the_starter_was_told_of_airflow_and_of_us_goes_no_further(settings: Settings) -> None:
    base = {"AIRFLOW__CORE__EXECUTOR": "x", "TRAINYARD_STORE": "/elsewhere", "LANG": "C.UTF-8"}
    environment = environment_of(API_SERVER, settings, port=8080, base=base)
    assert environment["AIRFLOW__CORE__EXECUTOR"].endswith("PromptExecutor")
    assert environment["TRAINYARD_STORE"] == str(settings.store)
    assert environment["LANG"] == "C.UTF-8"


def test_every_setting_of_the_starter_is_handed_on(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "file"
    full = replace(
        settings,
        alerts_file=file,
        addresses_file=file,
        lineage=str(file),
        lineage_key_file=file,
        trainer_image="trainer:1",
        accelerators=4,
        source_credentials_file=file,
        engine="spark://master:7077",
    )
    told = [environment_of(name, full, port=8080, base={}).keys() for name in PROCESSES]
    assert set().union(*told) >= KNOWN
