import subprocess
import sys
import time

import joblib
import psutil
import pytest

from include.training import cores


def test_where_every_core_is_busy_a_computation_gets_the_threads_that_its_project_declares() -> None:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(psutil.cpu_count() + 1)]
    try:
        time.sleep(0.5)
        assert [cores.threads(declared) for declared in (1, 3)] == [1, 3]
    finally:
        for process in busy:
            process.kill()
            process.wait()


@pytest.mark.parametrize(
    ("idle_percent", "usable", "threads"),
    [(98.0, 4, 4), (70.0, 4, 3), (50.0, 4, 2), (98.0, 1, 1), (3.0, 4, 1)],
)
def test_idle_cores_are_used_as_far_as_the_process_may(
    monkeypatch: pytest.MonkeyPatch, idle_percent: float, usable: int, threads: int
) -> None:
    times = psutil.cpu_times_percent()._replace(idle=idle_percent)
    monkeypatch.setattr(psutil, "cpu_times_percent", lambda _: times)
    monkeypatch.setattr(psutil, "cpu_count", lambda: 4)
    monkeypatch.setattr(joblib, "cpu_count", lambda: usable)
    assert cores.threads(1) == threads
