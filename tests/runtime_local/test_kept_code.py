"""A copy of the code that a run began with: whole, of that code alone, and gone when nobody needs it."""

import ast
import gzip
import json
import os
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.core import streams
from include.core.errors import CodeChanged, DataError, StepCrashed, StoreUnavailable
from include.core.events import CodeKept, RunStarted
from include.core.records import Run
from include.ledger import Ledger
from include.runtime.code import kept as kept_code
from include.runtime.code.digest import SHOWN, Rooms, code_digest, rooms_of_this_process
from include.runtime.nights import local
from include.settings import ROOT, Settings

NOW = datetime.now(UTC)


@pytest.fixture(params=["projects", "own/projects", "own/deeper/projects"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Settings, Ledger, str]]:
    """Settings, ledger, and the digest of the code of the project `p`, in packages that do something."""
    projects = tmp_path / request.param
    (projects / "p" / "deep").mkdir(parents=True)
    for package in projects.relative_to(tmp_path).parents:
        if package != Path():
            (tmp_path / package / "__init__.py").write_text("import os\n")
            (projects / "__init__.py").write_text("import sys\n")
    (projects / "p" / "__init__.py").write_text("PROJECT = 1\n")
    (projects / "p" / "deep" / "rates.bin").write_bytes(bytes(range(256)))
    (tmp_path / "linked.sql").write_text("select 1")
    (projects / "p" / "linked.sql").symlink_to(tmp_path / "linked.sql")
    found = Settings.from_environment({"TRAINYARD_HOME": str(tmp_path / "home"), "TRAINYARD_PROJECTS": str(projects)})
    found.home.mkdir()
    ledger = Ledger.open(found.ledger)
    yield found, ledger, code_digest(ROOT / "include", projects, "p")
    ledger.close()


def began_with(code: str) -> Run:
    return Run(project="p", run_id="night", instant=NOW, code_digest=code, declaration_digest="d", fence=1)


def copies(found: Settings) -> list[Path]:
    return sorted((found.home / "code").iterdir())


def test_what_is_unpacked_is_the_code_that_was_kept_whatever_lies_there_by_now(
    house: tuple[Settings, Ledger, str], tmp_path: Path
) -> None:
    found, ledger, code = house
    kept_code.keep(found, ledger, "p", code)
    kept_code.keep(found, ledger, "p", code)
    assert len(copies(found)) == 2, "the platform's and the project's, once"
    assert len(ledger.read_all(kinds=(CodeKept,))) == 1
    assert {file.stat().st_mode & 0o777 for file in copies(found)} == {0o600}
    (found.projects / "p" / "__init__.py").write_text("PROJECT = 2\n")
    projects = kept_code.unpack(found, ledger, began_with(code), tmp_path / "there")
    assert code_digest(tmp_path / "there" / "include", projects, "p") == code
    assert (projects / "p" / "__init__.py").read_text() == "PROJECT = 1\n"
    assert (projects / "p" / "linked.sql").read_text() == "select 1"
    below = found.projects.relative_to(found.home.parent)
    assert projects == tmp_path / "there" / below, "so that it is imported by the same name"
    assert (tmp_path / "there" / "include" / "runtime" / "pinned.py").is_file()


def test_projects_share_the_copy_of_the_platform(house: tuple[Settings, Ledger, str]) -> None:
    found, ledger, code = house
    kept_code.keep(found, ledger, "p", code)
    (found.projects / "q").mkdir()
    (found.projects / "q" / "__init__.py").write_text("PROJECT = 3\n")
    kept_code.keep(found, ledger, "q", code_digest(ROOT / "include", found.projects, "q"))
    assert len(copies(found)) == 3


def test_code_that_moved_while_the_run_began_is_not_kept_as_what_it_was(house: tuple[Settings, Ledger, str]) -> None:
    found, ledger, code = house
    (found.projects / "p" / "__init__.py").write_text("PROJECT = 2\n")
    kept_code.keep(found, ledger, "p", code)
    assert not kept_code.is_known(ledger, began_with(code))


@pytest.mark.parametrize(
    "altered", [None, b"other bytes", gzip.compress(b"other code")], ids=["lost", "broken", "other"]
)
def test_a_copy_that_was_lost_or_altered_is_made_again_when_the_next_run_begins(
    house: tuple[Settings, Ledger, str], altered: bytes | None, tmp_path: Path
) -> None:
    found, ledger, code = house
    kept_code.keep(found, ledger, "p", code)
    for file in copies(found):
        file.unlink()
        if altered is not None:
            file.write_bytes(altered)
            os.utime(file, (time.time() + 1,) * 2)  # a file's time is told in steps, which one of this second may miss
    kept_code.keep(found, ledger, "p", code)
    kept_code.unpack(found, ledger, began_with(code), tmp_path / "there")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Ledger, str]:
    home = tmp_path_factory.mktemp("small")
    (home / "projects" / "p").mkdir(parents=True)
    (home / "projects" / "p" / "__init__.py").write_text("PROJECT = 1\n")
    found = Settings.from_environment({"TRAINYARD_HOME": str(home), "TRAINYARD_PROJECTS": str(home / "projects")})
    ledger, code = Ledger.open(found.ledger), code_digest(ROOT / "include", found.projects, "p")
    kept_code.keep(found, ledger, "p", code)
    return found, ledger, code


