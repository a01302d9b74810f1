"""Mutation testing of the modules that carry laws: which small changes of them does no test notice?

    python benchmarks/mutation.py [MODULE ...] [--processes 2] [--minutes 120] [--fresh] [--output mutation.json]

MODULE is one of the names of ``LAWS``; without, all. Mutmut makes the mutants (`benchmarks/mutants.py`), in an
environment of its own, which the first run installs. The tests of a module's law are collected once. Each mutant is
tried in a fork, where it takes the place of the module that is loaded: the tests that call the changed function run
until one fails. Nothing in the checkout is changed. What was found is kept in a temporary folder, so that a run that
was ended goes on where it stood: a killed mutant is not tried again, one that survived only after a test has changed.

What survives is listed with its reason in `benchmarks/survivors.yaml`; the exit code is 1 if anything else does.
"""

import argparse
import ast
import gc
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, FunctionType, ModuleType
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests import postgres_server  # noqa: E402  # needs the path above

MUTMUT = "mutmut==3.8.1"
WORK = Path(tempfile.gettempdir()) / "trainyard-mutation"
SURVIVORS = ROOT / "benchmarks" / "survivors.yaml"

#: Each law's module, and the quick tests that state it.
LAWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "access": (
        "include/governance/access.py",
        (
            "tests/governance/test_access.py",
            "tests/governance/test_revocation.py",
            "tests/governance/test_kept_contracts.py",
            "tests/governance/test_adoption.py",
            "tests/governance/test_authority.py",
        ),
    ),
    "lease": ("include/ledger/lease.py", ("tests/ledger/test_lease.py",)),
    "transaction": (
        "include/ledger/transaction.py",
        ("tests/ledger/test_transaction.py", "tests/ledger/test_ledger.py"),
    ),
    "promotion": (
        "include/registry/promotion.py",
        ("tests/registry/test_promotion.py", "tests/registry/test_standing.py"),
    ),
    "gates": ("include/registry/gates.py", ("tests/registry/test_promotion.py", "tests/registry/test_standing.py")),
    "verdict": (
        "include/monitoring/verdict.py",
        ("tests/monitoring/test_verdict.py", "tests/monitoring/test_recipe.py"),
    ),
    "vault": (
        "include/governance/vault.py",
        ("tests/governance/test_vault.py", "tests/governance/test_revocation.py"),
    ),
    "probe": ("include/data/probe.py", ("tests/data/test_probe.py", "tests/data/test_disturbed.py")),
}

