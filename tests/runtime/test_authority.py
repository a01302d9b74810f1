"""Who decides in Airflow: the name under which somebody signed in."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from include.runtime.airflow import authority


@dataclass
class Numbered:
    """A user as other auth managers keep them: the id is a row's number."""

    name: str

    def get_id(self) -> str:
        return "7"

    def get_name(self) -> str:
        return self.name


def test_who_signed_in_is_known_by_name_whatever_their_id_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path))
    asked: list[Callable[[Any], str]] = []
    monkeypatch.setattr("include.runtime.authority_service.open_authority", lambda settings: (None, None))
    monkeypatch.setattr("include.runtime.authority_api.authority_app", lambda *given: asked.append(given[2]))
    monkeypatch.setattr("include.runtime.airflow.reports.add_reports", lambda *given: asked.append(given[2]))
    authority._build()
    assert [current_user(Numbered("steward")) for current_user in asked] == ["steward", "steward"]
