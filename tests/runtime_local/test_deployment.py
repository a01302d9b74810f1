"""What a deployment has, and what it may claim of itself."""

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from include.core.errors import DeclarationError
from include.governance.signing import PRIVATE_KEY_FILE, Signer, create_key
from include.runtime import deployment
from include.runtime.code.digest import code_digest
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


#: The account `nobody`: it owns nothing but what a test gives it.
ANOTHER = 65534


def shown_to(settings: Settings, *accounts: int) -> str:
    """What a process of another account says; *accounts* are its real, effective and saved user, where they differ.

    Forked: that account may not reach this interpreter's own files.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(ANOTHER, ANOTHER, ANOTHER)
            os.setresuid(*(accounts or (ANOTHER,) * 3))
            os.write(writing, deployment.separation_of_duties(settings).encode())
        except BaseException as error:
            os.write(writing, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading) as told:
        return told.read()


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The authority's keys as docs/ops.md lays them out for two accounts, here root's and `nobody`'s."""

    folder: Path
    settings: Settings

    @property
    def private(self) -> Path:
        return self.settings.authority_keys / PRIVATE_KEY_FILE

    @property
    def public(self) -> Path:
        return self.settings.keys / deployment.AUTHORITY_PUBLIC_KEY

    def give(self, path: Path) -> None:
        """Make `nobody` the owner of *path*."""
        os.chown(path, ANOTHER, ANOTHER)


@pytest.fixture
def keys() -> Iterator[Keys]:
    """In a folder that every account can enter, down from the root; pytest's own are closed."""
    if os.geteuid() != 0:
        pytest.skip("only root can start a process of another account")
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        place.chmod(0o755)
        create_key(place / "authority" / PRIVATE_KEY_FILE)
        (place / "keys").mkdir(mode=0o755)
        made = Keys(
            folder=place,
            settings=Settings.from_environment(
                {
                    "TRAINYARD_HOME": "/nowhere",
                    "TRAINYARD_AUTHORITY_KEYS": str(place / "authority"),
                    "TRAINYARD_KEYS": str(place / "keys"),
                }
            ),
        )
        Signer.load(made.private).publish(made.public)
        made.public.chmod(0o644)
        yield made


def test_separation_of_duties_is_shown_where_both_keys_and_their_folders_are_anothers_and_closed(keys: Keys) -> None:
    assert shown_to(keys.settings).startswith("SHOWN")
    assert deployment.separation_of_duties(keys.settings).startswith("NOT SHOWN")  # root reads everything


def test_separation_of_duties_is_shown_where_a_folder_above_that_of_the_key_is_closed(keys: Keys) -> None:
    (keys.folder / "account").mkdir(mode=0o700)
    keys.settings.authority_keys.rename(keys.folder / "account" / "authority")
    keys.settings.authority_keys.symlink_to(keys.folder / "account" / "authority")
    assert shown_to(keys.settings).startswith("SHOWN")


def _own_folder_of_mode_000(keys: Keys) -> None:
    keys.give(keys.settings.authority_keys)
    keys.settings.authority_keys.chmod(0)


def _own_folder_above(keys: Keys) -> None:
    keys.give(keys.folder)


def _readable_key_in_a_folder_that_cannot_be_listed(keys: Keys) -> None:
    keys.settings.authority_keys.chmod(0o711)
    keys.private.chmod(0o644)


def _folder_that_can_be_entered(keys: Keys) -> None:
    keys.settings.authority_keys.chmod(0o711)


def _folder_that_can_be_listed(keys: Keys) -> None:
    keys.settings.authority_keys.chmod(0o704)


def _open_folder(keys: Keys) -> None:
    keys.settings.authority_keys.chmod(0o755)


def _folder_above_in_which_everybody_writes(keys: Keys) -> None:
    keys.folder.chmod(0o777)


def _link_in_an_own_folder(keys: Keys) -> None:
    """The key's folder is another's; the way that the settings name leads over a link that this account may turn."""
    keys.settings.authority_keys.rename(keys.folder / "closed")
    (keys.folder / "ours").mkdir()
    keys.give(keys.folder / "ours")
    (keys.folder / "ours" / "link").symlink_to(keys.folder / "closed")
    keys.settings.authority_keys.symlink_to(keys.folder / "ours" / "link")


def _no_key(keys: Keys) -> None:
    shutil.rmtree(keys.settings.authority_keys)


def _own_public_key(keys: Keys) -> None:
    keys.give(keys.public)


def _public_key_that_everybody_writes(keys: Keys) -> None:
    keys.public.chmod(0o666)


def _public_key_in_an_own_folder(keys: Keys) -> None:
    keys.give(keys.settings.keys)


def _public_key_in_a_folder_in_which_everybody_writes(keys: Keys) -> None:
    keys.settings.keys.chmod(0o777)


def _no_public_key(keys: Keys) -> None:
    keys.public.unlink()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (_own_folder_of_mode_000, "authority belongs to its own user"),
        (_own_folder_above, "belongs to its own user"),
        (_readable_key_in_a_folder_that_cannot_be_listed, "can read the authority's key"),
        (_folder_that_can_be_entered, "can enter the folder"),
        (_folder_that_can_be_listed, "can list the folder"),
        (_open_folder, "can enter the folder"),
        (_folder_above_in_which_everybody_writes, "may write to"),
        (_link_in_an_own_folder, "ours belongs to its own user"),
        (_no_key, "not where this process looks"),
        (_own_public_key, r"authority\.pub belongs to its own user"),
        (_public_key_that_everybody_writes, r"may write to .*authority\.pub"),
        (_public_key_in_an_own_folder, "keys belongs to its own user"),
        (_public_key_in_a_folder_in_which_everybody_writes, "may write to .*keys"),
        (_no_public_key, "public key, is not where this process looks"),
    ],
)
def test_separation_of_duties_is_not_shown_where_a_key_can_be_read_or_replaced(
    keys: Keys, change: Callable[[Keys], None], why: str
) -> None:
    change(keys)
    assert re.fullmatch(f"NOT SHOWN: .*{why}.*", shown_to(keys.settings))


def test_separation_of_duties_is_shown_in_a_sticky_folder_where_everybody_replaces_only_what_is_their_own(
    keys: Keys,
) -> None:
    keys.folder.chmod(0o1777)
    assert shown_to(keys.settings).startswith("SHOWN")


def test_separation_of_duties_is_not_shown_to_a_process_that_can_become_the_owner_again(keys: Keys) -> None:
    for accounts in ((ANOTHER, ANOTHER, 0), (0, ANOTHER, ANOTHER)):
        assert shown_to(keys.settings, *accounts).startswith("NOT SHOWN: this process runs as root")


def test_separation_of_duties_is_not_shown_where_one_user_has_made_everything(settings: Settings) -> None:
    assert deployment.separation_of_duties(settings).startswith("NOT SHOWN")
    deployment.prepare(settings)
    create_key(settings.authority_keys / PRIVATE_KEY_FILE)
    assert deployment.separation_of_duties(settings).startswith("NOT SHOWN")


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
