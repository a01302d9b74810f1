"""What became of a request for data."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class RequestOutcome(StrEnum):
    GRANTED = "granted"
    DENIED = "denied"
    REVOKED = "granted, and revoked since"
    LAPSED = "lapsed"


@dataclass(frozen=True, kw_only=True)
class DecidedRequest:
    """What became of the request ``request_id``, by whom, when (UTC) and why; ``by`` is empty where it lapsed.

    ``until`` is the end of its grant.
    """

    request_id: str
    outcome: RequestOutcome
    by: str
    reason: str
    at: datetime
    until: datetime | None = None

    def __str__(self) -> str:
        until = f" until {self.until:%Y-%m-%d %H:%M}Z" if self.until and self.outcome is RequestOutcome.GRANTED else ""
        by = f" by {self.by}" if self.by else ""
        return f"{self.outcome}{by} on {self.at:%Y-%m-%d}{until}: {self.reason}"
