"""Who may sign in because a contract names them: a file that nobody adopted makes no user."""

from include.governance.claims import AdoptionClaim
from include.settings import Settings


def of_adopted(settings: Settings) -> frozenset[str]:
    """The stewards of the contracts in effect.

    Raises:
        LedgerUnavailable: the ledger's database cannot be reached.
        AuthorityError: the authority's public key is none.
    """
    return frozenset(name for adoption in _adoptions(settings).values() for name in adoption.stewards)


def of_new(settings: Settings) -> frozenset[str]:
    """Whom the files of datasets name that nobody ever adopted: who holds the deployment may introduce one of them, who
    then adopts it. Raises as :func:`of_adopted`.
    """
    from include.contracts import load_folder

    adopted, contracts = _adoptions(settings), load_folder(settings.contracts, settings.classes)
    return frozenset(
        name for contract in contracts.values() if contract.dataset not in adopted for name in contract.stewards
    )


def _adoptions(settings: Settings) -> dict[str, AdoptionClaim]:
    from include.governance.access import Access
    from include.governance.signing import PUBLIC_KEY_FILE, Verifier
    from include.ledger import Ledger

    public = settings.keys / PUBLIC_KEY_FILE
    if not public.exists():
        return {}  # without it nothing was adopted yet
    return Access(Ledger.open(settings.ledger), Verifier.load(public)).adoptions()
