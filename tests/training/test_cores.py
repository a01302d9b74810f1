import hashlib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import joblib
import psutil
import pytest

from include.training.cores import FreeCores


def test_where_every_core_is_busy_a_computation_gets_the_threads_that_its_project_declares() -> None:
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(psutil.cpu_count() + 1)]
    try:
        time.sleep(0.5)
        assert [FreeCores().threads(declared) for declared in (1, 3)] == [1, 3]
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_short_looks_see_what_a_long_one_sees_whatever_else_the_machine_does() -> None:
    long = FreeCores()
    looks = [FreeCores().count() for _ in range(20)]
    assert sum(looks) / len(looks) == pytest.approx(long.count(), abs=0.3)


def test_what_this_process_does_meanwhile_takes_no_core_from_it() -> None:
    """Its own threads are on every core: nothing is idle, and what others use besides is at most the larger part."""
    free, until = FreeCores(), time.monotonic() + 0.5

    def work() -> None:
        while time.monotonic() < until:
            hashlib.pbkdf2_hmac("sha256", b"", b"", 20_000)  # without the interpreter's lock

    with ThreadPoolExecutor(psutil.cpu_count()) as pool:
        for done in [pool.submit(work) for _ in range(psutil.cpu_count())]:
            done.result()
    assert free.count() > 0.2 * psutil.cpu_count()


@pytest.mark.parametrize(
    ("free", "usable", "threads"),
    [(3.9, 4, 4), (2.8, 4, 3), (2.0, 4, 2), (3.9, 1, 1), (0.1, 4, 1)],
)
def test_free_cores_are_used_as_far_as_the_process_may(
    monkeypatch: pytest.MonkeyPatch, free: float, usable: int, threads: int
) -> None:
    monkeypatch.setattr(FreeCores, "count", lambda _: free)
    monkeypatch.setattr(joblib, "cpu_count", lambda: usable)
    assert FreeCores().threads(1) == threads
