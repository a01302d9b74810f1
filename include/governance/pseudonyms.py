"""Join keys as tokens: equal values of one purpose stay equal, and nobody without the key learns what they were."""

import base64
import hmac
from pathlib import Path
from typing import TYPE_CHECKING

from include.core.errors import AuthorityError
from include.governance import secrets

if TYPE_CHECKING:
    import pyarrow as pa

#: 128 bits: among a billion values two collide with a chance under 1e-20.
TOKEN_BYTES = 16


class Pseudonyms:
    """Keyed HMAC-SHA256 of values, with a key of its own for each purpose.

    Tokens read ``v<version>.<26 base32 letters>``. A new key takes a new version. Tokens are still personal data:
    whoever holds the key can try values.
    """

    def __init__(self, key: bytes, version: int = 1) -> None:
        if len(key) < secrets.KEY_BYTES:
            rule = f"a pseudonym key has at least {secrets.KEY_BYTES} bytes"
            raise AuthorityError(rule, value=f"{len(key)} bytes", remedy="Let Trainyard make it.")
        self._key, self._version = key, version

    @classmethod
    def load(cls, path: Path, version: int = 1) -> "Pseudonyms":
        """Those of the key in *path*, which the deployment made: a reader makes none, whose tokens would join nothing.

        Raises:
            AuthorityError: the file is missing or no key, or somebody but its owner may read it.
        """
        return cls(secrets.read_key(path), version)

    @property
    def key_id(self) -> str:
        """Names the key without telling it: part of the digest of whatever tokens enter."""
        return f"v{self._version}.{self._mac(b'id', b'')[:8].hex()}"

    def tokens(self, values: "pa.Array | pa.ChunkedArray", *, purpose: str) -> "pa.Array":
        """A string array of tokens, as long as *values*; null stays null.

        Computed once a distinct value. A number gives the token of its text, so that keys stored as numbers here and as
        strings there still join.
        """
        import pyarrow as pa

        whole = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
        encoded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
        key = self._mac(b"purpose", purpose.encode())
        distinct = encoded.dictionary.cast(pa.string()).to_pylist()
        made = pa.array([None if value is None else self._token(key, value) for value in distinct], pa.string())
        return made.take(encoded.indices)

    def _token(self, key: bytes, value: str) -> str:
        mac = hmac.digest(key, value.encode(), "sha256")[:TOKEN_BYTES]
        return f"v{self._version}.{base64.b32encode(mac).decode().rstrip('=').lower()}"

    def _mac(self, use: bytes, text: bytes) -> bytes:
        return hmac.digest(self._key, b"trainyard pseudonym %b %d\0%b" % (use, self._version, text), "sha256")
