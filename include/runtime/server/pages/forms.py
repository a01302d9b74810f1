"""What keeps another site from sending a form in a signed-in person's name."""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

from itsdangerous import BadSignature, TimestampSigner

#: A form that was drawn that long ago is drawn again before it is taken.
LIFETIME = timedelta(hours=12)


class Forms:
    """Tokens that only this deployment can make, each for one person, good for :data:`LIFETIME`.

    No state is kept: a token is its time, signed for the person. All API servers of a deployment share the key. Another
    site can send a form, but cannot read ours, and so has no token.
    """

    def __init__(self, key: bytes, *, clock: Callable[[], datetime]) -> None:
        self._key, self._clock = key, clock

    def token(self, user: str) -> str:
        """A token that stands in a form drawn for *user* now."""
        return self._signer(user).sign("form").decode()

    def holds(self, token: str, user: str) -> bool:
        """Whether *token* was made for *user*, not longer than :data:`LIFETIME` ago."""
        try:
            return self._signer(user).unsign(token, max_age=int(LIFETIME.total_seconds()) - 1) == b"form"
        except (BadSignature, UnicodeEncodeError):
            return False

    def _signer(self, user: str) -> TimestampSigner:
        signer = TimestampSigner(self._key, salt=user.encode(), key_derivation="hmac", digest_method=hashlib.sha256)
        signer.get_timestamp = lambda: int(self._clock().timestamp())  # type: ignore[method-assign]
        return signer
