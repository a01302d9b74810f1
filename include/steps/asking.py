"""How a run asks for access: what it lacks, and the requests that it files."""

from collections.abc import Mapping
from datetime import datetime

from include.core.errors import ContractError
from include.core.records import Contract, DatasetScope, Run, Scope
from include.governance.access import Access
from include.steps.platform import Platform, scope_of


def missing_access(platform: Platform, run: Run, *, now: datetime) -> tuple[DatasetScope, ...]:
    """What no grant in force covers at *now*: the gate is open when it is empty."""
    return platform.access.missing(scope_of(platform, run), now=now)


def request_access(platform: Platform, run: Run, *, requester: str, now: datetime) -> tuple[str, ...]:
    """File a request for each dataset that is missing (an identical open one is not doubled); return their ids.

    Raises:
        ContractError: as of :func:`require_grantable`.
    """
    scope = scope_of(platform, run)
    require_grantable(scope, platform.contracts, platform.access)
    return platform.access.request(scope, requester=requester, now=now)


def require_access(platform: Platform, run: Run, *, requester: str, now: datetime, asked: Scope | None = None) -> None:
    """Check that all that *run* reads is granted; file requests for what is not, without waiting.

    They are for *asked*, if it is given: for what the project's nights read, where the run reads less.

    Raises:
        AccessDenied: something is not granted; the message names it, and whom to ask.
        ContractError: as of :func:`require_grantable`.
    """
    scope = scope_of(platform, run)
    if platform.access.missing(scope, now=now):
        scope = asked or scope
        require_grantable(scope, platform.contracts, platform.access)
        platform.access.request(scope, requester=requester, now=now)
    platform.access.require(scope, now=now)


def require_grantable(scope: Scope, contracts: Mapping[str, Contract], access: Access) -> None:
    """Check that *scope* was derived from contracts that are in effect, or that stewards may adopt yet.

    Raises:
        ContractError: a contract was replaced since, or its file is another version by now and nobody adopted the one
            that the scope was derived from: what would be asked under that, nobody could approve.
    """
    changed = [
        dataset.dataset
        for dataset in scope.datasets
        if dataset.contract_digest != access.adopted(dataset.dataset)
        and ((file := contracts.get(dataset.dataset)) is None or file.digest != dataset.contract_digest)
    ]
    if changed:
        replaced = [name for name in changed if name in access.replaced(scope)]
        told = f"the contract was replaced of {', '.join(replaced)}" if replaced else ""
        edited = ", ".join(name for name in changed if name not in replaced)
        raise ContractError(
            f"a run of {scope.project!r} reads under the contracts that it began with",
            value="; ".join(filter(None, (told, f"another version lies in the file of {edited}" if edited else ""))),
            remedy="Start another run: it asks under the version that the file holds now, and what did not change is "
            "not computed again. Or restore the file.",
        )
