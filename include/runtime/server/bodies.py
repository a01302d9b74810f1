"""What the authority's routes take: bodies in JSON, and what their texts must name."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated

from include.core.canonical import decode
from include.core.errors import DecisionUnusable, DeclarationError
from include.core.project import Gates
from include.core.records import Gate, RevocationKind
from include.runtime.nights.instants import require_past
from include.runtime.server.request_checks import WholeNumber


@dataclass(frozen=True, kw_only=True)
class ApprovalBody:
    """Body of ``POST /requests/{id}/grant``."""

    reason: str
    days: Annotated[int, WholeNumber()]


@dataclass(frozen=True, kw_only=True)
class ReasonBody:
    """Body of ``POST /requests/{id}/deny`` and ``POST /grants/{id}/lift``."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class RevocationBody:
    """Body of ``POST /grants/{id}/revoke``."""

    reason: str
    kind: RevocationKind = RevocationKind.STOP_RUNNING


@dataclass(frozen=True, kw_only=True)
class SigningBody:
    """Body of ``POST /promotions/{project}/sign``: the gates that the project declares, as canonical JSON text."""

    gates: str


@dataclass(frozen=True, kw_only=True)
class RollbackBody:
    """Body of ``POST /promotions/{project}/roll-back``: from ``left`` to ``version``, or ``None`` to retire ``left``.

    ``instant`` is an ISO time with its zone: from when on, of what the data knew.
    """

    version: Annotated[int, WholeNumber()] | None
    left: Annotated[int, WholeNumber()]
    reason: str
    instant: str


@dataclass(frozen=True, kw_only=True)
class OverrideBody:
    """Body of ``POST /promotions/{project}/override``: a gate by name, and the last day (``YYYY-MM-DD``, UTC)."""

    gate: str
    until: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class OverrideEndBody:
    """Body of ``POST /promotions/{project}/override/end``: a gate by name."""

    gate: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class HoldBody:
    """Body of ``POST /holds`` and ``POST /holds/lift``."""

    subject: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class AdoptionBody:
    """Body of ``POST /contracts/{dataset}/adopt``: the digest of the version that the steward has read."""

    digest: str | None = None


@dataclass(frozen=True, kw_only=True)
class ErrorBody:
    """Body of every refusal but 401."""

    error: str
    rule: str
    value: str
    remedy: str


def gates_of(text: str) -> Gates:
    """The gates in *text*, canonical JSON."""
    try:
        return decode(Gates, text.encode())
    except ValueError as error:
        remedy = "Send the canonical JSON of the project's gates."
        raise DecisionUnusable("gates are those of a project", value=type(error).__name__, remedy=remedy) from None


def gate_of(text: str) -> Gate:
    if text not in set(Gate):
        raise DecisionUnusable("a gate that is overridden is one", value=text, remedy=f"Name one of {', '.join(Gate)}.")
    return Gate(text)


def day_of(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise DecisionUnusable("a day is a date", value=text, remedy="Write YYYY-MM-DD.") from None


def instant_of(text: str) -> datetime:
    """The moment that *text* names, which has come."""
    try:
        moment = datetime.fromisoformat(text)
        found = moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        found = None
    if found is None:
        remedy = "Write an ISO time with its zone."
        raise DecisionUnusable("an instant is a time with its zone", value="something else", remedy=remedy)
    try:
        return require_past(found, now=datetime.now(UTC))
    except DeclarationError as error:
        raise DecisionUnusable(error.rule, value=error.value, remedy="Name an earlier instant.") from None
