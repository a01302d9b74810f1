"""The authority as a process of its own, on loopback: for nights without Airflow.

    TRAINYARD_LEDGER=URL TRAINYARD_CHECKPOINTS=FOLDER python -m include.runtime.server.service
        --authority-keys FOLDER --keys FOLDER --contracts FOLDER --port-file FILE [--port 0] [--attached]

It alone reads the grant-signing key. Users are the stewards of the contracts in effect at its start, and whom
``--user`` introduces, once: so the steward of a contract that nobody adopted yet becomes one. A user's bearer token
lies in ``<authority-keys>/tokens/<user>`` until it is handed over and deleted, its SHA-256 stays in
``<authority-keys>/users/<user>``. Deleting the latter ends the user's access at the next start.
"""

import argparse
import hashlib
import hmac
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from include.core.errors import AuthorityError, DeclarationError, TrainyardError
from include.core.words import is_user
from include.governance.access import Access
from include.governance.authority import Authority
from include.governance.register import Register
from include.ledger import Ledger
from include.settings import Settings

if TYPE_CHECKING:
    from include.audit.checkpoints import Checkpointer
    from include.registry.authority import PromotionAuthority

LOOPBACK = "127.0.0.1"
TOKENS, USERS = "tokens", "users"


@dataclass(frozen=True, kw_only=True)
class AuthorityParts:
    """An authority, the register of what it decided, and its part in promotions, on one ledger."""

    authority: Authority
    register: Register
    access: Access
    promotions: "PromotionAuthority"
    checkpoints: "Checkpointer"
    ledger: Ledger


def open_authority(settings: Settings) -> AuthorityParts:
    """The authority of a deployment, its key made on first use and the public one published.

    Raises:
        AuthorityError: a key cannot be read or written, or does not belong to the published one.
        LedgerUnavailable: the ledger cannot be opened.
    """
    from include.audit.checkpoints import Checkpointer, trusted_keys
    from include.contracts import load_folder
    from include.governance.access import Access
    from include.governance.authority import Authority
    from include.governance.register import Register
    from include.governance.signing import PRIVATE_KEY_FILE, PUBLIC_KEY_FILE, Signer, Verifier, create_key
    from include.ledger import Ledger
    from include.registry.authority import PromotionAuthority
    from include.runtime.deployment import places_of

    create_key(settings.authority_keys / PRIVATE_KEY_FILE)
    signer = Signer.load(settings.authority_keys / PRIVATE_KEY_FILE)
    signer.publish(settings.keys / PUBLIC_KEY_FILE)
    verifier = Verifier.load(settings.keys / PUBLIC_KEY_FILE)
    ledger = Ledger.open(settings.ledger)
    checkpoints = Checkpointer(ledger, signer, places_of(settings), trusted_keys(settings.keys))
    promotions = PromotionAuthority(ledger, signer, checkpoint=checkpoints.sign)
    promotions.begin()
    contracts = partial(load_folder, settings.contracts, settings.classes)
    return AuthorityParts(
        authority=Authority(ledger, signer, verifier, contracts, settings.classes, settings.production),
        register=Register(ledger, verifier),
        access=Access(ledger, verifier),
        promotions=promotions,
        checkpoints=checkpoints,
        ledger=ledger,
    )


def token_file(authority_keys: Path, user: str) -> Path:
    """Where the bearer token of *user* lies until somebody takes it away.

    Raises:
        DeclarationError: *user* cannot name a file.
    """
    if not is_user(user):
        remedy = "Use letters, digits and _ @ . + -; not a leading dot."
        raise DeclarationError("a user's name can name a file", value=user, remedy=remedy)
    return authority_keys / TOKENS / user


