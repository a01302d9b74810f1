"""What Airflow's API answers, in words."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from airflow.utils.sqlalchemy import UtcDateTime
from sqlalchemy import create_engine, func, literal, select

from include.demo.chain import last_words
from include.runtime.embedded.client import Client, due_at

LOG: list[object] = [
    {"timestamp": None, "event": "::group::Log message source details", "sources": ["/home/x/attempt=1.log"]},
    {"timestamp": "2026-03-01T12:00:00Z", "event": "DAG bundles loaded: dags", "level": "info", "logger": "bundles"},
    "::endgroup::",
    {
        "timestamp": "2026-03-01T12:00:01Z",
        "event": "Task failed with exception",
        "level": "error",
        "logger": "task",
        "error_detail": [
            {
                "exc_type": "AccessDenied",
                "exc_value": "no grant covers it; found: ['flights']. Ask for it.",
                "frames": [{"filename": "tasks.py", "lineno": 1, "name": "perform"}],
                "is_cause": False,
            }
        ],
    },
]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    made = Client("http://127.0.0.1:9", user="dana", password="")

    def answer(method: str, path: str, body: object = None) -> Any:
        return {"content": LOG}

    monkeypatch.setattr(made, "call", answer)
    return made


def test_a_log_is_told_as_plain_lines_with_the_error_as_type_and_message(client: Client) -> None:
    told = client.log("train_p", "night", "snapshot")
    assert told.splitlines()[-2:] == [
        "Task failed with exception",
        "AccessDenied: no grant covers it; found: ['flights']. Ask for it.",
    ]
    assert "{" not in told
    assert "logger" not in told


def test_the_last_words_of_a_failed_task_leave_out_what_only_the_log_page_understands(client: Client) -> None:
    assert last_words(client.log("train_p", "night", "snapshot")) == (
        "    DAG bundles loaded: dags\n"
        "    Task failed with exception\n"
        "    AccessDenied: no grant covers it; found: ['flights']. Ask for it."
    )
    assert len(last_words("line\n" * 100).splitlines()) == 8


def test_what_is_triggered_now_is_due_for_airflow_on_sqlite_now_and_not_at_the_next_second() -> None:
    def is_due(when: Callable[[datetime], datetime]) -> bool:
        due = select(literal(when(datetime.now(UTC)), UtcDateTime()) <= func.now())
        with create_engine("sqlite://").connect() as connection:
            return bool(connection.scalar(due))

    looks = []
    for _ in range(12):
        assert is_due(due_at)
        looks.append(is_due(lambda now: now))
        time.sleep(0.1)
    assert not all(looks), "a time in this second is not due in it: the client need not care any more"
