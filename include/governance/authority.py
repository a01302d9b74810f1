"""The authority: the stewards' decisions, written with the only key that can sign them."""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from include.contracts import read, require_adoptable
from include.core import streams
from include.core.canonical import encode
from include.core.errors import (
    AuthorityError,
    ContractError,
    DecisionConflict,
    DecisionUnusable,
    UnknownId,
)
from include.core.events import (
    AccessGranted,
    AccessRequested,
    AccessRevoked,
    ContractAdopted,
    Event,
    HoldLifted,
    HoldPlaced,
    QuarantineLifted,
    RequestDenied,
)
from include.core.names import among
from include.core.records import Contract, DatasetScope, Grant, RevocationKind
from include.core.words import reason as as_reason
from include.governance import holds
from include.governance.access import ATTEMPTS, Access, crowded
from include.governance.claims import GRANT_TYPE, signed
from include.governance.deciding import grant_of, open_request, require_columns, require_steward, require_whole
from include.governance.decisions import Decisions
from include.governance.fold import KINDS, AccessFold, fold
from include.governance.kept_contracts import KeptContracts, keep
from include.governance.overlaps import Overlaps
from include.governance.signing import Signer, Verifier
from include.ledger import Ledger
from include.ledger.projection import Projection

#: A grant holds for at least one day and at most that many: a standing permission is looked at once a year.
LONGEST_GRANT_DAYS = 366

_Decidable = type[AccessRequested] | type[AccessGranted]


