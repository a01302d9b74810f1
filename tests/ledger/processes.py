"""Child processes by fork, and ways for them to die at a chosen point."""

import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType

#: Where SQLAlchemy calls a database driver.
DRIVER_CALLS = frozenset(
    {"do_execute", "do_executemany", "do_commit", "do_rollback", "do_begin", "do_close", "do_execute_no_params"}
)


def in_child(work: Callable[[], object]) -> int:
    """Run *work* in a fork of this process; its exit status, negative if a signal ended it. 3: it raised."""
    return wait(start(work))


def start(work: Callable[[], object]) -> int:
    """Begin *work* in a fork of this process; the child's id."""
    child = os.fork()
    if child:
        return child
    status = 3
    try:
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)


def wait(child: int) -> int:
    """The exit status of *child*, negative if a signal ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_at(point: int, counts: Callable[[FrameType, str], bool]) -> None:
    """Kill this process (SIGKILL) when the interpreter reaches the *point*-th call or return that *counts*."""
    seen = 0

    def profile(frame: FrameType, event: str, _argument: object) -> None:
        nonlocal seen
        if counts(frame, event):
            seen += 1
            if seen == point:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(profile)


def around_driver_calls(frame: FrameType, event: str) -> bool:
    """Before each call of a database driver, so after the one before it; and after each commit."""
    name = frame.f_code.co_name
    return (event == "call" and name in DRIVER_CALLS) or (event == "return" and name == "do_commit")


def around_system_calls(frame: FrameType, event: str) -> bool:
    """Before and after each built-in (so each system call) that the store's modules call."""
    return event in ("c_call", "c_return") and "/include/store/" in frame.f_code.co_filename


def die_when_a_file_grows_to(size_bytes: int) -> None:
    """Let the kernel kill this process (SIGXFSZ) in the write that would grow a file beyond *size_bytes*."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    _limit_files(size_bytes)


def fail_when_a_file_grows_to(size_bytes: int) -> None:
    """Let writes beyond *size_bytes* fail with EFBIG, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    _limit_files(size_bytes)


def _limit_files(size_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, size_bytes))
