"""Speaks to Airflow's REST API as one of its users."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import httpx

from include.core.errors import TrainyardError

#: The states in which a DAG run or a task stays.
FINISHED = frozenset({"success", "failed", "skipped", "upstream_failed", "removed"})


class AirflowRefused(TrainyardError):
    """Airflow's API answered with an error."""


@dataclass(frozen=True, kw_only=True)
class TaskState:
    """One task instance. ``map_index`` is -1 where a task is not mapped; times are UTC, ``None`` before they happen."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    start: datetime | None
    end: datetime | None


def due_at(now: datetime) -> datetime:
    """The time after which a run that is asked for *now* may begin, such that it is past for Airflow now.

    On SQLite Airflow compares it with the time in whole seconds, as text: it waits for the next second otherwise.
    """
    return now.replace(microsecond=0) - timedelta(seconds=1)


class Client:
    """A session with Airflow's API. The token is fetched on first use; close it, or use it as a context manager."""

    def __init__(self, url: str, *, user: str, password: str) -> None:
        self.url, self.user = url, user
        self._password = password
        # Loopback calls go directly, whatever proxy the user's shell names.
        self._http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def token(self) -> str:
        """A bearer token of this user, for Airflow's API and for what is mounted beside it."""
        if "Authorization" not in self._http.headers:
            answer = self._send("POST", "/auth/token", {"username": self.user, "password": self._password})
            self._http.headers["Authorization"] = f"Bearer {self._checked(answer)['access_token']}"
        return self._http.headers["Authorization"].removeprefix("Bearer ")

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        """The JSON answer of *method* on *path* (``/api/v2/…`` or what a plugin mounts).

        Raises:
            AirflowRefused: the status is not 2xx.
        """
        self.token()
        return self._checked(self._send(method, path, body))

    def _send(self, method: str, path: str, body: Mapping[str, object] | None) -> httpx.Response:
        try:
            return self._http.request(method, path, json=body)
        except httpx.TransportError as error:
            raise AirflowRefused(
                "Airflow's API answers",
                value=f"{type(error).__name__} at {self.url}",
                remedy="It is starting (repeat the command in a minute), was stopped, or ended: `./trainyard status` "
                "shows which, its logs say why.",
            ) from None

    def put_pool(self, name: str, *, slots: int, include_deferred: bool, keep_slots: bool) -> None:
        """Make the pool, or set it to these slots; *keep_slots*: one that is there keeps its own."""
        pools = self.call("GET", f"/api/v2/pools?pool_name_pattern={name}")["pools"]
        there = [pool["slots"] for pool in pools if pool["name"] == name]
        slots = there[0] if there and keep_slots else slots
        body = {"slots": slots, "include_deferred": include_deferred, "description": "Trainyard"}
        if any(body.items() <= pool.items() for pool in pools if pool["name"] == name):
            return  # as they should be: a write could meet a busy database for nothing
        if any(pool["name"] == name for pool in pools):
            self.call("PATCH", f"/api/v2/pools/{name}", {"name": name, **body})
        else:
            self.call("POST", "/api/v2/pools", {"name": name, **body})

    def has_dag(self, dag_id: str) -> bool:
        """Whether the DAG is known and can run."""
        self.token()
        answer = self._send("GET", f"/api/v2/dags/{dag_id}", None)
        return answer.status_code == httpx.codes.OK and not answer.json()["is_stale"]

    def trigger(self, dag_id: str, *, instant: datetime | None = None, run_id: str | None = None) -> str:
        """Start a run of the DAG for *instant* (none: now) and return its run id."""
        body: dict[str, object] = {
            "logical_date": None,
            "run_after": due_at(datetime.now(UTC)).isoformat(),
            "conf": {} if instant is None else {"instant": instant.astimezone(UTC).isoformat()},
        }
        if run_id is not None:
            body["dag_run_id"] = run_id
        return str(self.call("POST", f"/api/v2/dags/{dag_id}/dagRuns", body)["dag_run_id"])

    def run_state(self, dag_id: str, run_id: str) -> str:
        return str(self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}")["state"])

    def tasks(self, dag_id: str, run_id: str) -> tuple[TaskState, ...]:
        """The run's task instances, by start."""
        answer = self.call("GET", f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances?limit=100")
        found = [
            TaskState(
                task_id=one["task_id"],
                map_index=one["map_index"],
                state=one["state"],
                try_number=one["try_number"],
                start=_time(one["start_date"]),
                end=_time(one["end_date"]),
            )
            for one in answer["task_instances"]
        ]
        return tuple(sorted(found, key=lambda one: (one.start is None, one.start or datetime.now(UTC), one.task_id)))

    def log(self, dag_id: str, run_id: str, task_id: str, *, map_index: int = -1, try_number: int = 1) -> str:
        """What a task's log says, a line a message."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/logs/{try_number}?map_index={map_index}"
        content = self.call("GET", path)["content"]
        return "\n".join(_line(entry) for entry in content)

    def wait(self, dag_id: str, run_id: str, *, timeout_seconds: float, poll_seconds: float = 0.5) -> str:
        """The state in which the run ended.

        Raises:
            AirflowRefused: it has not ended within *timeout_seconds*.
        """
        deadline = time.monotonic() + timeout_seconds
        while (state := self.run_state(dag_id, run_id)) not in FINISHED:
            if time.monotonic() > deadline:
                raise AirflowRefused(
                    f"the run ends within {timeout_seconds:.0f} s",
                    value=f"{dag_id} {run_id} is {state}",
                    remedy=f"Look at {self.url}/dags/{dag_id}/runs/{run_id}.",
                )
            time.sleep(poll_seconds)
        return state

    def _checked(self, answer: httpx.Response) -> Any:
        if not answer.is_success:
            raise AirflowRefused(
                "Airflow's API accepts the call",
                value=f"{answer.status_code} for {answer.request.method} {answer.request.url.path} as {self.user}: "
                f"{answer.text[:300]}",
                remedy="Read the API server's log.",
            )
        return answer.json() if answer.content else None


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _line(entry: object) -> str:
    """What an entry says: its message and the errors that it carries, each as ``Type: message``; no logger's fields."""
    if not isinstance(entry, Mapping):
        return str(entry)
    errors = (f"{error.get('exc_type')}: {error.get('exc_value')}" for error in entry.get("error_detail") or ())
    return "\n".join([str(entry.get("event", "")), *errors])
