"""Speaks to the authority as one person: the one in a running Airflow, or one of our own for the moment."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import httpx

from include.core.canonical import encode
from include.core.errors import AuthorityError, DeclarationError
from include.core.project import Gates
from include.runtime import deployment
from include.runtime.embedded import stewards
from include.runtime.server.service import token_file
from include.settings import ROOT, Process, Settings

_START_SECONDS = 60
_POLL_SECONDS = 0.05


class AuthorityClient:
    """The authority's routes, asked with one person's token. Refusals are raised as ``AuthorityError``."""

    def __init__(self, url: str, token: str, user: str) -> None:
        self.user = user
        # Loopback calls go directly, whatever proxy the user's shell names.
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False
        )

    def requests(self, project: str | None = None) -> Sequence[Mapping[str, Any]]:
        """The open requests, each with ``request_id``, ``project``, ``dataset``, ``columns`` and ``stewards``."""
        return self._all("/requests", project=project)

    def request_of(self, request_id: str) -> Mapping[str, Any]:
        """One request, wherever it stands."""
        return self._one("requests", request_id)

    def grants(self, project: str | None = None) -> Sequence[Mapping[str, Any]]:
        """The grants in force, with their last use."""
        return self._all("/grants", project=project)

    def grant_of(self, grant_id: str) -> Mapping[str, Any]:
        """One grant, whether or not it still holds."""
        return self._one("grants", grant_id)

    def history(self, *, project: str | None, before: int | None, limit: int) -> Sequence[Mapping[str, Any]]:
        """What was asked and decided, newest first, at positions under *before*."""
        return self._all("/history", project=project, before=before, limit=limit)

    def contracts(self) -> Sequence[Mapping[str, Any]]:
        """Each dataset's contract: the digest of its file and of the version in effect."""
        return self._all("/contracts")

    def adopt(self, dataset: str) -> str:
        """Put the dataset's contract file, as it is now, into effect; its digest."""
        if not dataset.isidentifier():
            raise AuthorityError(
                "a dataset's name is an identifier", value=dataset, remedy="Datasets: `./trainyard status`."
            )
        return str(self._post("contracts", dataset, "adopt")["digest"])

    def grant(self, request_id: str, *, reason: str, days: int) -> str:
        """Approve a request for *days* days; the grant's id."""
        return str(self._post("requests", request_id, "grant", reason=reason, days=days)["grant_id"])

    def deny(self, request_id: str, *, reason: str) -> None:
        self._post("requests", request_id, "deny", reason=reason)

    def revoke(self, grant_id: str, *, reason: str, kind: str) -> None:
        self._post("grants", grant_id, "revoke", reason=reason, kind=kind)

    def lift(self, grant_id: str, *, reason: str) -> None:
        """End the quarantine of what was made under the grant."""
        self._post("grants", grant_id, "lift", reason=reason)

    def sign_promotion(self, project: str, gates: Gates) -> Mapping[str, Any]:
        """Have the champion of before promotions were signed decided about again: ``version``, ``promoted``, why."""
        return self._post("promotions", project, "sign", gates=encode(gates).decode())

    def roll_back(
        self, project: str, *, version: int | None, left: int, reason: str, instant: datetime
    ) -> Mapping[str, Any]:
        """Go back from version *left* to *version* (``None``: retire *left*): what was signed."""
        known = {"version": version, "left": left, "reason": reason, "instant": instant.isoformat()}
        return self._post("promotions", project, "roll-back", **known)

    def override(self, project: str, gate: str, *, until: str, reason: str) -> Mapping[str, Any]:
        """Let models of *project* through *gate* to the end of the day *until* (``YYYY-MM-DD``, UTC)."""
        return self._post("promotions", project, "override", gate=gate, until=until, reason=reason)

    def end_override(self, project: str, gate: str, *, reason: str) -> None:
        self._post("promotions", project, "override", "end", gate=gate, reason=reason)

    def holds(self) -> Sequence[Mapping[str, Any]]:
        """The holds in force, each with ``subject``, ``steward``, ``reason`` and ``since``."""
        return self._all("/holds")

    def hold(self, subject: str, *, reason: str) -> None:
        self._post("holds", subject=subject, reason=reason)

    def end_hold(self, subject: str, *, reason: str) -> None:
        self._post("holds", "lift", subject=subject, reason=reason)

    def _all(self, path: str, **options: object) -> Sequence[Mapping[str, Any]]:
        """What *path* lists, by those of *options* that say something."""
        given = {name: str(value) for name, value in options.items() if value is not None}
        found: Sequence[Mapping[str, Any]] = self._call("GET", path, params=given)
        return found

    def _one(self, *path: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self._call("GET", _path(*path))
        return found

    def _post(self, *path: str, **body: object) -> Mapping[str, Any]:
        done: Mapping[str, Any] = self._call("POST", _path(*path), body)
        return done

    def _call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        params: Mapping[str, str] | None = None,
    ) -> Any:
        try:
            answer = self._http.request(method, path, json=body, params=params)
        except httpx.HTTPError as error:
            raise AuthorityError(
                "the authority answers", value=type(error).__name__, remedy="Look at `./trainyard status`."
            ) from None
        if answer.is_success:
            return answer.json()
        told = answer.json() if answer.headers.get("content-type", "").startswith("application/json") else {}
        raise AuthorityError(
            str(told.get("rule", f"the authority lets {self.user} do this")),
            value=told.get("value", f"status {answer.status_code}"),
            remedy=str(told.get("remedy", "Sign in as one of the dataset's stewards: `--as NAME`.")),
        )


