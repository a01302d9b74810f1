"""Freeze what was known at an instant: granted columns, personal fields treated, one Parquet partition a day."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from include.core import streams
from include.core.canonical import record_digest
from include.core.errors import ContractError, DataError
from include.core.events import DataOpened, DataRead, PartitionsMade
from include.core.project import Project
from include.core.records import (
    DAY,
    Contract,
    DatasetScope,
    Days,
    Grant,
    Partition,
    Run,
    Scope,
    Snapshot,
    Treatment,
    last_day,
)
from include.data.looks import Looks
from include.data.partition_rows import Tokens, known_at, parquet_bytes, sorted_by_key
from include.data.reuse import record
from include.data.sources import SourceDay, source_of
from include.data.writer import Writer
from include.ledger import Ledger
from include.ledger.journal import begun

if TYPE_CHECKING:
    from include.governance.access import Access
    from include.governance.pseudonyms import Pseudonyms
    from include.governance.vault import Vault

#: Part of every partition's inputs. Raise it when this module writes other bytes for the same rows.
FORMAT = 2
#: What was made in this format differs only where the source's numbers hold NaN, which it kept.
_WITH_NAN = 1


def take(
    *,
    run: Run,
    project: Project,
    scope: Scope,
    contracts: Mapping[str, Contract],
    production: Path,
    credentials: Path | None = None,
    vault: "Vault",
    access: "Access",
    ledger: Ledger,
    pseudonyms: "Pseudonyms",
    now: datetime,
) -> Snapshot:
    """Freeze the days that *scope* reaches back from the run's instant; the last is the last that had ended then.

    No day is read that lies before the lookback of the first that the project's window may hold.

    A value that became known after the instant is null, a row whose key became known after it is absent. Rows are
    sorted by the contract's key. Nothing of the source is opened before a grant in force at *now* covers all of
    *scope*, and nothing of a dataset before the receipt of opening it is written. Every partition whose source did not
    change since an earlier instant is reused once it is complete, unless a grant that it was read under is in
    quarantine; the result is the same as if all had been read. The partitions are recorded in one event, at the end: a
    kill before it leaves nothing that counts.

    Raises:
        AccessDenied: no grant covers the scope.
        ContractError: the scope was derived from another version of a contract, or a file does not match its contract.
        DataError: a day is missing, corrupt or truncated, holds a key twice or without a value, or a window is empty.
    """
    grants = access.require(scope, now=now)
    made, tokens = _made(ledger, run, access.quarantined(scope)), Tokens(pseudonyms, scope.purpose)
    partitions: list[Partition] = []
    fresh: list[Partition] = []
    with Writer(vault) as writer:
        for dataset in [
            _Dataset(
                run=run,
                scope=part,
                contract=_contract_of(part, contracts),
                grant=grant,
                tokens=tokens,
                looks=Looks(
                    ledger=ledger,
                    run=run,
                    scope=part,
                    source=source_of(
                        _contract_of(part, contracts), production, credentials, instant=run.instant, columns=part.names
                    ),
                ),
                writer=writer,
                earliest=_earliest(project),
            )
            for part, grant in zip(scope.datasets, grants, strict=True)
        ]:
            ledger.record(streams.receipt(run.project), dataset.opening())
            try:
                partitions += dataset.freeze(made)
            finally:  # what was read before an error was read all the same
                if dataset.files or dataset.reused:
                    ledger.record(streams.receipt(run.project), dataset.receipt())
                dataset.looks.end()
            fresh += [partition() for partition in dataset.fresh]
    record(ledger, run, fresh)
    matures_after_days = contracts[project.learning.target.dataset].matures_after_days
    return Snapshot(
        project=run.project,
        instant=run.instant,
        scope=scope,
        days=_days(run, max(dataset.window_days or 0 for dataset in scope.datasets), _earliest(project)),
        last_matured=last_day(run.instant) - matures_after_days * DAY,
        partitions=tuple(sorted(partitions, key=lambda part: (part.table, part.day or date.min))),
    )


def _days(run: Run, window_days: int, earliest: date) -> Days:
    last = last_day(run.instant)
    return Days(first=min(max(last - (window_days - 1) * DAY, earliest), last), last=last)


def _earliest(project: Project) -> date:
    """No earlier day is read: features of the first day that may be learnt look back no further."""
    since = project.learning.window.since
    return date.min if since is None else since - project.learning.lookback_days * DAY


def _made(ledger: Ledger, run: Run, quarantined: Collection[str]) -> dict[str, Partition]:
    """What runs of this or an earlier instant have made, by its inputs; nothing read under *quarantined* grants.

    A later instant knew more: what it found complete need not have been complete at this run's instant.
    """
    tainted = _read_under(ledger, run.project, quarantined) if quarantined else frozenset()
    instants: dict[str, datetime | None] = {run.run_id: run.instant}
    made: dict[str, Partition] = {}
    for entry in ledger.read(streams.partitions(run.project)):
        event = entry.event
        if not isinstance(event, PartitionsMade):
            continue
        if event.run_id not in instants:
            maker = begun(ledger, run.project, event.run_id)
            instants[event.run_id] = maker.instant if maker else None
        instant = instants[event.run_id]
        if instant is not None and instant <= run.instant:
            made.update(
                (partition.inputs, partition)
                for partition in event.partitions
                if (event.run_id, partition.table) not in tainted
            )
    return made


def _read_under(ledger: Ledger, project: str, grants: Collection[str]) -> frozenset[tuple[str, str]]:
    """The runs and datasets that *grants* were used for."""
    opened = (entry.event for entry in ledger.read(streams.receipt(project)))
    return frozenset(
        (event.run_id, event.scope.dataset)
        for event in opened
        if isinstance(event, DataOpened) and event.grant_id in grants
    )


def _contract_of(scope: DatasetScope, contracts: Mapping[str, Contract]) -> Contract:
    """The contract that *scope* was derived from.

    Raises:
        ContractError: it is gone, was changed since, or treats a column otherwise; or the scope lacks a column without
            which rows cannot be cut at an instant.
    """
    contract = contracts.get(scope.dataset)
    if contract is None or contract.digest != scope.contract_digest:
        raise ContractError(
            f"{scope.dataset}: the contract is the one that the scope was derived from",
            value="none" if contract is None else f"{contract.digest}, derived from {scope.contract_digest}",
            remedy="Start a new run, and have its access granted under the contract in force.",
        )
    treatments = {column.name: column.treatment for column in contract.columns}
    treated = all(treatments.get(name) is treatment is not Treatment.DROP for name, treatment in scope.columns)
    times = {contract.column(name) for name in scope.names}
    needed = {*contract.key, contract.partition_column, *(column.known_at.column for column in times if column)}
    if not treated or not needed - {None} <= set(scope.names):
        raise ContractError(
            f"{scope.dataset}: a scope has the contract's treatments, and its key, partition and known-at columns",
            value=f"{[(name, str(treatment)) for name, treatment in scope.columns]}",
            remedy="Derive the scope from the project's code again.",
        )
    return contract


@dataclass(kw_only=True)
class _Dataset:
    """One dataset of a snapshot, and the count of what was read of it."""

    run: Run
    scope: DatasetScope
    contract: Contract
    grant: Grant
    tokens: Tokens
    looks: Looks
    writer: Writer
    earliest: date
    fresh: list[Callable[[], Partition]] = field(default_factory=list)
    files: int = 0
    rows: int = 0
    reused: int = 0

    @property
    def days(self) -> list[date | None]:
        window = self.scope.window_days
        return [None] if window is None else list(_days(self.run, window, self.earliest))

    def freeze(self, made: Mapping[str, Partition]) -> list[Partition]:
        """The partitions of all days, those of *made* reused."""
        kept = [self._partition(day, made) for day in self.days]
        partitions = [partition() for partition in kept]
        if not any(partition.rows for partition in partitions):
            raise DataError(
                f"{self.contract.dataset}: the window of a night has rows",
                value=f"none known at {self.run.instant:%Y-%m-%d %H:%M}Z in {len(partitions)} days",
                remedy="Choose an --instant whose window the source holds.",
            )
        return partitions

    def opening(self) -> DataOpened:
        """The receipt to write before the source is opened: a kill while it is read leaves this one."""
        return DataOpened(**self._about())

    def receipt(self) -> DataRead:
        return DataRead(**self._about(), rows=self.rows, files=self.files, reused=self.reused)

    def _about(self) -> dict[str, Any]:
        days, run = self.days, self.run
        read = {"grant_id": self.grant.grant_id, "scope": self.scope, "first": days[0], "last": days[-1]}
        return {"project": run.project, "run_id": run.run_id, **read}

    def _partition(self, day: date | None, made: Mapping[str, Partition]) -> Callable[[], Partition]:
        """The partition of the *day* as it stands or is found now; it is there when it is asked for."""
        standing = self.looks.standing(day)
        if standing is not None and (reused := self._reused(self._known(day, standing, made))):
            return reused
        held = self.looks.at(day)
        return self._reused(self._known(day, held.digest, made) or self._of_before(held, made)) or self._frozen(held)

    def _known(self, day: date | None, digest: str, made: Mapping[str, Partition]) -> Partition | None:
        """What was made of the *day* when its source had that *digest*."""
        complete = made.get(self._inputs(day, digest, None, FORMAT))  # as nearly every day's: the rest is not computed
        return complete or made.get(self._inputs(day, digest, self.run.instant, FORMAT))

    def _reused(self, known: Partition | None) -> Callable[[], Partition] | None:
        if known is None or not self.writer.has(known.content):
            return None
        self.reused += 1
        return lambda: known

    def _frozen(self, held: SourceDay) -> Callable[[], Partition]:
        """Read, cut and treat what is *held*."""
        read = held.read(self.scope.names)
        self.files += 1
        self.rows += read.num_rows
        table, complete = known_at(read, self.contract, self.run.instant)
        table = sorted_by_key(self.tokens.treated(table, self.scope.columns), self.contract, held.day)
        partition = self.writer.put(
            partial(parquet_bytes, table),
            table=self.contract.dataset,
            day=held.day,
            inputs=self._inputs(held.day, held.digest, None if complete else self.run.instant, FORMAT),
            rows=table.num_rows,
            complete=complete,
            held_bytes=table.nbytes,
        )
        self.fresh.append(partition)
        return partition

    def _of_before(self, held: SourceDay, made: Mapping[str, Partition]) -> Partition | None:
        """What an earlier version made of what is *held*, if it is what this one would make."""
        for at in (None, self.run.instant):
            known = made.get(self._inputs(held.day, held.digest, at, _WITH_NAN))
            if known is not None and not held.holds_nan(self.scope.names):
                return replace(known, inputs=self._inputs(held.day, held.digest, at, FORMAT))
        return None

    @cached_property
    def _rules(self) -> dict[int, str]:
        """By format the digest of all that decides a partition's bytes beside the source, the day and the instant."""
        tokens = Treatment.TOKEN in dict(self.scope.columns).values()
        key_id = self.tokens.key_id if tokens else None
        return {
            each: record_digest((each, self.contract.digest, self.scope.columns, key_id))
            for each in (FORMAT, _WITH_NAN)
        }

    def _inputs(self, day: date | None, recorded: str, instant: datetime | None, written: int) -> str:
        """The digest of all that decides a partition's bytes; *instant* only where it is not complete."""
        known = "complete" if instant is None else instant
        return record_digest({"rules": self._rules[written], "source": recorded, "day": day, "known": known})
