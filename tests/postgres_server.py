"""A PostgreSQL server of the tests' own, on a Unix socket in a temporary folder."""

import getpass
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_ACCOUNTS = ("postgres", "nobody")


def programs() -> Path | None:
    """The folder of the server's programs, if it is installed."""
    found = shutil.which("pg_ctl")
    candidates = [Path(found).resolve().parent] if found else []
    candidates += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in candidates if (folder / "initdb").exists()), None)


@contextmanager
def started() -> Iterator[str]:
    """The URL of a database whose account may create others."""
    found = programs()
    if found is None:
        raise FileNotFoundError("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="trainyard-postgres-"))
    account = _unprivileged_account()
    if account is not None:
        shutil.chown(folder, account)
    data = folder / "data"
    try:
        _run(account, found / "initdb", "-D", data, "-U", "trainyard", "-A", "trust", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=60"
        _run(account, found / "pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://trainyard@/postgres?host={folder}"
        finally:
            _run(account, found / "pg_ctl", "-D", data, "-m", "immediate", "stop")
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
