"""Partitions on their way into the vault, while the next are made."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from typing import TYPE_CHECKING

from include.core.records import Partition

if TYPE_CHECKING:
    from include.governance.vault import Vault

#: This many partitions are forced to the disk at once: the disk takes several in the time of one.
WRITERS = 8
#: Of the rows of partitions no more wait than this; one may be larger.
MOST_WAITING_BYTES = 128 << 20


class Writer:
    """Encodes partitions and puts them into the vault while the next are made: the disk takes longer than making one.

    When the context ends without an error, all are kept; the first that could not be kept raises.
    """

    def __init__(self, vault: "Vault") -> None:
        self._vault, self._pool = vault, ThreadPoolExecutor(max_workers=WRITERS)
        self._pending: deque[tuple[Future[Partition], int]] = deque()
        self._waiting_bytes = 0

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._pool:
            while kind is None and self._pending:
                self._wait()

    def has(self, digest: str) -> bool:
        """Whether an earlier night's partition is there still: one that was lost is made again."""
        return self._vault.has(digest)

    def put(
        self,
        encoded: Callable[[], bytes],
        *,
        table: str,
        day: date | None,
        inputs: str,
        rows: int,
        complete: bool,
        held_bytes: int = 0,
    ) -> Callable[[], Partition]:
        """Keep the partition whose bytes *encoded* gives, in another thread; waits where too much is waiting already.

        Until then its rows take *held_bytes*. What it returns waits until it is kept.
        """

        def keep() -> Partition:
            data = encoded()
            content, size = self._vault.put(data), len(data)
            return Partition(
                table=table, day=day, inputs=inputs, content=content, rows=rows, size_bytes=size, complete=complete
            )

        future = self._pool.submit(keep)
        self._pending.append((future, held_bytes))
        self._waiting_bytes += held_bytes
        while len(self._pending) > 2 * WRITERS or (self._waiting_bytes > MOST_WAITING_BYTES and len(self._pending) > 1):
            self._wait()
        return future.result

    def _wait(self) -> None:
        future, held_bytes = self._pending.popleft()
        self._waiting_bytes -= held_bytes
        future.result()
