"""Signed envelopes: DSSE with Ed25519. One key signs, everyone verifies."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.errors import AuthorityError
from include.governance import secrets

if TYPE_CHECKING:
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner, Key

#: The names under which the authority's keys lie: the private one in its own folder, the public one in everybody's.
PRIVATE_KEY_FILE = "authority.key"
PUBLIC_KEY_FILE = "authority.pub"


def create_key(path: Path) -> None:
    """Make a private key in *path* (PEM, mode 0600), whole or not at all; a key that is there already stays.

    Raises:
        AuthorityError: the file cannot be written, or others may read the one that is there.
    """
    secrets.keep(path, _new_key)


class Verifier:
    """Checks envelopes against one public key."""

    def __init__(self, key: "Key") -> None:
        self._key = key

    @classmethod
    def load(cls, public_path: Path) -> "Verifier":
        """The verifier of the public key (PEM) in *public_path*.

        Raises:
            AuthorityError: there is no Ed25519 public key in it.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
        from securesystemslib.signer import SSlibKey

        try:
            key = load_pem_public_key(public_path.read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm) as error:
            raise _no_key(public_path, type(error).__name__) from None
        if not isinstance(key, Ed25519PublicKey):
            raise _no_key(public_path, type(key).__name__)
        return cls(SSlibKey.from_crypto(key))

    @property
    def key_id(self) -> str:
        return str(self._key.keyid)

    @property
    def public(self) -> bytes:
        """The public key itself (32 bytes)."""
        return bytes.fromhex(self._key.keyval["public"])

    def verify(self, envelope: str, payload_type: str) -> bytes:
        """The payload of *envelope*, which our key signed as *payload_type*.

        An envelope has one spelling: the bytes that :meth:`Signer.sign` returned.

        Raises:
            AuthorityError: it is no envelope, was altered, is of another type, or another key signed it.
        """
        from securesystemslib.dsse import Envelope
        from securesystemslib.exceptions import Error, VerificationError

        try:
            parsed = Envelope.from_dict(json.loads(envelope))
            if _spelled(parsed) != envelope:
                raise _does_not_hold("another spelling")
            parsed.verify([self._key], 1)
        except VerificationError:
            raise _does_not_hold("a signature of another key, or of another payload") from None
        except (Error, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise _does_not_hold(f"no envelope ({type(error).__name__})") from None
        if parsed.payload_type != payload_type:
            raise _does_not_hold("an envelope of another type")
        return bytes(parsed.payload)


class Signer:
    """Holds a private key in memory, and never shows it."""

    def __init__(self, signer: "CryptoSigner") -> None:
        self._signer = signer

    @classmethod
    def load(cls, path: Path) -> "Signer":
        """The signer of the private key in *path*.

        Raises:
            AuthorityError: there is no Ed25519 private key in it, or somebody but its owner may read it.
        """
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
        from securesystemslib.signer import CryptoSigner

        try:
            key = load_pem_private_key(secrets.read(path), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise _no_key(path, type(error).__name__) from None
        if not isinstance(key, Ed25519PrivateKey):
            raise _no_key(path, type(key).__name__)
        return cls(CryptoSigner(key))

    @property
    def verifier(self) -> Verifier:
        return Verifier(self._signer.public_key)

    def publish(self, public_path: Path) -> None:
        """Write the public key (PEM) into *public_path*, whole or not at all; the same key there already stays.

        Raises:
            AuthorityError: another key lies there: all that it signed would no longer verify.
        """
        if public_path.exists():
            if Verifier.load(public_path).key_id != self.verifier.key_id:
                remedy = "Restore the private key that belongs to it; after a loss, move the public key away by hand."
                raise AuthorityError(f"{public_path}: the public key is ours", value="another key", remedy=remedy)
            return
        public_path.parent.mkdir(parents=True, exist_ok=True)
        temporary = public_path.with_name(f".{public_path.name}.{os.getpid()}")
        temporary.write_bytes(_public_pem(self._signer))
        temporary.replace(public_path)

    def signature(self, message: bytes) -> bytes:
        """The bare signature (64 bytes) of *message*, whose first line says what it is: no envelope begins so."""
        return bytes.fromhex(self._signer.sign(message).signature)

    def sign(self, payload_type: str, payload: bytes) -> str:
        """A DSSE envelope (JSON text) over *payload*; the same payload gives the same text."""
        from securesystemslib.dsse import Envelope

        envelope = Envelope(payload, payload_type, {})
        envelope.sign(self._signer)
        return _spelled(envelope)


def _new_key() -> bytes:
    from securesystemslib.signer import CryptoSigner

    return bytes(CryptoSigner.generate_ed25519().private_bytes)


def _public_pem(signer: "CryptoSigner") -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer.public_key.keyval["public"]))
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _spelled(envelope: "Envelope") -> str:
    return json.dumps(envelope.to_dict(), sort_keys=True, separators=(",", ":"))


def _no_key(path: Path, found: str) -> AuthorityError:
    remedy = "The authority makes both files on its first start; restore them from a backup."
    return AuthorityError(f"{path}: an Ed25519 key in PEM", value=found, remedy=remedy)


def _does_not_hold(found: str) -> AuthorityError:
    remedy = "Do not use what it vouches for; ask who wrote it into the ledger or the store."
    return AuthorityError("an envelope holds its payload as the authority signed it", value=found, remedy=remedy)
