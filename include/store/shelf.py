"""What every kind of store has: where bytes lie, by what names, and what goes wrong there."""

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from include.core.errors import StoreError, StoreUnavailable

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHUNK_BYTES = 1 << 20
#: Where what was found altered lies, below a store's root.
ALTERED = "altered"
#: Where what is under way lies, below a store's root.
WORKING = "working"
_MOMENT = "%Y%m%dT%H%M%S%fZ"


@dataclass(frozen=True, kw_only=True, order=True)
class AlteredArtifact:
    """What was found altered at ``found_at`` (UTC) in the place of ``digest``: it lies at ``name``, unread."""

    found_at: datetime
    digest: str
    name: str


#: Takes a path at which nothing is, and writes a file there.
Write = Callable[[Path], None]


class ShelfUnreachable(OSError):
    """A shelf that cannot be used, and what to do about it; ``strerror`` says why."""

    def __init__(self, why: str, *, remedy: str) -> None:
        super().__init__(None, why)
        self.remedy = remedy


@contextlib.contextmanager
def reachable(shown: str) -> Iterator[None]:
    """Raise StoreUnavailable where the block raises OSError."""
    try:
        yield
    except OSError as error:
        raise StoreUnavailable(
            "the store can be reached and has room",
            value=f"{shown}: {error.strerror or type(error).__name__}",
            remedy=getattr(
                error, "remedy", "Check that it is mounted or reachable, writable and not full, then retry."
            ),
        ) from error


def require_digest(digest: str) -> None:
    """Raise StoreError unless *digest* is ``sha256:<64 hex digits>``."""
    if not _DIGEST.fullmatch(digest):
        raise StoreError("an artifact is named by its digest", value=digest, remedy="Pass sha256:<64 hex digits>.")


def place_of(digest: str) -> str:
    """The name of the bytes of *digest* below a store's root."""
    name = digest.removeprefix("sha256:")
    return f"sha256/{name[:2]}/{name[2:]}"


def working_place(name: str) -> str:
    """The name, below a store's root, of the working state of that *name*, which has the form of a digest."""
    return f"{WORKING}/{name.removeprefix('sha256:')}"


def missing(shown: str, digest: str) -> StoreError:
    return StoreError(
        "an artifact is in the store", value=f"no {digest} in {shown}", remedy="Restore it, or run the step again."
    )


def altered(shown: str, digest: str, told: str = "") -> StoreError:
    """*told* is what became of the bytes."""
    return StoreError(
        "an artifact's bytes are those of its digest",
        value=f"{digest} in {shown} was altered{told}",
        remedy="Run the step that made it again (the same night, or its cleared task): it makes what is missing. Find "
        "out who writes there.",
    )


def name_aside(digest: str) -> str:
    """A new name for what was found altered now in the place of *digest*."""
    return f"{ALTERED}/{digest.removeprefix('sha256:')}-{datetime.now(UTC).strftime(_MOMENT)}"


def found_aside(name: str) -> AlteredArtifact:
    """What the *name* says."""
    digest, _, moment = name.rpartition("/")[2].partition("-")
    return AlteredArtifact(
        found_at=datetime.strptime(moment, _MOMENT).replace(tzinfo=UTC), digest=f"sha256:{digest}", name=name
    )


def chunks(source: IO[bytes]) -> Iterator[bytes]:
    while chunk := source.read(_CHUNK_BYTES):
        yield chunk


def digest_of_file(source: IO[bytes]) -> str:
    return f"sha256:{hashlib.file_digest(source, 'sha256').hexdigest()}"  # type: ignore[arg-type]
