"""A PostgreSQL server of the tests' own, on a Unix socket in a temporary folder."""

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_ACCOUNTS = ("postgres", "nobody")
#: Who it belongs to needs no password, as other tests have it; all others do.
_ADMITTED = "local all trainyard trust\nlocal all all scram-sha-256\n"


def programs() -> Path | None:
    """The folder of the server's programs, if it is installed."""
    found = shutil.which("pg_ctl")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


@contextmanager
def started() -> Iterator[str]:
    """The URL of a database whose account may create others."""
    with _made() as server:
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


@contextmanager
def replica(*statements: str) -> Iterator[str]:
    """The URL of a server that only replays, and to which nobody sends more than what *statements* did."""
    with _made() as server:
        server.start()
        for statement in statements:
            _run(
                server.account,
                server.programs / "psql",
                "-h",
                server.folder,
                "-U",
                "trainyard",
                "-c",
                statement,
                "postgres",
            )
        server.stop()
        (server.data / "standby.signal").touch()
        server.start()
        try:
            yield server.url
        finally:
            server.stop()


@dataclass(frozen=True)
class _Server:
    programs: Path
    folder: Path
    account: str | None

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://trainyard@/postgres?host={self.folder}"

    def start(self) -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off -c max_connections=60"
        self._control("-w", "-l", self.folder / "log", "-o", options, "start")

    def stop(self) -> None:
        self._control("-m", "immediate", "stop")

    def _control(self, *words: object) -> None:
        _run(self.account, self.programs / "pg_ctl", "-D", self.data, *words)


@contextmanager
def _made() -> Iterator[_Server]:
    found = programs()
    if found is None:
        raise FileNotFoundError("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="trainyard-postgres-"))
    account = _unprivileged_account()
    if account is not None:
        shutil.chown(folder, account)
    server = _Server(found, folder, account)
    try:
        _run(account, found / "initdb", "-D", server.data, "-U", "trainyard", "-A", "trust", "-E", "UTF8", "--no-sync")
        (server.data / "pg_hba.conf").write_text(_ADMITTED)
        yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _unprivileged_account() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    import pwd

    existing = {entry.pw_name for entry in pwd.getpwall()}
    for account in _ACCOUNTS:
        if account in existing:
            return account
    raise LookupError(f"PostgreSQL does not run as {getpass.getuser()}, and there is no account {_ACCOUNTS}")


def _run(account: str | None, *command: object) -> None:
    words = [str(word) for word in command]
    if account is not None:
        words = ["runuser", "-u", account, "--", *words]
    # The server inherits what it is started with: a pipe would stay open as long as it runs.
    with tempfile.TemporaryFile() as output:
        result = subprocess.run(words, stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd="/", check=False)
        output.seek(0)
        if result.returncode:
            name, said = Path(str(command[0])).name, output.read().decode(errors="replace")[-2000:]
            raise RuntimeError(f"{name} failed: {said}")
