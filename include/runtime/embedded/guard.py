"""Ends an embedded Airflow when the process that started it is gone, whatever killed that process.

It waits for the end of its standard input: the other end of that pipe closes with its owner, also by SIGKILL.
"""

import signal
import sys

from include.runtime.airflow import alerts
from include.runtime.embedded.process_sessions import ending, stop
from include.settings import Settings


def main() -> None:
    # Ctrl-C reaches the starter, which ends Airflow itself; the guard is for when it cannot.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    settings = Settings.from_environment()
    sys.stdin.buffer.read()
    asked = ending(settings)
    stop(settings)
    if not asked:
        alerts.deliver(
            settings,
            "Airflow: it was ended",
            f"The process that started it in {settings.home} is gone, and so nothing runs there. Start it again: what "
            "ran goes on.",
        )


if __name__ == "__main__":
    main()
