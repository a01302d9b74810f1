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


def test_short_looks_see_what_a_long_one_sees_whatever_else_the_machine_does() -> None:
    began, before = time.monotonic(), psutil.cpu_times().idle
    looks = [cores.idle_cores() for _ in range(20)]
    idle = (psutil.cpu_times().idle - before) / (time.monotonic() - began)
    assert sum(looks) / len(looks) == pytest.approx(idle, abs=0.3)


@pytest.mark.parametrize(
    ("idle", "usable", "threads"),
    [(3.9, 4, 4), (2.8, 4, 3), (2.0, 4, 2), (3.9, 1, 1), (0.1, 4, 1)],
)
def test_idle_cores_are_used_as_far_as_the_process_may(
    monkeypatch: pytest.MonkeyPatch, idle: float, usable: int, threads: int
) -> None:
    monkeypatch.setattr(cores, "idle_cores", lambda: idle)
    monkeypatch.setattr(joblib, "cpu_count", lambda: usable)
    assert cores.threads(1) == threads
