"""A command that cannot do what it was asked says why in a sentence, and ends with another status than 0."""

import fcntl
import socket
import stat
import subprocess
import sys

import pytest

from include.settings import ROOT
from tests.cli.conftest import NewContract, Shop


@pytest.fixture
def ready(shop: Shop, new_contract: NewContract) -> Shop:
    new_contract("--time", "ordered_at", "--steward", "maria", "--outcome", "returned")
    return shop


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("explain", "nothing"), "a project is a folder"),
        (("run", "nothing"), "a project is a folder"),
        (("backtest", "nothing"), "a project is a folder"),
        (("score", "nothing", "rows.csv"), "a project is a folder"),
        (("approve", "--as", "mallory"), "'mallory' is a steward"),
        (("contract", "adopt", "orders", "--as", "../maria"), "a user's name can name a file"),
        (("contract", "adopt", "returns", "--as", "maria"), "a dataset has a contract file; found: returns"),
        (("contract", "adopt", "../orders", "--as", "maria"), "a dataset's name is an identifier; found: ../orders"),
        (("new", "returns", "--dataset", "order", "--label", "x", "--purpose", "p", "--owner", "o"), "has a contract"),
    ],
)
def test_what_is_not_there_is_named(ready: Shop, words: tuple[str, ...], told: str) -> None:
    done = ready.call(*words)
    assert done.returncode == 1
    assert done.stderr.startswith("trainyard: ")
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_an_instant_is_a_date_or_a_time(ready: Shop) -> None:
    made = ready.call("new", "returns", "--dataset", "orders", "--label", "returned", "--purpose", "p", "--owner", "o")
    assert made.returncode == 0, made.stderr
    done = ready.call("run", "returns", "--instant", "yesterday")
    assert done.returncode == 1
    assert "2013-07-01T04:00" in done.stderr


def test_reset_deletes_no_folder_that_is_not_ours(shop: Shop) -> None:
    (shop.folder / "home").mkdir()
    kept = shop.folder / "home" / "thesis.txt"
    kept.write_text("")
    assert shop.call("reset", "--yes").returncode == 1
    assert kept.exists()


@pytest.mark.parametrize("name", ["keys", "production"])
def test_reset_deletes_no_folder_that_only_has_a_folder_named_as_one_of_ours(shop: Shop, name: str) -> None:
    (shop.folder / "home" / name).mkdir(parents=True)
    done = shop.call("reset", "--yes")
    assert done.returncode == 1
    assert "only a folder that Trainyard made" in done.stderr
    assert (shop.folder / "home" / name).exists()


def test_reset_deletes_nothing_above_the_users_own_folder_however_it_is_written(
    ready: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    below = ready.folder / "home" / "user" / "deep"
    below.mkdir(parents=True)
    for user in (below.parent.parent, below):
        monkeypatch.setenv("HOME", str(user))
        assert ready.call("reset", "--yes", home=below / ".." / "..").returncode == 1
    assert below.exists()


def test_reset_names_what_lies_outside_the_home_and_stays(ready: Shop) -> None:
    done = ready.call("reset", settings={"TRAINYARD_VAULT": "s3://somewhere/vault", "TRAINYARD_STORE": "/srv/store"})
    told = " ".join(done.stdout.split())
    assert "vault s3://somewhere/vault" in told
    assert "store /srv/store" in told
    assert "ledger sqlite" not in told
    assert (ready.folder / "home").exists()  # nobody said yes
    assert ready.call("reset", "--yes").returncode == 0
    assert not (ready.folder / "home").exists()


def test_reset_deletes_nothing_while_a_night_runs_in_the_home(ready: Shop) -> None:
    folder = ready.folder / "home" / "running"
    folder.mkdir()
    with (folder / "returns").open("w") as file:
        file.write("process 1 (run 'night')")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        done = ready.call("reset", "--yes")
        assert done.returncode == 1
        assert "process 1 (run 'night') runs 'returns'" in done.stderr
    assert ready.call("reset", "--yes").returncode == 0
    assert not folder.exists()


def test_a_home_is_closed_to_others_whichever_command_makes_it(shop: Shop) -> None:
    home = shop.folder / "home"
    shop.call("access", "list", "--as", "maria")
    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_a_deployment_is_set_up_whose_contracts_others_decide_about(ready: Shop) -> None:
    done = ready.call("setup", "--no-flights")
    assert (done.returncode, done.stdout) == (0, f"ready: {ready.folder / 'home'}\n")
    assert (ready.folder / "home" / "keys" / "authority.pub").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("setup",),
        ("demo",),
        ("start",),
        ("stop",),
        ("access", "list"),
        ("contract", "adopt", "orders"),
    ],
)
def test_a_home_that_can_be_none_is_said_to_be_none_by_every_command(shop: Shop, words: tuple[str, ...]) -> None:
    """So is one of another user, which root, who runs these tests in CI, may enter."""
    (shop.folder / "home").write_text("a file")
    done = shop.call(*words)
    assert done.returncode == 1
    assert done.stderr.startswith("trainyard: DeclarationError: expected: a deployment's home is a folder of the user")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("lineage", "orders"), ("runs",)])
def test_lineage_and_runs_of_a_new_home_say_what_makes_it(shop: Shop, words: tuple[str, ...]) -> None:
    done = shop.call(*words)
    assert done.returncode == 1
    assert "./trainyard setup" in done.stderr


def test_status_of_a_new_home_says_what_makes_it(shop: Shop) -> None:
    done = shop.call("status")
    assert done.returncode == 1
    assert "./trainyard setup" in done.stderr


def test_a_port_in_use_is_named_before_anything_is_done_for_the_demo(shop: Shop) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = shop.call("demo", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 1
    assert "Choose another with `--port`" in done.stderr
    assert not (shop.folder / "home").exists()


@pytest.mark.parametrize("port", ["0", "99999"])
def test_a_port_that_cannot_be_is_refused(ready: Shop, port: str) -> None:
    done = ready.call("demo", "--port", port)
    assert done.returncode == 2
    assert "equal to" in done.stderr


def test_the_command_line_imports_no_airflow() -> None:
    """Airflow makes its home, in the user's, wherever it is imported."""
    code = "import sys, include.cli.__main__, include.demo.chain, include.runtime.embedded.process as _; "
    code += "sys.exit('airflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
