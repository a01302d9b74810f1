"""The command's wrapper, with a stand-in Python and installer: every other test runs on a real installation."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WRAPPER = ROOT / "trainyard"
#: Everything that the wrapper may start beside Python.
TOOLS = ("bash", "sh", "env", "cat", "dirname", "mkdir", "mv", "readlink", "rm", "sleep", "uname")

#: Stands in for the Python on PATH and for .venv/bin/python. It notes each thing that it is asked to do in $CALLS.
PYTHON = """#!/bin/sh
case "$1 $2" in
  "-c "*ensurepip*) {probe} ;;
  "-c "*ctypes*) exit {openmp} ;;
  "-c "*flock*) exec '{real}' "$@" ;;
  "--version "*) echo "Python 3.12.0" ;;
  "-m venv") echo "venv $3" >>"$CALLS"
    mkdir -p "$3/bin"; cat "$0" >"$3/bin/python"; chmod +x "$3/bin/python"
    [ -z "${{DIE_IN_VENV:-}}" ] || kill -9 $$
    printf '#!/bin/sh\\n"%s/bin/python" "$0"\\n' "$3" >"$3/bin/pip" ;;
  "-m pip") echo "pip" >>"$CALLS"
    [ -z "${{OFFLINE:-}}" ] || {{ echo "no route to the index" >&2; exit 1; }}
    cat "$UV" >"${{0%/*}}/uv"; chmod +x "${{0%/*}}/uv" ;;
  "-m pytest") echo "pytest $*" >>"$CALLS"
    case "$*" in
      *"-m not (airflow"*) exit "${{QUICK:-0}}" ;;
      *"and not (kubernetes or long)"*) exit "${{SLOW:-0}}" ;;
      *"and not alone"*) exit "${{ALL_SLOW:-0}}" ;;
      *"and alone"*) exit "${{ALONE:-0}}" ;;
    esac
    exit "${{ASKED:-0}}" ;;
  "-P -m") shift 3; echo "cli in $PWD with $PYTHONPATH:" ; for word; do echo "[$word]"; done ;;
  *) echo "unexpected: $*" >&2; exit 64 ;;
