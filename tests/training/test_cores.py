import subprocess
import sys
import time

import joblib
import psutil
import pytest

from include.training import cores
from include.training.cores import Watch


def test_where_every_core_is_busy_a_computation_gets_the_threads_that_its_project_declares() -> None:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(psutil.cpu_count() + 1)]
    try:
        time.sleep(0.5)
        assert [Watch().threads(declared) for declared in (1, 3)] == [1, 3]
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_short_looks_see_what_a_long_one_sees_whatever_else_the_machine_does() -> None:
    watch = Watch()
    looks = [Watch().free_cores() for _ in range(20)]
    assert sum(looks) / len(looks) == pytest.approx(watch.free_cores(), abs=0.3)


def test_what_this_process_does_meanwhile_takes_no_core_from_it() -> None:
    resting = Watch()
    time.sleep(0.3)
    free, working = resting.free_cores(), Watch()
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        pass
    assert working.free_cores() > free - 0.6, "a core of its own would be one less"


@pytest.mark.parametrize(
    ("free", "usable", "threads"),
    [(3.9, 4, 4), (2.8, 4, 3), (2.0, 4, 2), (3.9, 1, 1), (0.1, 4, 1)],
)
def test_free_cores_are_used_as_far_as_the_process_may(
    monkeypatch: pytest.MonkeyPatch, free: float, usable: int, threads: int
) -> None:
    monkeypatch.setattr(cores.Watch, "free_cores", lambda _: free)
    monkeypatch.setattr(joblib, "cpu_count", lambda: usable)
    assert Watch().threads(1) == threads
