"""A ledger with the authority's key and a place of checkpoints, over every database that can hold a ledger."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from include.audit.checkpoints import Checkpointer, SignedCheckpoint, trusted_keys
from include.audit.places import FolderPlace, Place
from include.audit.verification import Outside, Verification, verify
from include.core.events import LineageEmitted
from include.governance.signing import PRIVATE_KEY_FILE, PUBLIC_KEY_FILE, Signer, create_key
from include.ledger import Ledger
from tests.ledger.conftest import ledger_url, postgres_ledger_url, sqlite_ledger_url  # noqa: F401


class House:
    """``ledger`` of ``url``, whose authority publishes in ``place``. Its clock stands until it is moved."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.folder = url, folder
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)
        self.ledger = Ledger.open(url, clock=lambda: self.now)
        self.place = FolderPlace(folder / "checkpoints")
        self.keys = folder / "keys"
        self.new_key()

    def new_key(self) -> None:
        """The authority's key; where one is there, it is exchanged, and the former public one stays readable."""
        private, public = self.folder / "authority" / PRIVATE_KEY_FILE, self.keys / PUBLIC_KEY_FILE
        if private.exists():
            private.unlink()
            public.rename(public.with_name(f"authority-{len(list(self.keys.iterdir()))}.pub"))
        create_key(private)
        self.signer = Signer.load(private)
        self.signer.publish(public)

    @property
    def publics(self) -> Sequence[bytes]:
        return trusted_keys(self.keys)

    def checkpointer(self, *places: Place) -> Checkpointer:
        return Checkpointer(self.ledger, self.signer, places or [self.place], self.publics, clock=lambda: self.now)

    def sign(self, *places: Place) -> SignedCheckpoint:
        signed = self.checkpointer(*places).sign()
        assert signed is not None
        return signed

    def record(self, count: int, *, stream: str = "run/a", after: timedelta = timedelta(0)) -> None:
        self.now += after
        for _ in range(count):  # no two are the same: an event that was cut off does not come back by itself
            self.ledger.record(stream, LineageEmitted(event=f"{stream} {uuid.uuid4()}"))

    def verified(self, *outside: SignedCheckpoint, places: Sequence[Place] | None = None) -> Verification:
        kept = [Outside(shown="the copy elsewhere", checkpoint=each.checkpoint) for each in outside]
        return verify(self.ledger, [self.place] if places is None else places, self.publics, outside=kept)


@pytest.fixture
def houses(tmp_path: Path) -> Iterator[Callable[[str], House]]:
    made: list[House] = []

    def make(url: str) -> House:
        made.append(House(url, tmp_path / f"house{len(made)}"))
        return made[-1]

    yield make
    for house in made:
        house.ledger.close()


@pytest.fixture
def house(ledger_url: str, houses: Callable[[str], House]) -> House:  # noqa: F811
    return houses(ledger_url)


@pytest.fixture
def local(sqlite_ledger_url: str, houses: Callable[[str], House]) -> House:  # noqa: F811
    """For what has nothing to do with the database."""
    return houses(sqlite_ledger_url)
