"""The vault: artifacts that hold personal data, opened only under grants and never without a receipt."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from include.core import streams
from include.core.canonical import encode
from include.core.errors import AccessDenied
from include.core.events import ArtifactOpened
from include.core.records import Grant, ResultAddresses, Run, Scope
from include.governance.access import Access
from include.ledger import Ledger
from include.store import AlteredArtifact, Store


@dataclass(frozen=True, kw_only=True)
class IssuedAddresses:
    """Addresses for a process that has nothing else: what it reads, by digest, and its results, by name, each with what
    is kept of it while it is under way.

    All of them end at ``expires_at``. They are secrets, and nothing that is made of them is kept.
    """

    artifacts: Mapping[str, str] = field(repr=False)
    results: Mapping[str, ResultAddresses] = field(repr=False)
    expires_at: datetime
    working: Mapping[str, ResultAddresses] = field(repr=False)


class OpenedArtifacts:
    """The artifacts, and what is under way of them, that one call of :meth:`Vault.open` allowed, and no others."""

    def __init__(self, store: Store, digests: frozenset[str], under_way: frozenset[str] = frozenset()) -> None:
        self._store, self._digests, self._under_way = store, digests, under_way

    def working(self, name: str) -> bytes | None:
        """What was kept last of what is under way by that *name*, unverified; ``None``: nothing is.

        Raises:
            AccessDenied: it was not opened.
        """
        return self._store.working(self._allowed_name(name))

    def keep_working(self, name: str, data: bytes) -> None:
        """Put *data* in its place: whole, or what was there stays. Raises as :meth:`working`."""
        self._store.keep_working(self._allowed_name(name), data)

    def remove_working(self, name: str) -> None:
        """Remove it; nothing happens if nothing is there. Raises as :meth:`working`."""
        self._store.remove_working(self._allowed_name(name))

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

    def _allowed_name(self, name: str) -> str:
        if name not in self._under_way:
            rule = "only what was opened is taken up again"
            raise AccessDenied(rule, value=name, remedy="Name it when opening the vault, under the scope it needs.")
        return name

    def _allowed(self, digest: str) -> str:
        if digest not in self._digests:
            rule = "only an artifact that was opened is read"
            raise AccessDenied(rule, value=digest, remedy="Name it when opening the vault, under the scope it needs.")
        return digest


class Vault:
    """The only holder of the restricted store: snapshots, feature tables, binned data and models."""

    def __init__(self, store: Store, access: Access, ledger: Ledger, *, lists: Store) -> None:
        """*lists* keeps, by its digest, what each receipt names: digests only, for whoever may read no artifact."""
        self._store, self._access, self._ledger, self._lists = store, access, ledger, lists

    def put(self, data: bytes) -> str:
        """Keep *data*; its digest. Whole or not at all."""
        return self._store.put(data)

    def put_file(self, path: Path) -> str:
        """Keep the file's bytes; their digest. Whole or not at all."""
        return self._store.put_file(path)

    def put_made(self, write: Callable[[Path], None]) -> str:
        """Keep the file that *write* makes at the path that it is given; its digest. Whole or not at all.

        Until then the file lies within the vault: a kill leaves it nowhere else.
        """
        return self._store.put_made(write)

    def workspace(self) -> AbstractContextManager[Path]:
        """An empty folder within the vault, for what is made of artifacts on the way; it is removed afterwards."""
        return self._store.workspace()

    def has(self, digest: str) -> bool:
        """Whether the artifact is there. Reads nothing of it."""
        return self._store.has(digest)

    def verify(self, digest: str) -> None:
        """Read the artifact through, hand out nothing of it, and set it aside if it was altered.

        Raises:
            StoreError: it is missing or altered.
        """
        self._store.verify(digest)

    def altered(self) -> tuple[AlteredArtifact, ...]:
        """What was ever found altered and set aside."""
        return self._store.altered()

    def remove(self, digest: str) -> None:
        """Remove the artifact, whose tombstone is recorded; nothing happens if it is not there."""
        self._store.remove(digest)

    def open(
        self,
        digests: Iterable[str],
        *,
        run: Run,
        step: str,
        scope: Scope,
        now: datetime,
        serving: bool = False,
        under_way: Iterable[str] = (),
    ) -> OpenedArtifacts:
        """Access to *digests* for *step* of *run*, after the grants were checked and the receipt was written.

        The whole *scope* of the project must be granted *now* (UTC), whatever part of it the artifacts hold. They may
        hold more, which is not checked: what was made under a wider grant opens under a later, narrower one. *serving*:
        a champion's model is opened to predict; see :meth:`~include.governance.access.Access.require`. *under_way*
        names what the step makes of them and may be interrupted in.

        Raises:
            AccessDenied: no grant in force covers the scope, or it is another project's.
            LedgerUnavailable, StoreUnavailable: the receipt or its list cannot be written, and so nothing is opened.
        """
        wanted = frozenset(digests)
        self._receive(wanted, run=run, step=step, scope=scope, now=now, serving=serving)
        return OpenedArtifacts(self._store, wanted, frozenset(under_way))

    def issue(
        self,
        digests: Iterable[str],
        results: Iterable[str],
        *,
        run: Run,
        step: str,
        scope: Scope,
        now: datetime,
        lifetime: timedelta,
    ) -> IssuedAddresses:
        """Addresses at which a process elsewhere reads *digests*, and writes and reads the results so named.

        It is an opening like :meth:`open`, for *lifetime* from *now*, and not beyond the end of a grant. A revocation
        does not shorten it: whoever holds the addresses is to be ended.

        Raises:
            DeclarationError: the vault's store gives no addresses; nothing was opened.
            AddressRefused: by the clock of the machine they would have ended already; nothing was handed out.
            AccessDenied, LedgerUnavailable: as :meth:`open`.
        """
        wanted, names = frozenset(digests), frozenset(results)
        self._store.require_issuing(lifetime)
        grants = self._receive(wanted, run=run, step=step, scope=scope, now=now)
        expires_at = min(now + lifetime, *(grant.expires_at for grant in grants))
        return IssuedAddresses(
            artifacts={digest: self._store.read_address(digest, expires_at=expires_at) for digest in sorted(wanted)},
            results={name: self._store.result_addresses(name, expires_at=expires_at) for name in sorted(names)},
            working={name: self._store.working_addresses(name, expires_at=expires_at) for name in sorted(names)},
            expires_at=expires_at,
        )

    def remove_working(self, name: str) -> None:
        """Remove what was kept of something under way, which is over; nothing happens if nothing was."""
        self._store.remove_working(name)

    def clear_working(self, *, unused_since: datetime) -> int:
        """Remove what was kept of things under way that nobody took up since (UTC); how much."""
        return self._store.clear_working(unused_since=unused_since)

    def result(self, name: str, *, most_bytes: int) -> bytes | None:
        """The first *most_bytes* that a process elsewhere wrote as the result *name*: not verified, no artifact yet."""
        return self._store.result(name, most_bytes=most_bytes)

    def refuse_result(self, name: str, data: bytes) -> str:
        """Keep *data*, which was read there, as an artifact, and let the result be written again; the digest."""
        kept = self._store.put(data)
        self._store.remove_result(name)
        return kept

    def _receive(
        self, wanted: frozenset[str], *, run: Run, step: str, scope: Scope, now: datetime, serving: bool = False
    ) -> tuple[Grant, ...]:
        """Check the grants and write the receipt, after the list that it names: there is none without its list."""
        if run.project != scope.project:
            rule = f"a run of {run.project!r} opens artifacts under its own project's scope"
            raise AccessDenied(rule, value=scope.project, remedy="Derive the scope of the run's project.")
        grants = self._access.require(scope, now=now, run=run, serving=serving)
        receipt = ArtifactOpened(
            project=run.project,
            run_id=run.run_id,
            step=step,
            grants=tuple(grant.grant_id for grant in grants),
            artifacts=self._lists.put(encode(sorted(wanted))),
            count=len(wanted),
        )
        self._ledger.record(streams.receipt(run.project), receipt)
        return grants
