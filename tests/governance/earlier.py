"""A contract as it was put into effect before columns had to say whether they lead to a person."""

from include.core.canonical import encode
from include.core.events import ContractAdopted
from include.core.records import Contract
from include.governance.claims import ADOPTION_TYPE, AdoptionClaim
from include.governance.signing import Signer
from include.ledger import Ledger


def adopt(ledger: Ledger, signer: Signer, contract: Contract, *, user: str) -> None:
    """Record that *user* adopted *contract*, first of all and signed, as every release does."""
    said = {
        "dataset": contract.dataset,
        "contract_version": contract.version,
        "digest": contract.digest,
        "stewards": contract.stewards,
        "adopted_by": user,
    }
    envelope = signer.sign(ADOPTION_TYPE, encode(AdoptionClaim(**said, position=1)))  # type: ignore[arg-type]
    adopted = ContractAdopted(**said, envelope=envelope)  # type: ignore[arg-type]
    ledger.append(f"contract/{contract.dataset}", [adopted], expected_version=0)
