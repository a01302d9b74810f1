"""A new project under ``start`` begins if its data go on, and says why it stays paused if they do not."""

import errno
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from include.core.errors import DeclarationError
from include.runtime.code.projects import package_of
from include.runtime.embedded.client import Client
from include.runtime.embedded.new_projects import Beginnings, why_not
from include.settings import Settings
from tests.cli.conftest import FIRST, Shop

#: Twenty days of orders are filed.
LAST = FIRST.replace(tzinfo=UTC) + timedelta(days=19)


class Dags(Client):
    """An Airflow with two paused DAGs of one project, made a minute after this."""

    def __init__(self, *, made: datetime) -> None:
        super().__init__("http://127.0.0.1:1", user="ada", password="")
        self.paused, self.made = {"train_returns": True, "watch_returns": True}, made

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        name = path.removeprefix("/api/v2/dags/").partition("/")[0]
        if method == "PATCH" and body is not None:
            self.paused[name] = bool(body["is_paused"])
            return None
        if path.startswith("/api/v2/dags?paused=true"):
            return {"dags": [{"dag_id": each} for each, paused in self.paused.items() if paused]}
        return {"dag_versions": [{"created_at": self.made.isoformat()}]}


@pytest.fixture
def settings(adopted: Shop) -> Settings:
    words = ("--dataset", "orders", "--label", "returned", "--purpose", "p", "--owner", "o")
    assert adopted.call("new", "returns", *words).returncode == 0
    return Settings.from_environment(
        {name: value for name, value in adopted.environment().items() if name.startswith("TRAINYARD_")}
    )


def test_a_project_has_nights_as_long_as_yesterdays_data_may_still_land(settings: Settings) -> None:
    lands = LAST + timedelta(days=2, hours=23)
    assert why_not(settings, "returns", now=lands) is None
    assert why_not(settings, "returns", now=lands + timedelta(hours=1)) == f"its data end on {LAST:%Y-%m-%d}"
    shutil.rmtree(settings.production / "orders")
    assert "no data lies in" in str(why_not(settings, "returns", now=lands))
    with pytest.raises(DeclarationError, match="a project is a folder"):
        why_not(settings, "nothing", now=lands)


def test_a_project_whose_data_this_account_may_not_look_at_stays_paused_and_ends_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = settings.production / "orders"
    if os.geteuid():
        folder.chmod(0)
    else:  # whom no mode keeps out

        def refused(path: Path) -> Iterator[Path]:
            raise PermissionError(errno.EACCES, "Permission denied", str(path))

        monkeypatch.setattr(Path, "iterdir", refused)
    told = why_not(settings, "returns", now=datetime.now(UTC))
    folder.chmod(0o700)
    assert told == f"this account cannot look at {folder} (Permission denied)"


def test_a_new_project_whose_data_end_in_the_past_stays_paused_and_says_so_once(settings: Settings) -> None:
    beginnings = Beginnings(settings)
    airflow = Dags(made=datetime.now(UTC))
    (told,) = beginnings.look(airflow)
    assert told.startswith(f"returns begins paused: its data end on {LAST:%Y-%m-%d}. Once its data go on, unpause")
    assert airflow.paused == {"train_returns": True, "watch_returns": True}
    assert not [*beginnings.look(airflow)]
    assert not [*Beginnings(settings).look(airflow)], "another start says it no more"


def test_a_new_project_that_is_saved_in_part_says_what_is_wrong_once_and_begins_when_it_is_saved_whole(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == package_of(settings.projects)]:
        monkeypatch.delitem(sys.modules, name)  # another test's, of the same name
    folder = settings.production / "orders"
    yesterday = datetime.now(UTC) - timedelta(days=1)
    (folder / f"day={LAST:%Y-%m-%d}").rename(folder / f"day={yesterday:%Y-%m-%d}")
    file = settings.projects / "returns" / "features.py"
    whole = file.read_text()
    beginnings, airflow = Beginnings(settings), Dags(made=datetime.now(UTC))
    for saved, words in (("def late(", "SyntaxError"), ("", "AttributeError")):
        file.write_text(saved)
        (told,) = beginnings.look(airflow)
        assert told.startswith("returns stays paused until it can be loaded: ")
        assert "project 'returns' can be imported" in told
        assert words in told
        assert "data" not in told
        assert not [*beginnings.look(airflow)]
        assert all(airflow.paused.values())
    file.write_text(whole)
    assert not [*beginnings.look(airflow)]
    assert not any(airflow.paused.values())


def test_a_new_project_whose_data_go_on_begins_and_what_people_pause_stays_paused(settings: Settings) -> None:
    folder = settings.production / "orders"
    yesterday = datetime.now(UTC) - timedelta(days=1)
    (folder / f"day={LAST:%Y-%m-%d}").rename(folder / f"day={yesterday:%Y-%m-%d}")
    beginnings = Beginnings(settings)
    before, new = Dags(made=datetime.now(UTC) - timedelta(days=1)), Dags(made=datetime.now(UTC))
    assert not [*Beginnings(settings).look(before)]
    assert all(before.paused.values()), "it was paused before anything began"
    assert not [*beginnings.look(new)]
    assert not any(new.paused.values())
    new.paused["train_returns"] = True
    assert not [*beginnings.look(new)]
    assert new.paused["train_returns"]
