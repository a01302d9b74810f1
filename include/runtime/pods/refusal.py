"""What the API server means by a call that it refuses. Pure: of the answer's status and its own words."""

import json
import re
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus

from include.core.errors import ClusterUnavailable, PodFailed

#: Of a pod or a secret that has a name, or of anything by a policy: a rule of the cluster, which stays.
_OF_AN_OBJECT = re.compile(r'^\S+ "[^"]*" is forbidden: |denied (?:the )?request')
_NO_RIGHT = re.compile(r'is forbidden: User ".*" cannot ', re.DOTALL)
_FULL = re.compile(r"is forbidden: (?:exceeded quota|status unknown for quota): ")
#: What an API server says of an object that it cannot judge yet: it has just started, the namespace was just made, or
#: whom it asks about images is away.
_NOT_YET = re.compile(
    r'is forbidden: (?:not yet ready to handle request|error looking up service account|(?:Get|Post) "http)'
)
#: An API server that has just started knows no roles yet: 403 and 401 are believed only after that long.
_ROLES_SECONDS = 15.0


class RefusalKind(Enum):
    """What follows from a refusal."""

    THERE = auto()  # it is made already
    FULL = auto()  # a quota is used up now
    AWAY = auto()  # the same call may be answered soon
    NO_RIGHT = auto()  # we may not, or the server that has just started does not know yet that we may
    RULE = auto()  # what was asked for breaks a rule of the cluster, and always will
    OTHER = auto()


class NoRoom(Exception):  # an answer, and never one that leaves this room
    """The namespace's quota is used up now; its text is the API server's."""


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

    def require_asking_again(self, namespace: str, waited_seconds: float, *, made: bool) -> None:
        """Raise what this means for good, after *waited_seconds*; nothing, if the same call may do better.

        *made*: what was asked for was to be made, and a rule that refuses it is an error of its own.
        """
        meaning = self.meaning
        if meaning is RefusalKind.FULL:
            raise NoRoom(self.said)
        if meaning is RefusalKind.RULE and made:
            raise PodFailed(
                "the cluster's rules allow a training pod",
                value=self.said,
                remedy="Change the project's Compute, or the namespace's rules (docs/ops.md), then clear the task.",
            )
        believed = meaning is RefusalKind.NO_RIGHT and waited_seconds > _ROLES_SECONDS
        if believed or meaning in (RefusalKind.RULE, RefusalKind.OTHER, RefusalKind.THERE):
            raise unable(namespace, str(self)) from None


def unable(namespace: str, why: str) -> ClusterUnavailable:
    """That we cannot work in *namespace*, and why."""
    return ClusterUnavailable(
        "the Kubernetes API answers, and lets us work in our namespace",
        value=f"{why} (namespace {namespace!r})",
        remedy="See that it runs, and that namespace and rights are those of docker/kubernetes; then try again.",
    )
