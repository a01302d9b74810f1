"""A dataset that lies in a bucket: its contract is drafted from there, and the doctor says whether it can be read."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from include.contracts import load
from include.data.sources import source_of
from include.runtime.doctor import checks as doctor
from include.runtime.doctor.examination import Health, examine
from include.settings import Settings
from tests import buckets
from tests.cli.conftest import Shop
from tests.data.places import credentials_file

TIME = ("--time", "ordered_at", "--steward", "maria", "--outcome", "returned")


def upload(folder: Path, url: str) -> None:
    """All files of *folder*, under the address *url*."""
    bucket, _, prefix = url.removeprefix("s3://").partition("/")
    for file in (file for file in folder.rglob("*") if file.is_file()):
        key = f"{prefix}/{file.relative_to(folder)}"
        buckets.client().put_object(Bucket=bucket, Key=key, Body=file.read_bytes())


@pytest.fixture
def lake(adopted: Shop, s3_url: str) -> str:
    """The shop's orders by day in a bucket."""
    upload(adopted.folder / "home" / "production" / "orders", f"{s3_url}/orders")
    return f"{s3_url}/orders"


def test_a_contract_of_data_in_a_bucket_is_that_of_the_same_files_here_but_for_its_server(
    adopted: Shop, lake: str, tmp_path: Path
) -> None:
    file = credentials_file(tmp_path, os.environ)
    settings = {"TRAINYARD_SOURCE_CREDENTIALS_FILE": str(file)}
    copies = adopted.folder / "home" / "drafting"
    (copies / "killed").mkdir(parents=True)
    (copies / "killed" / "part.parquet").write_bytes(b"somebody's rows")
    done = adopted.call("contract", "new", "lake", lake, *TIME, settings=settings)
    assert done.returncode == 0, done.stderr
    here, there = load(adopted.contracts / "orders.odcs.yaml"), load(adopted.contracts / "lake.odcs.yaml")
    assert (there.location, there.partition_column, there.key) == (lake, here.partition_column, here.key)
    production = adopted.folder / "home" / "production"
    assert [folder.name for folder in production.iterdir()] == ["orders"]
    near, far = source_of(here, production), source_of(there, production, file)
    assert far.filed() == near.filed() is not None
    day = near.filed().first  # type: ignore[union-attr]
    assert far.load(day).digest == near.load(day).digest
    assert os.environ["AWS_SECRET_ACCESS_KEY"] not in done.stdout + done.stderr + there.text

    missing = adopted.call("contract", "new", "other", f"{lake}/nowhere", *TIME, settings=settings)
    assert "no file *.parquet in it" in missing.stderr
    assert not (adopted.contracts / "other.odcs.yaml").exists()
    assert not [*copies.iterdir()], "no copy of the data outlives the draft, nor what a kill left of one"


def test_a_server_of_data_is_well_if_it_lets_the_reader_list_and_else_told_with_its_remedy(
    adopted: Shop, lake: str, tmp_path: Path
) -> None:
    named = {name: value for name, value in adopted.environment().items() if name.startswith("TRAINYARD_")}
    settings = Settings.from_environment(named)
    check = {"sources": doctor.CHECKS["sources"]}
    assert [*examine(settings, check, patience_seconds=30)] == []
    contract = adopted.contracts / "orders.odcs.yaml"
    text = contract.read_text().replace("type: local", "type: s3").replace("path: ", "location: ")
    contract.write_text(text.replace("${TRAINYARD_PRODUCTION}/orders", lake))
    (unnamed,) = examine(settings, check, patience_seconds=30)
    assert unnamed.sign is Health.BAD
    assert "TRAINYARD_SOURCE_CREDENTIALS_FILE" in unnamed.text
    reader = replace(settings, source_credentials_file=credentials_file(tmp_path, os.environ))
    (well,) = examine(reader, check, patience_seconds=30)
    assert (well.sign, well.text) == (Health.GOOD, "1 on servers, which answer")
    wrong = credentials_file(tmp_path, {**os.environ, "AWS_SECRET_ACCESS_KEY": "wrong"})
    (refused,) = examine(replace(settings, source_credentials_file=wrong), check, patience_seconds=30)
    assert refused.sign is Health.BAD
    assert "orders: " in refused.text
    assert "SignatureDoesNotMatch" in refused.text


def test_a_contract_is_drafted_from_folders_that_a_pattern_names_as_from_those_by_their_usual_names(
    adopted: Shop, s3_url: str, tmp_path: Path
) -> None:
    settings = {"TRAINYARD_SOURCE_CREDENTIALS_FILE": str(credentials_file(tmp_path, os.environ))}
    production = adopted.folder / "home" / "production"
    days = adopted.folder / "lake"
    for folder in (production / "orders").glob("day=*"):
        shutil.copytree(folder, days / folder.name.removeprefix("day=").replace("-", "/"))
    upload(days, f"{s3_url}/orders")
    location = f"{s3_url}/orders/{{yyyy}}/{{mm}}/{{dd}}"
    done = adopted.call("contract", "new", "lake", location, *TIME, settings=settings)
    assert done.returncode == 0, done.stderr
    here, there = load(adopted.contracts / "orders.odcs.yaml"), load(adopted.contracts / "lake.odcs.yaml")
    assert (there.location, there.partition_column, there.key) == (location, here.partition_column, here.key)
    near, far = source_of(here, production), source_of(there, production, tmp_path / "sources.ini")
    assert far.filed() == near.filed() is not None