#: A test that takes more seconds of processor time, its own processes' too, is no mutant's test: hundreds wait for it.
LONGEST_SECONDS = 2.0
#: Whose tests share something that takes long and is kept in this process: one of them runs before there are forks.
WARMED = ("access", "vault")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One small change of a module; ``function`` is empty for what runs as the module is imported.

    ``digest`` is that of the function and of the change: another function's change is nothing to it.
    """

    function: str
    line: int
    before: str
    after: str
    text: str
    digest: str

    @property
    def named(self) -> tuple[str, str, str]:
        return self.function, self.before, self.after


@dataclass(kw_only=True)
class Baseline:
    """What the tests do over the module as it is: how long each takes, which functions of the module it calls."""

    seconds: dict[str, float]
    calls: dict[str, list[str]]
    kills: Counter[str] = field(default_factory=Counter)

    def tests(self, function: str) -> list[str]:
        """Those that call *function* (all, if it is called on import), first those that kill most a second."""
        short = [test for test, seconds in self.seconds.items() if seconds <= LONGEST_SECONDS]
        chosen = [test for test in short if function in self.calls.get(test, ())]
        if not function or not chosen:
            chosen = short
        gains = {test: self.kills[test] / (0.05 + self.seconds[test]) for test in chosen}
        return sorted(chosen, key=lambda test: (-gains[test], self.seconds[test]))


# ── in a fork ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def put_in_place(name: str, text: str) -> None:
    """Put what *text* makes into the loaded module *name*: functions, methods, and all values but classes."""
    module, made = sys.modules[name], ModuleType(name)
    made.__file__ = module.__file__
    exec(compile(text, str(made.__file__), "exec"), made.__dict__)  # noqa: S102 -- a mutant is there to be run
    new = functions_of(made)
    for qualified, function in functions_of(module).items():
        function.__code__ = new[qualified].__code__
        function.__defaults__, function.__kwdefaults__ = new[qualified].__defaults__, new[qualified].__kwdefaults__
    for key, value in classes_of(module).items():
        for generated, method in vars(vars(made)[key]).items():  # by a dataclass
            if generated in ("__init__", "__repr__", "__eq__") and is_generated(method, module):
                setattr(value, generated, method)
    ours = [each for key, each in sys.modules.items() if key.split(".")[0] in ("include", "tests")]
    for key, value in list(vars(module).items()):
        if key in vars(made) and not key.startswith("__") and not isinstance(value, type | FunctionType | ModuleType):
            for each in ours:  # who imported it has it by the same name
                if vars(each).get(key) is value:
                    setattr(each, key, vars(made)[key])


def functions_of(module: ModuleType) -> dict[str, FunctionType]:
    """The functions that *module* defines, and the methods of its classes, by their qualified names."""
    found = [value for value in vars(module).values() if isinstance(value, FunctionType)]
    for value in classes_of(module).values():
        members = [getattr(each, "fget", getattr(each, "__func__", each)) for each in vars(value).values()]
        found += [each for each in members if isinstance(each, FunctionType)]
    return {each.__qualname__: each for each in found if each.__code__.co_filename == module.__file__}


def classes_of(module: ModuleType) -> dict[str, type]:
    return {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__
    }


def is_generated(method: object, module: ModuleType) -> bool:
    return isinstance(method, FunctionType) and method.__code__.co_filename != module.__file__


class Run:
    """What tests of a pytest session do, in a fork, until one fails: their seconds of processor time, and the functions
    of *profiled* that they call. One that takes longer than *limits* says ends the process.
    """

    def __init__(
        self, items: Sequence[Any], *, profiled: str | None = None, limits: Mapping[str, float] | None = None
    ) -> None:
        self.items, self.profiled, self.limits = items, profiled, limits or {}
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, set[str]] = {}
        self.failed: str | None = None
        self._current = ""

    def __call__(self) -> None:
        following = [*self.items[1:], None]
        for item, nextitem in zip(self.items, following, strict=True):
            self._current, started = item.nodeid, processor_seconds()
            signal.setitimer(signal.ITIMER_PROF, self.limits.get(item.nodeid, 0.0))  # 0: none
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=nextitem)
            self.seconds[item.nodeid] = processor_seconds() - started
            if self.failed:
                return

    def pytest_runtest_call(self, item: Any) -> None:
        if self.profiled is not None:
            sys.setprofile(self._profile)

    def pytest_runtest_setup(self, item: Any) -> None:
        if self.profiled is not None:
            sys.setprofile(self._profile)

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and self.failed is None:
            self.failed = report.nodeid

    def _profile(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code.co_filename == self.profiled:
            self.calls.setdefault(self._current, set()).add(frame.f_code.co_qualname.split(".<locals>")[0])


def processor_seconds() -> float:
    """Of this process and of those that it has waited for."""
    return sum(os.times()[:4])


def forked(folder: Path, work: Callable[[], dict[str, Any]], config: Any) -> int:
    """Start *work*, whose result is kept as ``result.json`` in *folder*, in a fork; its process id."""
    folder.mkdir(parents=True)
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        os.setsid()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # What is landed once for all processes of a run lies beside their folders.
        os.environ |= {"TMPDIR": str(folder), "PYTEST_XDIST_WORKER": "mutation"}
        tempfile.tempdir = None
        config._tmp_path_factory._basetemp = folder
        output = os.open(folder / "output", os.O_WRONLY | os.O_CREAT)
        for stream in (1, 2):
            os.dup2(output, stream)
        (folder / "result.json").write_text(json.dumps(work()))
        status = 0
    finally:
        os._exit(status)


def first_run(session: Any, path: str) -> dict[str, Any]:
    run = Run(session.items, profiled=str(ROOT / path))
    session.config.pluginmanager.register(run)
    run()
    sys.setprofile(None)
    calls = {test: sorted(names) for test, names in run.calls.items()}
    return {"failed": run.failed, "seconds": run.seconds, "calls": calls}


def trial(session: Any, path: str, text: str, limits: Mapping[str, float]) -> dict[str, Any]:
    try:
        put_in_place(path.removesuffix(".py").replace("/", "."), text)
    except Exception:  # whatever a mutant raises when it is loaded
        return {"killed_by": "import"}
    items = {item.nodeid: item for item in session.items}
    run = Run([items[test] for test in limits], limits=limits)
    session.config.pluginmanager.register(run)
    run()
    return {"killed_by": run.failed}


# ── in the process that conducts ──────────────────────────────────────────────────────────────────────────────────────


def ended(child: int, folder: Path, *, until: float) -> dict[str, Any] | None:
    """What the fork left, once it has ended or *until* is over; ``None`` while it runs."""
    done, _ = os.waitpid(child, os.WNOHANG)
    if not done and time.monotonic() < until:
        return None
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    if not done:
        os.waitpid(child, 0)
    result = folder / "result.json"
    found: dict[str, Any] = json.loads(result.read_text()) if result.exists() else {"killed_by": "time"}
    shutil.rmtree(folder, ignore_errors=True)
    return found


def environment() -> Path:
    """The interpreter that has mutmut, which reads its settings from ``WORK``; installed on first use."""
    python = WORK / "environment" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(python.parents[1])], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", MUTMUT], check=True)
    (WORK / "setup.cfg").write_text("[mutmut]\nsource_paths=.\n")
    return python


def mutants_of(path: str) -> list[Mutant]:
    command = [environment(), ROOT / "benchmarks" / "mutants.py", ROOT / path]
    made = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=WORK).stdout)
    text = (ROOT / path).read_text()
    lines, found = text.splitlines(), []
    functions = [(node.lineno, node.end_lineno or 0, name) for node, name in named_functions(ast.parse(text))]
    for each in made:
        within = [place for place in functions if place[0] <= each["line"] <= place[1]]
        first, last, name = within[0] if within else (each["line"], 0, "")
        told = json.dumps([name, lines[first - 1 : last], each["line"] - first, each["before"], each["after"]])
        digest = hashlib.sha256(told.encode()).hexdigest()[:16]
        found.append(Mutant(function=name, digest=digest, **each))
    return found


def named_functions(tree: ast.Module) -> Iterator[tuple[ast.FunctionDef, str]]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield node, node.name
        if isinstance(node, ast.ClassDef):
            yield from ((each, f"{node.name}.{each.name}") for each in node.body if isinstance(each, ast.FunctionDef))


class Progress:
    """What was found, by module: kept as it is found, one line each."""

    def __init__(self, name: str, files: Sequence[str], *, fresh: bool) -> None:
        self.file = WORK / f"{name}.jsonl"
        text = b"".join((ROOT / each).read_bytes() for each in files)
        self.tests = hashlib.sha256(text).hexdigest()[:16]
        if fresh:
            self.file.unlink(missing_ok=True)
        lines = self.file.read_text().splitlines() if self.file.exists() else []
        self.found: dict[str, dict[str, Any]] = {each["digest"]: each for each in map(json.loads, lines)}

    def known(self, mutant: Mutant) -> bool:
        found = self.found.get(mutant.digest)
        return found is not None and (found["killed_by"] is not None or found["tests"] == self.tests)

    def keep(self, mutant: Mutant, killed_by: str | None) -> None:
        self.found[mutant.digest] = {"digest": mutant.digest, "killed_by": killed_by, "tests": self.tests}
        with self.file.open("a") as file:
            file.write(json.dumps(self.found[mutant.digest]) + "\n")


class Conductor:
    """A pytest plugin: instead of running what was collected, tries each of *mutants* by it, in forks."""

    def __init__(self, name: str, mutants: Sequence[Mutant], progress: Progress, processes: int, until: float) -> None:
        self.name, self.path = name, LAWS[name][0]
        self.left = [each for each in mutants if not progress.known(each)]
        self.progress, self.processes, self.until = progress, processes, until
        self.running: dict[int, tuple[Mutant, Path, float]] = {}
        self.folder = WORK / f"of-{os.getpid()}"

    def pytest_configure(self) -> None:
        from hypothesis import Phase, settings

        found = [Phase.explicit, Phase.generate]  # that something fails is enough, and it is to fail each time
        settings.register_profile("mutation", settings.get_profile("house"), derandomize=True, phases=found)
        settings.load_profile("mutation")

    def pytest_runtestloop(self, session: Any) -> bool:
        if self.name in WARMED:
            session.config._tmp_path_factory._basetemp = self.folder / "warm"
            (self.folder / "warm").mkdir(parents=True)
            session.config.hook.pytest_runtest_protocol(item=session.items[0], nextitem=None)
        gc.collect()
        gc.freeze()
        try:
            self._try_all(session, self._baseline(session))
        finally:
            for child in self.running:
                with suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)
            shutil.rmtree(self.folder, ignore_errors=True)
        return True

    def _baseline(self, session: Any) -> Baseline:
        folder = self.folder / "first"
        child = forked(folder, lambda: first_run(session, self.path), session.config)
        until = time.monotonic() + 3_600
        while (found := ended(child, folder, until=until)) is None:
            time.sleep(0.05)
        if found.pop("failed", "time"):
            raise SystemExit(f"the tests of {self.path} do not pass over the module as it is: {found}")
        return Baseline(**found)

    def _try_all(self, session: Any, base: Baseline) -> None:
        running = self.running
        while (self.left and time.monotonic() < self.until) or running:
            while self.left and len(running) < self.processes and time.monotonic() < self.until:
                mutant = self.left.pop(0)
                child, folder, limit = self._start(session, base, mutant)
                running[child] = (mutant, folder, limit)
            for child, (mutant, folder, limit) in list(running.items()):
                found = ended(child, folder, until=limit)
                if found is not None:
                    del running[child]
                    base.kills[found["killed_by"]] += 1
                    self.progress.keep(mutant, found["killed_by"])
                    said = found["killed_by"] or "SURVIVED"
                    print(f"{self.name}: {len(self.left):4d} left: {said}: {mutant.line}: {mutant.after}", flush=True)
            time.sleep(0.01)

    def _start(self, session: Any, base: Baseline, mutant: Mutant) -> tuple[int, Path, float]:
        function = "" if mutant.function in base.calls.get("", ()) else mutant.function
        limits = {test: 3 + 5 * base.seconds[test] for test in base.tests(function)}
        folder = self.folder / mutant.digest
        child = forked(folder, lambda: trial(session, self.path, mutant.text, limits), session.config)
        return child, folder, time.monotonic() + 60 + 6 * sum(limits.values())  # a wait for nothing takes no processor


def try_all(name: str, mutants: Sequence[Mutant], progress: Progress, *, processes: int, until: float) -> None:
    """Collect the tests of a module, and try its mutants by them. Each module has a process of its own."""
    import pytest

    conductor = Conductor(name, mutants, progress, processes, until)
    if not conductor.left:
        return
    child = os.fork()
    if child:
        try:
            os.waitpid(child, 0)
        finally:
            with suppress(ProcessLookupError):
                os.kill(child, signal.SIGTERM)
        return
    options = ["-q", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:benchmark"]
    options += ["--rootdir", str(ROOT), "-m", "not airflow and not night"]
    os._exit(pytest.main([*options, *(str(ROOT / each) for each in LAWS[name][1])], plugins=[conductor]))


def reasons(name: str) -> dict[tuple[str, str, str], str]:
    """Why each mutant that is listed may survive."""
    listed = yaml.safe_load(SURVIVORS.read_text()) or {}
    return {
        (each["function"], each["before"], after): each["reason"]
        for each in listed.get(name, [])
        for after in each["after"]
    }


def summary(name: str, mutants: Sequence[Mutant], progress: Progress) -> dict[str, Any]:
    listed = reasons(name)
    tried = [each for each in mutants if progress.known(each)]
    alive = [each for each in tried if progress.found[each.digest]["killed_by"] is None]
    return {
        "mutants": len(mutants),
        "tried": len(tried),
        "killed": len(tried) - len(alive),
        "listed": sum(each.named in listed for each in alive),
        "survived": [
            {"function": each.function, "line": each.line, "before": each.before, "after": each.after}
            for each in alive
            if each.named not in listed
        ],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=", ".join(LAWS))
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=120)
    parser.add_argument("--fresh", action="store_true", help="forget what was found before")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "mutation.json")
    options = parser.parse_args()
    WORK.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends the database too
    until = time.monotonic() + 60 * options.minutes
    figures: dict[str, Any] = json.loads(options.output.read_text()) if options.output.exists() else {}
    with ExitStack() as servers:
        if "TRAINYARD_TEST_POSTGRES" not in os.environ and postgres_server.programs() is not None:
            os.environ["TRAINYARD_TEST_POSTGRES"] = servers.enter_context(postgres_server.started())
        for name in options.modules or LAWS:
            path, files = LAWS[name]
            mutants, progress = mutants_of(path), Progress(name, files, fresh=options.fresh)
            try_all(name, mutants, progress, processes=options.processes, until=until)
            figures[name] = summary(name, mutants, Progress(name, files, fresh=False))  # the conductor wrote it
            options.output.write_text(json.dumps(figures, indent=1) + "\n")
            print(json.dumps({name: figures[name]}, indent=1))
    return int(any(figures[name]["survived"] for name in options.modules or LAWS))


if __name__ == "__main__":
    sys.exit(main())
