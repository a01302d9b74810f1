"""Datasets whose files are one another's: who adopts one of them decides about the other too."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from include.contracts.places import FolderPaths, paths_of
from include.core.errors import ContractError
from include.core.records import Contract
from include.governance.access import Access
from include.governance.kept_contracts import KeptContracts


class Overlaps:
    """Of the contracts in effect, by where their files lie; *production* is the folder of all production data."""

    def __init__(self, access: Access, kept: KeptContracts, production: Path) -> None:
        self._access, self._kept, self._production = access, kept, production

    def of(self, contract: Contract, files: Mapping[str, Contract], *, links: bool = True) -> tuple[str, ...]:
        """The adopted datasets, but for its own, in which files of *contract* may lie, by name.

        Raises:
            ContractError: its location is relative.
        """
        place = paths_of(contract, self._production, links=links)
        others = self._adopted(files, links=links)
        return tuple(name for name, other in others if name != contract.dataset and place.overlaps(other))

    def all(self, files: Mapping[str, Contract]) -> tuple[tuple[str, str], ...]:
        """The pairs of adopted datasets whose files overlap, by name."""
        places = list(self._adopted(files, links=True))
        return tuple(
            (name, other)
            for number, (name, place) in enumerate(places)
            for other, another in places[number + 1 :]
            if place.overlaps(another)
        )

    def _adopted(self, files: Mapping[str, Contract], *, links: bool) -> Iterator[tuple[str, FolderPaths]]:
        for name in self._access.adoptions():
            contract = self._contract(name, files)
            if contract is not None:
                yield name, paths_of(contract, self._production, links=links)

    def _contract(self, name: str, files: Mapping[str, Contract]) -> Contract | None:
        """The contract in effect; where an earlier release kept none and its file was edited since, the file's."""
        try:
            return self._kept.in_effect(name, files)
        except ContractError:
            pass
        try:
            return files.get(name)
        except ContractError:
            return None
