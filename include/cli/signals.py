"""How a command ends on a signal: what it holds, it gives back."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

#: The end of a service or a container, and that of the terminal.
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def unwound_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP unwind the block like Ctrl-C, so that what it holds ends with it; the status is 128 + N.

    A signal that is ignored stays so, as under ``nohup``. While the block unwinds, another one changes nothing.
    """
    unwinding = False

    def unwind(number: int, _frame: FrameType | None) -> None:
        nonlocal unwinding
        if not unwinding:
            unwinding = True
            raise SystemExit(128 + number)

    handled = [each for each in _ENDINGS if signal.getsignal(each) is not signal.SIG_IGN]
    before = [(each, signal.signal(each, unwind)) for each in handled]
    try:
        yield
    finally:
        for each, handler in before:
            signal.signal(each, handler)