def _path(*parts: str) -> str:
    return "".join(f"/{quote(part, safe='')}" for part in parts)


@contextmanager
def authority(settings: Settings, user: str, *, introduce: bool = False) -> Iterator[AuthorityClient]:
    """A client of the authority for *user*: in Airflow if that runs, else in a process of its own for the moment.

    With *introduce* they become a user where a contract that nobody ever adopted names them: its first adoption is
    theirs, and whoever can do this holds the deployment.

    Raises:
        DeclarationError: *user* has no token or password in this deployment, or others can enter its home.
        AuthorityError: the authority does not start.
    """
    from include.runtime.embedded import environment, process

    airflow = process.attach(settings)
    if airflow is not None:
        if introduce:
            environment.introduce(settings, user)
        with airflow.client(user) as client:
            yield AuthorityClient(f"{airflow.url}/trainyard", client.token(), user)
        return
    deployment.make_home(settings)  # where it is the first that anybody calls, the ledger would make one open to all
    token_file(settings.authority_keys, user)  # refuses a name that could name another file
    new = introduce and user in stewards.of_new(settings)
    with _own_authority(settings, [user] if new else []) as url:
        yield AuthorityClient(url, _token(settings, user), user)


def make_keys(settings: Settings) -> None:
    """Have the authority make its key and publish the public one; harmless when they are there.

    Raises:
        DeclarationError: others can enter the home.
        AuthorityError: the authority does not start.
    """
    from include.runtime.embedded import process

    deployment.make_home(settings)
    if process.attach(settings) is None:
        with _own_authority(settings, []):
            pass  # its first start does


@contextmanager
def _own_authority(settings: Settings, introduced: Sequence[str]) -> Iterator[str]:
    command = [sys.executable, "-m", "include.runtime.server.service", "--attached"]
    for option, value in (
        ("--authority-keys", settings.authority_keys),
        ("--keys", settings.keys),
        ("--contracts", settings.contracts),
    ):
        command += [option, str(value)]
    command += [f"--user={name}" for name in introduced]
    # By the environment, since everybody on the machine can read a command line, and the address may hold a password.
    environment = {**os.environ, **settings.environment(Process.AUTHORITY)}
    with TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        service = subprocess.Popen(  # noqa: S603 -- our own module, our own arguments
            [*command, "--port-file", str(port_file)], cwd=ROOT, env=environment, stdin=subprocess.PIPE
        )
        with service:
            try:
                yield _address(service, port_file)
            finally:
                service.terminate()


def _address(service: "subprocess.Popen[bytes]", port_file: Path) -> str:
    """Where *service* listens, once it answers."""
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and service.poll() is None:
        if port_file.exists():
            url = f"http://127.0.0.1:{int(port_file.read_text())}"
            with suppress(httpx.TransportError):
                httpx.get(f"{url}/health", trust_env=False)
                return url
        time.sleep(_POLL_SECONDS)
    raise AuthorityError(
        f"the authority starts within {_START_SECONDS} s",
        value="it ended" if service.poll() is not None else "no answer",
        remedy="Read what it printed above.",
    )


def _token(settings: Settings, user: str) -> str:
    file = token_file(settings.authority_keys, user)
    try:
        return file.read_text().strip()
    except OSError as error:
        raise DeclarationError(
            f"{user!r} is a steward of a contract in effect, and their token can be read here",
            value=f"{file}: {type(error).__name__}",
            remedy="Use `--as` with a steward's name; on a shared machine, run it as the person who holds the token.",
        ) from None
