"""The vault: artifacts that hold personal data, opened only under grants and never without a receipt."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from include.core.canonical import record_digest
from include.core.errors import AccessDenied
from include.core.events import ArtifactOpened
from include.core.records import Run, Scope
from include.governance.access import Access
from include.ledger import Ledger
from include.store import Store


class Opened:
    """The artifacts that one call of :meth:`Vault.open` allowed, and no others."""

    def __init__(self, store: Store, digests: frozenset[str]) -> None:
        self._store, self._digests = store, digests

    def path(self, digest: str) -> Path:
        """A local, verified, read-only path of the artifact.

        Raises:
            AccessDenied: it was not opened.
            StoreError: it is missing or altered.
        """
        return self._store.path(self._allowed(digest))

    def bytes(self, digest: str) -> bytes:
        """The artifact's verified bytes. Raises as :meth:`path`."""
        return self._store.get(self._allowed(digest))

    def _allowed(self, digest: str) -> str:
        if digest not in self._digests:
            rule = "only an artifact that was opened is read"
            raise AccessDenied(rule, value=digest, remedy="Name it when opening the vault, under the scope it needs.")
        return digest


class Vault:
    """The only holder of the restricted store: snapshots, feature tables, binned data and models."""

    def __init__(self, store: Store, access: Access, ledger: Ledger) -> None:
        self._store, self._access, self._ledger = store, access, ledger

    def put(self, data: bytes) -> str:
        """Keep *data*; its digest. Whole or not at all."""
        return self._store.put(data)

    def put_file(self, path: Path) -> str:
        """Keep the file's bytes; their digest. Whole or not at all."""
        return self._store.put_file(path)

    def has(self, digest: str) -> bool:
        """Whether the artifact is there. Reads nothing of it."""
        return self._store.has(digest)

    def open(self, digests: Iterable[str], *, run: Run, step: str, scope: Scope, now: datetime) -> Opened:
        """Access to *digests* for *step* of *run*, after the grants were checked and the receipt was written.

        The whole *scope* of the project must be granted *now* (UTC), whatever part of it the artifacts hold.

        Raises:
            AccessDenied: no grant in force covers the scope, or it is another project's.
            LedgerUnavailable: the receipt cannot be written, and so nothing is opened.
        """
        if run.project != scope.project:
            rule = f"a run of {run.project!r} opens artifacts under its own project's scope"
            raise AccessDenied(rule, value=scope.project, remedy="Derive the scope of the run's project.")
        grants = self._access.require(scope, now=now)
        wanted = frozenset(digests)
        receipt = ArtifactOpened(
            project=run.project,
            run_id=run.run_id,
            step=step,
            grants=tuple(grant.grant_id for grant in grants),
            artifacts=record_digest(sorted(wanted)),
            count=len(wanted),
        )
        self._ledger.record(f"receipt/{run.project}", receipt)
        return Opened(self._store, wanted)