class Users:
    """Who holds which bearer token, by the tokens' SHA-256."""

    def __init__(self, hashes: Mapping[str, str]) -> None:
        """*hashes* by user."""
        self._hashes = dict(hashes)

    @classmethod
    def load(cls, authority_keys: Path, names: Iterable[str]) -> "Users":
        """All users of the folder, after a token was made for each of *names* that is not among them.

        Raises:
            AuthorityError: a file cannot be read or written, or others may read it.
            DeclarationError: a name cannot name a file.
        """
        from include.governance import secrets

        folder = authority_keys / USERS
        for name in names:
            token = token_file(authority_keys, name)
            if not (folder / name).exists():
                held = secrets.keep(token, secrets.random_key)
                digest = hashlib.sha256(held).hexdigest().encode()
                secrets.keep(folder / name, lambda digest=digest: digest)  # type: ignore[misc]
        files = (file for file in sorted(folder.glob("*")) if is_user(file.name))
        return cls({file.name: secrets.read(file).decode("ascii") for file in files})

    def who(self, token: str) -> str | None:
        """The user whose token it is; every one is compared, in constant time."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        found = [user for user, known in self._hashes.items() if hmac.compare_digest(known.encode(), digest.encode())]
        return found[0] if found else None


def bearer_user(users: Users) -> Callable[..., str]:
    """A FastAPI dependency: the user whose bearer token the request carries, or status 401."""
    from fastapi import Header, HTTPException

    header = Header(default=None)

    def current_user(authorization: str | None = header) -> str:
        scheme, _, token = (authorization or "").partition(" ")
        user = users.who(token.strip()) if scheme.lower() == "bearer" else None
        if user is None:
            raise HTTPException(401, "a valid bearer token is required", headers={"WWW-Authenticate": "Bearer"})
        return user

    return current_user


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT or, attached, until standard input ends; the exit status."""
    asked = _parser().parse_args(arguments)
    if asked.attached:
        threading.Thread(target=_end_with_the_starter, name="starter", daemon=True).start()
    try:
        _serve(asked)
    except TrainyardError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    return 0


def _serve(asked: argparse.Namespace) -> None:
    import uvicorn

    from include.runtime.nights.promoting import Decider
    from include.runtime.server.api import authority_app
    from include.settings import Settings

    settings = Settings.from_environment()
    # The ledger is not of the command line, which everybody can read: the address may hold a password.
    opened = open_authority(
        replace(settings, authority_keys=asked.authority_keys, keys=asked.keys, contracts=asked.contracts)
    )
    stewards = {name for adoption in opened.access.adoptions().values() for name in adoption.stewards if is_user(name)}
    users = Users.load(asked.authority_keys, sorted({*stewards, *asked.user}))
    decider = Decider(opened.promotions, opened.checkpoints)
    current_user, promotions = bearer_user(users), opened.promotions
    app = authority_app(opened.authority, opened.register, current_user, promotions=promotions, wake=decider.wake)
    decider.start()
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))

    def leave(_signal: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    with _listening(asked.port) as listener:
        # Uvicorn takes both signals itself while it serves, and raises them again afterwards. One that comes before is
        # only noted: whatever it raised, anything that begins just then might swallow.
        signal.signal(signal.SIGTERM, leave)
        signal.signal(signal.SIGINT, leave)
        try:
            _write_whole(asked.port_file, f"{listener.getsockname()[1]}\n")
            server.run(sockets=[listener])
            with suppress(TrainyardError):  # what the last request recorded; if not now, the next authority signs it
                opened.checkpoints.sign()
        finally:
            asked.port_file.unlink(missing_ok=True)


def _end_with_the_starter() -> None:
    """End when the other end of standard input is closed, which it is however the process that holds it ends."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _listening(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((LOOPBACK, port))
    except OSError as error:
        listener.close()
        remedy = "Choose another with --port, or 0 for any free one."
        found = f"{port} ({type(error).__name__})"
        raise DeclarationError(
            f"the authority listens on a free port of {LOOPBACK}", value=found, remedy=remedy
        ) from None
    listener.listen()
    return listener


def _write_whole(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text)
        temporary.replace(path)
    except OSError as error:
        remedy = "Check the folder's owner and free space."
        raise AuthorityError(
            f"{path}: the port can be written down", value=type(error).__name__, remedy=remedy
        ) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m include.runtime.server.service", description=__doc__)
    parser.add_argument("--authority-keys", required=True, type=Path, help="folder of the private key and the users")
    parser.add_argument("--keys", required=True, type=Path, help="folder that the public key is published in")
    parser.add_argument("--contracts", required=True, type=Path, help="folder of the contract files")
    parser.add_argument("--user", action="append", default=[], help="a name to make a user, a new contract's steward")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--port-file", required=True, type=Path, help="written once it listens, removed at the end")
    parser.add_argument("--attached", action="store_true", help="end when standard input does: with its starter")
    return parser


if __name__ == "__main__":
    sys.exit(main())