def _opened(data: bytes) -> bytes | None:
    try:
        return gzip.decompress(data)
    except (OSError, EOFError, zlib.error):
        return None


@settings(max_examples=25, deadline=None)
@given(
    which=st.integers(0, 1), place=st.floats(0, 1, exclude_max=True), change=st.sampled_from(["flip", "cut", "gone"])
)
def test_nothing_is_unpacked_of_a_copy_that_is_not_what_the_ledger_says(
    small: tuple[Settings, Ledger, str], which: int, place: float, change: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    found, ledger, code = small
    file = copies(found)[which]
    whole, there = file.read_bytes(), tmp_path_factory.mktemp("there")
    altered, at = bytearray(whole), int(place * len(whole))
    altered[at] ^= 0xFF
    try:
        file.unlink()
        if change != "gone":
            file.write_bytes(bytes(altered) if change == "flip" else whole[:at])
        if change == "flip" and gzip.decompress(whole) == _opened(bytes(altered)):
            return  # a byte of the header that decides nothing
        with pytest.raises(CodeChanged, match=rf"missing or altered: .*{file.name}.*Start a new run"):
            kept_code.unpack(found, ledger, began_with(code), there)
        assert list(there.iterdir()) == []
    finally:
        file.write_bytes(whole)


def test_another_code_that_is_recorded_under_the_digest_of_a_run_is_not_loaded(
    small: tuple[Settings, Ledger, str], tmp_path: Path
) -> None:
    found, ledger, _ = small
    (kept,) = [entry.event for entry in ledger.read_all(kinds=(CodeKept,)) if isinstance(entry.event, CodeKept)]
    ledger.record("code/p", replace(kept, code="sha256:" + "e" * 64), key="a lie")
    with pytest.raises(CodeChanged, match="what was copied is other code"):
        kept_code.unpack(found, ledger, began_with("sha256:" + "e" * 64), tmp_path)


def test_a_copy_that_cannot_be_written_says_where_and_is_tried_again(small: tuple[Settings, Ledger, str]) -> None:
    found, ledger, code = small
    elsewhere = replace(found, home=found.home / "elsewhere")
    elsewhere.home.mkdir()
    (elsewhere.home / "code").write_text("in its place")
    with pytest.raises(StoreUnavailable, match="elsewhere/code") as error:
        kept_code.keep(elsewhere, ledger, "p", code)
    assert error.value.retry_heals


def test_copies_go_when_no_run_of_a_month_began_with_them_and_half_written_ones_at_once(
    house: tuple[Settings, Ledger, str],
) -> None:
    found, ledger, code = house
    kept_code.keep(found, ledger, "p", code)
    ledger.record(streams.run("p", "night"), RunStarted(run=began_with(code), separation_of_duties="NOT SHOWN"))
    half = found.home / "code" / "copy.tar.0123456789abcdef"
    half.write_text("killed here")
    old = time.time() - kept_code.KEPT.total_seconds() - 60
    for file in copies(found):
        os.utime(file, (old, old))
    assert kept_code.remove_unneeded(found, ledger, now=NOW + timedelta(days=29)) == 1
    assert half not in copies(found)
    assert len(copies(found)) == 2, "a run that began with them may go on"
    assert kept_code.remove_unneeded(found, ledger, now=NOW + timedelta(days=31)) == 2
    assert copies(found) == []


def test_no_module_that_counts_imports_one_that_only_shows() -> None:
    """Else what it shows could decide a result, and would have to count too."""
    hidden = {"include." + name.removesuffix(".py").replace("/", ".") for name in SHOWN}
    assert all((ROOT / "include" / name).is_file() for name in SHOWN)
    for name, _ in rooms_of_this_process().counted:
        if name.endswith(".py"):
            for node in ast.walk(ast.parse((ROOT / "include" / name).read_text())):
                if isinstance(node, ast.ImportFrom):
                    imported = {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
                    assert not hidden & imported, f"{name}:{node.lineno}"


def test_what_only_shows_does_not_count(tmp_path: Path) -> None:
    include = tmp_path / "include"
    for name in ("lineage/drawing.py", "declared/scope.py", "runtime/server/pages/access.py"):
        (include / name).parent.mkdir(parents=True, exist_ok=True)
        (include / name).write_text("1")
    (include / "projects" / "p").mkdir(parents=True)
    first = code_digest(include, include / "projects", "p")
    for name, counts in (
        ("lineage/drawing.py", False),
        ("runtime/server/pages/access.py", False),
        ("declared/scope.py", True),
    ):
        (include / name).write_text("2")
        assert (code_digest(include, include / "projects", "p") != first) is counts, name
    assert {name for name, _ in Rooms.read(include).files} == {"lineage/drawing.py", "declared/scope.py"}


def test_code_of_an_earlier_release_has_the_digest_that_its_runs_began_with(tmp_path: Path) -> None:
    """Whatever is called otherwise since: else a deploy would end the runs that began before it."""
    include = tmp_path / "include"
    shown = ("history", "impact", "notices", "outstanding", "register", "unusual")
    drawn = [f"lineage/{name}.py" for name in ("drawing", "graph", "layout")]
    for name in (*(f"governance/{name}.py" for name in shown), *drawn, "cli/night.py", "runtime/demo.py"):
        assert name in SHOWN or "governance" not in name or not (ROOT / "include" / name).exists()
        (include / name).parent.mkdir(parents=True, exist_ok=True)
        (include / name).write_text(name)
    (include / "core").mkdir()
    (include / "core" / "project.py").write_text("core/project.py")
    (include / "projects" / "p").mkdir(parents=True)
    (include / "projects" / "p" / "__init__.py").write_text("PROJECT = 1\n")
    then = "sha256:d278cba3956c1302d990dcdb56b41650b3c7bbd29202d52114bede79875208da"
    assert code_digest(include, include / "projects", "p") == then


def test_a_night_of_this_process_asks_before_each_step_whether_other_code_lies_here(
    house: tuple[Settings, Ledger, str],
) -> None:
    found, ledger, code = house
    kept_code.keep(found, ledger, "p", code)
    given: Any = {"platform": SimpleNamespace(ledger=ledger), "project": SimpleNamespace(name="p")}
    night = local.Steps(settings=found, run=began_with(code), **given)
    file = found.projects / "p" / "__init__.py"
    assert not night.moved()
    os.utime(file)
    assert not night.moved(), "touched, and the same"
    before = file.read_text()
    file.write_text("PROJECT = 2\n")
    assert night.moved()
    file.write_text(before)
    assert not night.moved()


#: A process that answers as one with the copied code does, but for what the step is.
ANSWERS = """
from include.core import errors
from include.runtime import pinned
def do(call):
    print("said meanwhile")
    raise {error}
pinned._do = do
pinned.main()
"""


@pytest.mark.parametrize(
    ("error", "kind", "told"),
    [
        ("errors.DataError('a rule', value=3, remedy='Act.')", DataError, "expected: a rule; found: 3. Act."),
        ("ValueError('N12345')", StepCrashed, "ValueError at <string>:6"),
    ],
)
def test_an_error_of_the_code_of_then_is_raised_as_its_own_kind_and_a_foreign_one_without_its_text(
    error: str, kind: type, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from include.runtime.code import earlier

    command = [sys.executable, "-P", "-c", ANSWERS.format(error=error)]
    popen = subprocess.Popen
    monkeypatch.setattr(earlier.subprocess, "Popen", lambda _, **options: popen(command, **options))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TRAINYARD_OF_A_LATER_RELEASE": "1"}
    answer = earlier._ask({"step": "s"}, environment)
    assert answer["error"] == kind.__name__
    assert told in f"expected: {answer['rule']}; found: {answer['value']}. {answer['remedy']}"
    assert "N12345" not in json.dumps(answer)


def test_code_of_then_asks_airflow_for_its_configuration_within_a_task_and_reaches_no_database_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a promotion does, which waits for the authority in Airflow's API server."""
    from include.runtime.code import earlier

    for section in ("DATABASE", "CORE"):  # as Airflow's supervisor sets them in the process of each task
        monkeypatch.setenv(f"AIRFLOW__{section}__SQL_ALCHEMY_CONN", "airflow-db-not-allowed:///")
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    environment = earlier._environment(Settings.from_environment({"TRAINYARD_HOME": str(tmp_path)}), str(ROOT))
    asks = "from airflow.configuration import conf; print(conf.get('database', 'sql_alchemy_conn'))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", asks], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["sqlite://"], done.stderr[-1000:]


def test_the_process_of_the_code_of_then_ends_with_the_one_that_called_it() -> None:
    program = "import time\nfrom include.runtime import pinned\npinned._do = lambda call: time.sleep(60)\npinned.main()"
    with subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdin is not None
        child.stdin.write("{}\n")
        child.stdin.flush()
        threading.Timer(0.2, child.stdin.close).start()  # as the kernel does it for a caller that was killed
        assert child.wait(timeout=30) == 1
