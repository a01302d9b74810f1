"""Programs as processes of their own that find their imports made: most of what a short one costs is imports.

``python -m tests.forked MODULE …`` imports these modules, once, and then forks itself for each program that it is asked
to run. Such a process has the arguments, environment, folder and output that it was given, as one that is started; what
the interpreter itself reads when it starts (``PYTHON…``) is that of its parent.
"""

import atexit
import gc
import json
import os
import runpy
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
#: No thread when they are imported: a fork has only the thread that forked.
_THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}


@dataclass(frozen=True)
class Forking:
    """Runs ``python -m MODULE`` in forks of a process that has imported what was named."""

    _process: "subprocess.Popen[str]"

    @classmethod
    def of(cls, modules: Iterable[str], environment: Mapping[str, str]) -> "Forking":
        return cls(
            subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.forked", *modules],
                env={**environment, **_THREADS, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )

    def run(self, module: str, *words: str, environment: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        """What ``python -m MODULE WORDS`` would have printed, with its exit status; its input is empty."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            output, errors = Path(folder) / "output", Path(folder) / "errors"
            asked = {"module": module, "words": words, "environment": dict(environment), "folder": str(Path.cwd())}
            self._process.stdin.write(json.dumps({**asked, "output": str(output), "errors": str(errors)}) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            return subprocess.CompletedProcess([module, *words], status, output.read_text(), errors.read_text())

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def main() -> None:
    for module in sys.argv[1:]:
        import_module(module)
    assert len(list(Path("/proc/self/task").glob("*"))) <= 1, "a fork loses every thread but one"
    # Nobody who is forked reads the next request, or answers.
    requests, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    _redirect(0, os.devnull, os.O_RDONLY)
    _redirect(1, os.devnull, os.O_WRONLY)
    gc.collect()
    gc.freeze()  # no child looks through, and so copies, what all share
    for line in requests:
        child = os.fork()
        if child == 0:
            requests.close()
            answers.close()
            _end(_become(json.loads(line)))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=answers, flush=True)
    _end(0)


def _become(asked: dict) -> int:
    """Runs the program; the exit status that it asked for. What else it raises ends the process as it would any."""
    _redirect(1, asked["output"], os.O_WRONLY | os.O_CREAT)
    _redirect(2, asked["errors"], os.O_WRONLY | os.O_CREAT)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.argv[1:] = asked["words"]
    try:
        runpy.run_module(asked["module"], run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        if not isinstance(ended.code, int | None):
            raise
        return ended.code or 0
    return 0


def _end(status: int) -> None:
    """End as a program ends: its threads are waited for, its handlers run, its output is written.

    All but the last part, in which the interpreter takes itself apart: of what was imported before, half a second.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # what the interpreter calls, in this order
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _redirect(handle: int, path: str, flags: int) -> None:
    opened = os.open(path, flags, 0o600)
    os.dup2(opened, handle)
    os.close(opened)


if __name__ == "__main__":
    main()
