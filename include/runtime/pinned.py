"""The process that does a step of a run by a kept copy of the code that the run began with.

It is started from that copy by :mod:`include.runtime.code.earlier`, of later releases too: its name, and a call's form,
stay as they are. It ends with the process that started it.
"""

import json
import os
import sys
import threading
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from include.core.canonical import decode
from include.core.errors import StepCrashed, StepDisconnected, TrainyardError
from include.runtime.code.earlier import crash
from include.settings import KNOWN


def main() -> None:
    """Answer the one call on standard input, on standard output; what is printed meanwhile goes to standard error."""
    answers = os.dup(1)
    os.dup2(2, 1)
    call = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_the_caller, name="caller", daemon=True).start()
    for name in [name for name in os.environ if name.startswith("TRAINYARD_") and name not in KNOWN]:
        if not name.startswith("TRAINYARD_TEST_"):
            del os.environ[name]  # a setting of a later release
    try:
        answer = {"digest": _do(call)}
    except TrainyardError as error:
        answer = {"error": type(error).__name__, "rule": error.rule, "value": str(error.value), "remedy": error.remedy}
    except Exception as error:  # its text may quote a value: its kind and place are shown
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
        answer = crash(StepDisconnected if isinstance(error, ConnectionError | TimeoutError) else StepCrashed, place)
    with os.fdopen(answers, "w") as file:
        json.dump(answer, file)


def _end_with_the_caller() -> None:
    sys.stdin.read()
    os._exit(1)


def _do(call: Mapping[str, Any]) -> str:
    from include.runtime.airflow import tasks

    parents = None
    if call["parents"] is not None:
        from include.lineage.emission import ParentRuns

        parents = decode(ParentRuns, call["parents"].encode())
    return tasks.perform_pinned(call["step"], call["project"], call["run_id"], call["inputs"], parents=parents)


if __name__ == "__main__":
    main()
