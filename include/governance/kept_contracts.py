"""The contracts that stewards adopted, as they were written then: whatever becomes of their files, runs read these."""

from collections.abc import Callable, Mapping

from include.core import streams
from include.core.canonical import digest_of
from include.core.errors import ContractError
from include.core.events import ContractKept
from include.core.records import Contract
from include.governance.access import Access
from include.ledger import Ledger

#: The contract of a dataset in a text.
Read = Callable[[str, str], Contract]


def keep(ledger: Ledger, contract: Contract) -> None:
    """Keep what *contract* says, unless it is kept. Nothing is in effect by that: an adoption names the digest."""
    if _kept(ledger, contract.dataset, contract.digest) is None:
        event = ContractKept(dataset=contract.dataset, digest=contract.digest, text=contract.text)
        ledger.record(streams.contract_text(contract.dataset), event)


class KeptContracts:
    """Contracts by dataset and digest, of one ledger."""

    def __init__(self, ledger: Ledger, access: Access, read: Read) -> None:
        self._ledger, self._access, self._read = ledger, access, read

    def of(self, dataset: str, digest: str, files: Mapping[str, Contract]) -> Contract:
        """The contract *digest* of *dataset*, as it was kept when it was adopted.

        Where none was kept (it is not adopted yet, or was by a release that kept none) it is that of *files*, if that
        is the very same; one that is in effect is kept from then on.

        Raises:
            ContractError: it is not kept, and the file is another version by now.
        """
        text = _kept(self._ledger, dataset, digest)
        if text is not None:
            return self._read(dataset, text)
        adopted, found = self._access.adopted(dataset), _of_file(dataset, files)
        if found is None or found.digest != digest:
            raise _lost(dataset, digest, adopted)
        if found.digest == adopted:
            keep(self._ledger, found)
        return found

    def in_effect(self, dataset: str, files: Mapping[str, Contract]) -> Contract | None:
        """The contract that is in effect for *dataset*; ``None``: none was ever adopted. Raises as :meth:`of`."""
        adopted = self._access.adopted(dataset)
        return None if adopted is None else self.of(dataset, adopted, files)


def _kept(ledger: Ledger, dataset: str, digest: str) -> str | None:
    """The text whose digest is *digest*: what somebody else wrote under that name counts for nothing."""
    kept = ledger.events(streams.contract_text(dataset), ContractKept)
    return next((each.text for each in kept if each.digest == digest == digest_of(each.text.encode())), None)


def _of_file(dataset: str, files: Mapping[str, Contract]) -> Contract | None:
    """What the file says; ``None``: it is gone, or is no contract any more."""
    try:
        return files.get(dataset)
    except ContractError:
        return None


def _lost(dataset: str, digest: str, adopted: str | None) -> ContractError:
    if adopted not in (None, digest):
        return ContractError(
            f"{dataset}: a run reads under the contract that it began with",
            value="the contract was replaced: another version is in effect since",
            remedy="Start another run.",
        )
    rule = f"{dataset}: the contract that a run reads under is kept, or is the file as it is"
    remedy = "Restore the file of that version, and run this again; or adopt the file as it is, and start another run."
    return ContractError(rule, value=f"{digest[:14]}… is neither", remedy=remedy)
