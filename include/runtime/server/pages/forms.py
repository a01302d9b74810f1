"""What keeps another site from sending a form in a signed-in person's name."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime, timedelta

#: A form that was drawn that long ago is drawn again before it is taken.
LIFETIME = timedelta(hours=12)


class Forms:
    """Tokens that only this deployment can make, each for one person, good for :data:`LIFETIME`.

    No state is kept: a token is its time and the HMAC-SHA-256 of person and time. All API servers of a deployment share
    the key. Another site can send a form, but cannot read ours, and so has no token.
    """

    def __init__(self, key: bytes, *, clock: Callable[[], datetime]) -> None:
        self._key, self._clock = key, clock

    def token(self, user: str) -> str:
        """A token that stands in a form drawn for *user* now."""
        moment = int(self._clock().timestamp())
        return f"{moment}.{self._mac(user, moment)}"

    def holds(self, token: str, user: str) -> bool:
        """Whether *token* was made for *user*, not longer than :data:`LIFETIME` ago."""
        moment, _, mac = token.partition(".")
        if not (moment.isascii() and moment.isdigit() and len(moment) < 16):
            return False
        age = self._clock().timestamp() - int(moment)
        made = self._mac(user, int(moment))
        return hmac.compare_digest(made.encode(), mac.encode()) and 0 <= age < LIFETIME.total_seconds()

    def _mac(self, user: str, moment: int) -> str:
        return hmac.new(self._key, f"{moment}\n{user}".encode(), hashlib.sha256).hexdigest()
