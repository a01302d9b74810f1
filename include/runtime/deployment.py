"""What a deployment has before its first night: folders and keys, made once and never overwritten."""

import stat
from typing import TYPE_CHECKING

from include.core.errors import DeclarationError
from include.governance.signing import PUBLIC_KEY_FILE
from include.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from include.audit.places import Place
    from include.audit.proving import Proofs
    from include.ledger import Ledger
    from include.registry.champions import Champions
    from include.registry.versions import Versions
    from include.store import Store

AUTHORITY_PUBLIC_KEY = PUBLIC_KEY_FILE
PSEUDONYM_KEY = "pseudonym.key"
MODEL_KEY = "model.key"
MODEL_PUBLIC_KEY = "model.pub"


def prepare(settings: Settings) -> None:
    """Make the home and the reader's keys; harmless when they are there. The authority makes its own on its start.

    Raises:
        DeclarationError: other users can enter the home.
        AuthorityError: a key cannot be written, or is readable by others.
    """
    from include.governance import secrets
    from include.governance.signing import Signer, create_key

    make_home(settings)
    secrets.keep(settings.keys / PSEUDONYM_KEY, secrets.random_key)
    create_key(settings.keys / MODEL_KEY)
    Signer.load(settings.keys / MODEL_KEY).publish(settings.keys / MODEL_PUBLIC_KEY)


def make_home(settings: Settings) -> None:
    """Make the home, closed to other users; harmless when it is there.

    Raises:
        DeclarationError: other users can enter it.
    """
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    mode = stat.S_IMODE(settings.home.stat().st_mode)
    if mode & 0o077:
        raise DeclarationError(
            "a home is closed to other users: ledger, data and models lie in it",
            value=f"{settings.home} has mode {mode:04o}",
            remedy=f"Close it: `chmod 700 {settings.home}`.",
        )


def versions_of(settings: Settings) -> "Versions":
    from include.registry.versions import Versions

    return Versions(uri=settings.mlflow, artifacts=settings.home / "mlflow")


def champions_of(settings: Settings, ledger: "Ledger") -> "Champions":
    """Which versions are in force, by what the authority's public key verifies.

    Raises:
        AuthorityError: there is no such key.
    """
    from include.governance.signing import Verifier
    from include.registry.champions import Champions

    return Champions(ledger, Verifier.load(settings.keys / AUTHORITY_PUBLIC_KEY))


def places_of(settings: Settings) -> "list[Place]":
    """Where checkpoints are published, the authority's own place first."""
    from include.audit.places import place_at

    return [place_at(address) for address in settings.checkpoints]


def proofs_of(settings: Settings, ledger: "Ledger", *, earlier: "Sequence[int]" = ()) -> "Proofs | None":
    """Proofs of the ledger's events against its newest checkpoint; ``None``: nothing was signed yet.

    Raises:
        LedgerError: what lies there is not the authority's, or the ledger is another one.
    """
    from include.audit.checkpoints import trusted_keys
    from include.audit.proving import Proofs

    return Proofs.open(ledger, places_of(settings), trusted_keys(settings.keys), earlier=earlier)


def vault_of(settings: Settings) -> "Store":
    """Where artifacts with personal data lie; what is read of a bucket lies in the home's cache too."""
    from include.store import Store

    return Store(settings.vault, cache=settings.home / "cache")


def require(settings: Settings) -> None:
    """Check that :func:`prepare` and the authority have done their part.

    Raises:
        DeclarationError: a key is missing; names it.
    """
    names = (AUTHORITY_PUBLIC_KEY, PSEUDONYM_KEY, MODEL_KEY, MODEL_PUBLIC_KEY)
    missing = [name for name in names if not (settings.keys / name).exists()]
    if missing:
        raise DeclarationError(
            f"{settings.keys} holds the deployment's keys",
            value=f"no {', '.join(missing)}",
            remedy="Run `./trainyard setup` (which makes them), or mount the folder that TRAINYARD_KEYS names.",
        )


def separation_of_duties(settings: Settings) -> str:
    """Whether this process could sign grants itself, in the words that the record and ``status`` use."""
    from include.governance import separation
    from include.governance.signing import PRIVATE_KEY_FILE

    return separation.separation_of_duties(
        settings.authority_keys / PRIVATE_KEY_FILE, settings.keys / AUTHORITY_PUBLIC_KEY
    )
