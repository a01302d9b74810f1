"""Whether an Airflow's processes give signs of life: their heartbeats, as its API tells them to anybody who asks."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import httpx

from include.runtime.embedded.environment import API_SERVER, DAG_PROCESSOR, SCHEDULER, TRIGGERER

#: What a process is called in the answer, and by us.
_NAMES = {
    "metadatabase": "database",
    "scheduler": SCHEDULER,
    "dag_processor": DAG_PROCESSOR,
    "triggerer": TRIGGERER,
}


@dataclass(frozen=True, kw_only=True)
class Heartbeat:
    """``beat`` (UTC) is the last heartbeat; ``None``: there was none, or it is none that has one."""

    healthy: bool
    beat: datetime | None = None


def pulses(url: str, *, timeout_seconds: float = 5) -> Mapping[str, Heartbeat]:
    """The pulse of the API server, the database and the other three processes of the Airflow at *url*, by name.

    Where the API server does not answer, nothing is known of the others, and only it is in the answer.
    """
    try:
        # Loopback calls go directly, whatever proxy the user's shell names.
        answer = httpx.get(f"{url}/api/v2/monitor/health", timeout=timeout_seconds, trust_env=False)
        told = answer.json() if answer.is_success else None
    except (httpx.TransportError, ValueError):
        told = None
    if not isinstance(told, Mapping):
        return {API_SERVER: Heartbeat(healthy=False)}
    found = {API_SERVER: Heartbeat(healthy=True)}
    for name, ours in _NAMES.items():
        report = told.get(name) or {}
        beat = report.get(f"latest_{name}_heartbeat")
        found[ours] = Heartbeat(
            healthy=report.get("status") == "healthy", beat=datetime.fromisoformat(beat) if beat else None
        )
    return found


def silent(found: Mapping[str, Heartbeat]) -> tuple[str, ...]:
    """Who of *found* gives no sign of life, in words."""
    return tuple(
        f"{name} (last heartbeat {pulse.beat:%Y-%m-%d %H:%M:%S}Z)" if pulse.beat else name
        for name, pulse in found.items()
        if not pulse.healthy
    )