esac
"""
FITS = 'echo "$0"'
#: Stands in for the installer; takes as long as $INSTALL_SECONDS.
UV = """#!/bin/sh
if [ "$1" = --version ]; then echo "uv {version} (stand-in)"; exit; fi
for word; do last=$word; done
echo "install ${{last##*/}}" >>"$CALLS"
sleep "${{INSTALL_SECONDS:-0}}"
[ -z "${{DIE_IN_INSTALL:-}}" ] || kill -9 $PPID
exit "${{INSTALL_EXIT:-0}}"
"""


class Yard:
    """A checkout in a folder with a space in its name, and a PATH that holds nothing but what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "my yard"
        self.home.mkdir()
        for name in ("trainyard", "requirements.txt", "requirements-dev.txt", "requirements-spark.txt"):
            shutil.copy(ROOT / name, self.home / name)
        self.path = folder / "bin"
        self.path.mkdir()
        for tool in (*TOOLS, "chmod"):
            found = shutil.which(tool)
            assert found, f"{tool} is needed by this test"
            (self.path / tool).symlink_to(found)
        self.calls = folder / "calls"
        self.calls.touch()
        self.uv = folder / "uv"
        version = re.search(r"^uv_version=(\S+)$", WRAPPER.read_text(), re.M)
        assert version
        self.uv.write_text(UV.format(version=version[1]))
        self.put_python()

    def put_python(self, name: str = "python3", *, probe: str = FITS, openmp: int = 0) -> None:
        self.put(name, PYTHON.format(probe=probe, openmp=openmp, real=sys.executable))

    def put(self, name: str, text: str) -> None:
        (self.path / name).unlink(missing_ok=True)
        (self.path / name).write_text(text)
        (self.path / name).chmod(0o755)

    def environment(self, **extra: str) -> dict[str, str]:
        return {"PATH": str(self.path), "CALLS": str(self.calls), "UV": str(self.uv), "HOME": str(self.home), **extra}

    def start(
        self, *words: str, command: Path | None = None, cwd: Path | None = None, **env: str
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [command or self.home / "trainyard", *words],
            cwd=cwd or self.home,
            env=self.environment(**env),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def call(
        self, *words: str, command: Path | None = None, cwd: Path | None = None, **env: str
    ) -> subprocess.CompletedProcess[str]:
        process = self.start(*words, command=command, cwd=cwd, **env)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def done(self) -> list[str]:
        """What was asked of Python and of the installer since the last look."""
        lines = self.calls.read_text().splitlines()
        self.calls.write_text("")
        return lines


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


FIRST = ["pip", "install requirements.txt"]


def test_the_first_call_installs_and_hands_over_its_words_unchanged(yard: Yard) -> None:
    result = yard.call("run", "two words", "", "*")

    assert result.returncode == 0, result.stderr
    assert yard.done() == [f"venv {yard.home}/.venv", *FIRST]
    assert result.stdout.splitlines()[1:] == ["[run]", "[two words]", "[]", "[*]"]


def test_a_second_call_installs_nothing_and_needs_no_index(yard: Yard) -> None:
    yard.call("status")
    yard.done()
    (yard.path / "python3").unlink()

    result = yard.call("status", OFFLINE="1")

    assert (result.returncode, result.stderr, yard.done()) == (0, "", [])


def test_pyspark_is_installed_for_who_names_a_cluster_and_for_nobody_else(yard: Yard) -> None:
    yard.call("status")
    yard.done()

    yard.call("status", TRAINYARD_ENGINE="spark://master:7077")

    assert yard.done() == ["install requirements-spark.txt"]


def test_the_check_tests_on_spark_where_there_is_java(yard: Yard) -> None:
    with_checks(yard)
    yard.put("java", "#!/bin/sh\n")

    yard.call("check", "--version")

    assert yard.done()[0] == "install requirements-spark.txt"


def test_a_call_without_words_is_handed_over_too(yard: Yard) -> None:
    assert yard.call().stdout == f"cli in {yard.home} with {yard.home}:\n"


def test_the_folder_where_the_caller_stands_is_kept_and_its_path_is_extended(yard: Yard, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    result = yard.call(cwd=elsewhere, PYTHONPATH="/theirs", CDPATH=str(tmp_path))

    assert result.stdout == f"cli in {elsewhere} with {yard.home}:/theirs:\n"


@pytest.mark.parametrize("relative", [True, False])
def test_a_symbolic_link_to_the_command_finds_its_checkout(yard: Yard, tmp_path: Path, relative: bool) -> None:
    links = tmp_path / "links"
    links.mkdir()
    (links / "inner").symlink_to("../my yard/trainyard" if relative else yard.home / "trainyard")
    (links / "ty").symlink_to("inner")

    result = yard.call(command=links / "ty", cwd=links)

    assert result.stdout == f"cli in {links} with {yard.home}:\n", result.stderr


def test_a_changed_pin_installs_again_into_the_same_environment(yard: Yard) -> None:
    yard.call()
    yard.done()
    (yard.home / "requirements.txt").write_text("attrs==1\n")

    yard.call()

    assert yard.done() == ["install requirements.txt"]


def test_a_moved_checkout_makes_its_environment_anew(yard: Yard) -> None:
    yard.call()
    yard.done()
    yard.home = yard.home.rename(yard.home.with_name("moved"))

    result = yard.call()

    assert yard.done() == [f"venv {yard.home}/.venv", *FIRST]
    assert str(yard.home) in result.stdout


def test_an_environment_whose_python_is_gone_is_made_anew(yard: Yard) -> None:
    yard.call()
    yard.done()
    (yard.home / ".venv/bin/python").unlink()
    (yard.home / ".venv/bin/python").symlink_to("/usr/bin/python-that-was-upgraded-away")

    yard.call()

    assert yard.done() == [f"venv {yard.home}/.venv", *FIRST]


def test_an_environment_killed_while_it_was_made_is_made_anew(yard: Yard) -> None:
    assert yard.call(DIE_IN_VENV="1").returncode != 0
    yard.done()

    assert yard.call().returncode == 0
    assert yard.done() == [f"venv {yard.home}/.venv", *FIRST]


def test_a_killed_installation_goes_on_at_the_next_call_and_leaves_no_lock(yard: Yard) -> None:
    assert yard.call(DIE_IN_INSTALL="1").returncode == -9
    yard.done()

    result = yard.call()

    assert (result.returncode, yard.done()) == (0, ["install requirements.txt"])
    assert "waiting" not in result.stderr


def test_a_failed_installation_says_so_and_is_tried_again(yard: Yard) -> None:
    result = yard.call(INSTALL_EXIT="1")

    assert result.returncode == 2
    assert "could not install requirements.txt" in result.stderr
    assert result.stdout == ""
    yard.done()
    assert yard.call().returncode == 0
    assert yard.done() == ["install requirements.txt"]


def test_an_unreachable_index_is_named_as_the_likely_cause(yard: Yard) -> None:
    result = yard.call(OFFLINE="1")

    assert result.returncode == 2
    assert "no route to the index" in result.stderr
    assert "is a package index reachable?" in result.stderr


def test_of_two_first_calls_at_once_one_installs_and_the_other_waits_for_it(yard: Yard) -> None:
    both = [yard.start("status", INSTALL_SECONDS="1") for _ in range(2)]

    results = [process.communicate(timeout=60) for process in both]

    assert [process.returncode for process in both] == [0, 0]
    assert yard.done() == [f"venv {yard.home}/.venv", *FIRST]
    assert sum("waiting for another call that is installing" in err for _, err in results) == 1
    assert all("[status]" in out for out, _ in results)


def test_what_is_started_after_an_installation_does_not_hold_the_lock(yard: Yard) -> None:
    command = yard.path / "python3"
    command.write_text(command.read_text().replace('"-P -m") shift 3;', '"-P -m") shift 3; ls -l /proc/$$/fd/9 2>&1;'))
    (yard.path / "ls").symlink_to(shutil.which("ls") or "/bin/ls")

    assert "my yard" not in yard.call().stdout.split("cli in")[0]


@pytest.mark.parametrize(
    ("probe", "reason"),
    [
        ("echo 'no: it is Python 3.9'", "python3 on PATH does not fit: it is Python 3.9"),
        (
            "echo 'no: its venv module is not installed'",
            "python3 on PATH does not fit: its venv module is not installed",
        ),
        ("exit 127", "python3 on PATH does not fit: it does not start"),
    ],
)
def test_a_python_that_does_not_fit_is_named_with_the_reason_and_the_remedy(
    yard: Yard, probe: str, reason: str
) -> None:
    yard.put_python(probe=probe)

    result = yard.call()

    assert result.returncode == 2
    assert reason in result.stderr
    assert "sudo apt-get install python3 python3-venv" in result.stderr
    assert yard.done() == []


def test_without_any_python_the_remedy_is_named(yard: Yard) -> None:
    (yard.path / "python3").unlink()

    result = yard.call()

    assert result.returncode == 2
    assert "needs Python 3.11, 3.12 or 3.13" in result.stderr


def test_a_fitting_python_behind_one_that_does_not_fit_is_used(yard: Yard) -> None:
    yard.put_python(probe="echo 'no: it is Python 3.14'")
    yard.put_python("python3.12")

    assert yard.call().returncode == 0


def test_the_probe_accepts_exactly_the_supported_pythons() -> None:
    probe = re.search(r"-c '\n(import os, sys\n.*?)' 2>/dev/null", WRAPPER.read_text(), re.S)
    assert probe
    for version, accepted in (((3, 10), False), ((3, 11), True), ((3, 13), True), ((3, 14), False)):
        pretence = f"import sys; sys.version_info = {(*version, 0, 'final', 0)}\n"
        answer = subprocess.run(
            [sys.executable, "-c", pretence + probe[1]], capture_output=True, text=True, check=False
        )
        assert answer.stdout.startswith("/") is accepted, answer


def test_a_system_without_openmp_learns_how_to_get_it_before_anything_is_made(yard: Yard) -> None:
    yard.put_python(openmp=1)

    result = yard.call()

    assert result.returncode == 2
    assert "libgomp.so.1" in result.stderr
    assert "sudo apt-get install libgomp1" in result.stderr
    assert not (yard.home / ".venv").exists()


def test_windows_without_wsl_is_pointed_to_it(yard: Yard) -> None:
    yard.put("uname", "#!/bin/sh\necho MINGW64_NT-10.0\n")

    result = yard.call()

    assert result.returncode == 2
    assert "WSL2" in result.stderr


def test_macos_without_openmp_is_pointed_to_homebrew(yard: Yard) -> None:
    yard.put("uname", "#!/bin/sh\necho Darwin\n")

    assert "brew install libomp" in yard.call().stderr


def with_checks(yard: Yard) -> None:
    """Install, and put stand-ins for the tools of `check` beside the stand-in Python."""
    yard.call("test")
    for tool in ("ruff", "mypy", "lint-imports"):
        stand_in = yard.home / ".venv/bin" / tool
        stand_in.write_text(f'#!/bin/sh\necho "{tool} $*" >>"$CALLS"\nexit "${{LINT:-0}}"\n')
        stand_in.chmod(0o755)
    yard.done()


def test_tests_install_what_they_need_and_run_all_but_the_long_ones_and_those_on_kubernetes(yard: Yard) -> None:
    result = yard.call("test")

    assert result.returncode == 0
    *installed, quick, slow = yard.done()
    assert installed == [f"venv {yard.home}/.venv", *FIRST, "install requirements-dev.txt"]
    assert "-m not (airflow or night or browser or kubernetes or long or spark)" in quick
    assert "-m (airflow or night or browser) and not (kubernetes or long)" in slow
    assert "those on Kubernetes or Spark (markers long, kubernetes, spark) run in `./trainyard check`" in result.stderr
    assert all("--durations=10" in suite for suite in (quick, slow))


@pytest.mark.parametrize(
    ("command", "failing", "name"),
    [
        ("test", "QUICK", "quick tests"),
        ("test", "SLOW", "slow tests"),
        ("check", "ALL_SLOW", "slow tests and those on Kubernetes"),
        ("check", "ALONE", "slow tests that need all cores"),
    ],
)
def test_a_failing_suite_does_not_stop_the_others_and_fails_the_call(
    yard: Yard, command: str, failing: str, name: str
) -> None:
    with_checks(yard)

    result = yard.call(command, **{failing: "1"})

    assert result.returncode == 1
    assert len([line for line in yard.done() if line.startswith("pytest")]) == (2 if command == "test" else 3)
    assert f"{name} (exit 1)" in result.stderr


def test_a_suite_without_tests_is_no_failure(yard: Yard) -> None:
    assert yard.call("test", SLOW="5").returncode == 0


def test_tests_asked_for_by_name_run_alone_and_must_exist(yard: Yard) -> None:
    with_checks(yard)

    result = yard.call("test", "tests/ledger", "-k", "a b", ASKED="5")

    assert result.returncode == 1
    assert yard.done() == ["pytest -m pytest tests/ledger -k a b"]


def test_a_check_runs_every_stage_and_names_all_that_failed(yard: Yard) -> None:
    with_checks(yard)

    result = yard.call("check", LINT="1", ALL_SLOW="1")

    assert result.returncode == 1
    assert [line.split()[0] for line in yard.done()] == ["ruff", "ruff", "mypy", "lint-imports", *["pytest"] * 3]
    for stage in ("format", "lint", "types", "import contract", "slow tests and those on Kubernetes"):
        assert f"  {stage} (exit 1)" in result.stderr
    assert "quick tests" not in result.stderr


def test_a_check_without_a_finding_succeeds_and_has_run_every_suite_once(yard: Yard) -> None:
    with_checks(yard)

    assert yard.call("check").returncode == 0
    quick, slow, alone = (
        re.search(r"-m (?!pytest)(.*?) --", line)[1]  # type: ignore[index]
        for line in yard.done()
        if line.startswith("pytest")
    )
    all_slow = quick.removeprefix("not ")
    assert (slow, alone) == (f"{all_slow} and not alone", f"{all_slow} and alone")


def test_a_check_of_tests_asked_for_by_name_checks_all_and_runs_these(yard: Yard) -> None:
    with_checks(yard)

    assert yard.call("check", "tests/ledger").returncode == 0
    assert yard.done()[-1] == "pytest -m pytest tests/ledger"


def test_a_call_that_finds_all_installed_starts_nothing_but_python(yard: Yard) -> None:
    """Without a PATH it would find no other program: such a call adds next to nothing to the start of Python."""
    assert yard.call().returncode == 0
    bash = shutil.which("bash")
    assert bash is not None
    command = [bash, yard.home / "trainyard"]
    done = subprocess.run(command, env={**yard.environment(), "PATH": "/nowhere"}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_wrapper_is_written_in_what_bash_3_2_knows() -> None:
    code = re.sub(r"(^|\s)#.*", "", WRAPPER.read_text())

    newer = (
        r"declare -A|local -[An]|mapfile|readarray|\$\{\w+(,,|\^\^|@\w)|\[\[ -v|&>>|\|&|coproc|wait -n|\[@\]|printf -v"
    )
    assert re.findall(newer, code) == []
    assert os.access(WRAPPER, os.X_OK)
    assert subprocess.run(["bash", "-n", WRAPPER], check=False).returncode == 0
