"""Partitions on their way into the vault, while the next are made."""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from include.core.canonical import digest_of

if TYPE_CHECKING:
    from include.governance.vault import Vault

#: So many partitions are forced to the disk at once: the disk takes several in the time of one.
WRITERS = 8


class Writer:
    """Puts partitions into the vault while the next are made: forcing one to the disk takes longer than making it.

    When the context ends without an error, all are kept; the first that could not be kept raises.
    """

    def __init__(self, vault: "Vault") -> None:
        self._vault, self._pool = vault, ThreadPoolExecutor(max_workers=WRITERS)
        self._pending: deque[Future[str]] = deque()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._pool:
            while kind is None and self._pending:
                self._pending.popleft().result()

    def has(self, digest: str) -> bool:
        """Whether an earlier night's partition is there still: one that was lost is made again."""
        return self._vault.has(digest)

    def put(self, data: bytes) -> str:
        """The digest of *data*, which will be kept; waits where too much is waiting already."""
        self._pending.append(self._pool.submit(self._vault.put, data))
        while len(self._pending) > 2 * WRITERS:
            self._pending.popleft().result()
        return digest_of(data)
