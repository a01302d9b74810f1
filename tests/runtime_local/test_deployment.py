"""What a deployment has, and what it may claim of itself."""

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from include.core.errors import DeclarationError
from include.governance.signing import create_key
from include.runtime import deployment
from include.runtime.code import code_digest
from include.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings.from_environment({"TRAINYARD_HOME": str(tmp_path / "home")})


def test_keys_are_made_once_and_for_their_owner_alone(settings: Settings) -> None:
    deployment.prepare(settings)
    before = {path.name: path.read_bytes() for path in settings.keys.iterdir()}
    deployment.prepare(settings)
    assert {path.name: path.read_bytes() for path in settings.keys.iterdir()} == before
    for name in (deployment.PSEUDONYM_KEY, deployment.MODEL_KEY):
        assert stat.S_IMODE((settings.keys / name).stat().st_mode) == 0o600


def test_a_missing_key_is_named_with_what_makes_it(settings: Settings) -> None:
    deployment.prepare(settings)
    with pytest.raises(DeclarationError, match=r"authority\.pub.*trainyard setup"):
        deployment.require(settings)


def test_separation_of_duties_is_not_shown_where_the_key_is_unknown_or_within_reach(settings: Settings) -> None:
    assert deployment.separation_of_duties(settings).startswith("NOT SHOWN")
    settings.authority_keys.mkdir(parents=True)
    assert deployment.separation_of_duties(settings).startswith("NOT SHOWN")


#: The account `nobody`: it owns nothing.
ANOTHER = 65534


def told_to_another_account(settings: Settings) -> str:
    """What a process of another account says. Forked: that account may not reach this interpreter's own files."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(ANOTHER)
            os.setuid(ANOTHER)
            os.write(writing, deployment.separation_of_duties(settings).encode())
        except BaseException as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as told:
        return told.read()


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """A folder that every account can enter, down from the root; pytest's own are closed."""
    if os.geteuid() != 0:
        pytest.skip("only root can start a process of another account")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def authority_in(folder: Path) -> Settings:
    """A deployment whose grant-signing key lies in *folder*."""
    create_key(folder / "authority.key")
    return Settings.from_environment({"TRAINYARD_HOME": "/nowhere", "TRAINYARD_AUTHORITY_KEYS": str(folder)})


def test_separation_of_duties_is_shown_to_an_account_that_the_folder_of_the_key_is_closed_to(everybodys: Path) -> None:
    settings = authority_in(everybodys / "authority")
    assert told_to_another_account(settings).startswith("SHOWN")
    assert deployment.separation_of_duties(settings).startswith("NOT SHOWN")  # root reads everything
    (everybodys / "authority").chmod(0o755)
    assert told_to_another_account(settings).startswith("NOT SHOWN")


def test_separation_of_duties_is_shown_where_a_folder_above_that_of_the_key_is_closed(everybodys: Path) -> None:
    (everybodys / "account").mkdir(mode=0o700)
    assert told_to_another_account(authority_in(everybodys / "account" / "authority")).startswith("SHOWN")


def test_separation_of_duties_is_not_shown_to_another_account_that_finds_no_key(everybodys: Path) -> None:
    settings = Settings.from_environment({"TRAINYARD_AUTHORITY_KEYS": str(everybodys / "elsewhere")})
    assert told_to_another_account(settings).startswith("NOT SHOWN: the authority's key is not where")


def _write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_the_code_digest_moves_with_the_rooms_and_the_project_and_with_nothing_else(tmp_path: Path) -> None:
    include, projects = tmp_path / "include", tmp_path / "include" / "projects"
    _write(
        include,
        {"data/a.py": "1", "runtime/b.py": "1", "cli/c.py": "1", "projects/p/__init__.py": "1", "projects/q/x.py": "1"},
    )
    first = code_digest(include, projects, "p")
    _write(include, {"runtime/b.py": "2", "cli/c.py": "2", "projects/q/x.py": "2", "data/notes.txt": "2"})
    assert code_digest(include, projects, "p") == first
    for changed in ("data/a.py", "projects/p/__init__.py", "data/new.py", "data/report.html.jinja"):
        _write(include, {changed: "2"})
        digest = code_digest(include, projects, "p")
        assert digest != first, changed
        first = digest


def test_a_home_that_others_can_enter_is_refused(settings: Settings) -> None:
    settings.home.mkdir(mode=0o755)
    with pytest.raises(DeclarationError, match=r"mode 0755.*chmod 700"):
        deployment.prepare(settings)
    assert list(settings.home.iterdir()) == []
