"""Where production data comes from: one port, and the kinds of source that implement it.

A source of another kind is a module here, its row in :data:`_KINDS`, and its row in :mod:`include.contracts.servers`.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from pathlib import Path

from include.contracts.origin import TableOrigin
from include.contracts.servers import scheme_of
from include.contracts.tables import ICEBERG, POSTGRES
from include.core.records import Contract
from include.data.sources.port import Asking, Source, SourceDay

__all__ = ["Asking", "Source", "SourceDay", "copy_files", "source_of"]


def source_of(
    contract: Contract,
    production: Path,
    credentials: Path | None = None,
    *,
    instant: datetime | None = None,
    columns: Collection[str] | None = None,
) -> Source:
    """The source that the *contract* names; nothing is read yet.

    *production* is the folder of all production data, *credentials* the file of those that only the reader has. Whoever
    reads for a run gives its *instant*, and the *columns* that are granted: see :class:`Asking`.

    Raises:
        ContractError: the contract's location cannot be used.
        DeclarationError: credentials that are needed are not there.
    """
    granted = None if columns is None else tuple(columns)
    asking = Asking(production=production, credentials=credentials, instant=instant, columns=granted)
    return _KINDS[scheme_of(contract.location)](contract, asking)


def copy_files(
    location: str, target: Path, credentials: Path | None, *, without: Collection[str] = ()
) -> TableOrigin | None:
    """Copy what lies at the address *location* under *target*, as files of which a contract can be drafted.

    Of a bucket those are all files that nights read, in their folders; of a table rows, in which the columns *without*
    have no values, and what a table of Iceberg says of itself.

    Raises as a source does, and DataError where there is nothing.
    """
    from include.data.sources import bucket, postgres_copy
    from include.data.sources.iceberg import drafting

    if scheme_of(location) == ICEBERG:
        return drafting.copy_rows(location, target, credentials, without=without)
    if scheme_of(location) == POSTGRES:
        postgres_copy.copy_rows(location, target, credentials, without=without)
    else:
        bucket.copy_files(location, target, credentials)
    return None


def _folder(contract: Contract, asking: Asking) -> Source:
    from include.contracts.patterns import pattern_of
    from include.contracts.places import folder_of
    from include.data.sources.folder import DayFolder
    from include.data.sources.parquet import ParquetSource

    folder, days = folder_of(contract, asking.production), pattern_of(contract.location)
    return ParquetSource(contract, DayFolder(contract.dataset, folder, days, instant=asking.instant))


def _bucket(contract: Contract, asking: Asking) -> Source:
    from include.data.sources.bucket import DayPrefix
    from include.data.sources.parquet import ParquetSource

    return ParquetSource(contract, DayPrefix(contract.dataset, contract.location, asking.credentials))


def _iceberg(contract: Contract, asking: Asking) -> Source:
    from include.data.sources.iceberg import IcebergSource

    return IcebergSource(contract, asking)


def _table(contract: Contract, asking: Asking) -> Source:
    from include.data.sources.postgres import TableSource

    return TableSource(contract, asking)


#: By the scheme of a contract's location (none: a path of this machine).
_KINDS: Mapping[str, Callable[[Contract, Asking], Source]] = {
    "": _folder,
    "s3": _bucket,
    "iceberg": _iceberg,
    POSTGRES: _table,
}
