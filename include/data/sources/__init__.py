"""Where production data comes from: one port, and the kinds of source that implement it.

A source of another kind is a module here, its row in :data:`_KINDS`, and its row in :mod:`include.contracts.servers`.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from include.contracts.servers import scheme_of
from include.core.records import Contract
from include.data.sources.port import Source, SourceDay

__all__ = ["Source", "SourceDay", "copy_files", "source_of"]


def source_of(contract: Contract, production: Path, credentials: Path | None = None) -> Source:
    """The source that the *contract* names; nothing is read yet.

    *production* is the folder of all production data, *credentials* the file of those that only the reader has.

    Raises:
        ContractError: the contract's location cannot be used.
        DeclarationError: credentials that are needed are not there.
    """
    return _KINDS[scheme_of(contract.location)](contract, production, credentials)


def copy_files(location: str, target: Path, credentials: Path | None) -> None:
    """Copy all files that nights read at the address *location*, in their folders, under *target*.

    Raises as a source does, and DataError where there are none.
    """
    from include.data.sources import bucket  # the one kind that has addresses

    bucket.copy_files(location, target, credentials)


def _folder(contract: Contract, production: Path, credentials: Path | None) -> Source:
    from include.contracts.places import folder_of
    from include.data.sources.folder import DayFolder
    from include.data.sources.parquet import ParquetSource

    return ParquetSource(contract, DayFolder(folder_of(contract, production)))


def _bucket(contract: Contract, production: Path, credentials: Path | None) -> Source:
    from include.data.sources.bucket import DayPrefix
    from include.data.sources.parquet import ParquetSource

    return ParquetSource(contract, DayPrefix(contract.dataset, contract.location, credentials))


#: By the scheme of a contract's location (none: a path of this machine).
_KINDS: Mapping[str, Callable[[Contract, Path, Path | None], Source]] = {"": _folder, "s3": _bucket}
