"""Partitions on their way into the vault, while the next are made."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from include.governance.vault import Vault

#: So many partitions are forced to the disk at once: the disk takes several in the time of one.
WRITERS = 8


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Bytes that are in the vault, by their digest."""

    content: str
    size_bytes: int


class Writer:
    """Encodes partitions and puts them into the vault while the next are made: the disk takes longer than making one.

    When the context ends without an error, all are kept; the first that could not be kept raises.
    """

    def __init__(self, vault: "Vault") -> None:
        self._vault, self._pool = vault, ThreadPoolExecutor(max_workers=WRITERS)
        self._pending: deque[Future[Kept]] = deque()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._pool:
            while kind is None and self._pending:
                self._pending.popleft().result()

    def has(self, digest: str) -> bool:
        """Whether an earlier night's partition is there still: one that was lost is made again."""
        return self._vault.has(digest)

    def put(self, encoded: Callable[[], bytes]) -> Callable[[], Kept]:
        """Keep the bytes that *encoded* gives, in another thread; waits where too much is waiting already.

        What it returns waits until they are kept.
        """
        future = self._pool.submit(self._keep, encoded)
        self._pending.append(future)
        while len(self._pending) > 2 * WRITERS:
            self._pending.popleft().result()
        return future.result

    def _keep(self, encoded: Callable[[], bytes]) -> Kept:
        data = encoded()
        return Kept(content=self._vault.put(data), size_bytes=len(data))