class Authority:
    """Decides on behalf of a steward whom the caller has authenticated.

    Only a steward of the adopted contract decides about its dataset. Of two decisions at the same moment the first
    holds and the second is refused. What allows something is not decided on a ledger that was altered; what takes
    something away, a denial or a revocation, is.
    """

    def __init__(
        self,
        ledger: Ledger,
        signer: Signer,
        verifier: Verifier,
        contracts: Callable[[], Mapping[str, Contract]],
        classes: Sequence[tuple[str, str]] = (),
        production: Path = Path(),
    ) -> None:
        """*contracts* reads the contract files as they are now, by dataset; *classes*: the deployment's own words;
        *production*: the folder of all production data.
        """
        self._ledger, self._signer, self._contracts, self._classes = ledger, signer, contracts, classes
        self._access = Access(ledger, verifier)
        self._kept = KeptContracts(ledger, self._access, lambda dataset, text: read(dataset, text, tuple(classes)))
        self._overlaps = Overlaps(self._access, self._kept, production)
        self._lock = threading.Lock()
        self._folded = Projection(AccessFold(verifier=verifier), fold, kinds=KINDS)

    def contract(self, dataset: str) -> Contract:
        """The contract in the dataset's file, adopted or not.

        Raises:
            AuthorityError: there is no such file.
        """
        contracts = self._contracts()
        if dataset not in contracts:
            remedy = f"Datasets with a contract: {', '.join(contracts) or 'none'}."
            raise UnknownId("a dataset has a contract file", value=dataset, remedy=remedy)
        return contracts[dataset]

    def contracts(self) -> Mapping[str, Contract]:
        """The contracts in the files, adopted or not, by dataset."""
        return self._contracts()

    def asked_under(self, scope: DatasetScope) -> Contract | None:
        """The contract that *scope* was derived from; ``None``: nobody adopted it, and no file is that version now."""
        try:
            return self._kept.of(scope.dataset, scope.contract_digest, self._contracts())
        except ContractError:
            return None

    def adopt(self, dataset: str, *, user: str, digest: str | None = None) -> str:
        """Put the contract file as it is now into effect; its digest. Adopting what is in effect changes nothing.

        *digest* is that of the version that *user* has read: another one on the disk is refused.

        Raises:
            AuthorityError: *user* is no steward of the version in effect (of the file, for a first adoption), or of an
                adopted dataset in which files of this one lie; the file is not what was read; the ledger was altered.
            ContractError: the file cannot be used, or leaves open what :func:`require_adoptable` asks for.
        """
        contract = self.contract(dataset)
        if digest is not None and digest != contract.digest:
            remedy = "Read the file again, then adopt it."
            raise DecisionConflict(f"{dataset}: the contract is the one you read", value=contract.digest, remedy=remedy)
        stream = streams.contract(dataset)
        for _ in range(ATTEMPTS):
            version = self._ledger.version(stream)
            current = self._access.adoption(dataset)
            require_steward(dataset, current.stewards if current else contract.stewards, user)
            if current and current.digest == contract.digest:
                keep(self._ledger, contract)  # releases before this one did not
                return contract.digest
            require_adoptable(contract, self._classes)
            require_whole(self._ledger)
            self._require_steward_of_the_same_files(contract, user)
            keep(self._ledger, contract)
            adopted = self._adopted(contract, user, version + 1)
            if self._ledger.offer(stream, adopted, expected_version=version):
                return contract.digest
        raise crowded(stream)

    def grant(self, request_id: str, *, user: str, reason: str, days: int, now: datetime) -> Grant:
        """Allow what *request_id* asks for, from *now* (UTC, inclusive) for *days* (1 to 366).

        Raises:
            AuthorityError: *user* is no steward of the dataset or asked for this; it is decided already; the contract
                changed since; the request asks for a column that the contract does not let anyone read that way; or
                *days* or *reason* cannot be used; or the ledger was altered.
        """
        reason = as_reason(reason)
        if not 1 <= days <= LONGEST_GRANT_DAYS:
            remedy = "Choose how many days the grant shall hold."
            raise DecisionUnusable(f"a grant holds for 1 to {LONGEST_GRANT_DAYS} days", value=days, remedy=remedy)
        made: list[Grant] = []

        def decide(decisions: Decisions) -> Event:
            request = open_request(request_id, decisions)
            if among(user, decisions.askers(request_id)):
                remedy = "Let another steward of the dataset decide."
                raise AuthorityError("nobody approves their own request", value=user, remedy=remedy)
            self._require_readable(request)
            require_whole(self._ledger)
            made[:] = [grant_of(request, user, reason, now, days, decisions.version)]
            envelope = self._signer.sign(GRANT_TYPE, encode(made[0]))
            return AccessGranted(request_id=request_id, grant_id=made[0].grant_id, envelope=envelope)

        self._decide(AccessRequested, request_id, user, decide)
        return made[0]

    def deny(self, request_id: str, *, user: str, reason: str) -> None:
        """Deny a request for good; the same may be asked again.

        Raises:
            AuthorityError: *user* is no steward of the dataset, it is decided already, or *reason* cannot be used.
        """
        reason = as_reason(reason)

        def decide(decisions: Decisions) -> Event:
            open_request(request_id, decisions)
            denied = RequestDenied(request_id=request_id, steward=user, reason=reason, envelope=None)
            return self._signed(denied, decisions)

        self._decide(AccessRequested, request_id, user, decide)

    def revoke(
        self, grant_id: str, *, user: str, reason: str, effect: RevocationKind = RevocationKind.STOP_RUNNING
    ) -> None:
        """End a grant now, and whatever else *effect* ends. Revoking it again in the same way changes nothing.

        Raises:
            AuthorityError: there is no such grant, *user* is no steward of its dataset, *reason* cannot be used, or it
                was revoked already in a way that ends more.
        """
        reason = as_reason(reason)

        def decide(decisions: Decisions) -> Event | None:
            before = decisions.effects.get(grant_id)
            if before is effect:
                return None
            if not effect.exceeds(before):
                remedy = "To end a quarantine, lift it: `./trainyard access lift`. What has ended stays ended."
                raise DecisionConflict(f"grant {grant_id}: a revocation is not softened", value=before, remedy=remedy)
            revoked = AccessRevoked(grant_id=grant_id, steward=user, reason=reason, envelope=None, effect=effect)
            return self._signed(revoked, decisions)

        self._decide(AccessGranted, grant_id, user, decide)

    def lift(self, grant_id: str, *, user: str, reason: str) -> None:
        """Let what was made under a quarantined grant be promoted and serve again. The grant stays revoked.

        Raises:
            AuthorityError: there is no such grant, it is in no quarantine, *user* is no steward of its dataset,
                *reason* is empty, or the ledger was altered.
        """
        reason = as_reason(reason)

        def decide(decisions: Decisions) -> Event:
            if grant_id not in decisions.quarantined:
                found = decisions.effects.get(grant_id, "not revoked")
                remedy = "See what became of it: `./trainyard access show`."
                raise DecisionConflict(f"grant {grant_id}: a quarantine is lifted", value=found, remedy=remedy)
            require_whole(self._ledger)
            lifted = QuarantineLifted(grant_id=grant_id, steward=user, reason=reason, envelope="")
            return self._signed(lifted, decisions)

        self._decide(AccessGranted, grant_id, user, decide)

    def hold(self, subject: str, *, user: str, reason: str) -> None:
        """Keep all of *subject* from removal: a dataset, a project's models, or one version (``<project>/<number>``).

        Holding what is held changes nothing.

        Raises:
            AuthorityError: there is no such dataset or model, *user* is no steward of the dataset (of a model: of none
                that its project reads), or *reason* is empty.
        """
        holds.place(self._access, self._signer, HoldPlaced, subject, user=user, reason=as_reason(reason))

    def end_hold(self, subject: str, *, user: str, reason: str) -> None:
        """End a hold: what is due is removed from now on. Raises as :meth:`hold`, and where nothing is held."""
        holds.place(self._access, self._signer, HoldLifted, subject, user=user, reason=as_reason(reason))

    def holds(self) -> Mapping[str, holds.Hold]:
        """The holds in force, by subject."""
        return holds.holds(self._ledger, self._access.verifier)

    def _decide(self, kind: _Decidable, name: str, user: str, decide: Callable[[Decisions], Event | None]) -> None:
        """Append what *decide* makes (``None``: nothing) of all that was decided where *name* stands."""
        with self._lock:  # the fold changes meanwhile for nobody
            for _ in range(ATTEMPTS):
                decisions = self._folded.catch_up(self._ledger).find(kind, name)
                if decisions.version != self._ledger.version(decisions.stream):  # what is not of access lies in it, too
                    decisions = self._access.decisions(decisions.project, decisions.dataset)
                self._require_adopted_steward(decisions.dataset, user)
                event = decide(decisions)
                if event is None or self._ledger.offer(decisions.stream, event, expected_version=decisions.version):
                    return
        raise crowded(name)

    def _signed(self, event: RequestDenied | AccessRevoked | QuarantineLifted, decisions: Decisions) -> Event:
        place = {"project": decisions.project, "dataset": decisions.dataset}
        return signed(event, self._signer, position=decisions.version + 1, **place)

    def _adopted(self, contract: Contract, user: str, position: int) -> ContractAdopted:
        adopted = ContractAdopted(
            dataset=contract.dataset,
            contract_version=contract.version,
            digest=contract.digest,
            stewards=contract.stewards,
            adopted_by=user,
            envelope="",
        )
        return signed(adopted, self._signer, position=position)

    def _require_adopted_steward(self, dataset: str, user: str) -> None:
        adoption = self._access.adoption(dataset)
        if adoption is None:
            remedy = "Let one of the stewards that its file names adopt it first."
            raise DecisionConflict(f"{dataset}: its contract is adopted", value="never adopted", remedy=remedy)
        require_steward(dataset, adoption.stewards, user)

    def _require_steward_of_the_same_files(self, contract: Contract, user: str) -> None:
        for name in self._overlaps.of(contract, self._contracts()):
            adoption = self._access.adoption(name)
            if adoption is not None and user not in adoption.stewards:
                raise AuthorityError(
                    f"{contract.dataset}: files of it are files of {name} too, so that a steward of both adopts it",
                    value=f"{user}, no steward of {name}",
                    remedy=f"Let somebody adopt it who is among {', '.join(adoption.stewards)} as well, or correct its "
                    "location (`servers[0]`).",
                )

    def overlapping(self, scope: DatasetScope) -> tuple[str, ...]:
        """The other adopted datasets in which files of that of *scope* lie, links within its folder not followed."""
        contract = self.asked_under(scope)
        return self._overlaps.of(contract, self._contracts(), links=False) if contract else ()

    def _require_readable(self, request: AccessRequested) -> None:
        """The request asks for the adopted contract's columns, treated as that contract says."""
        scope = request.scope
        if scope.contract_digest != self._access.adopted(scope.dataset):
            remedy = "Adopt the version that it asks under, or let another night of the project ask."
            rule = f"{scope.dataset}: a request asks under the contract that is in effect"
            raise DecisionConflict(rule, value=f"asked under {scope.contract_digest}", remedy=remedy)
        require_columns(scope, self._kept.of(scope.dataset, scope.contract_digest, self._contracts()))
