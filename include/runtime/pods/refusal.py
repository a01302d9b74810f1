"""What the API server means by a call that it refuses. Pure: of the answer's status and its own words."""

import json
import re
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus

#: Of a pod or a secret that has a name, or of anything by a policy: a rule of the cluster, which stays.
_OF_AN_OBJECT = re.compile(r'^\S+ "[^"]*" is forbidden: |denied (?:the )?request')
_NO_RIGHT = re.compile(r'is forbidden: User ".*" cannot ', re.DOTALL)
_FULL = re.compile(r"is forbidden: (?:exceeded quota|status unknown for quota): ")
#: What an API server says of an object that it cannot judge yet: it has just started, the namespace was just made, or
#: whom it asks about images is away.
_NOT_YET = re.compile(
    r'is forbidden: (?:not yet ready to handle request|error looking up service account|(?:Get|Post) "http)'
)


class RefusalKind(Enum):
    """What follows from a refusal."""

    THERE = auto()  # it is made already
    FULL = auto()  # a quota is used up now
    AWAY = auto()  # the same call may be answered soon
    NO_RIGHT = auto()  # we may not, or the server that has just started does not know yet that we may
    RULE = auto()  # what was asked for breaks a rule of the cluster, and always will
    OTHER = auto()


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """An API server's answer: its status, the reason of its ``Status`` object (empty if it sent none), its words."""

    status: int
    reason: str
    said: str

    @staticmethod
    def of(status: int, body: str | bytes | None, phrase: str) -> "Refusal":
        """The refusal with that *body*; *phrase* is HTTP's word for *status*, told where the body is no ``Status``."""
        try:
            told = json.loads(body or "{}")
        except ValueError:
            told = {}
        found = told if isinstance(told, dict) else {}
        return Refusal(status=status, reason=str(found.get("reason") or ""), said=str(found.get("message") or phrase))

    def __str__(self) -> str:
        return f"{self.status} {self.said}"

    @property
    def meaning(self) -> RefusalKind:
        """What follows from it."""
        if self.status == HTTPStatus.CONFLICT:
            return RefusalKind.THERE if self.reason == "AlreadyExists" else RefusalKind.AWAY
        if self.status >= 500 or self.status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS):
            return RefusalKind.AWAY
        if self.status == HTTPStatus.FORBIDDEN and _FULL.search(self.said):
            return RefusalKind.FULL
        if _NO_RIGHT.search(self.said) or _NOT_YET.search(self.said):
            return RefusalKind.NO_RIGHT
        if _OF_AN_OBJECT.search(self.said) or self._of_what_was_sent():
            return RefusalKind.RULE
        return (
            RefusalKind.NO_RIGHT
            if self.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
            else RefusalKind.OTHER
        )

    def _of_what_was_sent(self) -> bool:
        unusable = (HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY)
        return bool(self.reason) and self.status in unusable
