"""Whole nights on real flights, in this process: one deployment a test, the flights landed once."""

import itertools
import os
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from tests import buckets
from tests.night.elsewhere import in_bucket, planned
from tests.night.yard import FLIGHTS, Night, Yard, template

MakeYard = Callable[..., Yard]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.night)


@pytest.fixture(scope="session")
def new_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return template(tmp_path_factory.mktemp("template") / "home")


@pytest.fixture
def make_yard(tmp_path: Path, production: Path, new_home: Path) -> MakeYard:
    """Makes deployments that share their keys; each argument replaces that of :meth:`Yard.built`."""
    numbers = itertools.count(1)

    def make(**given: Path) -> Yard:
        return Yard.built(
            **{"home": tmp_path / f"home-{next(numbers)}", "production": production, "template": new_home, **given}
        )

    return make


@pytest.fixture
def yard(make_yard: MakeYard) -> Yard:
    """A deployment in which a small night of ``flight_delay`` is granted."""
    made = make_yard()
    made.grant(FLIGHTS)
    return made


@pytest.fixture(scope="session")
def finished_night(tmp_path_factory: pytest.TempPathFactory, production: Path, new_home: Path) -> tuple[Path, Night]:
    """The home of a deployment with one finished night, which nobody has open; to be copied."""
    made = Yard.built(tmp_path_factory.mktemp("first") / "home", production, new_home)
    made.grant(FLIGHTS)
    night = made.night()
    made.platform.ledger.close()
    return made.home, night


@pytest.fixture(scope="session")
def done(
    tmp_path_factory: pytest.TempPathFactory, production: Path, finished_night: tuple[Path, Night]
) -> tuple[Yard, Night]:
    """A deployment with that night, which no test changes."""
    home, night = finished_night
    return Yard.built(tmp_path_factory.mktemp("done") / "home", production, home), night


@pytest.fixture
def past(finished_night: tuple[Path, Night], make_yard: MakeYard) -> tuple[Yard, Night]:
    """A deployment of a test's own with that night: for what comes after it."""
    home, night = finished_night
    return make_yard(template=home), night


@pytest.fixture(scope="session")
def planned_in_bucket(
    tmp_path_factory: pytest.TempPathFactory, production: Path, new_home: Path, s3_bucket: str
) -> tuple[Path, str]:
    """The home of a deployment with a night up to its plan, given up, and its vault in the bucket; to be copied."""
    from include import steps

    made = Yard.built(tmp_path_factory.mktemp("planned") / "home", production, new_home)
    run, _ = planned(in_bucket(made, f"{s3_bucket}/{uuid.uuid4().hex}"), run_id="earlier")
    steps.finish(made.platform, run)
    made.platform.ledger.close()
    return made.home, made.settings.vault


@pytest.fixture
def yard_in_bucket(planned_in_bucket: tuple[Path, str], make_yard: MakeYard, s3_url: str) -> Yard:
    """A deployment of a test's own whose vault is in the bucket: what a night needs up to its plan is computed."""
    home, vault = planned_in_bucket
    made = make_yard(template=home)
    made.settings = replace(made.settings, vault=f"{s3_url}/vault")
    buckets.copy(vault, made.settings.vault)
    return made
